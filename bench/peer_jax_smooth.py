"""Force matching of the smooth flow of the benchmark's peer in JAX: couplings by mixtures of bumps on
[0, 1], their slopes in closed form; parameters as peer_common.layer makes them. x and forces are
[batch, features]."""

import functools

import jax
import jax.numpy as jnp

from cases import SIZES
from peer_jax_flows import mlp

EDGE = 1e-3
LEAST_DENSITY = 1e-6


def bump(u, alpha):
    """The generalised sigmoid of u and its derivative."""
    inside = jnp.clip(u, EDGE, 1.0 - EDGE)
    value = jax.nn.sigmoid(alpha * (1.0 / (1.0 - inside) - 1.0 / inside))
    steepness = 1.0 / (1.0 - inside)**2 + 1.0 / inside**2
    return value, jnp.where(u == inside, value * (1.0 - value) * alpha * steepness, 0.0)


def mixture(x, raw):
    """Images of x [batch, features] and the slopes; raw is [batch, features, 5 bumps]."""
    weight, place, width, low, alpha = jnp.split(raw, 5, -1)
    weight = jax.nn.softmax(weight)
    place = jnp.cumsum(jax.nn.softmax(place), -1)
    width = jnp.exp(jnp.tanh(width))
    low = LEAST_DENSITY + (1.0 - LEAST_DENSITY) * jax.nn.sigmoid(low + 2.0)
    alpha = 10.0 * jax.nn.sigmoid(alpha - 3.0) + 0.8656721
    start, _ = bump(width * -place + 0.5, alpha)
    end, _ = bump(width * (1.0 - place) + 0.5, alpha)
    value, slope = bump(width * (x[..., None] - place) + 0.5, alpha)
    share = weight * (1.0 - low) / (end - start)
    floor = jnp.sum(weight * low, -1)
    return (jnp.sum(share * (value - start), -1) + floor * x,
            jnp.sum(share * slope * width, -1) + floor)


def log_prob(tree, x):
    log_det = 0.0
    for layer in tree["flow"]:
        kept, moved = jnp.split(x, 2, 1)
        raw = mlp(layer["net"], 2.0 * kept - 1.0, jax.nn.silu)
        image, slope = mixture(moved, raw.reshape(*moved.shape, -1))
        x = jnp.concatenate([image, kept], 1)
        log_det += jnp.sum(jnp.log(slope), 1)
    return log_det


def loss(workload, tree, state, x, forces):
    """The mean of -log p and of the squared errors of forces, mixed, and the state."""
    share = SIZES[workload]["force_weight"]
    log_density, pullback = jax.vjp(functools.partial(log_prob, tree), x)
    error = jnp.sum((forces - pullback(jnp.ones_like(log_density))[0])**2, 1)
    return jnp.mean(share * error - (1.0 - share) * log_density), state
