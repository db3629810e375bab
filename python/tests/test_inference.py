"""Posteriors from simulators, chains for ArviZ, and arrays of other libraries."""

from __future__ import annotations

import logging
import sys
import types

import numpy as np
import pytest

import thalweg

QUICK = {"training.iterations": 400, "flow": {"kind": "real_nvp", "blocks": 4, "hidden": [24]}}


def simulator(theta: np.ndarray) -> np.ndarray:
    """theta with normal noise of deviation 0.1."""
    return theta + 0.1 * np.random.default_rng(3).normal(size=theta.shape)


def test_a_posterior_of_known_form():
    posterior = thalweg.infer(
        simulator, {"a": (-1, 1), "b": (-1, 1)}, 4000, settings=QUICK, progress=False
    )
    assert posterior.columns == ["a", "b"] and posterior.condition_columns == ["c0", "c1"]
    x = posterior.sample(4000, condition=[0.3, -0.4], seed=1)
    # A normal of deviation 0.1 about the observation, far from the bounds: means are within 0.1.
    np.testing.assert_allclose(x.mean(axis=0), [0.3, -0.4], atol=0.05)
    np.testing.assert_allclose(x.std(axis=0), 0.1, atol=0.05)
    assert np.all(np.abs(x) < 1)


def test_a_prior_that_is_a_function(caplog):
    def lossy(theta: np.ndarray) -> np.ndarray:
        observed = simulator(theta)
        observed[:10] = np.nan
        return observed

    with caplog.at_level(logging.WARNING, logger="thalweg"):
        posterior = thalweg.infer(
            lossy,
            lambda n, random: random.normal(size=(n, 2)),
            300,
            settings={"training.iterations": 5},
            progress=False,
        )
    assert posterior.columns == ["theta0", "theta1"]
    assert "10 of 300 simulations" in caplog.text


def test_wrong_priors_and_simulators_are_told():
    box = {"a": (0, 1)}
    with pytest.raises(thalweg.ConfigError, match="prior: expected ranges by name"):
        thalweg.infer(simulator, 3)
    with pytest.raises(thalweg.ConfigError, match="finite range of a"):
        thalweg.infer(simulator, {"a": (0, np.inf)})
    with pytest.raises(thalweg.ConfigError, match="simulations: expected at least 1, got 0"):
        thalweg.infer(simulator, box, 0)
    with pytest.raises(thalweg.ConfigError, match=r"resume: .*thalweg\.fit\(out=..., resume=True"):
        thalweg.infer(lambda theta: 1 / 0, lambda n, random: 1 / 0, 100, resume=True)
    with pytest.raises(thalweg.ShapeError, match="simulator: expected 100 rows"):
        thalweg.infer(lambda theta: theta[:3], box, 100)
    with pytest.raises(thalweg.ShapeError, match="prior: expected 100 rows"):
        thalweg.infer(simulator, lambda n, random: np.zeros((3, 1)), 100)
    with pytest.raises(thalweg.DataError, match="100 of 100 observations are not finite"):
        thalweg.infer(lambda theta: theta * np.nan, box, 100)


def test_chains_for_arviz(model):
    pytest.importorskip("arviz_base", reason="ArviZ is not installed: pip install arviz")
    from thalweg.arviz import inference_data

    data = inference_data(model, 50, chains=3, seed=1, burn_in=20, thinning=1)
    assert dict(data["posterior"].sizes) == {"chain": 3, "draw": 50}
    samples = model.sample(150, sampler="mala", chains=3, seed=1, burn_in=20, thinning=1)
    for number, name in enumerate(model.columns):
        np.testing.assert_array_equal(data["posterior"][name].values.T.ravel(), samples[:, number])
    np.testing.assert_allclose(
        data["sample_stats"]["lp"].values.T.ravel(), model.log_prob(samples), rtol=1e-6
    )
    assert data["posterior"].attrs["sampler"] == "mala"
    with pytest.raises(thalweg.ConfigError, match="one with chains"):
        inference_data(model, 50, sampler="naive")


def test_chains_with_several_conditions(monkeypatch):
    # A stand-in for ArviZ, which is given the groups.
    arviz = types.ModuleType("arviz_base")
    monkeypatch.setattr(arviz, "from_dict", lambda groups, attrs: groups, raising=False)
    monkeypatch.setitem(sys.modules, "arviz_base", arviz)
    from thalweg.arviz import inference_data

    random = np.random.default_rng(3)
    given = random.normal(size=(400, 1))
    settings = {"flow.kind": "elementwise_spline", "training.iterations": 60}
    model = thalweg.fit(
        given + 0.5 * random.normal(size=(400, 1)), condition=given, settings=settings
    )
    groups = inference_data(
        model, 50, chains=4, seed=1, burn_in=20, thinning=1, condition=[[0.0], [3.0]]
    )
    for chain, condition in enumerate([0.0, 3.0, 0.0, 3.0]):
        x = groups["posterior"]["x0"][chain]
        np.testing.assert_allclose(
            groups["sample_stats"]["lp"][chain], model.log_prob(x[:, None], condition), rtol=1e-5
        )


class OnlyDlpack:
    """An array that nobody can read but through DLPack."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __dlpack__(self, **options: object) -> object:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()


def test_dlpack_in_and_out(model, data):
    np.testing.assert_array_equal(model.log_prob(OnlyDlpack(data)), model.log_prob(data))
    values = model.log_prob(data)
    again = np.from_dlpack(values)
    assert again.__array_interface__["data"] == values.__array_interface__["data"]


def test_a_notebook_shows_a_picture_once_there_is_one(model, tmp_path):
    assert "<img" not in model._repr_html_()
    (tmp_path / "run").mkdir()
    model.save(tmp_path / "run", force=True)
    again = thalweg.load(tmp_path / "run")
    (tmp_path / "run" / "plots").mkdir(exist_ok=True)
    (tmp_path / "run" / "plots" / "pairs-0.png").write_bytes(b"picture")
    assert 'src="data:image/png;base64,cGljdHVyZQ=="' in again._repr_html_()
