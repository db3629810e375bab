"""Simulation-based inference: posteriors of parameters, learnt from a simulator's runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ConfigError, DataError, ShapeError
from .fitting import fit
from .model import Model, tell
from .points import Columns, columns_of, matrix

Array = npt.NDArray[np.float64]
Prior = Callable[[int, np.random.Generator], Any]


def infer(
    simulator: Callable[[Array], Any],
    prior: Mapping[str, tuple[float, float]] | Prior,
    simulations: int = 10000,
    out: str | os.PathLike[str] | None = None,
    *,
    bounds: Any = None,
    seed: int | None = None,
    **options: Any,
) -> Model:
    """Learns the posterior of parameters given any observation: neural posterior estimation.

    simulator: takes parameters, n x k, and gives n observations, n x m, drawn at random.
    prior: where parameters are drawn from: ranges of a uniform prior by name, {"rate": (0, 2)},
        which bound the posterior, or a function of a number n and a NumPy generator that gives n
        rows, as an array (parameters theta0, theta1, ...), a dictionary or a DataFrame.
    seed: of the prior's draws and the training; None: 1, or that of the settings for the training.
    simulations: how many. Those whose observations are not finite are left out and told of.
    bounds: of a function's parameters, as in ``fit``; all other options as there, but for resume:
        ``thalweg.fit(out=..., resume=True)`` goes on with what was simulated.

    The model's columns are the parameters, its condition the observations c0, c1, ...:
    ``posterior.sample(1000, condition=observed)``, ``posterior.log_prob(theta, observed)``.

    Raises what simulator and prior raise; ConfigError for no simulations and for resume, ShapeError
    where they give other numbers of rows, DataError where fewer than half of the observations are
    finite, and as ``fit``.
    """
    if int(simulations) < 1:
        raise ConfigError(f"simulations: expected at least 1, got {simulations}")
    if options.get("resume"):
        raise ConfigError(
            "resume: expected a new inference, got one to go on with; thalweg.fit(out=..., "
            "resume=True) does, with what was simulated"
        )
    random = np.random.default_rng(1 if seed is None else seed)
    theta = _drawn(prior, int(simulations), random)
    if isinstance(prior, Mapping):
        bounds = dict(prior) if bounds is None else bounds
    rows = np.column_stack([theta[name] for name in theta]).astype(np.float64)
    observed = matrix(simulator(rows.copy()), "simulator")
    if len(observed) != len(rows):
        raise ShapeError(
            f"simulator: expected {len(rows)} rows of observations, got {len(observed)}"
        )
    finite = np.all(np.isfinite(observed), axis=1)
    if finite.sum() < 0.5 * len(rows):
        raise DataError(
            f"simulator: {len(rows) - finite.sum()} of {len(rows)} observations are not finite; "
            "is the prior too wide?"
        )
    if not finite.all():
        tell(
            [
                f"{len(rows) - finite.sum()} of {len(rows)} simulations have observations that are "
                "not finite and are left out, which the prior of the posterior does not know"
            ]
        )
    return fit(
        {name: values[finite] for name, values in theta.items()},
        out,
        condition={f"c{i}": observed[finite, i] for i in range(observed.shape[1])},
        bounds=bounds,
        seed=seed,
        **options,
    )


def _drawn(prior: Any, count: int, random: np.random.Generator) -> Columns:
    if isinstance(prior, Mapping):
        drawn: Columns = {}
        for name, (lower, upper) in prior.items():
            if not -np.inf < lower < upper < np.inf:
                raise ConfigError(f"prior: expected a finite range of {name}, got {lower}, {upper}")
            drawn[str(name)] = random.uniform(lower, upper, count)
        return drawn
    if not callable(prior):
        raise ConfigError(
            f"prior: expected ranges by name or a function, got a {type(prior).__name__}"
        )
    given = prior(count, random)
    columns = columns_of(given, "prior")
    if columns is None:
        array = matrix(given, "prior")
        columns = {f"theta{i}": array[:, i] for i in range(array.shape[1])}
    rows = len(next(iter(columns.values())))
    if rows != count:
        raise ShapeError(f"prior: expected {count} rows of parameters, got {rows}")
    return columns
