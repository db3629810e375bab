"""Normalizing flows that cope with hard topology.

>>> model = thalweg.fit(data)                 # an array, a DataFrame, a dictionary of columns
>>> model.sample(1000)                        # draws, in the units of the data
>>> model.log_prob(data[:10])                 # log densities in nats
>>> model.evaluate()                          # held-out likelihood beside plain models
>>> model.save("runs/points")                 # a run, as of the command-line tool
>>> thalweg.load("runs/points")

``infer`` learns posteriors from a simulator, ``import_normflows`` and ``import_zuko`` take trained
models of these libraries. ``fit_energy`` learns exp(-energy) of an expression or a Python function. What the library warns of
goes to the logger "thalweg".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import _core, energies
from .errors import ConfigError, DataError, Error, Interrupted, NumericalError, ShapeError
from .fitting import fit, fit_energy
from .model import Model, load
from .threading import get_threads, set_threads

if TYPE_CHECKING:
    from .imports.normflows import import_normflows
    from .imports.zuko import import_zuko
    from .inference import infer

__version__: str = _core.version

__all__ = [
    "ConfigError",
    "DataError",
    "Error",
    "Interrupted",
    "Model",
    "NumericalError",
    "ShapeError",
    "energies",
    "fit",
    "fit_energy",
    "get_threads",
    "import_normflows",
    "import_zuko",
    "infer",
    "load",
    "set_threads",
]

# What few programs need is imported once it is asked for.
_LATER = {
    "import_normflows": "imports.normflows",
    "import_zuko": "imports.zuko",
    "infer": "inference",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'thalweg' has no attribute '{name}'")
    from importlib import import_module

    found = getattr(import_module(f".{_LATER[name]}", __name__), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
