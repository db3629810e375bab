"""What cannot be used is refused in one exception that says what to do."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import SMALL, banana

import thalweg

GOOD = banana(100)


def with_nan() -> np.ndarray:
    data = GOOD.copy()
    data[3, 1] = np.nan
    return data


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (np.zeros((3, 4, 5)), thalweg.ShapeError, r"rows x columns.*\(3, 4, 5\)"),
        (3.0, thalweg.ShapeError, "rows x columns"),
        (GOOD.astype(object), thalweg.DataError, r"dtype object.*astype\(float\)"),
        (GOOD.astype(complex), thalweg.DataError, "dtype complex128"),
        ((row for row in GOOD), thalweg.DataError, r"generator.*np.array"),
        ([[1.0, 2.0], [3.0]], thalweg.DataError, "equally many numbers"),
        (with_nan(), thalweg.DataError, "row 4"),
        (np.ma.masked_less(GOOD, 0), thalweg.DataError, "masks"),
        (GOOD[:5], thalweg.DataError, "expected at least 20"),
        (np.ones((100, 2)), thalweg.DataError, "drop_constant"),
        ({"a": np.zeros(30), "b": np.zeros(20)}, thalweg.ShapeError, "'b' has 20 rows"),
        ({"a": [[1]] * 30}, thalweg.ShapeError, "one number a row"),
        ({"a": [object()] * 30}, thalweg.DataError, "holds a object"),
        ("no/such/file.npy", thalweg.DataError, "no/such/file.npy"),
        (None, thalweg.ConfigError, "DataFrame"),
    ],
)
def test_data_that_cannot_be_learnt(data, error, says):
    with pytest.raises(error, match=says) as raised:
        thalweg.fit(data)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"settings": {"training.iteration": 3}}, thalweg.ConfigError, "training.iterations"),
        ({"settings": {"training.iterations": "many"}}, thalweg.ConfigError, "training.iterations"),
        ({"settings": {"training.iterations": None}}, thalweg.ConfigError, "None"),
        ({"settings": {"flow.hidden": [1, "a"]}}, thalweg.ConfigError, "list of numbers"),
        ({"flow": "splines"}, thalweg.ConfigError, "spline"),
        ({"base": "resampld"}, thalweg.ConfigError, "resampled"),
        ({"condition": "x7"}, thalweg.ConfigError, "x7"),
        ({"condition": [5]}, thalweg.ConfigError, "from 0 to 1"),
        ({"condition": np.zeros((3, 1))}, thalweg.ShapeError, "expected 100 rows"),
        ({"weights": np.zeros(3)}, thalweg.ShapeError, "expected 100 rows"),
        ({"weights": -np.ones(100)}, thalweg.DataError, "weight"),
        ({"bounds": {"x0": 3}}, thalweg.ConfigError, r"\(lower, upper\)"),
        ({"bounds": [(0, 1)]}, thalweg.ShapeError, "2 columns"),
        ({"bounds": {0: (5, 1)}}, thalweg.ConfigError, "x0"),
        ({"names": ["a"]}, thalweg.ShapeError, "expected 2"),
        ({"seed": -1}, thalweg.ConfigError, "seed"),
        ({"time_budget": -1}, thalweg.ConfigError, "time_budget"),
        ({"threads": 5000}, thalweg.ConfigError, "1024"),
        ({"resume": True}, thalweg.ConfigError, "out"),
        ({"preset": "ring"}, thalweg.ConfigError, "rings"),
    ],
)
def test_arguments_that_make_no_sense(arguments, error, says):
    with pytest.raises(error, match=says):
        thalweg.fit(GOOD, **arguments)


@pytest.mark.parametrize(
    ("x", "error", "says"),
    [
        (np.zeros((4, 3)), thalweg.ShapeError, r"2 columns.*\(4, 3\)"),
        (np.zeros(2), thalweg.ShapeError, r"x\[None\]"),
        (np.zeros((2, 2, 2)), thalweg.ShapeError, "columns"),
        (with_nan(), thalweg.DataError, "row 4"),
        (GOOD.astype(object), thalweg.DataError, "dtype object"),
        ((row for row in GOOD), thalweg.DataError, "generator"),
        ({"a": [1.0], "b": [2.0]}, thalweg.DataError, "x0"),
    ],
)
def test_points_without_a_density(model, x, error, says):
    with pytest.raises(error, match=says):
        model.log_prob(x)


def test_conditions_that_do_not_fit(model, data):
    with pytest.raises(thalweg.ConfigError, match="no condition"):
        model.sample(3, condition=[1.0])
    with pytest.raises(thalweg.ConfigError, match="no condition"):
        model.log_prob(data, condition=[1.0])
    given = thalweg.fit(data, condition=data[:, :1] ** 2, settings=SMALL)
    with pytest.raises(thalweg.ConfigError, match="give condition"):
        given.sample(3)
    with pytest.raises(thalweg.ConfigError, match="give condition"):
        given.log_prob(data)
    with pytest.raises(thalweg.ShapeError, match="1 columns"):
        given.sample(3, condition=[[1.0, 2.0]])
    with pytest.raises(thalweg.ShapeError, match="one row, or 600"):
        given.log_prob(data, condition=[1.0, 2.0])
    with pytest.raises(thalweg.DataError, match="lack column 'x2'"):
        given.sample(3, condition={"t": 3.0})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"n": 0}, "at least 1"),
        ({"n": 3, "sampler": "mcmc"}, "sampler"),
        ({"n": 3, "precision": "half"}, "float or double"),
        ({"n": 3, "sampler": "importance"}, "trained on data"),
    ],
)
def test_samples_that_cannot_be_had(model, arguments, says):
    with pytest.raises(thalweg.ConfigError, match=says):
        model.sample(**arguments)


def test_names_are_of_one_column_each(tmp_path):
    with pytest.raises(thalweg.ConfigError, match="expected each once, got 'a' more than once"):
        thalweg.fit(GOOD, tmp_path / "run", names=["a"] * GOOD.shape[1])


def test_a_file_has_names_of_its_own(tmp_path):
    np.save(tmp_path / "points.npy", GOOD)
    with pytest.raises(thalweg.ConfigError, match="a file has its own"):
        thalweg.fit(tmp_path / "points.npy", names=["a", "b"])
    with pytest.raises(thalweg.ConfigError, match="columns of the file"):
        thalweg.fit(tmp_path / "points.npy", weights=np.ones(100))
    model = thalweg.fit(tmp_path / "points.npy", settings=SMALL)
    assert not (tmp_path / "run").exists() and model.columns == ["x0", "x1"]


def test_folders_that_cannot_be_read(model, tmp_path):
    with pytest.raises(thalweg.DataError, match="there is none"):
        thalweg.load(tmp_path / "nothing")
    with pytest.raises(thalweg.DataError, match="manifest"):
        thalweg.load(tmp_path)
    model.save(tmp_path / "newer")
    manifest = tmp_path / "newer" / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    with pytest.raises(thalweg.DataError, match="newer version.*update thalweg"):
        thalweg.load(tmp_path / "newer")
    model.save(tmp_path / "changed")
    weights = tmp_path / "changed" / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[8 + int.from_bytes(changed[:8], "little")] ^= 1  # a last bit of the first number
    weights.write_bytes(changed)
    with pytest.raises(thalweg.DataError, match="verify=False"):
        thalweg.load(tmp_path / "changed")
    thalweg.load(tmp_path / "changed", verify=False)


def test_a_run_is_not_overwritten(model, data, tmp_path):
    model.save(tmp_path / "run")
    with pytest.raises(thalweg.ConfigError, match="force=True replaces it"):
        thalweg.fit(data, tmp_path / "run", settings=SMALL)
    thalweg.fit(data, tmp_path / "run", settings=SMALL, force=True, report=False)


def test_kinds_of_exceptions():
    for error in (thalweg.ShapeError, thalweg.ConfigError, thalweg.DataError):
        assert issubclass(error, ValueError) and issubclass(error, thalweg.Error)
    assert issubclass(thalweg.NumericalError, RuntimeError)
    assert issubclass(thalweg.Interrupted, KeyboardInterrupt)
