"""Log densities, their slopes, and samples."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from conftest import SMALL, banana

import thalweg


def differences(model: thalweg.Model, x: np.ndarray, **given: object) -> np.ndarray:
    """Slopes of log densities by central differences of order 4."""
    slopes = np.empty_like(x)
    for column in range(x.shape[1]):
        step = np.zeros(x.shape[1])
        step[column] = 1e-3
        near = model.log_prob(x + step, **given) - model.log_prob(x - step, **given)
        far = model.log_prob(x + 2 * step, **given) - model.log_prob(x - 2 * step, **given)
        slopes[:, column] = (8 * near - far) / 12e-3
    return slopes


def test_many_rows_are_those_of_few_and_may_be_interrupted(model, data, monkeypatch):
    x = np.tile(data, (60, 1))
    assert len(x) > 2 * thalweg.model._BLOCK
    values, slopes = model.log_prob(x, gradient=True)
    few, few_slopes = model.log_prob(data, gradient=True)
    np.testing.assert_array_equal(values, np.tile(few, 60))
    np.testing.assert_array_equal(slopes, np.tile(few_slopes, (60, 1)))
    np.testing.assert_array_equal(model.log_prob({"x0": x[:, 0], "x1": x[:, 1]}), values)
    # A signal that comes during a block is heard after it.
    asked = []

    def interrupted(self: object, evaluate: object, rows: np.ndarray) -> object:
        return original(
            self, lambda part: (asked.append(len(part)), signal.raise_signal(signal.SIGINT)), rows
        )

    original = thalweg.Model._in_blocks
    monkeypatch.setattr(thalweg.Model, "_in_blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.log_prob(x)
    assert asked == [thalweg.model._BLOCK]


DOUBLE = SMALL | {"precision": "double", "flow.activation": "tanh"}


@pytest.mark.parametrize("flow", ["real_nvp", "spline", "autoregressive_affine"])
def test_slopes_are_those_of_differences(flow):
    data = np.abs(banana(500))
    model = thalweg.fit(data, bounds={0: (0, None)}, settings=DOUBLE | {"flow.kind": flow})
    x = data[:50]
    values, slopes = model.log_prob(x, gradient=True)
    np.testing.assert_array_equal(values, model.log_prob(x))
    # Splines, those of marginal maps too, have kinks, near which differences are off.
    off = np.abs(slopes - differences(model, x)) / (1 + np.abs(slopes))
    assert np.quantile(off, 0.7) < 1e-6
    outside = model.log_prob([[-1.0, 1.0]], gradient=True)
    assert outside[0] == [-np.inf] and np.all(np.isnan(outside[1]))


def test_slopes_of_a_conditional_model():
    random = np.random.default_rng(3)
    given = random.normal(size=400)
    data = (given + 0.5 * random.normal(size=400))[:, None]
    settings = DOUBLE | {"flow.kind": "elementwise_spline", "data.marginal_maps": False}
    model = thalweg.fit(data, condition=given[:, None], settings=settings)
    x = np.linspace(-1, 1, 30)[:, None]
    _, slopes = model.log_prob(x, 0.4, gradient=True)
    off = np.abs(slopes - differences(model, x, condition=0.4)) / (1 + np.abs(slopes))
    assert np.quantile(off, 0.7) < 1e-6


def test_a_density_integrates_to_one():
    model = thalweg.fit(banana(2000), settings=SMALL | {"training.iterations": 300})
    x, y = np.meshgrid(np.linspace(-8, 14, 440), np.linspace(-3, 14, 340))
    density = np.exp(model.log_prob(np.column_stack([x.ravel(), y.ravel()])))
    assert abs(density.sum() * (x[0, 1] - x[0, 0]) * (y[1, 0] - y[0, 0]) - 1) < 0.02


def test_a_model_without_exact_slopes_says_so():
    settings = SMALL | {"flow.kind": "free_form", "training.iterations": 20}
    model = thalweg.fit(banana(300), settings=settings)
    with pytest.raises(thalweg.ConfigError, match="no exact slopes"):
        model.log_prob(banana(3), gradient=True)


def test_samples_follow_the_seed(model):
    np.testing.assert_array_equal(model.sample(5, seed=1), model.sample(5, seed=1))
    assert not np.array_equal(model.sample(5), model.sample(5))
    assert model.sample(7).shape == (7, 2)


def test_samples_by_chains_come_with_what_is_known_of_them(model):
    samples, info = model.sample(
        400, seed=1, sampler="mala", chains=100, burn_in=50, thinning=2, info=True
    )
    assert samples.shape == (400, 2)
    assert 0 < info["chains"]["kernels"]["mala"]["acceptance"] <= 1
    assert info["chains"]["r_hat"] > 0.9


@pytest.mark.parametrize("form", ["list", "float32", "transposed", "dictionary", "strided"])
def test_points_come_in_any_form(model, data, form):
    x = data[:8].astype(np.float32).astype(float)
    expected = model.log_prob(x)
    given = {
        "list": lambda: x.tolist(),
        "float32": lambda: x.astype(np.float32),
        "transposed": lambda: np.asfortranarray(x),
        "dictionary": lambda: {"x1": x[:, 1], "other": ["a"] * 8, "x0": x[:, 0]},
        "strided": lambda: np.repeat(x, 2, axis=0)[::2],
    }[form]()
    np.testing.assert_array_equal(model.log_prob(given), expected)


def test_derived_columns_come_back_in_samples():
    data = banana(500)
    whole = np.column_stack([data[:, 0], data.sum(axis=1), data[:, 1]])
    model = thalweg.fit(whole, settings=SMALL)
    samples = model.sample(100, seed=1)
    assert samples.shape == (100, 3) and len(model.columns) == 2
    np.testing.assert_allclose(samples[:, 1], samples[:, 0] + samples[:, 2], rtol=1e-5)
    assert np.all(np.isfinite(model.log_prob(samples)))


@pytest.mark.parametrize("columns", [[2, 0], [2, 0, 1], [0, 2], [2, 1, 3], [3, 2, 0, 1]])
def test_columns_keep_the_order_that_was_asked_for(columns):
    random = np.random.default_rng(8)
    whole = np.array([0.0, 20.0, 400.0]) + random.normal(size=(400, 3))
    whole = np.column_stack([whole, whole[:, 1] + whole[:, 2]])
    model = thalweg.fit(whole, columns=columns, settings=SMALL | {"training.iterations": 20})
    names = [f"x{number}" for number in columns]
    assert model.sample_columns == names
    samples = model.sample(50, seed=1)
    np.testing.assert_allclose(samples.mean(axis=0), whole[:, columns].mean(axis=0), atol=2.0)
    by_name = {name: samples[:, number] for number, name in enumerate(names)}
    np.testing.assert_array_equal(model.log_prob(samples), model.log_prob(by_name))
    np.testing.assert_array_equal(model.to_latent(samples), model.to_latent(by_name))
    x = np.column_stack([by_name[name] for name in model.columns])
    np.testing.assert_allclose(model.from_latent(model.to_latent(samples)), x, rtol=1e-6)
    np.testing.assert_array_equal(model.log_prob(x), model.log_prob(by_name))
    likelihood = model.evaluate(samples)["log_likelihood"]
    np.testing.assert_allclose(likelihood, model.log_prob(samples).mean(), rtol=1e-4)


def test_columns_of_a_conditional_model_keep_their_order():
    random = np.random.default_rng(9)
    whole = np.array([0.0, 20.0, 400.0]) + random.normal(size=(400, 3))
    model = thalweg.fit(
        whole, columns=[2, 0], condition=[1], settings=SMALL | {"training.iterations": 20}
    )
    samples = model.sample(30, 20.0, seed=1)
    np.testing.assert_allclose(samples.mean(axis=0), [400.0, 0.0], atol=2.0)
    by_name = {"x0": samples[:, 1], "x1": np.full(30, 20.0), "x2": samples[:, 0]}
    expected = model.log_prob(by_name)
    np.testing.assert_array_equal(model.log_prob(samples, 20.0), expected)
    all_of_them = np.column_stack([by_name[name] for name in ("x0", "x1", "x2")])
    np.testing.assert_array_equal(model.log_prob(all_of_them), expected)


def test_log_weights_stand_behind_the_columns():
    settings = {"flow.kind": "real_nvp", "base.kind": "normal", "exploration.evaluations": 0}
    model = thalweg.fit_energy(
        "(x0-50)^2/2 + x1^2/2",
        columns=["x1", "x0"],
        settings=settings | {"training.iterations": 3},
        report=False,
    )
    options = {"sampler": "importance", "seed": 1}
    samples = model.sample(40, weights="column", **options)
    assert samples.shape == (40, 3) and model.sample_columns == ["x1", "x0"]
    x1, x0, log_weights = samples.T
    energies = (x0 - 50) ** 2 / 2 + x1**2 / 2
    np.testing.assert_allclose(
        log_weights, -energies - model.log_prob(samples[:, :2]), rtol=1e-4, atol=1e-2
    )


def test_a_condition_gives_its_own_columns_alone():
    random = np.random.default_rng(10)
    frame = {name: random.normal(size=400) for name in ("a", "b", "t")}
    model = thalweg.fit(frame, condition="t", settings=SMALL | {"training.iterations": 20})
    x = np.column_stack([frame["a"], frame["b"]])[:30] + 1.0
    given = {name: values[:30] for name, values in frame.items()}
    expected = model.log_prob(x, given["t"])
    np.testing.assert_array_equal(model.log_prob(x, condition=given), expected)
    np.testing.assert_array_equal(
        model.to_latent(x, condition=given), model.to_latent(x, given["t"])
    )
    one = {name: values[:1] for name, values in given.items()}
    np.testing.assert_array_equal(
        model.log_prob(x, condition=one), model.log_prob(x, condition=given["t"][:1])
    )


def test_a_condition_may_be_a_date_that_was_taken_in_parts():
    random = np.random.default_rng(11)
    when = np.datetime64("2024-03-01T00:00", "ms") + 3_600_000 * random.integers(0, 2000, 400)
    frame = {"a": random.normal(size=400), "b": random.normal(size=400), "when": when}
    model = thalweg.fit(
        frame,
        condition="when",
        kinds={"when": "hour"},
        settings=SMALL | {"training.iterations": 20},
    )
    few = {name: values[:5] for name, values in frame.items()}
    x = np.column_stack([few["a"], few["b"]])
    np.testing.assert_array_equal(model.log_prob(x, {"when": few["when"]}), model.log_prob(few))


@pytest.mark.parametrize("flow", ["real_nvp", "spline", "autoregressive_affine"])
def test_points_of_the_base_and_samples_are_one_another(flow):
    data = np.abs(banana(500))
    model = thalweg.fit(data, bounds={0: (0, None)}, settings=DOUBLE | {"flow.kind": flow})
    z = model.to_latent({"x1": data[:, 1], "x0": data[:, 0]})
    np.testing.assert_allclose(model.from_latent(z), data, rtol=1e-9)
    assert np.all(np.isnan(model.to_latent([[-1.0, 1.0]])))
    # Gradients by z beside differences, kinks of splines aside.
    cotangent = np.array([[0.7, -0.4]]) * np.ones((len(z), 1))
    off = model._pull_back(z, cotangent)
    for column in range(2):
        step = np.zeros(2)
        step[column] = 1e-5
        change = model.from_latent(z + step) - model.from_latent(z - step)
        off[:, column] -= np.sum(cotangent * change, axis=1) / 2e-5
    assert np.quantile(np.abs(off) / (1 + np.abs(z)), 0.7) < 1e-6


def test_points_of_the_base_go_by_the_condition():
    random = np.random.default_rng(3)
    given = random.normal(size=(400, 1))
    data = given + 0.5 * random.normal(size=(400, 1))
    settings = DOUBLE | {"flow.kind": "elementwise_spline"}
    model = thalweg.fit(data, condition=given, settings=settings)
    z = model.to_latent(data, given)
    np.testing.assert_allclose(model.from_latent(z, given), data, atol=1e-9)
    assert not np.allclose(model.from_latent(z, [[0.0]]), data, atol=0.1)


def test_what_has_no_points_of_the_base_says_so(model):
    with pytest.raises(thalweg.ShapeError, match="expected rows x 2"):
        model.from_latent([[0.0]])
    with pytest.raises(thalweg.DataError, match="not finite"):
        model.from_latent([[0.0, np.nan]])
    with pytest.raises(thalweg.DataError, match="column 'x1' is missing"):
        model.to_latent({"x0": [1.0]})
    counts = np.random.default_rng(1).integers(0, 9, size=(300, 2))
    whole = thalweg.fit(counts, settings=SMALL | {"training.iterations": 10})
    with pytest.raises(thalweg.ConfigError, match="column 'x0' stand for intervals"):
        whole.to_latent(counts)
    moves = {"stochastic.kind": ["metropolis"], "stochastic.steps": 1, "training.iterations": 5}
    moved = thalweg.fit_energy("x^2/2 + y^2/2", settings=SMALL | moves, report=False)
    with pytest.raises(thalweg.ConfigError, match="random moves"):
        moved.from_latent([[0.0, 0.0]])
