"""Energies: expressions, and functions of Python."""

from __future__ import annotations

import numpy as np
import pytest
from conftest import assignments, read

import thalweg

TINY = {
    "training.iterations": 100,
    "training.batch_size": 128,
    "flow.blocks": 4,
    "exploration.evaluations": 60000,
    "exploration.samples": 2000,
}


def wells(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two wells of equal masses, with slopes."""
    x, y = points.T
    well = x**2 - 4
    energies = well**2 / 2 + (y - x) ** 2 / 2
    return energies, np.column_stack([2 * x * well - (y - x), y - x])


def wells_alone(points: np.ndarray) -> np.ndarray:
    return wells(points)[0]


# 0.5 log(2 pi) + log of the integral of exp(-(x^2 - 4)^2 / 2) by quadrature
_X = np.linspace(-6, 6, 20001)
LOG_INTEGRAL = 0.5 * np.log(2 * np.pi) + np.log(
    np.exp(-((_X**2 - 4) ** 2) / 2).sum() * (_X[1] - _X[0])
)


@pytest.mark.parametrize("energy", [wells, wells_alone])
def test_a_function_is_learnt(energy, tmp_path):
    model = thalweg.fit_energy(energy, tmp_path / "run", dimension=2, settings=TINY, report=False)
    found = model.evaluate()
    assert abs(found["log_integral"] - LOG_INTEGRAL) < 0.1
    samples = model.sample(2000, seed=1, sampler="importance")
    assert 0.4 < np.mean(samples[:, 0] > 0) < 0.6
    # Moved towards the energy, draws have weights that are more alike, of the same integral.
    moved, info = model.sample(2000, seed=1, sampler="annealed", levels=4, weights="column", info=True)
    assert moved.shape == (2000, 3)
    assert [level["power"] for level in info["annealing"]["levels"]] == [0.25, 0.5, 0.75]
    assert info["annealing"]["evaluations"] > 2000 * (3 * 8 + 1)
    assert abs(info["importance"]["log_integral"] - LOG_INTEGRAL) < 0.1
    assert info["importance"]["effective_share"] > found["effective_share"]

    # Light draws are dropped at random, and the others weigh the threshold or more.
    kept, info = model.sample(
        2000, seed=1, sampler="importance", weights="reject", threshold=2.0, info=True
    )
    assert kept.shape == (2000, 3)
    np.testing.assert_array_less(info["rejection"]["log_threshold"] - 1e-12, kept[:, 2])
    assert info["rejection"]["draws"] > 2000
    assert abs(info["importance"]["log_integral"] - LOG_INTEGRAL) < 0.1
    assert info["importance"]["effective_share"] > found["effective_share"]

    # Without the function there are densities and samples, but nothing to judge by.
    alone = thalweg.load(tmp_path / "run")
    np.testing.assert_array_equal(alone.sample(10, seed=1), model.sample(10, seed=1))
    with pytest.raises(thalweg.DataError, match=r"energy=wells"):
        alone.evaluate()
    again = thalweg.load(tmp_path / "run", energy=energy)
    assert again.evaluate() == found


def test_an_expression_has_the_bits_of_the_tool(tool, tmp_path):
    expression = "(a^2-4)^2/2 + k*(b-a)^2"
    model = thalweg.fit_energy(
        expression, columns=["a", "b"], constants={"k": 0.5}, settings=TINY, seed=2
    )
    tool(
        "train",
        "--energy",
        expression,
        "--constants",
        "k=0.5",
        "--seed",
        2,
        "--quiet",
        "--set",
        "variables=a,b",
        "--out",
        tmp_path / "tool",
        *assignments(TINY),
    )
    assert read(model.path + "/model.safetensors") == read(tmp_path / "tool/model.safetensors")
    assert model.columns == ["a", "b"]


def test_constants_may_be_lists():
    model = thalweg.fit_energy(
        "sum(i, 0, 1, (x[i] - m[i])^2)/2",
        dimension=2,
        constants={"m": np.array([1.0, 5.0])},
        settings=TINY,
    )
    np.testing.assert_allclose(model.sample(4000, seed=1).mean(axis=0), [1, 5], atol=0.5)


def test_a_function_is_given_whole_batches_and_asked_for_no_more(tmp_path):
    counts = []

    def energy(points):
        counts.append(len(points))
        return (points**2).sum(axis=1) / 2

    settings = TINY | {"exploration.evaluations": 0, "base.kind": "normal"}
    model = thalweg.fit_energy(energy, dimension=3, settings=settings, threads=2)
    # The energies of a step's 128 points; slopes are differences with 2 x 3 energies more.
    steps = [count for count in counts if count in (128, 6 * 128)]
    assert steps.count(128) == steps.count(6 * 128) >= TINY["training.iterations"]
    counts.clear()
    model.sample(40000, seed=1, sampler="importance", weights="column")
    assert counts and sum(counts) == 40000 and max(counts) == 16384


def test_bounds_of_an_energy():
    def line(points):
        return points[:, 0], np.ones_like(points)

    model = thalweg.fit_energy(line, columns=["u"], bounds={"u": (0, 3)}, settings=TINY)
    samples = model.sample(500, seed=1)
    assert samples.min() > 0 and samples.max() < 3


@pytest.mark.parametrize(
    ("function", "error", "says"),
    [
        (lambda x: x, thalweg.ShapeError, "one number a point"),
        (lambda x: x.sum(), thalweg.ShapeError, r"shape \(\)"),
        (lambda x: "low", thalweg.ShapeError, "got a str"),
        (lambda x: (x[:, 0], x[:, 0]), thalweg.ShapeError, "slopes of shape"),
        (lambda x: (x[:, 0],), thalweg.ShapeError, "tuple of 1"),
        (lambda x: (x[:, 0] * np.nan, x), thalweg.NumericalError, r"the energy at \(.*\) is nan"),
        (lambda x: (x[:, 0] ** 2, x * np.nan), thalweg.NumericalError, "slope 0 of the energy"),
        (lambda x: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_a_function_that_goes_wrong_says_how(function, error, says):
    with pytest.raises(error, match=says):
        thalweg.fit_energy(function, dimension=2, settings=TINY)


def test_slopes_by_differences():
    evaluate = thalweg.energies.prepared(wells_alone, "wells")
    points = np.random.default_rng(1).normal(size=(50, 2))
    np.testing.assert_allclose(evaluate(points)[1], wells(points)[1], rtol=1e-7, atol=1e-8)

    def walled(points):
        return np.where(points[:, 0] > 0, points[:, 0], np.inf)

    _, slopes = thalweg.energies.prepared(walled, "walled")(np.array([[1e-9], [-1.0]]))
    np.testing.assert_allclose(slopes, [[1.0], [0.0]], rtol=1e-3)


def test_differences_come_in_calls_of_a_batch():
    sizes = []

    def energy(points):
        sizes.append(len(points))
        return np.sum(points**2 * np.arange(1, 8), axis=1)

    points = np.random.default_rng(1).normal(size=(3000, 7))
    _, slopes = thalweg.energies.prepared(energy, "energy")(points)
    np.testing.assert_allclose(slopes, 2 * points * np.arange(1, 8), rtol=1e-6, atol=1e-7)
    assert max(sizes) == 16384 and sum(sizes) == 3000 * 15


def test_an_energy_in_torch():
    torch = pytest.importorskip("torch")

    def energy(x):
        return (x**4).sum(dim=1)

    points = np.random.default_rng(1).normal(size=(5, 2))
    values, slopes = thalweg.energies.from_torch(energy)(points)
    np.testing.assert_allclose(values, (points**4).sum(axis=1))
    np.testing.assert_allclose(slopes, 4 * points**3)
    assert torch.is_grad_enabled()


def test_what_is_no_energy_is_refused():
    with pytest.raises(thalweg.ConfigError, match="dimension"):
        thalweg.fit_energy(wells)
    with pytest.raises(thalweg.ConfigError, match="an expression or a function"):
        thalweg.fit_energy(3)
    with pytest.raises(thalweg.ConfigError):
        thalweg.fit_energy("x +")


def test_an_energy_in_jax():
    jax = pytest.importorskip("jax")

    def energy(x):
        return (x**4).sum()

    points = np.random.default_rng(1).normal(size=(5, 2))
    values, slopes = thalweg.energies.from_jax(energy)(points)
    assert jax.default_backend() == "cpu"
    np.testing.assert_allclose(values, (points**4).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(slopes, 4 * points**3, rtol=1e-4, atol=1e-6)
    model = thalweg.fit_energy(thalweg.energies.from_jax(energy), dimension=2, settings=TINY)
    assert np.all(np.abs(model.sample(100, seed=1)) < 4)
