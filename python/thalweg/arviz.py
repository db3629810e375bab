"""Markov chains of a model for ArviZ."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from .errors import ConfigError
from .model import Model
from .points import condition_columns


def inference_data(
    model: Model,
    draws: int = 1000,
    *,
    chains: int = 4,
    sampler: str = "mala",
    condition: Any = None,
    **options: Any,
) -> Any:
    """Chains in latent space as ArviZ's InferenceData (since ArviZ 1.0 a DataTree).

    Group "posterior" has each column, chains x draws; "sample_stats" has lp, the model's log density
    in nats. What the sampler found, acceptance, step sizes and the density that it sampled, is in the
    attributes. sampler, condition and other options as of ``Model.sample``: thinning, burn_in, seed,
    density.

    Raises ConfigError for samplers without chains and for molecules, ImportError without ArviZ.
    """
    if sampler in ("naive", "importance", "annealed"):
        raise ConfigError(f"sampler: expected one with chains, as mala, got {sampler!r}")
    if model.atom_count > 0:
        raise ConfigError(f"{model.path}: expected a model of a table, this is one of a molecule")
    samples, info = model.sample(
        chains * draws, condition, sampler=sampler, chains=chains, info=True, **options
    )
    if condition is not None:
        # Chains take its rows in turn, and draws come of all chains in turn.
        rows = np.arange(chains * draws) % chains
        given = condition_columns(condition, model.condition_columns)
        condition = {name: values[rows % len(values)] for name, values in given.items()}
    log_prob = model.log_prob(dict(zip(model.sample_columns, samples.T)), condition)
    by_chain = samples.reshape(draws, chains, -1).transpose(1, 0, 2)
    posterior = {name: by_chain[:, :, number] for number, name in enumerate(model.sample_columns)}
    groups = {
        "posterior": posterior,
        "sample_stats": {"lp": log_prob.reshape(draws, chains).T},
    }
    attributes = {"inference_library": "thalweg", "sampler": sampler}
    found = info["chains"]
    attributes |= {key: found[key] for key in ("target", "burn_in", "thinning")}
    attributes |= {
        f"acceptance_{name}": each["acceptance"] for name, each in found["kernels"].items()
    }
    try:
        arviz: Any = import_module("arviz_base")
    except ImportError:
        arviz = import_module("arviz")
        return arviz.from_dict(**groups, attrs=attributes)
    return arviz.from_dict(groups, attrs=dict.fromkeys(groups, attributes))
