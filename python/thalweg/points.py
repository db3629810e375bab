"""Arrays, frames and dictionaries of columns as the library takes them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ConfigError, DataError, ShapeError

Columns = dict[str, npt.NDArray[Any]]


def numbers(data: Any, what: str) -> npt.NDArray[Any]:
    """An array of float32, float64, integers or booleans, whatever its shape."""
    if isinstance(data, Iterator):
        raise DataError(
            f"{what}: expected an array, got a {type(data).__name__}, which can be read once only; "
            "make it an array first, as by np.array(list(rows))"
        )
    if isinstance(data, np.ma.MaskedArray) and np.ma.is_masked(data):
        raise DataError(
            f"{what}: the array masks some values; leave those rows out, or give .filled(np.nan)"
        )
    if hasattr(data, "detach"):  # a tensor of PyTorch that has a gradient
        data = data.detach()
    if hasattr(data, "__dlpack__") and not hasattr(data, "__array__"):
        data = np.from_dlpack(data)
    try:
        array = np.asarray(data)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{what}: expected rows of equally many numbers, got what is no array: {error}"
        ) from None
    if array.dtype.kind not in "fiub":
        raise DataError(
            f"{what}: expected numbers, got an array of dtype {array.dtype}; convert it, as by "
            ".astype(float), or give columns of texts and dates in a DataFrame or a dictionary"
        )
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        array = array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    return array


def matrix(data: Any, what: str) -> npt.NDArray[Any]:
    """Rows x columns of numbers; one dimension makes one column."""
    array = numbers(data, what)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2:
        raise ShapeError(
            f"{what}: expected rows x columns, got an array of shape {array.shape}"
            + ("; rows of them are array.reshape(len(array), -1)" if array.ndim > 2 else "")
        )
    return array


def columns_of(data: Any, what: str) -> Columns | None:
    """The columns of a DataFrame or a dictionary by name; None for all else."""
    if isinstance(data, Mapping):
        names: Sequence[Any] = list(data)
        columns = [data[name] for name in names]
    elif hasattr(data, "columns") and hasattr(data, "__getitem__"):
        names = list(data.columns)
        columns = [data[name] for name in names]
    else:
        return None
    result: Columns = {}
    for name, column in zip(names, columns):
        if isinstance(column, Iterator):
            raise DataError(f"{what}: column '{name}' is a {type(column).__name__}; make it a list")
        if isinstance(column, np.ma.MaskedArray) and np.ma.is_masked(column):
            if column.dtype.kind != "f":
                raise DataError(
                    f"{what}: column '{name}' masks some values; leave those rows out, or give "
                    ".astype(float).filled(np.nan)"
                )
            column = column.filled(np.nan)
        values = np.asarray(column)
        if values.dtype.kind == "f" and values.dtype.itemsize not in (4, 8):
            values = values.astype(np.float64)
        if values.ndim > 1:
            raise ShapeError(
                f"{what}: expected one number a row in column '{name}', got shape {values.shape}"
            )
        result[str(name)] = values
    if len(result) < len(names):
        raise DataError(f"{what}: two columns have the same name; rename one of them")
    sizes = {name: values.shape[0] for name, values in result.items() if values.ndim == 1}
    rows = max(sizes.values(), default=1)
    for name, size in sizes.items():
        if size != rows:
            raise ShapeError(f"{what}: column '{name}' has {size} rows, others have {rows}")
    return {name: np.broadcast_to(values, (rows,)) for name, values in result.items()}


def all_numbers(columns: Columns) -> bool:
    """Whether all columns are numbers."""
    return all(values.dtype.kind in "fiu" for values in columns.values())


def stacked(columns: Columns, names: Sequence[str]) -> npt.NDArray[np.float64]:
    """These columns side by side."""
    rows = len(next(iter(columns.values())))
    result = np.empty((rows, len(names)))
    for number, name in enumerate(names):
        result[:, number] = columns[name]
    return result


def _plain(value: Any) -> Any:
    """A number of NumPy as Python's own."""
    if isinstance(value, np.floating):
        return float(value)  # item() leaves a long double as it is
    # item() makes a whole number of a date in nanoseconds.
    if isinstance(value, np.generic) and not isinstance(value, (np.datetime64, np.timedelta64)):
        return value.item()
    return value


def _texts(name: str, values: npt.NDArray[Any], what: str) -> list[str]:
    """A column as a CSV file has it."""
    kind = values.dtype.kind
    if kind == "f":
        return ["" if value != value else repr(value) for value in values.tolist()]
    if kind in "iub":
        return [str(value) for value in values.tolist()]
    if kind == "M":
        dates: npt.NDArray[np.datetime64] = values
        whole = bool(np.all((dates.astype("datetime64[D]") == dates) | np.isnat(dates)))
        written = np.datetime_as_string(dates, unit="D" if whole else "ms")
        return [
            "" if value == "NaT" else value.replace("T", " ")
            for value in map(str, written.tolist())
        ]
    if kind not in "OUT":
        raise DataError(
            f"{what}: column '{name}' has dtype {values.dtype}; expected numbers, texts or dates"
        )
    texts = []
    for value in map(_plain, values.tolist()):
        if value is None or str(value) in ("nan", "<NA>", "NaT"):
            texts.append("")
        elif isinstance(value, (str, int, float)) or hasattr(value, "isoformat"):
            texts.append(str(value))
        else:
            raise DataError(
                f"{what}: column '{name}' holds a {type(value).__name__}; expected numbers, texts "
                "or dates"
            )
    return texts


def _field(text: str, alone: bool) -> str:
    """A field of a CSV file; a # would begin a comment, blanks around it would be lost."""
    plain = text == text.strip() and not any(each in text for each in ',"#\r\n')
    if plain and not (alone and text == ""):
        return text
    return '"' + text.replace('"', '""') + '"'


def write_csv(path: str, columns: Columns, what: str) -> None:
    """Writes columns with their names; numbers keep all their bits."""
    texts = [_texts(name, values, what) for name, values in columns.items()]
    alone = len(columns) == 1  # where an empty field would be an empty line
    with open(path, "w", encoding="utf-8", newline="") as file:
        for row in ([*columns], *zip(*texts)):
            file.write(",".join(_field(text, alone) for text in row) + "\n")


class Points:
    """What a fit is given, in a file: ``path``, the names of its columns, and settings for it."""

    def __init__(
        self,
        data: Any,
        folder: str,
        names: Sequence[str] | None = None,
        condition: Any = None,
        weights: Any = None,
        positions: bool = False,
    ) -> None:
        """positions: rows may be particles x dimensions each."""
        self.settings: dict[str, Any] = {}
        self.own = 0  # columns of the data themselves, where they are known
        if isinstance(data, (str, os.PathLike)):
            self._refuse_arrays(condition, weights)
            if names is not None:
                raise ConfigError("names: are of an array; a file has its own")
            self.path = os.fspath(data)
            self.names: list[str] | None = None
            self.kept = False
        else:
            self.kept = True
            columns = columns_of(data, "data")
            if columns is not None and names is not None:
                raise ConfigError("names: data have names already; rename the columns there")
            if positions and columns is None:
                data = numbers(data, "data")
                data = data.reshape(len(data), -1) if data.ndim == 3 and len(data) else data
            if columns is not None or names is not None:
                self._write_named(columns, data, folder, names, condition, weights)
            else:
                self._write_array(data, folder, condition, weights)
        if isinstance(condition, str):
            self.settings["data.condition"] = [condition]
        elif _are_names(condition):
            self.settings["data.condition"] = [self.name(each) for each in condition]
        if isinstance(weights, (str, int)):
            self.settings["data.weights"] = self.name(weights)

    def name(self, column: Any) -> str:
        """The name of a column that is given by name or by number."""
        if isinstance(column, str):
            return column
        number = int(column)
        if self.names is None:
            return f"x{number}"
        if not 0 <= number < len(self.names):
            raise ConfigError(f"expected a column from 0 to {len(self.names) - 1}, got {number}")
        return self.names[number]

    @staticmethod
    def _refuse_arrays(condition: Any, weights: Any) -> None:
        named = condition is None or isinstance(condition, str) or _are_names(condition)
        if not named or not (weights is None or isinstance(weights, (str, int))):
            raise ConfigError("condition, weights: expected names of columns of the file")

    def _beside(self, rows: int, condition: Any, weights: Any) -> list[tuple[str, str, Any]]:
        """Columns that came as arrays of their own: setting, name and values."""
        result = []
        if condition is not None and not isinstance(condition, str) and not _are_names(condition):
            given = columns_of(condition, "condition")
            if given is None:
                array = matrix(condition, "condition")
                given = {f"c{i}": array[:, i] for i in range(array.shape[1])}
            result += [("data.condition", name, values) for name, values in given.items()]
        if weights is not None and not isinstance(weights, (str, int)):
            array = numbers(weights, "weights")
            if array.ndim != 1:
                raise ShapeError(f"weights: expected one number a row, got shape {array.shape}")
            result.append(("data.weights", "weights", array))
        for setting, _, values in result:
            if len(values) != rows:
                what = setting.removeprefix("data.")
                raise ShapeError(
                    f"{what}: expected {rows} rows, as the data have, got {len(values)}"
                )
        return result

    def _take(self, setting: str, name: str) -> None:
        if setting == "data.weights":
            self.settings[setting] = name
        else:
            self.settings.setdefault(setting, []).append(name)

    def _write_named(
        self,
        columns: Columns | None,
        data: Any,
        folder: str,
        names: Sequence[str] | None,
        condition: Any,
        weights: Any,
    ) -> None:
        if columns is None:
            array = matrix(data, "data")
            names = [str(name) for name in names or []]
            if len(names) != array.shape[1]:
                raise ShapeError(f"names: expected {array.shape[1]}, got {len(names)}")
            if twice := [name for name in names if names.count(name) > 1]:
                raise ConfigError(f"names: expected each once, got {twice[0]!r} more than once")
            columns = {name: array[:, i] for i, name in enumerate(names)}
        self.own = len(columns)
        rows = len(next(iter(columns.values()), ()))
        for setting, name, values in self._beside(rows, condition, weights):
            if name in columns:
                raise ConfigError(
                    f"{setting}: the data have a column '{name}' themselves; rename it"
                )
            columns[name] = values
            self._take(setting, name)
        self.names = list(columns)
        self.path = os.path.join(folder, "points.csv")
        self.settings["data.header"] = "yes"
        write_csv(self.path, columns, "data")

    def _write_array(self, data: Any, folder: str, condition: Any, weights: Any) -> None:
        array = matrix(data, "data")
        self.own = array.shape[1]
        beside = self._beside(array.shape[0], condition, weights)
        for setting, _, values in beside:
            if values.dtype.kind not in "fiub":
                raise DataError(
                    f"{setting.removeprefix('data.')}: holds texts or dates; give names= for the "
                    "data, or a DataFrame"
                )
            self._take(setting, f"x{array.shape[1]}")
            array = np.column_stack([array, values])
        self.names = [f"x{i}" for i in range(array.shape[1])]
        self.path = os.path.join(folder, "points.npy")
        np.save(self.path, np.ascontiguousarray(array), allow_pickle=False)


def _are_names(value: Any) -> bool:
    """Whether these are names or numbers of columns."""
    return (
        isinstance(value, (list, tuple))
        and len(value) > 0
        and (
            all(isinstance(each, str) for each in value) or all(type(each) is int for each in value)
        )
    )


def configurations(
    positions: Any, atoms: int
) -> tuple[npt.NDArray[np.float64], tuple[int, ...], tuple[int, ...]]:
    """Positions of a molecule as rows of 3 numbers an atom, the shape of one number for each
    configuration, and their own shape."""
    array = numbers(positions, "positions")
    if array.ndim in (2, 3) and array.shape[-2:] == (atoms, 3):
        shape = array.shape[:-2]
    elif array.ndim == 2 and array.shape[1] == 3 * atoms:
        shape = array.shape[:1]
    else:
        raise ShapeError(
            f"positions: expected n x {atoms} atoms x 3 numbers in nm, or {atoms} x 3 of one "
            f"configuration, got shape {array.shape}"
        )
    rows = np.ascontiguousarray(array, dtype=np.float64).reshape(-1, 3 * atoms)
    return rows, shape, array.shape


def shaped(values: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Any:
    """One number for each configuration; of a single one, the number."""
    return values.reshape(shape) if shape else float(values[0])


def in_order(names: Sequence[str]) -> list[str]:
    """x0, x1, ... by number, as the array had them; other names stay."""
    plain = all(name[:1] == "x" and name[1:].isdigit() for name in names)
    return sorted(names, key=lambda name: int(name[1:])) if plain else list(names)


def column_values(
    values: npt.NDArray[np.float64], content: tuple[str, str, list[str], str]
) -> npt.NDArray[Any]:
    """A column of samples as what it stands for."""
    _, kind, labels, form = content
    if kind == "number":
        return values
    missing = np.isnan(values)
    whole = np.where(missing, 0, values)
    if kind == "text":
        texts = np.array([*labels, None], dtype=object)
        return texts[np.where(missing, len(labels), whole).astype(np.int64)]
    unit = "D" if "HH" not in form else "ms"
    scaled = np.round(whole if unit == "D" else whole * 1000).astype(np.int64)
    dates = scaled.astype(f"datetime64[{unit}]")
    dates[missing] = np.datetime64("NaT")
    return dates


def condition_columns(condition: Any, names: Sequence[str]) -> Columns:
    """A condition in any form as columns by name."""
    columns = columns_of(condition, "condition")
    if columns is not None:
        return columns
    texts = np.asarray(condition) if not hasattr(condition, "detach") else None
    if texts is not None and texts.dtype.kind in "UM":
        array: npt.NDArray[Any] = texts
    else:
        array = numbers(condition, "condition")
    if array.ndim == 0:
        array = array.reshape(1, 1)
    elif array.ndim == 1:
        array = array[:, np.newaxis] if len(names) == 1 else array[np.newaxis]
    if array.ndim != 2 or array.shape[1] != len(names):
        raise ShapeError(
            f"condition: expected rows x {len(names)} columns ({', '.join(names)}), got shape "
            f"{np.shape(condition)}"
        )
    return {name: array[:, number] for number, name in enumerate(names)}


def names_of_array(
    array: npt.NDArray[Any],
    columns: list[str],
    conditions: list[str],
    samples: list[str],
    weighted: bool,
) -> list[str]:
    """What the columns of an array are called: a model's own, those of its samples, or all of the
    array that was fitted, with derived ones, conditions and weights."""
    width = array.shape[1] if array.ndim == 2 else 1
    if array.ndim not in (1, 2) or (array.ndim == 1 and len(columns) > 1):
        raise ShapeError(
            f"x: expected rows x {len(columns)} columns ({', '.join(columns[:6])}), got shape "
            f"{array.shape}" + ("; one point is x[None]" if array.ndim == 1 else "")
        )
    if not conditions and width in (len(columns), len(samples)):
        return columns if width == len(columns) else samples
    names = [f"x{i}" for i in range(width)]
    least = len(samples) + len(conditions)
    whole = least <= width <= least + weighted
    if not whole or not set(columns + conditions) <= set(names):
        if width == len(columns) and conditions:
            raise ConfigError(
                f"this model is conditional: give condition, rows of {', '.join(conditions)}"
            )
        raise ShapeError(
            f"x: expected rows x {len(columns)} columns ({', '.join(columns[:6])}), got shape "
            f"{array.shape}"
        )
    return names
