"""Layers of coupling and autoregressive flows, from data to latent space, as the blocks of a run.

Features have numbers; a block's vector holds them in some order, which is chosen so that what a
coupling moves comes last. Permutations of other libraries thus cost nothing: they rename features.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..errors import ConfigError
from ..folders import TemporaryFolder
from ..model import Model

Array = npt.NDArray[np.float64]

_PIVOT = 0.01


@dataclass
class Dense:
    """weights, outputs x inputs, and bias."""

    weights: Array
    bias: Array


@dataclass
class Mlp:
    """Layers with an activation between them; inputs are the kept features, then the condition."""

    layers: list[Dense]
    activation: str


@dataclass
class Residual:
    """a = input(.); a += second(act(first(act(a)))) * sigmoid(gate(c)) for each block; output(a)."""

    input: Dense
    blocks: list[tuple[Dense, Dense, Dense | None]]
    output: Dense
    activation: str


@dataclass
class Family:
    """What all blocks of a run have in common."""

    kind: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    parameters: int = 0  # of each feature that a map moves


@dataclass
class _Block:
    mean: Array
    log_scale: Array
    factors: Array
    linear_bias: Array
    order: npt.NDArray[np.int64]  # the transform sees v[order]
    network: Mlp | Residual | None = None  # None: moves nothing
    has_linear: bool = False


def refuse(what: str, why: str) -> ConfigError:
    """What cannot be mapped, by its name."""
    return ConfigError(f"{what}: cannot be imported: {why}")


def _lu(
    matrix: Array, pivoting: bool, least: float
) -> tuple[Array, Array, npt.NDArray[np.int64]] | None:
    """L, U and rows p with matrix[p] = L U and a positive diagonal of U, if there are any: without
    exchanging rows, or exchanging them for the largest pivot. Pivots are at least this share of
    their column."""
    size = len(matrix)
    upper, lower, rows = matrix.copy(), np.eye(size), np.arange(size)
    for k in range(size):
        if pivoting:
            best = k + int(np.argmax(np.abs(upper[k:, k])))
            upper[[k, best], k:] = upper[[best, k], k:]
            lower[[k, best], :k] = lower[[best, k], :k]
            rows[[k, best]] = rows[[best, k]]
        if not upper[k, k] > least * np.abs(upper[k:, k]).max():
            return None
        lower[k + 1 :, k] = upper[k + 1 :, k] / upper[k, k]
        upper[k + 1 :, k:] -= np.outer(lower[k + 1 :, k], upper[k, k:])
    return lower, np.triu(upper), rows


class Assembly:
    """Takes layers in the order from data to latent space, then the base, and writes the run."""

    def __init__(self, features: int, context: int, family: Family) -> None:
        if features < 2:
            raise ConfigError(f"expected a flow of 2 or more features, got {features}")
        self.features, self.context, self.family = features, context, family
        self._blocks: list[_Block] = []
        self._open: _Block | None = None
        self._has_linear = False
        self._at = np.arange(features)  # where in the vector each feature is
        self._base: dict[str, Any] = {"kind": "normal"}
        self._base_tensors: dict[str, Array] = {}

    # Layers.

    def permute(self, source: Sequence[int]) -> None:
        """Feature f from now on is what feature source[f] was."""
        self._at = self._at[np.asarray(source, dtype=np.int64)]

    def scale(self, mean: Array, log_scale: Array) -> None:
        """z = (x - mean) exp(-log_scale), one number a feature."""
        block = self._opened(before_linear=True)
        own_mean, own_scale = np.empty(self.features), np.empty(self.features)
        own_mean[self._at], own_scale[self._at] = mean, log_scale
        block.mean = block.mean + own_mean * np.exp(block.log_scale)
        block.log_scale = block.log_scale + own_scale

    def linear(self, matrix: Array, bias: Array) -> None:
        """z = matrix x + bias, where the matrix's LU has a positive diagonal."""
        block = self._opened(before_linear=True)

        def placed() -> Array:
            own = np.empty_like(matrix)
            own[np.ix_(self._at, self._at)] = matrix
            return own

        found = _lu(placed(), False, _PIVOT) or _lu(placed(), True, _PIVOT)
        if found is None:
            # In the order of the features it has one, at the price of a block that only reorders.
            self._close(self._at, None)
            self._at = np.arange(self.features)
            block = self._opened(before_linear=False)
            found = _lu(placed(), False, 0.0)
        if found is None:
            raise refuse("a linear map", "it has no LU with a positive diagonal")
        lower, upper, rows = found
        self._has_linear = block.has_linear = True
        block.factors = np.tril(lower, -1) + np.triu(upper, 1)
        block.factors[np.diag_indices(self.features)] = np.log(np.diag(upper))
        own_bias = np.empty(self.features)
        own_bias[self._at] = bias
        # L U x has the rows of the matrix in the order `rows`.
        block.linear_bias = own_bias[rows]
        block.order = np.argsort(rows)

    def coupling(self, kept: Sequence[int], moved: Sequence[int], network: Mlp | Residual) -> None:
        """Moves features by what a network makes of kept ones: rows of its output are parameters x
        moved features. What does not fit into one block goes into several."""
        room = self.features // 2
        slots = self.features - room
        if len(kept) > slots:
            raise refuse(
                "a coupling",
                f"it keeps {len(kept)} of {self.features} features, and here at most {slots} are",
            )
        for first in range(0, len(moved), room):
            part = list(moved[first : first + room])
            others = [f for f in range(self.features) if f not in part and f not in kept]
            fill = slots - len(kept)
            seen = [*kept, *others[:fill]]
            last = [*part, *others[fill:]]
            rows = [first + i if i < len(part) else -1 for i in range(len(last))]
            self._close(
                self._at[np.array([*seen, *last])],
                self._widened(network, len(kept), len(seen), rows, len(moved)),
            )
            self._at[np.array([*seen, *last])] = np.arange(self.features)

    def autoregressive(self, order: Sequence[int], network: Mlp) -> None:
        """Moves all features by a network of those before them in this order, that takes them and
        gives parameters x features in it, with zeros where nothing depends on anything."""
        self._close(self._at[np.asarray(order)], self._by_degree(network))
        self._at[np.asarray(order)] = np.arange(self.features)

    def base(self, mean: Array, log_scale: Array) -> None:
        """A normal with these means and log deviations."""
        if not (np.any(mean) or np.any(log_scale)):
            return
        self._base = {"kind": "trainable_normal"}
        self._base_tensors = {
            "base.normal.mean": self._placed(mean),
            "base.normal.log_scale": self._placed(log_scale),
        }

    def mixture(self, logits: Array, means: Array, log_scales: Array) -> None:
        """A mixture of normals, K logits, K x features means and log deviations."""
        self._base = {"kind": "mixture", "components": len(logits)}
        self._base_tensors = {
            "base.mixture.logits": logits[np.newaxis],
            "base.mixture.locations": self._placed(means.T),
            "base.mixture.log_scales": self._placed(log_scales.T),
        }

    # The run.

    def write(self, out: str | os.PathLike[str] | None, force: bool, precision: str) -> Model:
        """The run in a folder, or in a temporary one, as a model."""
        if self._open is not None:
            raise AssertionError("the base comes after close()")
        networks = [block.network for block in self._blocks if block.network is not None]
        if not networks:
            raise ConfigError("expected a flow with couplings, got none")
        settings = {**self.family.settings, **self._common(networks)}
        tensors = dict(self._base_tensors)
        count = len(self._blocks)
        for number, block in enumerate(reversed(self._blocks)):
            self._write_block(tensors, f"flow.{number}.", block, settings)
        settings |= {
            "kind": self.family.kind,
            "blocks": count,
            "act_norm": True,
            "permutation": "lu" if self._has_linear else "random",
        }
        keeper = TemporaryFolder() if out is None else None
        path = os.fspath(out) if out is not None else os.path.join(keeper.path, "run")  # type: ignore[union-attr]
        named = {
            name: np.ascontiguousarray(values.reshape(len(values), -1))
            for name, values in tensors.items()
        }
        _core.write_run(self._config(settings, precision), named, path, force)
        return Model(path, keeper=keeper)

    def close(self) -> None:
        """Ends the layers: what is left of scales and linear maps gets a block that moves nothing."""
        if self._open is not None:
            self._close(np.arange(self.features), None)

    def _config(self, flow: dict[str, Any], precision: str) -> str:
        lines = [f'precision = "{precision}"', "", "[model]", f"features = {self.features}"]
        lines.append(f"context_features = {self.context}")
        for section, values in (("flow", flow), ("base", self._base)):
            lines += ["", f"[{section}]"]
            lines += [f"{key} = {_toml(value)}" for key, value in values.items()]
        for number in range(self.context):
            lines += ["", "[[context_columns]]", f'name = "c{number}"', "mean = 0.0", "scale = 1.0"]
        return "\n".join(lines) + "\n"

    def _placed(self, values: Array) -> Array:
        own = np.empty_like(values)
        own[self._at] = values
        return own

    def _opened(self, before_linear: bool) -> _Block:
        if self._open is not None and before_linear and self._open.has_linear:
            self._close(np.arange(self.features), None)
        if self._open is None:
            size = self.features
            self._open = _Block(
                np.zeros(size),
                np.zeros(size),
                np.zeros((size, size)),
                np.zeros(size),
                np.arange(size),
            )
        return self._open

    def _close(self, source: npt.NDArray[np.int64], network: Mlp | Residual | None) -> None:
        """Ends the block: its transform sees places `source` of the vector."""
        block = self._opened(before_linear=False)
        block.order = block.order[source]
        block.network = network
        self._blocks.append(block)
        self._open = None

    def _widened(
        self, network: Mlp | Residual, kept: int, slots: int, rows: list[int], moved: int
    ) -> Mlp | Residual:
        """The network for a block: with more inputs, that do not count, and outputs for its own
        moved features alone, 0 for those (-1) that stay."""

        def inputs(layer: Dense) -> Dense:
            weights = np.zeros((len(layer.weights), slots + self.context))
            weights[:, :kept] = layer.weights[:, :kept]
            if self.context:
                weights[:, slots:] = layer.weights[:, kept:]
            return Dense(weights, layer.bias)

        def outputs(layer: Dense) -> Dense:
            count = self.family.parameters
            weights = np.zeros((count * len(rows), layer.weights.shape[1]))
            bias = np.zeros(count * len(rows))
            for parameter in range(count):
                for place, row in enumerate(rows):
                    if row >= 0:
                        own = parameter * len(rows) + place
                        weights[own] = layer.weights[parameter * moved + row]
                        bias[own] = layer.bias[parameter * moved + row]
            return Dense(weights, bias)

        if isinstance(network, Residual):
            return Residual(
                inputs(network.input), network.blocks, outputs(network.output), network.activation
            )
        layers = list(network.layers)
        layers[0] = inputs(layers[0])
        layers[-1] = outputs(layers[-1])
        return Mlp(layers, network.activation)

    def _by_degree(self, network: Mlp) -> Mlp:
        """A masked network with its hidden units where the run's masks let them be: see "Masked
        networks" in docs/format.md."""
        least = 0 if self.context else 1
        spread = self.features - least
        seen = np.concatenate([np.arange(1, self.features + 1), np.zeros(self.context, np.int64)])
        layers: list[Dense] = []
        places: npt.NDArray[np.int64] | None = None
        for number, layer in enumerate(network.layers):
            weights = layer.weights
            if number == 0 and self.context:  # the run has the condition first
                weights = np.roll(weights, self.context, axis=1)
                seen = np.roll(seen, self.context)
            if places is not None:
                wide = np.zeros((len(weights), layers[-1].weights.shape[0]))
                wide[:, places] = weights
            else:
                wide = weights
            if number == len(network.layers) - 1:
                layers.append(Dense(wide, layer.bias))
                break
            degrees = np.maximum(np.max(np.where(weights != 0, seen, 0), axis=1), least)
            degrees = np.minimum(degrees, self.features - 1)
            counts = [int(np.sum(degrees == least + k)) for k in range(spread)]
            width = spread * max(counts)
            places = np.empty(len(weights), np.int64)
            for k in range(spread):
                own = np.flatnonzero(degrees == least + k)
                places[own] = k + spread * np.arange(len(own))
            padded, bias = np.zeros((width, wide.shape[1])), np.zeros(width)
            padded[places], bias[places] = wide, layer.bias
            layers.append(Dense(padded, bias))
            seen = degrees
        return Mlp(layers, network.activation)

    def _common(self, networks: list[Mlp | Residual]) -> dict[str, Any]:
        """Settings that serve the networks of all blocks."""
        activations = sorted({network.activation for network in networks})
        if len(activations) > 1:
            raise refuse("networks", f"their activations differ: {', '.join(activations)}")
        found: dict[str, Any] = {"activation": activations[0]}
        if all(isinstance(network, Mlp) for network in networks):
            widths = [[len(layer.bias) for layer in net.layers[:-1]] for net in networks]  # type: ignore[union-attr]
            depths = sorted({len(each) for each in widths})
            if len(depths) > 1:
                raise refuse("networks", f"their numbers of hidden layers differ: {depths}")
            if depths == [0]:
                raise refuse("networks", "they have no hidden layer")
            return {**found, "network": "mlp", "hidden": [max(each) for each in zip(*widths)]}
        if all(isinstance(network, Residual) for network in networks):
            return {
                **found,
                "network": "residual",
                "hidden": [max(len(net.input.bias) for net in networks)],  # type: ignore[union-attr]
                "network_blocks": max(len(net.blocks) for net in networks),  # type: ignore[union-attr]
            }
        raise refuse("networks", "some are perceptrons, some residual")

    def _write_block(
        self, tensors: dict[str, Any], name: str, block: _Block, settings: dict[str, Any]
    ) -> None:
        tensors[name + "act_norm.mean"] = block.mean
        tensors[name + "act_norm.log_scale"] = block.log_scale
        if self._has_linear:
            tensors[name + "linear.factors"] = block.factors
            tensors[name + "linear.bias"] = block.linear_bias
            tensors[name + "linear.order"] = block.order
        else:
            tensors[name + "permutation.order"] = np.argsort(block.order)
        whole = self.family.kind.startswith("autoregressive")
        name += "coupling.network" if whole else "coupling.conditioner"
        slots = self.features if whole else self.features - self.features // 2
        moved = self.features if whole else self.features // 2
        ends = [slots + self.context, self.family.parameters * moved]
        network = block.network

        def put(layer: str, dense: Dense | None, outputs: int, inputs: int) -> None:
            weights, bias = np.zeros((outputs, inputs)), np.zeros(outputs)
            if dense is not None:
                rows, columns = dense.weights.shape
                weights[:rows, :columns] = dense.weights
                bias[:rows] = dense.bias
            tensors[f"{name}.{layer}.weights"] = weights
            tensors[f"{name}.{layer}.bias"] = bias

        if settings["network"] == "mlp":
            sizes = [ends[0], *settings["hidden"], ends[1]]
            layers: list[Dense | None] = [None] * (len(sizes) - 1)
            if isinstance(network, Mlp):
                layers = list(network.layers)
            for number, layer in enumerate(layers):
                put(str(number), layer, sizes[number + 1], sizes[number])
            return
        width = settings["hidden"][0]
        residual = network if isinstance(network, Residual) else None
        put("input", residual.input if residual else None, width, ends[0])
        for number in range(settings["network_blocks"]):
            known = residual is not None and number < len(residual.blocks)
            first, second, gate = residual.blocks[number] if residual and known else (None,) * 3
            put(f"block{number}.first", first, width, width)
            put(f"block{number}.second", second, width, width)
            if self.context:
                put(f"block{number}.gate", gate, width, self.context)
        put("output", residual.output if residual else None, ends[1], width)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return repr(value)
