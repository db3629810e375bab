"""Flows, densities, losses and chains of the benchmark's peer in JAX: functions of trees of
arrays as peer_common.parameters makes them. x and z are [batch, features], log-determinants
[batch]."""

import math

import jax
import jax.numpy as jnp

import peer_chains
from cases import SIZES
from peer_common import BASE


def normalise(x, layer):
    return x * jnp.exp(layer["log_scale"]) + layer["shift"]


def denormalise(z, layer):
    return (z - layer["shift"]) * jnp.exp(-layer["log_scale"])


def linear(layer, x):
    return x @ layer["weight"].T + layer["bias"]


def mlp(net, x, activation=None):
    activation = activation or jax.nn.relu
    for layer in net[:-1]:
        x = activation(linear(layer, x))
    return linear(net[-1], x)


def lu_weight(layer):
    lower = jnp.tril(layer["lower"], -1)
    lower += jnp.eye(len(lower), dtype=lower.dtype)
    return lower @ (jnp.triu(layer["upper"], 1) + jnp.diag(layer["diagonal"]))


def log_normal(z):
    return -0.5 * jnp.sum(z * z, 1) - 0.5 * z.shape[1] * math.log(2.0 * math.pi)


def coupling_to_latent(flow, x):
    """x [batch, features] to z and log|det dz/dx| [batch]."""
    log_det = 0.0
    for layer in flow:
        if "lower" in layer:
            x = normalise(x @ lu_weight(layer).T, layer)
            log_det += jnp.sum(jnp.log(jnp.abs(layer["diagonal"])))
        kept, moved = jnp.split(x, 2, 1)
        log_scale, shift = jnp.split(mlp(layer["net"], kept), 2, 1)
        x = jnp.concatenate([moved * jnp.exp(log_scale) + shift, kept], 1)
        if "lower" not in layer:
            x = normalise(x, layer)
        log_det += jnp.sum(log_scale, 1) + jnp.sum(layer["log_scale"])
    return x, log_det


def coupling_to_data(flow, z, inverses=None):
    """The inverse: z to x and log|det dx/dz|, the latter without the LU maps' part."""
    log_det = 0.0
    for i, layer in reversed(list(enumerate(flow))):
        if not inverses:
            z = denormalise(z, layer)
        moved, kept = jnp.split(z, 2, 1)
        log_scale, shift = jnp.split(mlp(layer["net"], kept), 2, 1)
        z = jnp.concatenate([kept, (moved - shift) * jnp.exp(-log_scale)], 1)
        if inverses:
            z = denormalise(z, layer) @ inverses[i]
        log_det -= jnp.sum(log_scale, 1) + jnp.sum(layer["log_scale"])
    return z, log_det


def residual_net(net, x):
    h = linear(net[0], x)
    for first, second in zip(net[1:-1:2], net[2:-1:2]):
        h = h + linear(second, jax.nn.relu(linear(first, jax.nn.relu(h))))
    return linear(net[-1], h)


def spline(x, raw, bins, bound=5.0, smallest=1e-3):
    """Rational-quadratic spline of x [batch, features] and the logarithm of its slope."""
    def knots(part):
        extents = 2.0 * bound * (jax.nn.softmax(part) * (1.0 - smallest * bins) + smallest)
        return jnp.cumsum(extents, -1) - extents - bound, extents

    left_x, width = knots(raw[..., :bins])
    left_y, height = knots(raw[..., bins:2 * bins])
    slope = jax.nn.softplus(raw[..., 2 * bins:] + math.log(math.expm1(1.0 - smallest))) + smallest
    padded = jnp.pad(slope, ((0, 0), (0, 0), (1, 1)), constant_values=1.0)
    limited = jnp.clip(x, -bound, bound)
    index = jnp.clip(jnp.sum(limited[..., None] >= left_x, -1, keepdims=True) - 1, 0, bins - 1)

    def pick(values, at=index):
        return jnp.take_along_axis(values, at, -1)[..., 0]

    w, h, d0, d1 = pick(width), pick(height), pick(padded), pick(padded, index + 1)
    steep = h / w
    place = (limited - pick(left_x)) / w
    both = place * (1.0 - place)
    bottom = steep + (d0 + d1 - 2.0 * steep) * both
    y = pick(left_y) + h * (steep * place**2 + d0 * both) / bottom
    top = d1 * place**2 + 2.0 * steep * both + d0 * (1.0 - place)**2
    inside = jnp.abs(x) <= bound
    log_slope = 2.0 * (jnp.log(steep) - jnp.log(bottom)) + jnp.log(top)
    return jnp.where(inside, y, x), jnp.where(inside, log_slope, 0.0)


def spline_to_latent(flow, x):
    bins, log_det = SIZES["W3"]["bins"], 0.0
    for layer in flow:
        kept, moved = jnp.split(x @ lu_weight(layer).T, 2, 1)
        raw = residual_net(layer["net"], kept).reshape(*moved.shape, 3 * bins - 1)
        moved, log_slope = spline(moved, raw, bins)
        x = jnp.concatenate([kept, moved], 1)
        log_det += jnp.sum(log_slope, 1) + jnp.sum(jnp.log(jnp.abs(layer["diagonal"])))
    return x, log_det


def bounded_weight(weight, direction):
    """The weight with its norm held below the bound, and the new direction."""
    sizes = SIZES["W5"]
    fixed = jax.lax.stop_gradient(weight)
    for _ in range(sizes["power_iterations"]):
        left = fixed @ direction
        left = left / jnp.linalg.norm(left)
        direction = fixed.T @ left
        direction = direction / jnp.linalg.norm(direction)
    sigma = left @ (weight @ direction)
    return weight / jnp.maximum(sigma / sizes["lipschitz"], 1.0), direction


def residual_to_latent(flow, starts, x):
    """z, log|det dz/dx| and the new directions of the power iterations."""
    log_det, moved_on = 0.0, []
    for layer, start in zip(flow, starts):
        weights, ends = zip(*map(bounded_weight, layer["weights"], start))
        moved_on.append(list(ends))

        def g(h):
            for weight, bias, beta in zip(weights, layer["biases"], layer["betas"]):
                h = h @ weight.T + bias
                h = h * jax.nn.sigmoid(h * jax.nn.softplus(beta)) / 1.1  # LipSwish
            return h @ weights[-1].T + layer["biases"][-1]

        value, tangents = jax.linearize(g, x)
        first = tangents(jnp.zeros_like(x).at[:, 0].set(1.0))
        second = tangents(jnp.zeros_like(x).at[:, 1].set(1.0))
        determinant = (1.0 + first[:, 0]) * (1.0 + second[:, 1]) - first[:, 1] * second[:, 0]
        log_det += jnp.log(determinant) + jnp.sum(layer["log_scale"])
        x = normalise(x + value, layer)
    return x, log_det, moved_on


def acceptance(net, z):
    return jax.nn.sigmoid(mlp(net, z))[:, 0]


def resampled_log_density(z, rate, mean_rate):
    alpha = (1.0 - mean_rate)**(BASE["truncation"] - 1)
    return log_normal(z) + jnp.log(alpha + (1.0 - alpha) / mean_rate * rate)


def training_log_density(net, z, average, proposals):
    """log p(z) and the new moving average of Z, whose gradient comes from fresh proposals."""
    rates = acceptance(net, jnp.concatenate([z, proposals]))
    mean = jnp.mean(rates[len(z):])
    fixed = jax.lax.stop_gradient(mean)
    average = average + BASE["average_rate"] * (fixed - average)
    return resampled_log_density(z, rates[:len(z)], mean - fixed + average), average


def two_rings(x):
    radius = jnp.sqrt(jnp.sum(x * x, 1))
    return jnp.logaddexp(-0.5 * ((radius - 1.0) / 0.1)**2, -0.5 * ((radius - 2.0) / 0.1)**2)


def double_well(x):
    return -0.5 * x[:, 0] - 6.0 * x[:, 0]**2 + x[:, 0]**4 + 0.5 * x[:, 1]**2


def metropolis(start, share, noise, uniform):
    """Moves by the energy between a normal's and the double well's. They have no derivative."""
    def energy(y):
        return 0.5 * (1.0 - share) * jnp.sum(y * y, 1) + share * double_well(y)

    def move(state, numbers):
        y, current = state
        normal, number = numbers
        following = y + SIZES["W8"]["deviation"] * normal
        proposed = energy(following)
        taken = jnp.log(number) < current - proposed
        return (jnp.where(taken[:, None], following, y), jnp.where(taken, proposed, current)), None

    fixed = jax.lax.stop_gradient(start)
    (end, _), _ = jax.lax.scan(move, (fixed, energy(fixed)), (noise, uniform))
    end = start + jax.lax.stop_gradient(end - fixed)
    return end, energy(end) - energy(start)


def path_loss(tree, x, numbers):
    """W8: half the path likelihood of data, half the path divergence from the double well."""
    stages = SIZES["W8"]["stages"]
    flow, each = tree["flow"], len(tree["flow"]) // stages
    noise, uniform, z = numbers
    log_weight = 0.0
    for i in reversed(range(stages)):
        moved, log_ratio = metropolis(x, i / (stages - 1), noise[i], uniform[i])
        x, log_det = coupling_to_latent(flow[i * each:(i + 1) * each], moved)
        log_weight += log_ratio + log_det
    likelihood = jnp.mean(log_normal(x) + log_weight)
    path = log_normal(z)
    for i in range(stages):
        mapped, log_det = coupling_to_data(flow[i * each:(i + 1) * each], z)
        z, log_ratio = metropolis(mapped, i / (stages - 1), noise[stages + i], uniform[stages + i])
        path -= log_det + log_ratio
    return 0.5 * (jnp.mean(path + double_well(z)) - likelihood)


def likelihood_loss(workload, tree, state, x, proposals):
    """Mean of -log p over the batch, and the new state."""
    if workload == "W5":
        z, log_det, state = residual_to_latent(tree["flow"], state, x)
    elif workload == "W3":
        z, log_det = spline_to_latent(tree["flow"], x)
    else:
        z, log_det = coupling_to_latent(tree["flow"], x)
    if workload == "W0":
        log_base, state = training_log_density(tree["acceptance"], z, state, proposals)
    else:
        log_base = log_normal(z)
    return -jnp.mean(log_base + log_det), state


def reverse_loss(workload, tree, state, z, proposals):
    """W4 and W7: the reverse KL of two rings, W4's with the covariance estimator."""
    x, log_det = coupling_to_data(tree["flow"], z)
    rest = -(log_det + two_rings(x))
    if workload == "W7":
        return jnp.mean(log_normal(z) + rest), state
    log_base, state = training_log_density(tree["acceptance"], z, state, proposals)
    integrand = jax.lax.stop_gradient(log_base + rest)
    score = (integrand - jnp.mean(integrand)) * log_base
    return jnp.mean(rest) + jnp.sum(score) / (len(z) - 1), state


def loss(workload, tree, state, x, numbers):
    """The loss of a step from what it draws, and the new state."""
    if workload == "W8":
        return path_loss(tree, x, numbers), state
    if workload == "W7":
        x = numbers
    function = reverse_loss if workload in ("W4", "W7") else likelihood_loss
    return function(workload, tree, state, x, numbers)


def log_prob(workload, tree, x):
    z, log_det = coupling_to_latent(tree["flow"], x)
    if workload == "W0":
        return log_det + resampled_log_density(z, acceptance(tree["acceptance"], z), 0.5)
    return log_det + log_normal(z)


def tanh_to_data(flow, z):
    log_det = 0.0
    for layer in flow:
        kept, moved = jnp.split(z, 2, 1)
        log_scale, shift = jnp.split(mlp(layer["net"], kept, jnp.tanh), 2, 1)
        z = jnp.concatenate([moved * jnp.exp(log_scale) + shift, kept], 1)
        log_det += jnp.sum(log_scale, 1)
    return z, log_det


def place_of(flow, z):
    def function(z):
        x, log_det = tanh_to_data(flow, z)
        return x, log_normal(z) - log_det, log_det

    (_, log_density, log_det), tangents = jax.linearize(function, z)
    first, slope0, _ = tangents(jnp.zeros_like(z).at[:, 0].set(1.0))
    second, slope1, _ = tangents(jnp.zeros_like(z).at[:, 1].set(1.0))
    return peer_chains.place(jnp, z, log_det, log_density, (first, second), (slope0, slope1))


def chain_step(flow, place, noise, fresh, uniforms):
    return peer_chains.chain_step(jnp, lambda z: place_of(flow, z), log_normal, place, noise,
                                  fresh, uniforms)
