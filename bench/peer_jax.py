"""The benchmark's peer in JAX: the same work as bench_ours, each call under jax.jit."""

import functools
import math

import numpy as np

import peer_common as common
from cases import PARTICLES, SIZES, SMOOTH
from peer_common import BASE, POINTS

ARGUMENTS = common.parse(__doc__, chunk=4000)
common.restrict_processors(ARGUMENTS.threads)  # XLA has a thread for each, counted on import.

import jax
import jax.numpy as jnp

import peer_jax_flows as flows
import peer_jax_particles as particles
import peer_jax_smooth as smooth


def in_chunks(function, x, chunk):
    """function(x), rows taken `chunk` at a time."""
    whole = len(x) // chunk * chunk
    parts = []
    if whole:
        mapped = jax.lax.map(function, x[:whole].reshape(-1, chunk, *x.shape[1:]))
        parts.append(mapped.reshape(whole, *mapped.shape[2:]))
    if whole < len(x):
        parts.append(function(x[whole:]))
    return jnp.concatenate(parts) if len(parts) > 1 else parts[0]


class PackedSampler:
    """Draws of the resampled base; each trial proposes for the open draws alone. Their number is
    rounded up to few sizes, since each is compiled anew."""

    def __init__(self, count, features, chunk, dtype):
        self.count, self.features, self.dtype = count, features, dtype
        self.trial = jax.jit(functools.partial(self._trial, chunk=chunk), donate_argnums=2)

    def _trial(self, net, key, samples, pending, last, *, chunk):
        key, first, second = jax.random.split(key, 3)
        proposal = jax.random.normal(first, (len(pending), self.features), self.dtype)
        rates = in_chunks(functools.partial(flows.acceptance, net), proposal, chunk)
        taken = last | (jax.random.uniform(second, rates.shape, self.dtype) < rates)
        samples = samples.at[jnp.where(taken, pending, self.count)].set(proposal, mode="drop")
        still = ~taken & (pending < self.count)
        place = jnp.where(still, jnp.cumsum(still) - 1, len(pending))
        pending = jnp.full_like(pending, self.count).at[place].set(pending, mode="drop")
        return key, samples, pending, jnp.sum(still)

    def __call__(self, net, key):
        samples = jnp.zeros((self.count, self.features), self.dtype)
        pending, trial, still = jnp.arange(self.count), 1, self.count
        while still > 0:
            key, samples, pending, still = self.trial(net, key, samples, pending,
                                                      trial == BASE["truncation"])
            still, trial = int(still), trial + 1
            unit = max(64, 1 << max(still.bit_length() - 4, 0))
            pending = pending[:-(-still // unit) * unit]
        return samples


def sample_in_lockstep(net, key, count, features, chunk):
    """The whole batch proposed again in every trial until its last draw is accepted."""
    def body(state):
        key, samples, is_open, trial = state
        key, first, second = jax.random.split(key, 3)
        proposal = jax.random.normal(first, (count, features))
        rates = in_chunks(functools.partial(flows.acceptance, net), proposal, chunk)
        taken = (trial == BASE["truncation"]) | (jax.random.uniform(second, (count,)) < rates)
        samples = jnp.where((taken & is_open)[:, None], proposal, samples)
        return key, samples, is_open & ~taken, trial + 1

    start = (key, jnp.zeros((count, features)), jnp.ones(count, bool), 1)
    return jax.lax.while_loop(lambda state: jnp.any(state[2]), body, start)[1]


def adam(values, gradient, first, second, number):
    first = 0.9 * first + 0.1 * gradient
    second = 0.999 * second + 0.001 * gradient**2
    size = common.LEARNING_RATE / (1.0 - 0.9**number)
    return values - size * first / (jnp.sqrt(second / (1.0 - 0.999**number)) + 1e-8), first, second


def arrays(tree, workload):
    dtype = np.float64 if workload in common.DOUBLE else np.float32
    return jax.tree.map(lambda values: jnp.asarray(values, dtype), tree)


def random_numbers(workload, key, dtype):
    """What one step draws: proposals for Z, a batch, or the moves' numbers."""
    sizes, keys = SIZES[workload], jax.random.split(key, 3)
    shape = (sizes["batch"], sizes["features"])
    if workload == "W8":
        moves = (2 * sizes["stages"], sizes["moves"])
        return (jax.random.normal(keys[0], (*moves, *shape)),
                jax.random.uniform(keys[1], (*moves, shape[0])), jax.random.normal(keys[2], shape))
    if workload in common.RESAMPLED:
        return jax.random.normal(key, (BASE["proposals"], shape[1]), dtype)
    if workload in PARTICLES:
        noise = jax.random.normal(key, (shape[0], sizes["particles"], shape[1] // sizes["particles"]))
        return common.unit_probe(jnp, noise)
    return jax.random.normal(key, shape, dtype) if workload in ("W7", *SMOOTH) else None


def prepare_step(workload):
    sizes, tree = SIZES[workload], arrays(common.parameters(workload), workload)
    dtype = jax.tree.leaves(tree)[0].dtype
    shape = (sizes["batch"], sizes["features"])
    batch = arrays(common.data(workload, sizes["batch"]), workload)
    state = arrays(common.first_state(workload), workload)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(all_state, x):
        tree, first, second, number, state, key = all_state
        key, own = jax.random.split(key)
        side = particles if workload in PARTICLES else smooth if workload in SMOOTH else flows
        loss = functools.partial(side.loss, workload)
        (value, state), gradient = jax.value_and_grad(loss, has_aux=True)(
            tree, state, x, random_numbers(workload, own, dtype))
        number += 1.0
        leaves, structure = jax.tree.flatten(tree)
        moved = [adam(*parts, number) for parts in
                 zip(leaves, *map(jax.tree.leaves, (gradient, first, second)))]
        tree, first, second = (jax.tree.unflatten(structure, part) for part in zip(*moved))
        return (tree, first, second, number, state, key), value

    zeros = jax.tree.map(jnp.zeros_like, tree)
    held = [(tree, zeros, jax.tree.map(jnp.zeros_like, tree), jnp.asarray(0.0, dtype), state,
             jax.random.key(1))]
    sampler = PackedSampler(*shape, shape[0], dtype) if workload == "W4" else None

    def run():
        x = batch
        if sampler:
            x = sampler(held[0][0]["acceptance"], jax.random.fold_in(held[0][-1], 1))
        held[0], value = step(held[0], x)
        if not math.isfinite(value):
            raise FloatingPointError("the loss is not finite")

    return run


def inverse_weights(flow):
    return [jnp.linalg.inv(flows.lu_weight(layer)).T for layer in flow if "lower" in layer]


def key_sequence():
    """Fresh keys without end."""
    key = jax.random.key(1)
    while True:
        key, own = jax.random.split(key)
        yield own


def prepare_points(workload, task, chunk):
    """log_prob or sample of many points."""
    tree = arrays(common.parameters(workload), workload)
    features = SIZES[workload]["features"]
    keys = key_sequence()
    if task == "log_prob":
        x = arrays(common.data(workload, SIZES[workload].get("points", POINTS)), workload)
        side = particles if workload in PARTICLES else flows
        chunk = SIZES[workload].get("part", chunk)
        density = jax.jit(lambda tree, x: in_chunks(
            functools.partial(side.log_prob, workload, tree), x, chunk))
        return lambda: density(tree, x).block_until_ready()
    if task == "sample_lockstep":
        sample = jax.jit(lambda net, key: sample_in_lockstep(net, key, POINTS, features, chunk))
        return lambda: sample(tree["acceptance"], next(keys)).block_until_ready()

    @jax.jit
    def to_data(flow, z):
        inverses = inverse_weights(flow)
        return in_chunks(lambda part: flows.coupling_to_data(flow, part, inverses)[0], z, chunk)

    @jax.jit
    def sample(flow, key):
        inverses = inverse_weights(flow)

        def part(key):
            z = jax.random.normal(key, (chunk, features))
            return flows.coupling_to_data(flow, z, inverses)[0]

        return jax.lax.map(part, jax.random.split(key, POINTS // chunk)).reshape(POINTS, features)

    if workload not in common.RESAMPLED:
        return lambda: sample(tree["flow"], next(keys)).block_until_ready()
    packed = PackedSampler(POINTS, features, chunk, np.float32)
    if workload == "W6":
        return lambda: packed(tree["acceptance"], next(keys)).block_until_ready()
    return lambda: to_data(tree["flow"],
                           packed(tree["acceptance"], next(keys))).block_until_ready()


def prepare_chains():
    flow = arrays(common.parameters("W9"), "W9")["flow"]
    shape = (SIZES["chains"], SIZES["W9"]["features"])

    @jax.jit
    def steps(place, key):
        def step(place, key):
            first, second, third = jax.random.split(key, 3)
            return flows.chain_step(flow, place, jax.random.normal(first, shape, np.float64),
                                    jax.random.normal(second, shape, np.float64),
                                    jax.random.uniform(third, (2, shape[0]), np.float64)), None

        return jax.lax.scan(step, place, jax.random.split(key, SIZES["W9"]["steps"]))[0]

    keys = key_sequence()
    held = [flows.place_of(flow, jax.random.normal(next(keys), shape, np.float64))]

    def run():
        held[0] = steps(held[0], next(keys))
        if not jnp.isfinite(held[0]["z"]).all():
            raise FloatingPointError("the chains are not finite")

    return run


def prepare_matmul():
    a = jax.random.normal(jax.random.key(1), (common.MATMUL, common.MATMUL))
    product = jax.jit(jnp.matmul)
    return lambda: product(a, a).block_until_ready()


def prepare(arguments):
    workload, task = arguments.workload, arguments.task
    jax.config.update("jax_default_prng_impl", "rbg")  # faster here than threefry
    if task == "matmul":
        return prepare_matmul()
    jax.config.update("jax_enable_x64", workload in common.DOUBLE)
    if task == "chains":
        return prepare_chains()
    if task == "step":
        return prepare_step(workload)
    return prepare_points(workload, task, arguments.chunk)


common.main(ARGUMENTS, prepare)
