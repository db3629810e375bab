"""Normalizing flows that cope with hard topology.

>>> model = thalweg.fit(data)                 # an array, a DataFrame, a dictionary of columns
>>> model.sample(1000)                        # draws, in the units of the data
>>> model.log_prob(data[:10])                 # log densities in nats
>>> model.evaluate()                          # held-out likelihood beside plain models
>>> model.save("runs/points")                 # a run, as of the command-line tool
>>> thalweg.load("runs/points")

``fit_energy`` learns exp(-energy) of an expression or a Python function. What the library warns of
goes to the logger "thalweg".
"""

from __future__ import annotations

from . import _core, energies
from .errors import ConfigError, DataError, Error, Interrupted, NumericalError, ShapeError
from .fitting import fit, fit_energy
from .imports.normflows import import_normflows
from .model import Model, load
from .threading import get_threads, set_threads

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
    "load",
    "set_threads",
]
