"""What the tests share: data, the tool, and a model that is trained once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import thalweg

# Jobs in the background ignore it, and so would the programs of the tests of interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

SMALL = {
    "flow.kind": "real_nvp",
    "flow.blocks": 4,
    "flow.hidden": [16],
    "training.iterations": 60,
    "training.batch_size": 128,
}


def banana(rows: int, seed: int = 1) -> np.ndarray:
    """Two columns, the second bent about the first."""
    random = np.random.default_rng(seed)
    x = random.normal(size=rows)
    return np.column_stack([3.0 + 2.0 * x, x**2 + 0.3 * random.normal(size=rows)])


@pytest.fixture(scope="session")
def data() -> np.ndarray:
    return banana(600)


@pytest.fixture(scope="session")
def model(data: np.ndarray) -> thalweg.Model:
    return thalweg.fit(data, settings=SMALL)


@pytest.fixture(scope="session")
def tool() -> Callable[..., str]:
    """Calls the command-line tool, at ``tool.binary``, which must succeed; gives what it printed."""
    binary = os.environ.get("THALWEG_BINARY") or shutil.which("thalweg")
    if not binary:
        pytest.skip("the command-line tool is not there: name it in THALWEG_BINARY")

    def call(*arguments: object) -> str:
        done = subprocess.run(
            [binary, *map(str, arguments)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    call.binary = binary
    return call


def assignments(settings: dict[str, object]) -> list[str]:
    """Settings as the tool takes them."""
    return [part for key, value in settings.items() for part in ("--set", f"{key}={value}")]


def read(path: Path | str) -> bytes:
    return Path(path).read_bytes()
