"""Energies of papers/energies/bank.toml for samplers in Python: a prior that holds the mass and
log likelihoods of many points at once, in NumPy. Their product is exp(-energy), so that the
evidence is the integral that `thalweg train --energy` reports. `check` holds both against
papers/energies/truths.py, whose energies tests/energy_bank_test.cc holds against the tool's."""

import os
import sys
import tomllib

import numpy as np
from scipy.special import ndtri

ENERGIES = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "papers",
                        "energies")
LOG2PI = np.log(2.0 * np.pi)


class Box:
    """A uniform prior between `lower` and `upper`."""

    def __init__(self, lower, upper, dim=None):
        self.lower = np.array(np.broadcast_to(lower, dim or np.shape(lower)), float)
        self.upper = np.array(np.broadcast_to(upper, dim or np.shape(upper)), float)
        self.width = self.upper - self.lower
        self.dim = len(self.lower)
        self.bounds = np.stack([self.lower, self.upper], axis=1)
        self.log_volume = np.log(self.width).sum()

    def transform(self, u):
        return self.lower + self.width * u

    def logpdf(self, x):
        inside = ((x >= self.lower) & (x <= self.upper)).all(axis=-1)
        return np.where(inside, -self.log_volume, -np.inf)

    def rvs(self, size=1):
        return self.transform(np.random.random_sample((size, self.dim)))


class Normals:
    """Independent normal columns; column `log_half_cauchy`, if any, is the logarithm of a positive
    number with a half-Cauchy density of width `deviation` instead."""

    def __init__(self, deviation, log_half_cauchy=None):
        self.deviation = np.array(deviation, float)
        self.special = log_half_cauchy
        self.dim = len(self.deviation)
        self.bounds = np.tile([-np.inf, np.inf], (self.dim, 1))
        self.normal = np.arange(self.dim) != log_half_cauchy
        self.log_scale = np.log(self.deviation[self.normal]).sum() + 0.5 * LOG2PI * self.normal.sum()

    def transform(self, u):
        x = self.deviation * ndtri(u)
        if self.special is not None:
            x[..., self.special] = np.log(
                self.deviation[self.special] * np.tan(0.5 * np.pi * u[..., self.special]))
        return x

    def logpdf(self, x):
        z = x[..., self.normal] / self.deviation[self.normal]
        logs = -0.5 * (z**2).sum(-1) - self.log_scale
        if self.special is not None:
            log_ratio = x[..., self.special] - np.log(self.deviation[self.special])
            logs += np.log(2.0 / np.pi) + log_ratio - np.logaddexp(0.0, 2.0 * log_ratio)
        return logs

    def rvs(self, size=1):
        return self.transform(np.random.random_sample((size, self.dim)))


def boxed(box, log_density):
    """The likelihood that makes exp(log_density) of a uniform prior."""
    return box, lambda x: log_density(x) + box.log_volume


# --- Each returns the prior and the log likelihood of points whose last axis are their columns.
# Boxes are some times as wide as their mass, as of a user who knows its order of magnitude; what
# they cut off is below 2e-5 of the mass. Bayesian models have their own priors.


def two_20(_):
    def log_density(x):
        right = (x[..., 0] - 20.0) ** 2
        left = (x[..., 0] + 20.0) ** 2
        return np.logaddexp(-0.5 * right, -0.5 * left) - 0.5 * x[..., 1] ** 2

    return boxed(Box(-50.0, 50.0, 2), log_density)


def four_10d(constants):
    centres, log_weights = np.array(constants["m"]), np.log(constants["w"])

    def log_density(x):
        squares = ((x[..., None, :2] - centres) ** 2).sum(-1)
        rest = (x[..., 2:] ** 2).sum(-1)
        return np.logaddexp.reduce(log_weights - 0.5 * squares, axis=-1) - 0.5 * rest

    return boxed(Box(-20.0, 20.0, 10), log_density)


def ring(_):
    return boxed(Box(-20.0, 20.0, 2),
                 lambda x: -((np.hypot(x[..., 0], x[..., 1]) - 10.0) ** 2) / 0.08)


def banana(_):
    def log_density(x):
        square = x[..., 0] ** 2
        return -square / 200.0 - 0.5 * (x[..., 1] - 0.03 * (square - 100.0)) ** 2

    return boxed(Box([-60.0, -20.0], [60.0, 130.0]), log_density)


def funnel(_):
    def log_density(x):
        first, rest = x[..., 0], (x[..., 1:] ** 2).sum(-1)
        return -(first**2) / 18.0 - 4.5 * first - 0.5 * np.exp(-first) * rest

    return boxed(Box([-15.0] + [-1500.0] * 9, [15.0] + [1500.0] * 9), log_density)


def schools_non_centred(constants):
    y, error = np.array(constants["y"], float), np.array(constants["s"], float)
    log_scale = np.log(error).sum() + 0.5 * len(y) * LOG2PI

    def log_likelihood(x):
        effects = x[..., :1] + np.exp(x[..., 1:2]) * x[..., 2:]
        return -0.5 * (((effects - y) / error) ** 2).sum(-1) - log_scale

    return Normals([5.0, 5.0] + [1.0] * 8, log_half_cauchy=1), log_likelihood


def logistic(constants):
    y = np.array(constants["y"], float)
    phases = np.arange(1, len(y) + 1)[:, None] * np.array(constants["f"])
    design = np.concatenate([np.ones((len(y), 1)), np.sin(phases)], axis=1)
    design[:, 3] *= 5.0
    signed = np.ascontiguousarray((-design * y[:, None]).T)
    return Normals([2.5] * 8), lambda x: -np.logaddexp(0.0, x @ signed).sum(-1)


def wall(_):
    def log_density(x):
        return np.where(x[..., 0] + x[..., 1] > 1.0, -x[..., 0] - 0.5 * x[..., 1] ** 2, -np.inf)

    return boxed(Box([0.0, -8.0], [30.0, 8.0]), log_density)


def student(_):
    return boxed(Box(-3000.0, 3000.0, 5),
                 lambda x: -4.0 * np.log1p((x**2).sum(-1) / 2700.0))


FUNCTIONS = {"two-20": two_20, "four-10d": four_10d, "ring": ring, "banana": banana,
             "schools-non-centred": schools_non_centred, "logistic": logistic, "wall": wall,
             "student": student, "funnel": funnel}


def rows():
    """The rows of the bank that are here, by key."""
    with open(os.path.join(ENERGIES, "bank.toml"), "rb") as file:
        bank = {row["key"]: row for row in tomllib.load(file)["rows"]}
    return {key: bank[key] for key in FUNCTIONS}


def constants_of(row):
    return tomllib.loads("\n".join(row["settings"].get("constants", [])))


def posterior(row):
    """Prior and log likelihood of a row."""
    return FUNCTIONS[row["key"]](constants_of(row))


def energies(row, points):
    prior, log_likelihood = posterior(row)
    return -log_likelihood(points) - prior.logpdf(points)


def prior_fault(prior):
    """Largest distance from 1 of the density of transformed uniform numbers times their slopes."""
    u, step = np.random.default_rng(1).uniform(0.01, 0.99, (100, prior.dim)), 1e-6
    # Columns are independent, so that all may be moved at once.
    slopes = (prior.transform(u + step) - prior.transform(u - step)) / (2.0 * step)
    return np.abs(np.expm1(prior.logpdf(prior.transform(u)) + np.log(slopes).sum(-1))).max()


def check(row, points=200):
    """The largest difference from truths.py's energies, as a share of 1 + abs(energy), at points of
    the prior and at its reference point."""
    sys.path.insert(0, ENERGIES)
    import truths
    function = getattr(truths, row["key"].replace("-", "_"))
    _, energy, columns = function(constants_of(row))
    prior, _ = posterior(row)
    np.random.seed(1)
    x = np.concatenate([prior.rvs(points),
                        0.6 + 0.1 * np.sin(np.arange(columns) + 1.0)[None]])
    ours, theirs = energies(row, x), np.array([energy(point) for point in x])
    finite = np.isfinite(theirs)
    if (finite != np.isfinite(ours)).any():
        return np.inf
    ours, theirs = ours[finite], theirs[finite]
    return np.max(np.abs(ours - theirs) / (1.0 + np.abs(theirs)))


def main():
    worst = 0.0
    for key, row in rows().items():
        difference, fault = check(row), prior_fault(posterior(row)[0])
        worst = max(worst, difference, 1e-4 * fault)
        print(f"{key}: {difference:.1e} from truths.py; slopes of the prior off by {fault:.0e}")
    sys.exit(not worst < 1e-10)


if __name__ == "__main__":
    main()
