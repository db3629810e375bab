"""Exceptions by kind. All that the package raises on purpose is an ``Error`` or ``Interrupted``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .model import Model


class Error(Exception):
    """Base of the exceptions below; the message says where, what was expected, and what to do."""


class ShapeError(Error, ValueError):
    """An array of another shape than what it is used with."""


class ConfigError(Error, ValueError):
    """A setting or an argument that is unknown, of the wrong kind or out of range."""


class DataError(Error, ValueError):
    """Data or a file that cannot be read, written or used."""


class NumericalError(Error, RuntimeError):
    """A computation that left the finite numbers or did not converge."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a training, which stopped after a step.

    ``model`` is the model as it was then, None if there was none yet; ``folder`` is where its run
    is, to go on with by ``thalweg.fit(..., out=folder, resume=True)``.
    """

    def __init__(self, message: str, model: Model | None = None, folder: str = "") -> None:
        super().__init__(message)
        self.model = model
        self.folder = folder
