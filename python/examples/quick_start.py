"""From points to a density, samples and a report, in a minute. Needs thalweg alone."""

from __future__ import annotations

import tempfile

import numpy as np

import thalweg

# Two columns: a radius, which is positive, and an angle in degrees.
random = np.random.default_rng(0)
data = np.column_stack([random.gamma(4.0, size=2000), random.vonmises(1.0, 2.0, 2000) * 57.2958])

model = thalweg.fit(
    data,
    names=["r", "phi"],
    bounds={"r": (0, None)},
    periodic={"phi": (-180, 180)},
    time_budget=20,
)
print(model)

samples = model.sample(1000, seed=1)
log_prob, slopes = model.log_prob(samples, gradient=True)
print(samples.shape, log_prob.mean(), slopes.shape)

found = model.evaluate()
print("held-out log likelihood:", found["log_likelihood"], "+-", found["log_likelihood_error"])


# An energy: two wells, without data.
def energy(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = points.T
    well = x**2 - 4
    slopes = np.column_stack([2 * x * well - (y - x), y - x])
    return (well**2 + (y - x) ** 2) / 2, slopes


wells = thalweg.fit_energy(energy, columns=["x", "y"], time_budget=20)
weighted, info = wells.sample(5000, seed=1, sampler="importance", info=True)
print("share of the right well:", np.mean(weighted[:, 0] > 0))
print("log of the integral:", info["importance"]["log_integral"])

# Runs are folders, which the command-line tool reads as well.
with tempfile.TemporaryDirectory() as folder:
    wells.save(folder + "/wells")
    again = thalweg.load(folder + "/wells", energy=energy)
    assert np.array_equal(again.sample(10, seed=1), wells.sample(10, seed=1))
