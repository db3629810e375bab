"""The free-form loss on particles of the benchmark's peer in JAX, with E(n)-equivariant graph
networks; parameters as peer_common.graph_network makes them. x and v are
[batch, particles, dimensions]."""

import functools

import jax
import jax.numpy as jnp

from cases import SIZES


def linear(layer, x):
    return x @ layer["weight"].T + layer["bias"]


def pair_features(net, h, distances):
    """[batch, particles, particles, hidden] of all ordered pairs."""
    count = h.shape[1]
    shape = (*h.shape[:2], count, h.shape[2])
    both = jnp.concatenate([jnp.broadcast_to(h[:, :, None], shape),
                            jnp.broadcast_to(h[:, None], shape), distances], -1)
    return jax.nn.silu(linear(net["second"], jax.nn.silu(linear(net["first"], both))))


def square_distances(x):
    return jnp.sum((x[:, :, None] - x[:, None])**2, -1, keepdims=True)


def graph_network(net, x):
    count = x.shape[1]
    others = (1.0 - jnp.eye(count))[None, :, :, None]
    start, start_distances = x, square_distances(x)
    h = jnp.broadcast_to(linear(net["input"], jnp.ones((1, 1, 1))),
                         (*x.shape[:2], len(net["input"]["bias"])))
    for layer in net["layers"]:
        distances = square_distances(x)
        edges = jnp.concatenate([distances, start_distances], -1)
        for block in layer["messages"]:
            message = pair_features(block["pair"], h, edges)
            message = message * jax.nn.sigmoid(linear(block["gate"], message))
            received = jnp.sum(message * others, 2) / 100.0
            update = jax.nn.silu(linear(block["update"], jnp.concatenate([h, received], -1)))
            h = h + linear(block["update_second"], update)
        strength = pair_features(layer["pull"], h, edges) @ layer["output"].T
        apart = x[:, :, None] - x[:, None]
        pull = apart * strength / (jnp.sqrt(distances + 1e-8) + 1.0) * others
        x = x + jnp.sum(pull, 2) / 100.0
    moved = x - start
    return start + moved - jnp.mean(moved, 1, keepdims=True)


def log_prob(workload, tree, x):
    """Exact log densities of the decoder: z with g(z) = x by steps of the encoder, each taken where
    it comes nearer, and one Newton step; then log|det| of the decoder's Jacobian."""
    encode = functools.partial(graph_network, tree["encoder"])
    decode = functools.partial(graph_network, tree["decoder"])

    def flat_decode(z):
        return decode(z.reshape(1, *x.shape[1:])).ravel()

    def jacobian(z):
        return jax.vmap(jax.jacfwd(flat_decode))(z.reshape(len(z), -1))

    def error(decoded):
        return jnp.sum((decoded - x)**2, (1, 2), keepdims=True)

    first = encode(x)
    z, decoded = first, decode(first)
    for _ in range(SIZES[workload]["encoder_steps"]):
        moved = z + first - encode(decoded)
        back = decode(moved)
        nearer = error(back) < error(decoded)
        z, decoded = jnp.where(nearer, moved, z), jnp.where(nearer, back, decoded)
    rest = (x - decoded).reshape(len(x), -1, 1)
    z = z + jnp.linalg.solve(jacobian(z), rest).reshape(x.shape)
    free = (x.shape[1] - 1) * x.shape[2]
    constant = 0.5 * free * jnp.log(2.0 * jnp.pi)
    return -0.5 * jnp.sum(z**2, (1, 2)) - constant - jnp.linalg.slogdet(jacobian(z))[1]


def loss(workload, tree, state, x, v):
    """Algorithm 1 of Draxler, Sorrenson et al. 2024, of which v is the probe, mean-free and of
    length sqrt(degrees of freedom)."""
    encode = functools.partial(graph_network, tree["encoder"])
    z, pull = jax.vjp(encode, x)
    back, pushed = jax.jvp(functools.partial(graph_network, tree["decoder"]), (z,), (v,))
    surrogate = jnp.sum(jax.lax.stop_gradient(pushed) * pull(v)[0])
    likelihood = 0.5 * jnp.sum(z**2) - surrogate
    reconstruction = jnp.sum((back - x)**2)
    value = likelihood + SIZES[workload]["reconstruction_weight"] * reconstruction
    return value / len(x), state
