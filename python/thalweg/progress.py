"""How far something is: a bar on a terminal or in a notebook, or calls of a function."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

_WIDTH = 100
_BAR = 20


class Bar:
    """One line on standard error that is written anew, and taken away at the end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._length = 0

    def __call__(self, told: dict[str, Any]) -> None:
        share = min(max(told["share"], 0.0), 1.0)
        done = int(share * _BAR)
        line = f"{100 * share:3.0f}% [{'#' * done}{' ' * (_BAR - done)}] {told['text']}"[:_WIDTH]
        self._stream.write("\r" + line.ljust(self._length))
        self._stream.flush()
        self._length = len(line)

    def clear(self) -> None:
        if self._length > 0:
            self._stream.write("\r" + " " * self._length + "\r")
            self._stream.flush()
        self._length = 0


def display(progress: bool | Callable[[dict[str, Any]], object] | None) -> Any:
    """What tells of progress: None shows a bar to people alone, True does in any case."""
    if callable(progress):
        return progress
    people = sys.stderr is not None and (sys.stderr.isatty() or "ipykernel" in sys.modules)
    if progress or (progress is None and people):
        return Bar(sys.stderr)
    return None
