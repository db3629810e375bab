"""Energies that are functions of Python.

A function takes points, an array of n rows x d columns of float64, and gives their energies in kT,
n numbers, or energies and their slopes, n x d numbers, in a tuple. +inf is a density of 0. It is
called with the points of a whole batch, 16 384 at most, from any thread, and must depend on the
points alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ShapeError

Array = npt.NDArray[np.float64]
Energy = Callable[[Array], Any]

# Points of one call.
_MOST = 16384

_STEP = float(np.finfo(float).eps) ** (1 / 3)


def _array(values: Any, shape: tuple[int, ...], name: str, what: str) -> Array:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ShapeError(
            f"energy '{name}': expected {what} as an array of shape {shape}, got a "
            f"{type(values).__name__}"
        ) from None
    if array.shape != shape:
        raise ShapeError(
            f"energy '{name}': expected {what} of shape {shape} for {shape[0]} points, got shape "
            f"{array.shape}"
            + ("; give one number a point, as by .sum(axis=1)" if what == "energies" else "")
        )
    return np.ascontiguousarray(array)


def _differences(function: Energy, points: Array, values: Array, name: str) -> Array:
    """Slopes by central differences, with an error of about 1e-10 of the energy's size; next to a
    wall by a difference to the side where the energy is finite."""
    rows, features = points.shape
    steps = _STEP * np.maximum(1.0, np.abs(points))
    over, under = points + steps, points - steps
    ends = np.empty(2 * features * rows)
    # Point k is row k % rows, moved up or down in one column.
    for begin in range(0, len(ends), _MOST):
        number = np.arange(begin, min(begin + _MOST, len(ends)))
        side, row = np.divmod(number, rows)
        column = side // 2
        moved = points[row]
        moved[np.arange(len(number)), column] = np.where(
            side % 2 == 0, over[row, column], under[row, column]
        )
        ends[number] = _array(function(moved), number.shape, name, "energies")
    above, below = np.moveaxis(ends.reshape(features, 2, rows), 1, 0)
    upper, lower = np.isfinite(above), np.isfinite(below)
    with np.errstate(invalid="ignore"):
        rise = np.where(upper, above, values) - np.where(lower, below, values)
    run = np.where(upper, over.T, points.T) - np.where(lower, under.T, points.T)
    return np.ascontiguousarray(np.divide(rise, run, out=np.zeros_like(rise), where=run != 0).T)


def prepared(function: Energy, name: str) -> Callable[..., tuple[Array, Array | None]]:
    """The function with its results checked, and with slopes by differences where it gives none
    and they are wanted."""

    def evaluate(points: Array, slopes: bool = True) -> tuple[Array, Array | None]:
        result = function(points)
        if not isinstance(result, tuple):
            values = _array(result, points.shape[:1], name, "energies")
            return values, _differences(function, points, values, name) if slopes else None
        if len(result) != 2:
            raise ShapeError(
                f"energy '{name}': expected energies, or energies and their slopes, got a tuple of "
                f"{len(result)}"
            )
        return (
            _array(result[0], points.shape[:1], name, "energies"),
            _array(result[1], points.shape, name, "slopes"),
        )

    return evaluate


def from_torch(function: Callable[[Any], Any]) -> Energy:
    """An energy from a function of PyTorch: a tensor n x d of float64 to a tensor of n energies.

    Its slopes are taken by autograd.
    """
    import torch  # type: ignore[import-not-found, unused-ignore]

    def energy(points: Array) -> tuple[Array, Array]:
        x = torch.from_numpy(points).requires_grad_(True)
        values = function(x)
        (slopes,) = torch.autograd.grad(values.sum(), x)
        return values.detach().numpy(), slopes.numpy()

    energy.__name__ = getattr(function, "__name__", "energy")
    return energy


def from_jax(function: Callable[[Any], Any]) -> Energy:
    """An energy from a function of JAX: one point, d numbers, to its energy.

    It is mapped over points, differentiated and compiled. In JAX's usual single precision slopes
    are good to six digits or so; ``jax.config.update("jax_enable_x64", True)`` gives them all.
    """
    import jax  # type: ignore[import-not-found, unused-ignore]

    both = jax.jit(jax.vmap(jax.value_and_grad(function)))

    def energy(points: Array) -> tuple[Array, Array]:
        values, slopes = both(points)
        return np.asarray(values, dtype=float), np.asarray(slopes, dtype=float)

    energy.__name__ = getattr(function, "__name__", "energy")
    return energy
