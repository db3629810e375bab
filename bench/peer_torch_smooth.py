"""Force matching of the smooth flow of the benchmark's peer in PyTorch: couplings by mixtures of bumps
on [0, 1], their slopes in closed form; parameters as peer_common.layer makes them. x and forces are
[batch, features]."""

import torch

from cases import SIZES
from peer_torch_flows import mlp

EDGE = 1e-3
LEAST_DENSITY = 1e-6


def bump(u, alpha):
    """The generalised sigmoid of u and its derivative."""
    inside = u.clamp(EDGE, 1.0 - EDGE)
    value = torch.sigmoid(alpha * (1.0 / (1.0 - inside) - 1.0 / inside))
    steepness = 1.0 / (1.0 - inside)**2 + 1.0 / inside**2
    return value, value * (1.0 - value) * alpha * steepness * (u == inside)


def mixture(x, raw):
    """Images of x [batch, features] and the slopes; raw is [batch, features, 5 bumps]."""
    weight, place, width, low, alpha = raw.chunk(5, -1)
    weight = torch.softmax(weight, -1)
    place = torch.cumsum(torch.softmax(place, -1), -1)
    width = torch.exp(torch.tanh(width))
    low = LEAST_DENSITY + (1.0 - LEAST_DENSITY) * torch.sigmoid(low + 2.0)
    alpha = 10.0 * torch.sigmoid(alpha - 3.0) + 0.8656721
    start, _ = bump(width * -place + 0.5, alpha)
    end, _ = bump(width * (1.0 - place) + 0.5, alpha)
    value, slope = bump(width * (x[..., None] - place) + 0.5, alpha)
    share = weight * (1.0 - low) / (end - start)
    floor = (weight * low).sum(-1)
    return ((share * (value - start)).sum(-1) + floor * x,
            (share * slope * width).sum(-1) + floor)


def log_prob(tree, x):
    log_det = 0.0
    for layer in tree["flow"]:
        kept, moved = x.chunk(2, 1)
        raw = mlp(layer["net"], 2.0 * kept - 1.0, torch.nn.functional.silu)
        image, slope = mixture(moved, raw.reshape(*moved.shape, -1))
        x = torch.cat([image, kept], 1)
        log_det = log_det + slope.log().sum(1)
    return log_det


def loss(workload, tree, state, x, forces):
    """The mean of -log p and of the squared errors of forces, mixed, and the state."""
    share = SIZES[workload]["force_weight"]
    x = x.detach().requires_grad_()
    log_density = log_prob(tree, x)
    found, = torch.autograd.grad(log_density.sum(), x, create_graph=True)
    error = ((forces - found)**2).sum(1)
    return (share * error - (1.0 - share) * log_density).mean(), state
