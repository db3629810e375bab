"""The package and its examples are typed throughout."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import thalweg


@pytest.mark.skipif(
    importlib.util.find_spec("mypy") is None, reason="mypy is not installed: pip install mypy"
)
def test_mypy_finds_nothing(tmp_path):
    package = Path(thalweg.__file__).parent
    assert (package / "_core.pyi").exists() and (package / "py.typed").exists()
    examples = sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mypy",
            "--strict",
            "--no-error-summary",
            "--ignore-missing-imports",  # of optional packages that are not installed
            f"--cache-dir={tmp_path}",
            str(package),
            *map(str, examples),
        ],
        cwd=tmp_path,
        env=dict(os.environ, MYPYPATH=str(package.parent)),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
