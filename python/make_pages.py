"""Writes docs/python_api.md from the package's docstrings and examples/quick_start.ipynb from
examples/quick_start.py. Needs Python alone; a test says when they are out of date."""

from __future__ import annotations

import ast
import json
from pathlib import Path

FOLDER = Path(__file__).parent
PACKAGE = FOLDER / "thalweg"
API = FOLDER.parent / "docs" / "python_api.md"
SCRIPT = FOLDER / "examples" / "quick_start.py"
NOTEBOOK = SCRIPT.with_suffix(".ipynb")

# Modules in the order of the page, by the names that users call what is in them.
MODULES = {
    "thalweg": ["fitting", "inference", "model", "imports/normflows", "imports/zuko", "threading"],
    "thalweg.errors": ["errors"],
    "thalweg.energies": ["energies"],
    "thalweg.sklearn": ["sklearn"],
    "thalweg.torch": ["torch"],
    "thalweg.arviz": ["arviz"],
    "thalweg.ase": ["ase"],
    "thalweg.openmm": ["openmm"],
}

Function = ast.FunctionDef


def public_names() -> set[str]:
    """What ``from thalweg import *`` gives."""
    for node in ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError("no __all__")


def signature(function: Function, name: str) -> str:
    """A call as one writes it, without annotations."""
    bare = function.args
    for each in [*bare.posonlyargs, *bare.args, *bare.kwonlyargs, bare.vararg, bare.kwarg]:
        if each is not None:
            each.annotation = None
    bare.args = [each for each in bare.args if each.arg != "self"]
    return f"{name}({ast.unparse(bare)})"


def entry(title: str, text: str | None, depth: int) -> list[str]:
    """A heading with a docstring as it stands."""
    if not text:
        return []
    return [f"{'#' * depth} `{title}`", "", "```text", text.strip(), "```", ""]


def describe_class(node: ast.ClassDef, name: str) -> list[str]:
    """A class with its public methods and properties."""
    made = next((f for f in node.body if isinstance(f, Function) and f.name == "__init__"), None)
    hidden = name.endswith("Model") or made is None
    lines = entry(name if hidden else signature(made, name), ast.get_docstring(node), 3)
    for each in node.body:
        if not isinstance(each, Function) or each.name.startswith("_"):
            continue
        is_property = any(ast.unparse(mark) == "property" for mark in each.decorator_list)
        own = f"{name.split('.')[-1]}.{each.name}"
        title = own if is_property else signature(each, own)
        lines += entry(title, ast.get_docstring(each), 4)
    return lines


def api_page() -> str:
    """The whole page."""
    names = public_names()
    lines = [
        "# The Python package, name by name",
        "",
        "Made from the docstrings by `python/make_pages.py`; [python.md](python.md) has examples.",
        "",
    ]
    for module, files in MODULES.items():
        lines += [f"## {module}", ""]
        for number, file in enumerate(files):
            tree = ast.parse((PACKAGE / f"{file}.py").read_text(encoding="utf-8"))
            about = ast.get_docstring(tree)
            if module != "thalweg" and number == 0 and about:
                lines += ["```text", about.strip(), "```", ""]
            for node in tree.body:
                if not isinstance(node, (ast.ClassDef, Function)):
                    continue
                if node.name.startswith("_") or (module == "thalweg" and node.name not in names):
                    continue
                name = f"{module}.{node.name}"
                if isinstance(node, ast.ClassDef):
                    lines += describe_class(node, name)
                else:
                    lines += entry(signature(node, name), ast.get_docstring(node), 3)
    return "\n".join(lines).rstrip() + "\n"


def notebook() -> str:
    """The quick start in cells: a comment at the margin after a blank line begins one."""
    text = SCRIPT.read_text(encoding="utf-8")
    about = ast.get_docstring(ast.parse(text)) or ""
    body = text.split('"""\n', 1)[1].lstrip("\n")
    cells: list[list[str]] = [[]]
    lines = body.splitlines(keepends=True)
    for number, line in enumerate(lines):
        if line.startswith("# ") and number > 0 and lines[number - 1] == "\n":
            cells.append([])
        cells[-1].append(line)
    shown = [{"cell_type": "markdown", "id": "about", "metadata": {}, "source": [about]}]
    for number, cell in enumerate(cells):
        code = "".join(cell).strip("\n").splitlines(keepends=True)
        shown.append(
            {
                "cell_type": "code",
                "execution_count": None,
                "id": f"cell{number}",
                "metadata": {},
                "outputs": [],
                "source": code,
            }
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    page = {"cells": shown, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(page, indent=1) + "\n"


if __name__ == "__main__":
    API.write_text(api_page(), encoding="utf-8")
    NOTEBOOK.write_text(notebook(), encoding="utf-8")
