#!/usr/bin/env python3
"""Log integrals, means and variances of the energies in bank.toml, and their values at a point each.

    truths.py             prints a table `truth` for each row, and its energy at a reference point
    truths.py --check     compares them with those in bank.toml, beyond 1e-5 and four errors

Written apart from the tool, in NumPy: closed forms, quadrature on grids fine enough that halving
them changes nothing, and for logistic regression importance sampling (its errors are given). Constants
that are data (lists of numbers) are read from bank.toml. A mean or variance is left out where it does
not exist, or where its estimates have no variance (of the square of a Student t with 3 degrees), or one
that no run of some million draws would show (of the small columns of the funnel).
The reference point has the coordinates 0.6 + 0.1 sin(i + 1).
"""
import pathlib
import sys
import tomllib

import numpy as np

LOG2PI = np.log(2 * np.pi)
HERE = pathlib.Path(__file__).parent


def log_sum_exp(a, axis=None):
    top = np.max(a, axis=axis, keepdims=True)
    return np.squeeze(top + np.log(np.sum(np.exp(a - top), axis=axis, keepdims=True)), axis=axis)


def moments(names, means, variances):
    result = {}
    for name, mean, variance in zip(names, means, variances):
        if mean is not None:
            result["mean_" + name] = mean
        if variance is not None:
            result["variance_" + name] = variance
    return result


def numbered(count, most=8):
    """Names of the columns that the tool reports on: the first eight."""
    return [f"x{i}" for i in range(min(count, most))]


def mixture(centres, deviations, weights, log_scale, names):
    """Of Gaussians with one deviation each; energies are -log sum_k weights_k N_k less log_scale."""
    m, s, w = np.array(centres, float), np.array(deviations, float), np.array(weights, float)
    d = m.shape[1]
    mean = w @ m
    variance = w @ (m**2 + s[:, None] ** 2) - mean**2

    def energy(x):
        r = ((x - m) ** 2).sum(1) / s**2
        return -log_sum_exp(np.log(w) - 0.5 * r - d * np.log(s) - 0.5 * d * LOG2PI) - log_scale

    truth = {"log_integral": log_scale} | moments(names, mean, variance)
    return truth, energy, d


def on_grid(log_density, *axes):
    """log integral and the weights of a log density on a product grid, by the trapezoidal rule."""
    grids = np.meshgrid(*axes, indexing="ij")
    logs = log_density(*grids)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    total = log_sum_exp(logs)
    return total + np.log(cell), np.exp(logs - total), grids


def weighted(weights, values):
    mean = np.sum(weights * values)
    return mean, np.sum(weights * (values - mean) ** 2)


# --- The rows. Each returns the truths, the energy of one point, and the number of columns.


def two_20(_):
    return mixture([[-20, 0], [20, 0]], [1, 1], [0.5, 0.5], np.log(2) + LOG2PI, "xy")


def two_12(_):
    return mixture([[-12, 0], [12, 0]], [1, 1], [0.5, 0.5], np.log(2) + LOG2PI, "xy")


def two_unequal(_):
    return mixture([[-15, 3], [12, 3]], [0.5, 1.5], [0.85, 0.15], LOG2PI, "xy")


def far_1000(_):
    return mixture([[-1000, 0], [1000, 0]], [1, 1], [0.5, 0.5], np.log(2) + LOG2PI, "xy")


def four_10d(_):
    m = np.zeros((4, 10))
    m[:, :2] = [[8, 8], [-8, 8], [8, -8], [-8, -8]]
    return mixture(m, np.ones(4), [0.4, 0.3, 0.2, 0.1], 5 * LOG2PI, numbered(10))


def clusters_16(constants):
    return mixture(constants["c"], np.ones(16), np.full(16, 1 / 16), np.log(16) + LOG2PI, numbered(2))


def one_percent_20d(_):
    m = np.array([np.zeros(20), np.full(20, 10 / np.sqrt(20))])
    return mixture(m, [1, 1], [0.99, 0.01], 10 * LOG2PI, numbered(20))


def needle(_):
    m = np.array([np.zeros(10), np.full(10, 8.0)])
    return mixture(m, [3, 0.03], [0.5, 0.5], np.log(2) + 5 * LOG2PI, numbered(10))


def narrow(_):
    m = np.array([np.zeros(10), np.full(10, 8.0)])
    return mixture(m, [3, 0.3], [0.5, 0.5], np.log(2) + 5 * LOG2PI, numbered(10))


def radial(dimension, radius, variance):
    r = np.linspace(max(radius - 20 * variance**0.5, 0), radius + 20 * variance**0.5, 400001)[1:]
    logs = (dimension - 1) * np.log(r) - (r - radius) ** 2 / (2 * variance)
    top = logs.max()
    w = np.exp(logs - top)
    log_surface = np.log(2) + dimension / 2 * np.log(np.pi) - log_gamma(dimension / 2)
    log_z = top + np.log(w.sum() * (r[1] - r[0])) + log_surface
    second = (w * r**2).sum() / w.sum() / dimension

    def energy(x):
        return (np.sqrt((x**2).sum()) - radius) ** 2 / (2 * variance)

    names = "xy" if dimension == 2 else numbered(dimension)
    truth = {"log_integral": log_z} | moments(names, np.zeros(8), np.full(8, second))
    return truth, energy, dimension


def log_gamma(a):
    """By Stirling's series at a + 20."""
    shift = sum(np.log(a + i) for i in range(20))
    z = a + 20.0
    return (z - 0.5) * np.log(z) - z + 0.5 * LOG2PI + 1 / (12 * z) - 1 / (360 * z**3) + 1 / (1260 * z**5) - shift


def ring(_):
    return radial(2, 10.0, 0.04)


def shell_10d(_):
    return radial(10, 10.0, 0.25)


def banana(_):
    def energy(x):
        return x[0] ** 2 / 200 + (x[1] - 0.03 * (x[0] ** 2 - 100)) ** 2 / 2

    truth = {"log_integral": LOG2PI + np.log(10)} | moments("xy", [0, 0], [100, 1 + 0.03**2 * 2 * 100**2])
    return truth, energy, 2


def funnel(_):
    def energy(x):
        return x[0] ** 2 / 18 + 4.5 * x[0] + 0.5 * np.exp(-x[0]) * (x[1:] ** 2).sum()

    truth = {"log_integral": 5 * LOG2PI + np.log(3), "mean_x0": 0.0, "variance_x0": 9.0}
    truth |= {f"mean_x{i}": 0.0 for i in range(1, 8)}
    return truth, energy, 10


def horseshoe(constants):
    """y_i = tau lambda_i z_i + noise; columns log tau, log lambda_i, z_i. Given tau, the i are apart."""
    y = np.array(constants["y"])
    u = np.linspace(-45, 45, 3601)  # log lambda
    t = np.linspace(-45, 45, 1801)  # log tau
    log_half_cauchy = lambda v: np.log(2 / np.pi) + v - np.logaddexp(0, 2 * v)
    log_tau = log_half_cauchy(t)
    du, dt = u[1] - u[0], t[1] - t[0]
    s = np.exp(np.minimum(t[:, None] + u[None], 300))  # deviation of tau lambda z
    marginal, inner = [], []
    for value in y:
        logs = log_half_cauchy(u)[None] - 0.5 * value**2 / (1 + s**2) - 0.5 * np.log1p(s**2) - 0.5 * LOG2PI
        row = log_sum_exp(logs, axis=1)
        w = np.exp(logs - row[:, None])
        z1 = value * s / (1 + s**2)
        z2 = z1**2 + 1 / (1 + s**2)
        marginal.append(row + np.log(du))
        inner.append([(w * u).sum(1), (w * u**2).sum(1), (w * z1).sum(1), (w * z2).sum(1)])
    logs = log_tau + sum(marginal)
    total = log_sum_exp(logs)
    w = np.exp(logs - total)
    mean, variance = weighted(w, t)
    means, variances = [mean], [variance]
    for first, second in ((0, 1), (2, 3)):
        for part in inner:
            m = (w * part[first]).sum()
            means.append(m)
            variances.append((w * part[second]).sum() - m**2)

    def energy(x):
        v, log_l, z = x[0], x[1:5], x[5:]
        scale = np.exp(v + log_l)
        return (0.5 * ((y - scale * z) ** 2).sum() + 0.5 * (z**2).sum() + 4 * LOG2PI
                - log_half_cauchy(v) - log_half_cauchy(log_l).sum())

    truth = {"log_integral": total + np.log(dt)} | moments(numbered(9), means, variances)
    return truth, energy, 9


SCHOOLS = ["mu", "log_tau"] + [f"theta{i}" for i in range(6)]


def schools(constants, centred):
    y, s = np.array(constants["y"]), np.array(constants["s"])
    mu = np.linspace(-60, 70, 2601)
    log_tau = np.linspace(-25, 12, 2961)

    def log_prior(m, v):
        return (-0.5 * m**2 / 25 - np.log(5) - 0.5 * LOG2PI + np.log(2 / (5 * np.pi)) + v
                - np.log1p(np.exp(2 * v) / 25))

    def log_density(m, v):
        result = log_prior(m, v)
        for value, error in zip(y, s):
            variance = error**2 + np.exp(2 * v)
            result = result - 0.5 * (value - m) ** 2 / variance - 0.5 * np.log(variance) - 0.5 * LOG2PI
        return result

    log_z, w, (m, v) = on_grid(log_density, mu, log_tau)
    pairs = [weighted(w, m), weighted(w, v)]
    tau2 = np.exp(2 * v)
    for value, error in zip(y[:6], s[:6]):
        if centred:
            precision = 1 / error**2 + 1 / tau2
            mean = (value / error**2 + m / tau2) / precision
        else:
            precision = 1 + tau2 / error**2
            mean = np.exp(v) * (value - m) / error**2 / precision
        first = np.sum(w * mean)
        pairs.append((first, np.sum(w * (mean**2 + 1 / precision)) - first**2))

    def energy(x):
        m, v, theta = x[0], x[1], x[2:]
        effect = theta if centred else m + np.exp(v) * theta
        z = (theta - m) / np.exp(v) if centred else theta
        return (-log_prior(m, v) + 0.5 * (((effect - y) / s) ** 2).sum() + np.log(s).sum() + 4 * LOG2PI
                + 0.5 * (z**2).sum() + 4 * LOG2PI + (8 * v if centred else 0))

    truth = {"log_integral": log_z} | moments(SCHOOLS, *zip(*pairs))
    return truth, energy, 10


def schools_centred(constants):
    return schools(constants, True)


def schools_non_centred(constants):
    return schools(constants, False)


def logistic(constants):
    """A Student t with 8 degrees at the mode, as a proposal for the posterior."""
    f, y = np.array(constants["f"]), np.array(constants["y"], float)
    k = np.arange(len(y))
    a = np.concatenate([np.ones((len(y), 1)), np.sin((k[:, None] + 1) * f)], axis=1)
    a[:, 3] *= 5

    def energies(x):
        return (np.logaddexp(0, -(x @ a.T) * y).sum(1) + (x**2).sum(1) / 12.5
                + 4 * LOG2PI + 8 * np.log(2.5))

    mode = np.zeros(8)
    for _ in range(100):
        p = 1 / (1 + np.exp(-(a @ mode)))
        gradient = -a.T @ ((y + 1) / 2 - p) + mode / 6.25
        hessian = (a * (p * (1 - p))[:, None]).T @ a + np.eye(8) / 6.25
        mode = mode - np.linalg.solve(hessian, gradient)
    root = np.linalg.cholesky(np.linalg.inv(hessian))
    random, nu, count = np.random.default_rng(1), 8.0, 1000000
    constant = log_gamma((nu + 8) / 2) - log_gamma(nu / 2) - 4 * np.log(nu * np.pi) - np.log(np.diag(root)).sum()
    x, logs = [], []
    for _ in range(count // 10000):
        z = random.standard_normal((10000, 8)) / np.sqrt(random.chisquare(nu, (10000, 1)) / nu)
        x.append(mode + z @ root.T)
        logs.append(-energies(x[-1]) - constant + (nu + 8) / 2 * np.log1p((z**2).sum(1) / nu))
    x, logs = np.concatenate(x), np.concatenate(logs)
    w = np.exp(logs - logs.max())
    log_z = logs.max() + np.log(w.mean())
    truth = {"log_integral": (log_z, w.std() / w.mean() / count**0.5)}
    w /= w.sum()
    for i in range(8):
        mean = (w * x[:, i]).sum()
        square = (x[:, i] - mean) ** 2
        variance = (w * square).sum()
        truth[f"mean_x{i}"] = (mean, (w**2 * square).sum() ** 0.5)
        truth[f"variance_x{i}"] = (variance, (w**2 * (square - variance) ** 2).sum() ** 0.5)
    return truth, lambda x: energies(x[None])[0], 8


def gaussian(mean, deviation, names):
    m, s = np.array(mean, float), np.array(deviation, float)

    def energy(x):
        return 0.5 * (((x - m) / s) ** 2).sum()

    truth = {"log_integral": len(m) / 2 * LOG2PI + np.log(s).sum()} | moments(names, m, s**2)
    return truth, energy, len(m)


def scales(_):
    return gaussian([5e5, -3e2, 2e4], [1e-4, 1, 1e3], "xyz")


def scales_wide(constants):
    return gaussian(constants["m"], constants["s"], numbered(5))


def correlated(_):
    rho = 0.999

    def energy(x):
        a, b = x[0] - 3, x[1] + 4
        return (a**2 - 2 * rho * a * b + b**2) / (2 * (1 - rho**2))

    truth = {"log_integral": LOG2PI + 0.5 * np.log(1 - rho**2)} | moments("xy", [3, -4], [1, 1])
    return truth, energy, 2


def wall(_):
    """x >= 0 by bounds, x + y > 1 by a wall; energy x + y^2 / 2. Given y, x is exponential from max(0, 1 - y)."""
    y = np.linspace(-12, 12, 240001)
    lower = np.maximum(0, 1 - y)
    logs = -(y**2) / 2 - lower
    total = log_sum_exp(logs)
    w = np.exp(logs - total)
    mean_x = (w * (lower + 1)).sum()
    variance_x = (w * (lower**2 + 2 * lower + 2)).sum() - mean_x**2
    mean_y, variance_y = weighted(w, y)

    def energy(x):
        return x[0] + x[1] ** 2 / 2 if x[0] + x[1] > 1 else np.inf

    truth = {"log_integral": total + np.log(y[1] - y[0])}
    truth |= moments("xy", [mean_x, mean_y], [variance_x, variance_y])
    return truth, energy, 2


def angles(_):
    def energy(x):
        return -(2 * np.cos(x[0] - 3) + 1.5 * np.cos(2 * x[1]) + np.cos(x[0] - x[1]))

    turn = np.linspace(-np.pi, np.pi, 2001)[:-1]
    log_z, _, _ = on_grid(lambda a, b: -energy([a, b]), turn, turn)
    return {"log_integral": log_z}, energy, 2


def product_of(log_density, axis, count):
    """Equal columns apart: integral, mean and variance of one by the trapezoidal rule."""
    logs = log_density(axis)
    total = log_sum_exp(logs)
    mean, variance = weighted(np.exp(logs - total), axis)
    return count * (total + np.log(axis[1] - axis[0])), mean, variance


def many_well(_):
    log_z, mean, variance = product_of(lambda x: -(x**4 - 6 * x**2 - 0.5 * x), np.linspace(-6, 6, 24001), 16)

    def energy(x):
        a, b = x[::2], x[1::2]
        return (a**4 - 6 * a**2 - 0.5 * a + 0.5 * b**2).sum()

    truth = {"log_integral": log_z + 8 * LOG2PI}
    truth |= moments(numbered(32), [mean, 0.0] * 4, [variance, 1.0] * 4)
    return truth, energy, 32


def rastrigin(_):
    one = lambda x: -(x**2) / 18 - 3 * (1 - np.cos(2 * np.pi * x))
    log_z, _, variance = product_of(one, np.linspace(-40, 40, 160001), 5)
    truth = {"log_integral": log_z} | moments(numbered(5), np.zeros(5), np.full(5, variance))
    return truth, lambda x: -one(x).sum(), 5


def student(_):
    d, nu, s = 5, 3.0, 30.0

    def energy(x):
        return (nu + d) / 2 * np.log1p((x**2).sum() / s**2 / nu)

    log_z = log_gamma(nu / 2) + d / 2 * np.log(nu * np.pi) - log_gamma((nu + d) / 2) + d * np.log(s)
    return {"log_integral": log_z} | moments(numbered(5), np.zeros(5), [None] * 5), energy, 5


def gamma_beta(_):
    a, theta, p, q = 2.5, 100.0, 0.8, 3.0

    def energy(x):
        return -(a - 1) * np.log(x[0]) + x[0] / theta - (p - 1) * np.log(x[1]) - (q - 1) * np.log1p(-x[1])

    log_z = log_gamma(a) + a * np.log(theta) + log_gamma(p) + log_gamma(q) - log_gamma(p + q)
    truth = {"log_integral": log_z}
    truth |= moments("xy", [a * theta, p / (p + q)], [a * theta**2, p * q / (p + q) ** 2 / (p + q + 1)])
    return truth, energy, 2


def hundred(_):
    """N(m, H D^2 H): deviations D from .1 to 10, turned by the reflection H = 1 - 2 v v^T, v all .1."""
    i = np.arange(100)
    m, s = 5 * np.sin(i), 10 ** (-1 + 2 * i / 99)
    h = np.eye(100) - 0.02
    covariance = (h * s**2) @ h.T

    def energy(x):
        return 0.5 * ((h @ (x - m) / s) ** 2).sum()

    truth = {"log_integral": 50 * LOG2PI + np.log(s).sum()} | moments(numbered(100), m, np.diag(covariance))
    return truth, energy, 100


def constants_of(settings):
    return tomllib.loads("\n".join(settings.get("constants", [])))


def main():
    with open(HERE / "bank.toml", "rb") as file:
        rows = tomllib.load(file)["rows"]
    check, faults = "--check" in sys.argv, 0
    for row in rows:
        function = globals()[row["key"].replace("-", "_")]
        truth, energy, columns = function(constants_of(row["settings"]))
        truth = {name: value if isinstance(value, tuple) else (value, 0.0) for name, value in truth.items()}
        value = energy(0.6 + 0.1 * np.sin(np.arange(columns) + 1))
        if not check:
            print(f'[{row["key"]}]\nreference = {value:.12g}')
            for name, (number, error) in truth.items():
                print(f"truth.{name} = [{number:.7g}, {error:.2g}]" if error else f"truth.{name} = {number + 0.0:.9g}")
            continue
        stated = {name: entry if isinstance(entry, list) else [entry, 0.0] for name, entry in row["truth"].items()}
        for name in sorted(truth.keys() | stated.keys()):
            got, said = truth.get(name), stated.get(name)
            if got and said and abs(got[0] - said[0]) <= 1e-5 * max(1, abs(got[0])) + 4 * (got[1] + said[1]):
                continue
            print(f'{row["key"]}: {name}: {said} in bank.toml, {got} here')
            faults += 1
    if check:
        print(f"{len(rows)} rows, {faults} faults")
    sys.exit(faults > 0)


if __name__ == "__main__":
    main()
