"""Layers of PyTorch as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from .assembly import Array, Dense, Mlp, refuse

_ACTIVATIONS = {
    "ReLU": "relu",
    "Tanh": "tanh",
    "ELU": "elu",
    "SiLU": "silu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
    "Softplus": "softplus",
}
# The options that they have in a run.
_OPTIONS: dict[str, dict[str, Any]] = {
    "ELU": {"alpha": 1.0},
    "GELU": {"approximate": "none"},
    "Softplus": {"beta": 1.0, "threshold": 20.0},
}


def array(tensor: Any) -> Array:
    """A tensor of PyTorch in double."""
    values: Array = tensor.detach().cpu().double().numpy()
    return values


def dense(layer: Any) -> Dense:
    """A linear layer, whose mask, if it has one, is in its weights."""
    bias = np.zeros(layer.weight.shape[0]) if layer.bias is None else array(layer.bias)
    weights = array(layer.weight)
    if hasattr(layer, "mask"):
        weights = weights * array(layer.mask)
    return Dense(weights, bias)


def activation_name(module: Any) -> str:
    """What an activation of PyTorch is called in a run."""
    name = type(module).__name__
    if name == "LeakyReLU" and module.negative_slope in (0.0, 0.01):
        return "relu" if module.negative_slope == 0.0 else "leaky_relu"
    if name not in _ACTIVATIONS:
        raise refuse(f"activation {name}", f"known are LeakyReLU(0.01), {', '.join(_ACTIVATIONS)}")
    for option, expected in _OPTIONS.get(name, {}).items():
        given = getattr(module, option, expected)
        if given != expected:
            raise refuse(f"activation {name}({option}={given!r})", f"known is {expected!r}")
    return _ACTIVATIONS[name]


def mlp(sequence: Any, what: str) -> Mlp:
    """Linear layers with an activation between them."""
    modules = [
        module for module in sequence if type(module).__name__ not in ("Dropout", "Identity")
    ]
    layers, names = [], []
    for number, module in enumerate(modules):
        if number % 2 == 0 and hasattr(module, "weight"):
            layers.append(dense(module))
        elif number % 2 == 1 and number < len(modules) - 1:
            names.append(activation_name(module))
        else:
            raise refuse(what, f"its network has a {type(module).__name__} where none can be")
    if len(set(names)) != 1:
        raise refuse(what, "its network has no hidden layer, or activations that differ")
    return Mlp(layers, names[0])


def precision(model: Any) -> str:
    """That of a run: double only if all its parameters are."""
    return "double" if all(each.element_size() == 8 for each in model.parameters()) else "float"
