"""The quick start runs and prints what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "examples" / "quick_start.py"


def test_the_quick_start():
    text = SCRIPT.read_text(encoding="utf-8").replace("time_budget=20", "time_budget=5")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert "<thalweg.Model columns 2: r, phi" in done.stdout
    share = float(done.stdout.split("share of the right well: ")[1].split()[0])
    assert 0.3 < share < 0.7
