"""Flows of zuko."""

from __future__ import annotations

import math
import os
from functools import partial
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..model import Model
from .assembly import Assembly, Dense, Family, Mlp, refuse
from .pytorch import array, mlp, precision

_KNOWN = "known are GeneralCouplingTransform and MaskedAutoregressiveTransform"


def import_zuko(
    flow: Any, out: str | os.PathLike[str] | None = None, *, force: bool = False
) -> Model:
    """A trained flow of zuko as a run, with the same density.

    flow: a ``zuko.flows.MAF``, ``NSF``, ``NICE`` or ``RealNVP``, or a ``zuko.lazy.Flow`` of their
        transforms, affine or spline alike, on a DiagNormal; with a condition or without, with any
        order and passes. Columns are x0, x1, ..., those of a condition c0, c1, ...
    out: folder of the run; None: a temporary one, which goes with the model. force: replace it.

    Log densities agree with those of zuko to the rounding of float. Raises ConfigError that names
    what cannot be mapped: circular splines, neural and polynomial transforms, residual networks,
    other bases, rotations.
    """
    if not (hasattr(flow, "transform") and hasattr(flow, "base")):
        raise ConfigError(f"flow: expected a Flow of zuko, got a {type(flow).__name__}")
    transforms = list(getattr(flow.transform, "transforms", [flow.transform]))
    families = [_family(transform) for transform in transforms]
    for family in families:
        if family != families[0]:
            raise refuse("transforms", f"they differ: {families[0]} and {family}")
    mean, log_scale = _base(flow.base)
    sizes = {_context(transform, len(mean)) for transform in transforms}
    if len(sizes) > 1:
        raise refuse("transforms", f"they have conditions of different sizes: {sorted(sizes)}")
    assembly = Assembly(len(mean), sizes.pop(), families[0])
    for transform in transforms:
        _add(assembly, transform)
    assembly.close()
    assembly.base(mean, log_scale)
    return assembly.write(out, force, precision(flow))


def _base(base: Any) -> tuple[Any, Any]:
    meta = getattr(base, "meta", None) or getattr(base, "f", None)
    name = getattr(meta, "__name__", type(base).__name__)
    if name != "DiagNormal":
        raise refuse(f"base {name}", "only DiagNormal can be")
    found = base(None).base_dist
    mean, scale = array(found.loc), array(found.scale)
    return mean, np.log(scale)


def _family(transform: Any) -> Family:
    """Which map it is, by its univariate transformation and that one's options."""
    name = type(transform).__name__
    if name == "GeneralCouplingTransform":
        kinds = ("real_nvp", "spline")
    elif name == "MaskedAutoregressiveTransform":
        kinds = ("autoregressive_affine", "autoregressive_spline")
    else:
        raise refuse(name, _KNOWN)
    univariate = transform.univariate
    options: dict[str, Any] = {}
    while isinstance(univariate, partial):
        if univariate.args:
            raise refuse(name, "its univariate transformation has arguments without names")
        options = {**univariate.keywords, **options}
        univariate = univariate.func
    called = str(getattr(univariate, "__name__", type(univariate).__name__))
    if called not in ("MonotonicAffineTransform", "MonotonicRQSTransform"):
        raise refuse(called, "known are MonotonicAffineTransform and MonotonicRQSTransform")
    slope = float(options.pop("slope", 1e-3))
    bound = float(options.pop("bound", 5.0))
    if not math.isclose(slope, 1e-3):
        raise refuse(f"{called}(slope={slope})", "only 0.001 can be")
    if options:
        raise refuse(called, f"its options {sorted(options)} are not known")
    shapes = [tuple(shape) for shape in transform.shapes]
    if called == "MonotonicAffineTransform":
        return Family(kinds[0], {"scale_map": "soft_clip"}, 2)
    bins = shapes[0][0]
    settings = {"scale_map": "soft_clip", "bins": bins, "tail_bound": bound}
    return Family(kinds[1], settings, 3 * bins - 1)


def _context(transform: Any, features: int) -> int:
    first = next(layer for layer in transform.hyper if hasattr(layer, "weight"))
    seen = features
    if type(transform).__name__ == "GeneralCouplingTransform":
        seen = int(transform.mask.sum())
    return int(first.weight.shape[1]) - seen


def _by_parameter(layer: Dense, count: int) -> Dense:
    """Rows of features x parameters as those of parameters x features."""
    weights = layer.weights.reshape(-1, count, layer.weights.shape[1])
    return Dense(
        np.swapaxes(weights, 0, 1).reshape(layer.weights.shape),
        layer.bias.reshape(-1, count).T.reshape(-1),
    )


def _add(assembly: Assembly, transform: Any) -> None:
    name = type(transform).__name__
    count = assembly.family.parameters
    network = mlp(transform.hyper, name)
    last = _by_parameter(network.layers[-1], count)
    if name == "GeneralCouplingTransform":
        mask = array(transform.mask)
        network = Mlp([*network.layers[:-1], last], network.activation)
        assembly.coupling(
            np.flatnonzero(mask > 0).tolist(), np.flatnonzero(mask == 0).tolist(), network
        )
        return
    features = assembly.features
    order = _order(transform, features)
    first = network.layers[0]
    columns = np.concatenate([order, np.arange(features, features + assembly.context)])
    rows = np.concatenate([parameter * features + order for parameter in range(count)])
    layers = [Dense(first.weights[:, columns], first.bias), *network.layers[1:-1]]
    layers.append(Dense(last.weights[rows], last.bias[rows]))
    assembly.autoregressive(order.tolist(), Mlp(layers, network.activation))


def _order(transform: Any, features: int) -> Any:
    """The features in an order in which each depends on some before it."""
    if transform.order is not None:
        return np.argsort(array(transform.order), kind="stable")
    raise refuse("MaskedAutoregressiveTransform(adjacency=...)", "only orders can be")
