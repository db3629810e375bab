"""Flows, densities, losses and chains of the benchmark's peer in PyTorch: functions of trees of
tensors as peer_common.parameters makes them. x and z are [batch, features], log-determinants
[batch]."""

import math

import torch
import torch.nn.functional as F

import peer_chains
from cases import SIZES
from peer_common import BASE


def tensors(tree):
    """The same nested dicts and lists with tensors of the default type."""
    if isinstance(tree, dict):
        return {name: tensors(part) for name, part in tree.items()}
    if isinstance(tree, list):
        return [tensors(part) for part in tree]
    return torch.tensor(tree, dtype=torch.get_default_dtype())


def leaves(tree):
    if isinstance(tree, torch.Tensor):
        return [tree]
    parts = tree.values() if isinstance(tree, dict) else tree
    return [leaf for part in parts for leaf in leaves(part)]


def normalise(x, layer):
    return torch.addcmul(layer["shift"], x, layer["log_scale"].exp())


def denormalise(z, layer):
    return (z - layer["shift"]) * (-layer["log_scale"]).exp()


def linear(layer, x):
    return F.linear(x, layer["weight"], layer["bias"])


def mlp(net, x, activation=torch.relu):
    for layer in net[:-1]:
        x = activation(linear(layer, x))
    return linear(net[-1], x)


def lu_weight(layer):
    lower = torch.tril(layer["lower"], -1) + torch.eye(len(layer["diagonal"]))
    return lower @ (torch.triu(layer["upper"], 1) + torch.diag(layer["diagonal"]))


def log_normal(z):
    return -0.5 * z.square().sum(1) - 0.5 * z.shape[1] * math.log(2.0 * math.pi)


def coupling_to_latent(flow, x):
    """x [batch, features] to z and log|det dz/dx| [batch]."""
    log_det = 0.0
    for layer in flow:
        if "lower" in layer:
            x = normalise(x @ lu_weight(layer).T, layer)
            log_det = log_det + layer["diagonal"].abs().log().sum()
        kept, moved = x.chunk(2, 1)
        log_scale, shift = mlp(layer["net"], kept).chunk(2, 1)
        x = torch.cat([torch.addcmul(shift, moved, log_scale.exp()), kept], 1)
        if "lower" not in layer:
            x = normalise(x, layer)
        log_det = log_det + log_scale.sum(1) + layer["log_scale"].sum()
    return x, log_det


def coupling_to_data(flow, z, inverses=None):
    """The inverse: z to x and log|det dx/dz|, the latter without the LU maps' part."""
    log_det = 0.0
    for i, layer in reversed(list(enumerate(flow))):
        if not inverses:
            z = denormalise(z, layer)
        moved, kept = z.chunk(2, 1)
        log_scale, shift = mlp(layer["net"], kept).chunk(2, 1)
        z = torch.cat([kept, (moved - shift) * (-log_scale).exp()], 1)
        if inverses:
            z = denormalise(z, layer) @ inverses[i]
        log_det = log_det - (log_scale.sum(1) + layer["log_scale"].sum())
    return z, log_det


def residual_net(net, x):
    h = linear(net[0], x)
    for first, second in zip(net[1:-1:2], net[2:-1:2]):
        h = h + linear(second, torch.relu(linear(first, torch.relu(h))))
    return linear(net[-1], h)


def spline(x, raw, bins, bound=5.0, smallest=1e-3):
    """Rational-quadratic spline of x [batch, features] and the logarithm of its slope."""
    def knots(part):
        extents = 2.0 * bound * (torch.softmax(part, -1) * (1.0 - smallest * bins) + smallest)
        return torch.cumsum(extents, -1) - extents - bound, extents

    left_x, width = knots(raw[..., :bins])
    left_y, height = knots(raw[..., bins:2 * bins])
    slope = F.softplus(raw[..., 2 * bins:] + math.log(math.expm1(1.0 - smallest))) + smallest
    padded = F.pad(slope, (1, 1), value=1.0)
    limited = x.clamp(-bound, bound)
    index = ((limited[..., None] >= left_x).sum(-1, keepdim=True) - 1).clamp(0, bins - 1)

    def pick(values, at=index):
        return values.gather(-1, at)[..., 0]

    w, h, d0, d1 = pick(width), pick(height), pick(padded), pick(padded, index + 1)
    steep = h / w
    place = (limited - pick(left_x)) / w
    both = place * (1.0 - place)
    bottom = steep + (d0 + d1 - 2.0 * steep) * both
    y = pick(left_y) + h * (steep * place.square() + d0 * both) / bottom
    top = d1 * place.square() + 2.0 * steep * both + d0 * (1.0 - place).square()
    inside = x.abs() <= bound
    log_slope = 2.0 * (steep.log() - bottom.log()) + top.log()
    return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)


def spline_to_latent(flow, x):
    bins, log_det = SIZES["W3"]["bins"], 0.0
    for layer in flow:
        kept, moved = (x @ lu_weight(layer).T).chunk(2, 1)
        raw = residual_net(layer["net"], kept).reshape(*moved.shape, 3 * bins - 1)
        moved, log_slope = spline(moved, raw, bins)
        x = torch.cat([kept, moved], 1)
        log_det = log_det + log_slope.sum(1) + layer["diagonal"].abs().log().sum()
    return x, log_det


def bounded_weight(weight, direction):
    """The weight with its norm held below the bound, and the new direction."""
    sizes = SIZES["W5"]
    fixed = weight.detach()
    for _ in range(sizes["power_iterations"]):
        left = F.normalize(fixed @ direction, dim=0)
        direction = F.normalize(fixed.T @ left, dim=0)
    sigma = torch.dot(left, weight @ direction)
    return weight / (sigma / sizes["lipschitz"]).clamp(min=1.0), direction


def lip_swish(h, beta):
    """LipSwish and its derivative."""
    soft = F.softplus(beta)
    gate = torch.sigmoid(h * soft)
    return h * gate / 1.1, gate * (1.0 + h * soft * (1.0 - gate)) / 1.1


def residual_to_latent(flow, starts, x):
    """z, log|det dz/dx| and the new directions of the power iterations. The Jacobian's columns are
    pushed through g by hand: torch.compile differentiates once only."""
    log_det, moved_on = 0.0, []
    for layer, start in zip(flow, starts):
        weights, ends = zip(*map(bounded_weight, layer["weights"], start))
        moved_on.append(list(ends))
        h = F.linear(x, weights[0], layer["biases"][0])
        columns = [weights[0][:, 0].expand_as(h), weights[0][:, 1].expand_as(h)]
        for weight, bias, beta in zip(weights[1:], layer["biases"][1:], layer["betas"]):
            h, slope = lip_swish(h, beta)
            h = F.linear(h, weight, bias)
            columns = [F.linear(slope * column, weight) for column in columns]
        first, second = columns
        determinant = (1.0 + first[:, 0]) * (1.0 + second[:, 1]) - first[:, 1] * second[:, 0]
        log_det = log_det + determinant.log() + layer["log_scale"].sum()
        x = normalise(x + h, layer)
    return x, log_det, moved_on


def acceptance(net, z):
    return torch.sigmoid(mlp(net, z))[:, 0]


def resampled_log_density(z, rate, mean_rate):
    alpha = (1.0 - mean_rate)**(BASE["truncation"] - 1)
    return log_normal(z) + (alpha + (1.0 - alpha) / mean_rate * rate).log()


def training_log_density(net, z, average, proposals):
    """log p(z) and the new moving average of Z, whose gradient comes from fresh proposals."""
    rates = acceptance(net, torch.cat([z, proposals]))
    mean = rates[len(z):].mean()
    fixed = mean.detach()
    average = average + BASE["average_rate"] * (fixed - average)
    return resampled_log_density(z, rates[:len(z)], mean - fixed + average), average


def two_rings(x):
    radius = x.square().sum(1).sqrt()
    return torch.logaddexp(-0.5 * ((radius - 1.0) / 0.1).square(),
                           -0.5 * ((radius - 2.0) / 0.1).square())


def double_well(x):
    return -0.5 * x[:, 0] - 6.0 * x[:, 0]**2 + x[:, 0]**4 + 0.5 * x[:, 1]**2


def metropolis(start, share, noise, uniform):
    """Moves by the energy between a normal's and the double well's. They have no derivative."""
    def energy(y):
        return 0.5 * (1.0 - share) * y.square().sum(1) + share * double_well(y)

    fixed = start.detach()
    y, current = fixed, energy(fixed)
    for normal, number in zip(noise, uniform):
        following = y + SIZES["W8"]["deviation"] * normal
        proposed = energy(following)
        taken = number.log() < current - proposed
        y = torch.where(taken[:, None], following, y)
        current = torch.where(taken, proposed, current)
    end = start + (y - fixed)
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
        log_weight = log_weight + log_ratio + log_det
    likelihood = (log_normal(x) + log_weight).mean()
    path = log_normal(z)
    for i in range(stages):
        mapped, log_det = coupling_to_data(flow[i * each:(i + 1) * each], z)
        z, log_ratio = metropolis(mapped, i / (stages - 1), noise[stages + i], uniform[stages + i])
        path = path - log_det - log_ratio
    return 0.5 * ((path + double_well(z)).mean() - likelihood)


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
    return -(log_base + log_det).mean(), state


def reverse_loss(workload, tree, state, z, proposals):
    """W4 and W7: the reverse KL of two rings, W4's with the covariance estimator."""
    x, log_det = coupling_to_data(tree["flow"], z)
    rest = -(log_det + two_rings(x))
    if workload == "W7":
        return (log_normal(z) + rest).mean(), state
    log_base, state = training_log_density(tree["acceptance"], z, state, proposals)
    integrand = (log_base + rest).detach()
    score = (integrand - integrand.mean()) * log_base
    return rest.mean() + score.sum() / (len(z) - 1), state


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
        kept, moved = z.chunk(2, 1)
        log_scale, shift = mlp(layer["net"], kept, torch.tanh).chunk(2, 1)
        z = torch.cat([torch.addcmul(shift, moved, log_scale.exp()), kept], 1)
        log_det = log_det + log_scale.sum(1)
    return z, log_det


def place_of(flow, z):
    def function(z):
        x, log_det = tanh_to_data(flow, z)
        return x, log_normal(z) - log_det, log_det

    def push(column):
        tangent = torch.zeros_like(z)
        tangent[:, column] = 1.0
        return torch.func.jvp(function, (z,), (tangent,))

    (_, log_density, log_det), (first, slope0, _) = push(0)
    second, slope1, _ = push(1)[1]
    return peer_chains.place(torch, z, log_det, log_density, (first, second), (slope0, slope1))


def chain_step(flow, place, noise, fresh, uniforms):
    return peer_chains.chain_step(torch, lambda z: place_of(flow, z), log_normal, place, noise,
                                  fresh, uniforms)
