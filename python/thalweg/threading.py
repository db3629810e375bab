"""How many threads the library works with."""

from __future__ import annotations

from . import _core
from .errors import ConfigError

_default = 0


def number(threads: int | None = None) -> int:
    """The number that was asked for, else the default; 0: one a processor."""
    if threads is None:
        return _default
    if not 0 <= threads <= 1024:
        raise ConfigError(f"threads: expected a number from 0 (all) to 1024, got {threads}")
    return int(threads)


def set_threads(threads: int) -> None:
    """Sets how many threads trainings, and models made from now on, work with; 0: one a processor.

    Results do not depend on it.
    """
    global _default
    _default = number(threads)


def get_threads() -> int:
    """How many threads trainings, and models made from now on, work with."""
    return _default or _core.available_processors()
