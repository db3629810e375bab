"""From data or an energy to a trained model."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import _core, energies, progress, threading
from .errors import ConfigError, Interrupted, ShapeError
from .folders import TemporaryFolder
from .model import Model, energy_name, tell
from .points import Points


# Settings with which rows of data are positions.
_OF_POSITIONS = ("data.particles", "molecule.topology", "molecule.system")


def fit(
    data: Any = None,
    out: str | os.PathLike[str] | None = None,
    *,
    names: Sequence[str] | None = None,
    columns: Sequence[str | int] | None = None,
    condition: Any = None,
    weights: Any = None,
    bounds: Any = None,
    periodic: Any = None,
    integers: Sequence[str | int] | None = None,
    kinds: Mapping[str | int, str] | None = None,
    flow: str | None = None,
    base: str | None = None,
    energy: str | Callable[..., Any] | None = None,
    preset: str = "",
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    time_budget: float | None = None,
    resume: bool = False,
    force: bool = False,
    report: bool | None = None,
    progress: bool | Callable[[dict[str, Any]], object] | None = None,
    threads: int | None = None,
) -> Model:
    """Learns the density of data, as ``thalweg train`` does, and to the same bits.

    data: rows x columns: an array, a DataFrame (pandas, polars or alike) or a dictionary of
        columns, which may hold texts and dates, or the path of a file. With data.particles or a
        molecule in ``settings`` also rows x particles x dimensions. None with a preset that brings
        its own, to resume, and for a molecule whose system and topology ``settings`` name: it is
        simulated first, into the folder ``out`` with "-md" behind it. What names its columns,
        from names to kinds below, is then part of ``settings``, as data.columns.
    out: folder of the run, with a copy of the data unless they are a file; None: a temporary one,
        which goes with the model (``model.save(path)`` keeps it).
    names: of the columns of an array, else x0, x1, ... Elsewhere columns of an array may be named
        by number.
    columns: those to model, in this order; None: all but the condition.
    condition: columns that the density is conditioned on, by name, or an array with its rows.
    weights: how much each row counts: a column, or one number a row.
    bounds: that samples respect: {"a": (0, None), "b": (0, 1)}, or a pair or None a column.
    periodic: columns that wrap around, in the same form: {"phi": (-180, 180)}.
    integers, kinds: columns of whole numbers; {"month": "category"}: where those found are not
        right.
    flow, base: kinds of flow and base, as "spline" and "resampled"; else what suits the data.
    energy: an energy beside the points, for objectives that take both.
    preset: a preset's name or a config file.
    settings: any others, {"training.iterations": 5000}, or nested by section.
    seed: of every random number, the split of the rows included; None: that of the settings or of
        the run that is resumed, or 1.
    time_budget: seconds that all may take.
    resume: go on with the run in ``out``, with its own copy of the data: leave data out. Settings
        of the training may change, the seed and the model may not. force: replace it.
    report: evaluate and write report.html; None: if there is an ``out``.
    progress: None: a bar on a terminal or in a notebook; True, False, or a function that is called
        with a dictionary of share, text, step, iterations, loss and so on, ten times a second.
    threads: see ``set_threads``.

    Ctrl-C stops after a step and raises Interrupted, whose ``model`` is what was learnt so far.
    What was found of the data is logged to "thalweg" as information. Raises ShapeError,
    ConfigError and DataError for what cannot be learnt, NumericalError if training diverges.
    """
    if resume and not (data is None or isinstance(data, (str, os.PathLike))):
        raise ConfigError(
            f"resume: expected no data, got a {type(data).__name__}; leave data out, as the run in "
            "out goes on with its own copy of them"
        )
    keeper = TemporaryFolder()
    flat = _flat(settings or {})
    positions = any(flat.get(key) for key in _OF_POSITIONS)
    points = (
        None if data is None else Points(data, keeper.path, names, condition, weights, positions)
    )
    wanted: dict[str, Any] = {}
    if points is not None:
        wanted["data.path"] = points.path
        wanted.update(points.settings)
        if columns is not None:
            wanted["data.columns"] = [points.name(each) for each in columns]
        for key, given in (("data.bounds", bounds), ("data.periodic", periodic)):
            if given is not None:
                own = None if points.names is None else points.names[: points.own]
                wanted[key] = _ranges(key.removeprefix("data."), given, own, points.name)
        if integers is not None:
            wanted["data.integers"] = [points.name(each) for each in integers]
        if kinds is not None:
            wanted["data.kinds"] = [f"{points.name(key)}={kind}" for key, kind in kinds.items()]
    elif not (preset or resume or settings):
        raise ConfigError("data: expected an array, a DataFrame, a dictionary of columns or a file")
    else:
        _refuse_without_data(
            resume,
            names=names,
            columns=columns,
            condition=condition,
            weights=weights,
            bounds=bounds,
            periodic=periodic,
            integers=integers,
            kinds=kinds,
        )
    return _train(
        keeper,
        wanted,
        out,
        energy=energy,
        flow=flow,
        base=base,
        source=preset,
        settings=settings,
        seed=seed,
        time_budget=time_budget,
        resume=resume,
        force=force,
        keep_points=points is not None and points.kept,
        report=report,
        told=progress,
        threads=threads,
    )


def _refuse_without_data(resume: bool, **arguments: Any) -> None:
    """Arguments that say what columns are, where no data are given that have them."""
    for name, given in arguments.items():
        if given is None:
            continue
        if resume:
            raise ConfigError(
                f"{name}: expected none with resume, got a {type(given).__name__}; leave it out, "
                "as the run keeps its own"
            )
        where = "" if name == "names" else f", or data.{name} in settings"
        raise ConfigError(f"{name}: expected data beside it, got none; give data{where}")


def fit_energy(
    energy: str | Callable[..., Any],
    out: str | os.PathLike[str] | None = None,
    *,
    columns: Sequence[str] | None = None,
    dimension: int | None = None,
    bounds: Any = None,
    periodic: Any = None,
    constants: Mapping[str, Any] | None = None,
    flow: str | None = None,
    base: str | None = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    time_budget: float | None = None,
    resume: bool = False,
    force: bool = False,
    report: bool | None = None,
    progress: bool | Callable[[dict[str, Any]], object] | None = None,
    threads: int | None = None,
) -> Model:
    """Learns the density exp(-energy) / Z, as ``thalweg train --energy`` does.

    energy: in kT, as an expression of the columns, "(x^2-4)^2/2 + 0.5*(y-x)^2", or a function of
        points, n x d, that gives n energies, or energies and their slopes, n x d, in a tuple.
        Without slopes they are taken by differences, at 2 d energies a point more. See
        ``energies.from_torch`` and ``energies.from_jax``.
    columns: names of the numbers of a point, in order; else x, y, z or x0, x1, ... ``dimension`` is
        how many a function takes.
    constants: named numbers and lists of an expression.

    All else as in ``fit``. Raises what the function raises; ShapeError if it gives other shapes,
    NumericalError if an energy is NaN or a slope not finite.
    """
    wanted: dict[str, Any] = {}
    names = None if columns is None else [str(name) for name in columns]
    if callable(energy):
        if names is None and dimension is None:
            raise ConfigError("dimension: expected how many numbers a point of the energy has")
        if constants is not None:
            raise ConfigError("constants: are of an expression; a function has its own")
        if dimension is not None:
            wanted["energy_features"] = int(dimension)
        if names is None:
            names = [f"x{i}" for i in range(int(dimension or 0))]
    elif not isinstance(energy, str):
        raise ConfigError(
            f"energy: expected an expression or a function, got a {type(energy).__name__}"
        )
    elif dimension is not None and names is None:
        names = [f"x{i}" for i in range(dimension)]
    if names is not None:
        wanted["variables"] = names
    if constants is not None:
        wanted["constants"] = [f"{name}={_toml(value)}" for name, value in constants.items()]

    def name(column: str | int) -> str:
        return column if isinstance(column, str) else (names or ["x", "y", "z"])[column]

    for key, given in (("data.bounds", bounds), ("data.periodic", periodic)):
        if given is not None:
            wanted[key] = _ranges(key.removeprefix("data."), given, names, name)
    return _train(
        TemporaryFolder(),
        wanted,
        out,
        energy=energy,
        flow=flow,
        base=base,
        source="",
        settings=settings,
        seed=seed,
        time_budget=time_budget,
        resume=resume,
        force=force,
        keep_points=False,
        report=report,
        told=progress,
        threads=threads,
    )


def _train(
    keeper: TemporaryFolder,
    wanted: dict[str, Any],
    out: str | os.PathLike[str] | None,
    *,
    energy: str | Callable[..., Any] | None,
    flow: str | None,
    base: str | None,
    source: str,
    settings: Mapping[str, Any] | None,
    seed: int | None,
    time_budget: float | None,
    resume: bool,
    force: bool,
    keep_points: bool,
    report: bool | None,
    told: Any,
    threads: int | None,
) -> Model:
    if resume and out is None:
        raise ConfigError("resume: expected the folder of a run in out")
    function = energy if callable(energy) else None
    if function is not None:
        wanted["energy_function"] = energy_name(function)
    elif energy is not None:
        wanted["energy"] = energy
    if flow is not None:
        wanted["flow.kind"] = flow
    if base is not None:
        wanted["base.kind"] = base
    if seed is not None:
        wanted["seed"] = int(seed)
    if time_budget is not None:
        wanted["training.time_budget"] = float(time_budget)
    points: str = wanted.get("data.path", "")
    for key, value in _flat(settings or {}).items():
        value = _value(key, value)
        if key in wanted and wanted[key] != value:
            raise ConfigError(
                f"{key}: expected one, got {wanted[key]!r} and in settings {value!r}; leave it out "
                "of one of them"
            )
        wanted[key] = value
    name = energy_name(function)
    folder = os.path.join(keeper.path, "run") if out is None else os.fspath(out)
    evaluate = None if function is None else energies.prepared(function, name)
    display = progress.display(told)
    outcome = _core.train(
        settings=[(key, _value(key, value)) for key, value in wanted.items()],
        source=source,
        out=folder,
        resume=resume,
        force=force,
        keep_points=keep_points,
        report=out is not None if report is None else report,
        threads=threading.number(threads),
        energy=evaluate,
        energy_name=name,
        progress=display,
    )
    if isinstance(display, progress.Bar):
        display.clear()
    tell(outcome["notes"], logging.INFO)
    tell(outcome["warnings"])
    stopped = outcome["reason"] == "interrupted"
    if stopped and outcome["raised"] is not None and not _is_interrupt(outcome["raised"]):
        raise outcome["raised"]
    if stopped and not outcome["folder"]:
        raise Interrupted("interrupted before there was a model; nothing was written")
    if os.path.dirname(outcome["folder"]) != keeper.path:
        shutil.rmtree(keeper.path, ignore_errors=True)
    elif keep_points:
        os.remove(points)  # a file of ours, of which the run has a copy
    model = Model(outcome["folder"], energy=function, threads=threads, keeper=keeper)
    if stopped:
        where = "" if out is None else f"; resume=True goes on with {outcome['folder']}"
        raise Interrupted(
            f"interrupted after {outcome['steps']} steps; the model so far is this exception's "
            f"model{where}",
            model,
            "" if out is None else outcome["folder"],
        )
    return model


def _is_interrupt(raised: Any) -> bool:
    return isinstance(raised, KeyboardInterrupt)


def _number(value: Any) -> str:
    """One end of a range; none, or infinite: empty."""
    if value is None or math.isinf(value):
        return ""
    return repr(float(value))


def _ranges(
    what: str,
    given: Any,
    names: Sequence[str] | None,
    name: Callable[[Any], str],
) -> list[str]:
    """Bounds or periods in any form as the settings have them."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, Mapping):
        pairs = [(name(column), pair) for column, pair in given.items()]
    elif all(isinstance(each, str) for each in given):
        return list(given)
    else:
        given = list(given)
        if names is not None and len(given) != len(names):
            raise ShapeError(
                f"{what}: expected a pair or None for {len(names)} columns, got {len(given)}"
            )
        pairs = [(name(number), pair) for number, pair in enumerate(given) if pair is not None]
    result = []
    for column, pair in pairs:
        try:
            lower, upper = pair
            result.append(f"{column}={_number(lower)}:{_number(upper)}")
        except (TypeError, ValueError):
            raise ConfigError(
                f"{what}: expected (lower, upper) of column '{column}', either may be None, got "
                f"{pair!r}"
            ) from None
    return result


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by their whole names."""
    result: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            result.update(_flat(value, f"{prefix}{key}."))
        else:
            result[f"{prefix}{key}"] = value
    return result


def _value(key: str, value: Any) -> Any:
    """A setting's value in Python's own types."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        values = [_value(key, each) for each in value]
        if all(type(each) in (int, float) for each in values) and float in map(type, values):
            return [float(each) for each in values]
        if len({type(each) for each in values}) > 1 or not all(
            type(each) in (int, float, str) for each in values
        ):
            raise ConfigError(f"{key}: expected a list of numbers or of texts, got {value!r}")
        return values
    if not isinstance(value, (bool, int, float, str)):
        raise ConfigError(f"{key}: expected a number, a text, True, False or a list, got {value!r}")
    return value


def _toml(value: Any) -> str:
    """A number or a list as an expression's constant is written."""
    array = np.asarray(value, dtype=float)
    return repr(array.tolist())
