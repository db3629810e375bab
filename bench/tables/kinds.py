"""What a density of a table is a density of, column by column, and how estimators for plain numbers
are given such columns: values that have a mass become intervals, filled with uniform noise.

Log densities are compared in the tool's own measure. In it a category or an atom has a mass, and an
evenly spaced value its mass over the step; all else has a density."""

import dataclasses
import tomllib

import numpy as np

import catalogue

# Evenly spaced dates are a day apart here; the tool's unit of time is a day as well.
DATE_STEP = 1.0


@dataclasses.dataclass
class Column:
    name: str
    kind: str  # category, spaced or continuous
    values: list = dataclasses.field(default_factory=list)  # of a category: texts or numbers
    step: float = 0.0  # of a spaced column
    atoms: list = dataclasses.field(default_factory=list)  # of a continuous one


def columns_of_run(run, frame):
    """The kinds that the tool chose, from the config file of its run. A column that the file does
    not have is constant, and left out."""
    with open(run / "config.toml", "rb") as file:
        config = tomllib.load(file)
    result = []
    for entry in config.get("columns", []):
        name = entry["name"]
        # What stands for a missing value is none of the data's.
        missing = 1 if entry.get("missing") else 0
        if entry.get("values"):
            values = entry["values"][:len(entry["values"]) - missing]
            result.append(Column(name, "category", entry.get("labels") or values))
        elif entry.get("integer"):
            dates = catalogue.kind_of_text(frame[name]) == "date"
            step = DATE_STEP if dates else entry.get("step", 1.0)
            result.append(Column(name, "spaced", step=step))
        else:
            atoms = entry.get("atoms", [])[missing:]
            result.append(Column(name, "continuous", atoms=atoms))
    return result


def decimals_of(numbers):
    """The fewest decimals, up to 6, with which all numbers can be written; None if there are
    none."""
    for decimals in range(7):
        scaled = numbers * 10.0**decimals
        if np.all(np.abs(scaled - np.round(scaled)) <= 1e-7 + 1e-12 * np.abs(scaled)):
            return decimals
    return None


def step_of(numbers):
    """The step of numbers that are spaced evenly; else 0. These are whole ones, those of at most
    two decimals, and those of more decimals if a tenth of them repeat. Steps that are multiples of
    that of the last decimal count if at most a hundred of them make up the range."""
    decimals = decimals_of(numbers)
    distinct = np.unique(numbers)
    if decimals is None or len(distinct) < 2:
        return 0.0
    if decimals > 2 and len(distinct) > 0.9 * len(numbers):
        return 0.0
    units = np.round((distinct - distinct[0]) * 10.0**decimals).astype(np.int64)
    multiple = int(np.gcd.reduce(units))
    return (multiple if units[-1] <= 100 * multiple else 1) / 10.0**decimals


class Coder:
    """Rows of a table as points of the real numbers, for the columns' kinds."""

    def __init__(self, columns, train):
        self.columns = columns
        self.gaps = {}
        self.lowest = {}
        for column in columns:
            if column.kind == "category":
                continue
            numbers = catalogue.as_numbers(train[column.name])
            self.lowest[column.name] = np.nanmin(numbers)
            if column.kind == "continuous" and (column.atoms or np.isnan(numbers).any()):
                self.gaps[column.name] = 2.0 * np.nanstd(numbers)

    @property
    def noisy(self):
        return any(column.kind != "continuous" or column.name in self.gaps
                   for column in self.columns)

    def points(self, frame, seed):
        """rows x columns, with fresh noise by the seed; and the log lengths of the atoms'
        intervals, which turn a density of points into one of rows."""
        generator = np.random.default_rng(seed)
        points = np.empty((len(frame), len(self.columns)))
        log_lengths = np.zeros(len(frame))
        for k, column in enumerate(self.columns):
            noise = generator.uniform(size=len(frame))
            text = frame[column.name]
            if column.kind == "category":
                points[:, k] = category_numbers(column, text) + noise
                continue
            numbers = catalogue.as_numbers(text)
            if column.kind == "spaced":
                # A missing value is one more interval, below all others.
                missing = np.isnan(numbers)
                points[:, k] = np.where(
                    missing, self.lowest[column.name] - column.step, numbers)
                points[:, k] += column.step * noise
                log_lengths += np.where(missing, np.log(column.step), 0.0)
                continue
            points[:, k] = numbers
            if column.name in self.gaps:
                gap = self.gaps[column.name]
                shift = np.zeros(len(frame))
                inside = np.isnan(numbers)
                points[inside, k] = self.lowest[column.name] - gap
                for atom in column.atoms:
                    shift += gap * (numbers > atom)
                    inside |= numbers == atom
                points[:, k] += shift + gap * noise * inside
                log_lengths += np.where(inside, np.log(gap), 0.0)
        return points, log_lengths


def category_numbers(column, text):
    """The number of each value among those of the category; a missing one has the number after
    them."""
    if isinstance(column.values[0], str):
        numbers = text.map({value: k for k, value in enumerate(column.values)})
        return numbers.fillna(len(column.values)).to_numpy(float)
    numbers = catalogue.as_numbers(text)
    nearest = np.abs(numbers[:, None] - np.array(column.values)).argmin(axis=1)
    return np.where(np.isnan(numbers), len(column.values), nearest).astype(float)
