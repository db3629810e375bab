"""The quick start runs in a kernel of Jupyter, where models and progress show themselves."""

from __future__ import annotations

import base64
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, banana

import thalweg

NOTEBOOK = Path(__file__).parents[1] / "examples" / "quick_start.ipynb"
MISSING = "needs a kernel of Jupyter: pip install nbclient ipykernel"


class Tags(HTMLParser):
    """Reads HTML whose tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.pictures: list[str] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag == "img":
            self.pictures.append(str(dict(attrs)["src"]))
        else:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def check_pictures(page: Tags) -> None:
    """PNG images, where gnuplot draws any."""
    assert len(page.pictures) == (1 if shutil.which("gnuplot") else 0)
    for picture in page.pictures:
        kind, data = picture.split(",", 1)
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data, validate=True).startswith(b"\x89PNG\r\n")


# Jupyter's own packages warn of each other.
@pytest.mark.filterwarnings("default")
def test_the_notebook_runs(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat", reason=MISSING)
    nbclient = pytest.importorskip("nbclient", reason=MISSING)
    pytest.importorskip("ipykernel", reason=MISSING)
    for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    text = NOTEBOOK.read_text(encoding="utf-8").replace("time_budget=20", "time_budget=5")
    notebook = nbformat.reads(text, as_version=4)
    nbformat.validate(notebook)
    notebook.cells.append(nbformat.v4.new_code_cell("page = model.report()\nmodel"))
    client = nbclient.NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()  # raises what a cell raises
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    said = "".join(output.text for output in outputs if output.get("name") == "stdout")
    assert "<thalweg.Model columns 2: r, phi" in said
    assert 0.3 < float(said.split("share of the right well: ")[1].split()[0]) < 0.7
    # A bar that is taken away again, and nothing else.
    bars = "".join(output.text for output in outputs if output.get("name") == "stderr")
    assert "steps/s" in bars
    assert all(re.fullmatch(r" *\d+% \[[# ]{20}\].*| *|\n?", line) for line in bars.split("\r"))
    (shown,) = [output for output in outputs if output.output_type == "execute_result"]
    assert shown.data["text/plain"].startswith("<thalweg.Model columns 2: r, phi")
    page = Tags(shown.data["text/html"])
    assert page.seen[:3] == ["table", "caption", "tr"] and "2: r, phi" in page.text
    check_pictures(page)


def test_html_shows_names_as_they_are(tmp_path):
    data = banana(300)
    model = thalweg.fit(data, tmp_path / "run", names=["a<b>", '"&c'], settings=SMALL, report=True)
    page = Tags(model._repr_html_())
    assert '2: a<b>, "&c' in page.text
    assert str(tmp_path / "run") in page.text
    check_pictures(page)
    # Without a report there is no picture.
    plain = thalweg.fit(np.abs(data), settings=SMALL)
    assert "img" not in Tags(plain._repr_html_()).seen
