"""Pages made from the package are those of its docstrings; the notebook is the quick start."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

FOLDER = Path(__file__).parents[1]
PAGES = runpy.run_path(str(FOLDER / "make_pages.py"))
ADVICE = "is out of date: run python/make_pages.py"


def test_the_page_of_names_is_that_of_the_docstrings():
    page = PAGES["api_page"]()
    assert (FOLDER.parent / "docs" / "python_api.md").read_text() == page, ADVICE
    for name in (
        "thalweg.fit(",
        "Model.log_prob(",
        "thalweg.infer(",
        "thalweg.ase.FlowCalculator(",
    ):
        assert name in page


def test_the_notebook_is_the_quick_start_that_another_test_runs():
    text = (FOLDER / "examples" / "quick_start.ipynb").read_text()
    assert text == PAGES["notebook"](), ADVICE
    cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    code = "\n".join("".join(cell) for cell in cells)
    script = (FOLDER / "examples" / "quick_start.py").read_text().split('"""\n', 1)[1]
    assert len(cells) >= 4
    assert [line for line in code.splitlines() if line] == [
        line for line in script.splitlines() if line
    ]
    compile(code, "quick_start.ipynb", "exec")
