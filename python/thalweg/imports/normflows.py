"""Models of normflows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import ConfigError
from ..model import Model
from .assembly import Assembly, Dense, Family, Mlp, Residual, refuse
from .pytorch import activation_name, array, dense, mlp, precision

# Slopes of splines: normflows has softplus(raw) + 1e-3, a run softplus(raw + this) + 1e-3.
_UNIT_SLOPE = float(np.log(np.exp(1 - 1e-3) - 1))


def import_normflows(
    model: Any, out: str | os.PathLike[str] | None = None, *, force: bool = False
) -> Model:
    """A trained ``normflows.NormalizingFlow`` as a run, with the same density.

    model: of AffineCouplingBlock (with scale_map "exp", or no scale) and MaskedAffineFlow with
        perceptrons, or of CoupledRationalQuadraticSpline, and of Permute, ActNorm, AffineConstFlow
        and LULinearPermute, on a DiagGaussian or a GaussianMixture; a ConditionalNormalizingFlow's
        splines too. Columns are x0, x1, ..., those of a condition c0, c1, ...
    out: folder of the run; None: a temporary one, which goes with the model. force: replace it.

    Log densities agree with those of normflows to the rounding of float. A mask that moves more than
    half of an odd number of features takes two blocks. Raises ConfigError that names what cannot be
    mapped: images, circular and autoregressive layers, batch normalisation, residual flows, other
    bases.
    """
    if type(model).__name__ not in ("NormalizingFlow", "ConditionalNormalizingFlow"):
        raise ConfigError(
            f"model: expected a NormalizingFlow of normflows, got a {type(model).__name__}"
        )
    layers = list(_layers(model.flows))
    assembly = Assembly(_features(model.q0), _context(layers), _family(layers))
    for layer in reversed(layers):
        _add(assembly, layer)
    assembly.close()
    _add_base(assembly, model.q0)
    return assembly.write(out, force, precision(model))


def _layers(flows: Any) -> Iterator[Any]:
    for layer in flows:
        if type(layer).__name__ == "Composite":
            yield from _layers(layer._flows)
        else:
            yield layer


def _features(base: Any) -> int:
    for name in ("loc", "dim", "d"):
        if hasattr(base, name):
            value = getattr(base, name)
            if isinstance(value, int):
                return value
            if value.dim() in (2, 3) and value.shape[0] == 1:
                return int(value.shape[-1])
    raise refuse(type(base).__name__, "known bases are DiagGaussian and GaussianMixture")


def _context(layers: list[Any]) -> int:
    found = {
        layer.prqct.transform_net.context_features or 0
        for layer in layers
        if hasattr(layer, "prqct")
    }
    if len(found) > 1:
        raise refuse("layers", f"they have conditions of different sizes: {sorted(found)}")
    return int(found.pop()) if found else 0


def _family(layers: list[Any]) -> Family:
    """Affine couplings or splines, whose settings must agree."""
    found: list[Family] = []
    settings: dict[str, Any]
    for layer in layers:
        name = type(layer).__name__
        if name == "AffineCouplingBlock":
            coupling = layer.flows[1]
            if coupling.scale and coupling.scale_map != "exp":
                raise refuse(
                    f"AffineCouplingBlock(scale_map='{coupling.scale_map}')", "only exp can be"
                )
            scaled = bool(coupling.scale)
            settings = {"scale_map": "exp" if scaled else "none"}
            found.append(Family("real_nvp", settings, 2 if scaled else 1))
        elif name == "MaskedAffineFlow":
            found.append(Family("real_nvp", {"scale_map": "exp"}, 2))
        elif name == "CoupledRationalQuadraticSpline":
            spline = layer.prqct
            if spline.tails != "linear":
                raise refuse(f"{name}(tails={spline.tails!r})", "only linear tails can be")
            if {spline.min_bin_width, spline.min_bin_height, spline.min_derivative} != {1e-3}:
                raise refuse(name, "its smallest widths, heights and slopes are not 0.001")
            settings = {"bins": int(spline.num_bins), "tail_bound": float(spline.tail_bound)}
            found.append(Family("spline", settings, 3 * int(spline.num_bins) - 1))
    if not found:
        raise ConfigError("model: expected a flow with couplings, got none that is known")
    for family in found:
        if family != found[0]:
            raise refuse("layers", f"their kinds or settings differ: {found[0]} and {family}")
    return found[0]


def _add(assembly: Assembly, layer: Any) -> None:
    name = type(layer).__name__
    features = range(assembly.features)
    if name == "Permute":
        if layer.mode == "shuffle":
            assembly.permute(array(layer.inv_perm).astype(int).tolist())
        else:
            half = (assembly.features + 1) // 2
            assembly.permute([*features[half:], *features[:half]])
    elif name in ("ActNorm", "AffineConstFlow"):
        if name == "ActNorm" and not layer.data_dep_init_done > 0:
            raise refuse("ActNorm", "it has not seen a batch yet")
        shape = (assembly.features,)
        if array(layer.s).reshape(-1).shape != shape:
            raise refuse(name, f"its shape is {tuple(layer.s.shape)}")
        assembly.scale(array(layer.t).reshape(shape), array(layer.s).reshape(shape))
    elif name == "LULinearPermute":
        assembly.permute(array(layer.permutation._permutation).astype(int).tolist())
        lower, upper = layer.linear._create_lower_upper()
        assembly.linear(array(lower) @ array(upper), array(layer.linear.bias))
    elif name == "AffineCouplingBlock":
        _add_affine(assembly, layer)
    elif name == "MaskedAffineFlow":
        _add_masked(assembly, layer)
    elif name == "CoupledRationalQuadraticSpline":
        _add_spline(assembly, layer.prqct)
    else:
        raise refuse(name, "see help(thalweg.import_normflows) for what can be")


def _add_affine(assembly: Assembly, layer: Any) -> None:
    features = list(range(assembly.features))
    half = (assembly.features + 1) // 2  # as chunk() divides
    mode = layer.flows[0].mode
    if mode == "channel":
        kept, moved = features[:half], features[half:]
    elif mode == "channel_inv":
        kept, moved = features[half:], features[:half]
    else:
        raise refuse(
            f"AffineCouplingBlock(split_mode='{mode}')", "only channel and channel_inv can be"
        )
    network = mlp(_sequence(layer.flows[1].param_map), "AffineCouplingBlock")
    if assembly.family.parameters == 2:  # shift and scale in turns
        last = network.layers[-1]
        turns = np.concatenate([np.arange(0, len(last.bias), 2), np.arange(1, len(last.bias), 2)])
        network.layers[-1] = Dense(last.weights[turns], last.bias[turns])
    assembly.coupling(kept, moved, network)


def _sequence(network: Any) -> Any:
    if type(network).__name__ == "MLP":
        return network.net
    if type(network).__name__ == "Sequential":
        return network
    raise refuse(f"network {type(network).__name__}", "only MLP and Sequential can be")


def _add_masked(assembly: Assembly, layer: Any) -> None:
    mask = array(layer.b).reshape(-1)
    kept, moved = np.flatnonzero(mask == 1), np.flatnonzero(mask == 0)
    if len(kept) + len(moved) != assembly.features or not len(moved) or not len(kept):
        raise refuse("MaskedAffineFlow", f"its mask is {mask.tolist()}")
    parts: list[Mlp | None] = []
    for part in (layer.t, layer.s):
        if not hasattr(part, "parameters"):
            parts.append(None)
            continue
        network = mlp(_sequence(part), "MaskedAffineFlow")
        first, last = network.layers[0], network.layers[-1]
        network.layers[0] = Dense(first.weights[:, kept], first.bias)
        last = network.layers[-1]
        network.layers[-1] = Dense(last.weights[moved], last.bias[moved])
        parts.append(network)
    assembly.coupling(list(kept), list(moved), _side_by_side(parts, len(kept), len(moved)))


def _side_by_side(parts: list[Mlp | None], inputs: int, outputs: int) -> Mlp:
    """One network for shift and scale, of which one may be 0."""
    known = [part for part in parts if part is not None]
    if not known:
        return Mlp(
            [
                Dense(np.zeros((1, inputs)), np.zeros(1)),
                Dense(np.zeros((2 * outputs, 1)), np.zeros(2 * outputs)),
            ],
            "relu",
        )
    if len({len(part.layers) for part in known}) > 1 or len({p.activation for p in known}) > 1:
        raise refuse("MaskedAffineFlow", "its two networks differ in depth or activation")
    layers = []
    depth = len(known[0].layers)
    for number in range(depth):
        own = [part.layers[number] if part is not None else None for part in parts]
        if number == depth - 1:
            own = [each or Dense(np.zeros((outputs, 0)), np.zeros(outputs)) for each in own]
        here = [each for each in own if each is not None]
        bias = np.concatenate([each.bias for each in here])
        if number == 0:
            layers.append(Dense(np.concatenate([each.weights for each in here]), bias))
            continue
        weights = np.zeros((len(bias), sum(each.weights.shape[1] for each in here)))
        row = column = 0
        for each in here:
            rows, columns = each.weights.shape
            weights[row : row + rows, column : column + columns] = each.weights
            row, column = row + rows, column + columns
        layers.append(Dense(weights, bias))
    return Mlp(layers, known[0].activation)


def _add_spline(assembly: Assembly, coupling: Any) -> None:
    kept = array(coupling.identity_features).astype(int).tolist()
    moved = array(coupling.transform_features).astype(int).tolist()
    own = coupling.transform_net
    if own.preprocessing is not None:
        raise refuse("CoupledRationalQuadraticSpline", "its network has a preprocessing")
    bins, count = coupling.num_bins, 3 * coupling.num_bins - 1
    blocks: list[tuple[Dense, Dense, Dense | None]] = []
    for block in own.blocks:
        if block.use_batch_norm:
            raise refuse("CoupledRationalQuadraticSpline", "its network has batch normalisation")
        first, second = (dense(layer) for layer in block.linear_layers)
        gate = dense(block.context_layer) if assembly.context else None
        blocks.append((first, second, gate))
    final = dense(own.final_layer)
    weights = final.weights.reshape(len(moved), count, -1)
    bias = final.bias.reshape(len(moved), count).copy()
    shrink = np.ones(count)
    shrink[: 2 * bins] = 1 / np.sqrt(own.hidden_features)
    weights, bias = weights * shrink[:, np.newaxis], bias * shrink
    bias[:, 2 * bins :] -= _UNIT_SLOPE
    output = Dense(np.swapaxes(weights, 0, 1).reshape(len(moved) * count, -1), bias.T.reshape(-1))
    activation = activation_name(own.blocks[0].activation) if len(own.blocks) else "relu"
    assembly.coupling(kept, moved, Residual(dense(own.initial_layer), blocks, output, activation))
    constant = coupling.unconditional_transform
    if constant is None:
        return
    raw = np.concatenate(
        [
            array(constant.unnormalized_widths),
            array(constant.unnormalized_heights),
            array(constant.unnormalized_derivatives) - _UNIT_SLOPE,
        ],
        axis=1,
    ).T.reshape(-1)
    width, depth = len(output.weights[0]), len(blocks)
    nothing = Dense(np.zeros((width, width)), np.zeros(width))
    gate = Dense(np.zeros((width, assembly.context)), np.zeros(width)) if assembly.context else None
    assembly.coupling(
        moved[: assembly.features - assembly.features // 2],
        kept,
        Residual(
            Dense(
                np.zeros(
                    (
                        width,
                        min(len(moved), assembly.features - assembly.features // 2)
                        + assembly.context,
                    )
                ),
                np.zeros(width),
            ),
            [(nothing, nothing, gate)] * depth,
            Dense(np.zeros((len(raw), width)), raw),
            activation,
        ),
    )


def _add_base(assembly: Assembly, base: Any) -> None:
    name = type(base).__name__
    if name == "DiagGaussian":
        if base.temperature is not None:
            raise refuse("DiagGaussian", "it has a temperature")
        shape = (assembly.features,)
        assembly.base(array(base.loc).reshape(shape), array(base.log_scale).reshape(shape))
    elif name == "GaussianMixture":
        assembly.mixture(
            array(base.weight_scores).reshape(-1), array(base.loc)[0], array(base.log_scale)[0]
        )
    else:
        raise refuse(name, "known bases are DiagGaussian and GaussianMixture")
