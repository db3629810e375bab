"""Simple estimators of a table's density: a Gaussian, mixtures of 1 to 20 Gaussians and a kernel
estimate on whitened rows, number of components and bandwidth chosen by validation.

Each sees rows as kinds.Coder makes them. A row's density is the mean over draws of the noise, so
that a value with a mass has the mass of its interval."""

import warnings

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

COMPONENTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 14, 17, 20)
SELECTION_ROWS = 15_000  # that numbers of components are chosen by
KERNELS = 15_000
LOG_2_PI = np.log(2 * np.pi)


class Gaussian:
    def __init__(self, points):
        self.mean = points.mean(axis=0)
        covariance = np.atleast_2d(np.cov(points.T))
        # Of standardised columns: exactly dependent ones keep a positive variance.
        covariance += 1e-9 * np.eye(len(covariance))
        self.factor = np.linalg.cholesky(covariance)

    def whiten(self, points):
        return solve_triangular(self.factor, (points - self.mean).T, lower=True).T

    @property
    def log_volume(self):
        return np.log(np.diag(self.factor)).sum()

    def log_density(self, points):
        z = self.whiten(points)
        return -0.5 * (z**2).sum(axis=1) - 0.5 * z.shape[1] * LOG_2_PI - self.log_volume


class Mixture:
    def __init__(self, points, components, ridge):
        self.model = GaussianMixture(components, reg_covar=ridge, random_state=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.model.fit(points)

    def log_density(self, points):
        return self.model.score_samples(points)


class KernelEstimate:
    """Gaussian kernels at whitened points; `log_densities` has those of several bandwidths."""

    def __init__(self, points):
        self.gaussian = Gaussian(points)
        self.centres = self.gaussian.whiten(points)

    def log_densities(self, points, bandwidths):
        z = self.gaussian.whiten(points)
        features = z.shape[1]
        result = np.empty((len(bandwidths), len(z)))
        norms = (self.centres**2).sum(axis=1)
        for begin in range(0, len(z), 512):
            block = z[begin:begin + 512]
            squares = np.maximum(norms - 2 * block @ self.centres.T + (block**2).sum(1)[:, None], 0)
            for k, width in enumerate(bandwidths):
                result[k, begin:begin + 512] = (
                    logsumexp(-0.5 * squares / width**2, axis=1) - np.log(len(self.centres))
                    - features * np.log(width) - 0.5 * features * LOG_2_PI)
        return result - self.gaussian.log_volume


class Rows:
    """Standardised points of some rows, with as many draws of the noise as are asked for."""

    def __init__(self, coder, frame, draws, seed, standard=None):
        drawn = [coder.points(frame, (seed, draw)) for draw in range(draws if coder.noisy else 1)]
        self.draws = np.stack([points for points, _ in drawn])
        self.log_lengths = drawn[0][1]
        if standard is None:
            flat = self.draws.reshape(-1, self.draws.shape[2])
            deviation = flat.std(axis=0)
            standard = flat.mean(axis=0), np.where(deviation > 0, deviation, 1.0)
        self.standard = standard
        self.draws = (self.draws - standard[0]) / standard[1]

    def stacked(self, rows, limit):
        """Points of `rows` in all draws of the noise that keep within a limit, of one at least."""
        if len(rows) > limit:
            rows = np.random.default_rng(2).choice(rows, limit, replace=False)
        draws = min(len(self.draws), max(1, limit // len(rows)))
        return self.draws[:draws, rows].reshape(-1, self.draws.shape[2])

    def log_mean(self, log_density, rows=None):
        """Log densities of the rows, of the mean over draws, in the units of the data."""
        draws = self.draws if rows is None else self.draws[:, rows]
        lengths = self.log_lengths if rows is None else self.log_lengths[rows]
        logs = np.stack([log_density(points) for points in draws])
        return (logsumexp(logs, axis=0) - np.log(len(logs)) + lengths
                - np.log(self.standard[1]).sum())


def folds_of(rows):
    """Pairs of rows to fit and rows to validate: five folds of few rows, else one fifth."""
    order = np.random.default_rng(3).permutation(rows)
    parts = [order[k::5] for k in range(5)]
    return [(np.setdiff1d(order, part), part) for part in (parts if rows < 1200 else parts[:1])]


def choose_mixture(train, folds):
    """Number of components and ridge with the best mean over validation rows."""
    ridges = (1e-6, 1e-3) if train.draws.shape[1] < 1200 else (1e-6,)
    best, choice = -np.inf, (1, 1e-3)
    for ridge in ridges:
        local_best, without = -np.inf, 0
        for components in COMPONENTS:
            logs = []
            for fit, validate in folds:
                points = train.stacked(fit, SELECTION_ROWS)
                if components * 2 > len(fit):
                    break
                try:
                    mixture = Mixture(points, components, ridge)
                    logs.append(train.log_mean(mixture.log_density, validate))
                except ValueError:  # a component without a covariance
                    break
            score = np.mean(np.concatenate(logs)) if len(logs) == len(folds) else -np.inf
            if score > best:
                best, choice = score, (components, ridge)
            without = 0 if score > local_best else without + 1
            local_best = max(local_best, score)
            if without == 3:
                break
    return choice


def choose_bandwidth(train, folds):
    rows, features = train.draws.shape[1:]
    widths = rows ** (-1 / (features + 4)) * 2.0 ** np.arange(-5, 1.6, 0.5)
    scores = np.zeros(len(widths))
    for fit, validate in folds:
        kernels = KernelEstimate(train.stacked(fit, KERNELS // 3))
        validate = validate[:1000]
        logs = np.stack([kernels.log_densities(points, widths)
                         for points in train.draws[:, validate]])
        scores += (logsumexp(logs, axis=0) - np.log(len(logs))).mean(axis=1)
    return widths[np.argmax(scores)]


def log_densities(coder, train_frame, test_frame):
    """Log densities of the test rows by each estimator, and what was chosen."""
    few = len(train_frame) < 1200
    train = Rows(coder, train_frame, 4, seed=4)
    test = Rows(coder, test_frame, 32 if few else 8, seed=5, standard=train.standard)
    every = np.arange(len(train_frame))
    folds = folds_of(len(train_frame))
    components, ridge = choose_mixture(train, folds)
    width = choose_bandwidth(train, folds)
    kernels = KernelEstimate(train.stacked(every, KERNELS))
    result = {
        "gaussian": test.log_mean(Gaussian(train.stacked(every, 10**6)).log_density),
        "mixture": test.log_mean(
            Mixture(train.stacked(every, 100_000), components, ridge).log_density),
        "kernel": test.log_mean(lambda points: kernels.log_densities(points, [width])[0])}
    return result, {"components": components, "ridge": ridge, "bandwidth": float(width)}
