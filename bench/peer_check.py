"""Checks that all sides of the benchmark compute the same: numbers of parameters of all four,
losses and gradients of JAX and PyTorch at equal parameters and draws, losses of W1, W13 and W14
beside Thalweg's, and losses and gradients of W10 to W12. Started by bench/run --peers --check."""

import argparse
import functools
import json
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import torch

import peer_common as common
import peer_jax_flows
import peer_jax_particles
import peer_jax_smooth
import peer_torch_flows
import peer_torch_particles
import peer_torch_smooth
from cases import LARGE, PARTICLES, SIZES, SMOOTH

WORKLOADS = [name for name in SIZES if name[0] == "W"]


def program(folder, name, workload):
    result = subprocess.run([os.path.join(folder, name), "--task", "check", "--workload", workload],
                            stdout=subprocess.PIPE, check=True)
    return json.loads(result.stdout)


def known_surplus(workload):
    """Parameters that ours and the peers each have more than the other: ours a coupling around W6's
    base and a shift in each LU map, the peers whole matrices of which a triangle each is used."""
    if workload == "W6":
        return 2 + 2 + 4, 0
    if workload in ("W2", "W3"):
        layers, features = SIZES[workload]["layers"], SIZES[workload]["features"]
        return layers * features, layers * (features**2 + features)
    return 0, 0


def moved(tree, random):
    """Parameters off their first values, most of which are zero in ActNorm."""
    return jax.tree.map(lambda values: values + 0.01 * random.standard_normal(values.shape), tree)


def draws(workload, random):
    """As random_numbers of the peers."""
    sizes = SIZES[workload]
    shape = (sizes["batch"], sizes["features"])
    if workload == "W8":
        moves = (2 * sizes["stages"], sizes["moves"])
        return [random.standard_normal((*moves, *shape)), random.random((*moves, shape[0])),
                random.standard_normal(shape)]
    if workload in PARTICLES:
        count = sizes["particles"]
        return common.unit_probe(np, random.standard_normal((shape[0], count, shape[1] // count)))
    rows = common.BASE["proposals"] if workload in common.RESAMPLED else shape[0]
    return random.standard_normal((rows, shape[1]))


def both_losses(workload):
    """Loss and all gradients, one after another, of JAX and PyTorch."""
    random = np.random.default_rng(4)
    tree = moved(common.parameters(workload), random)
    state, numbers = common.first_state(workload), draws(workload, random)
    x = common.data(workload, SIZES[workload]["batch"])
    jax_side, torch_side = peer_jax_flows, peer_torch_flows
    if workload in PARTICLES:
        jax_side, torch_side = peer_jax_particles, peer_torch_particles
        x, numbers = x[:2], numbers[:2]  # gradients in double take their time

    if workload in SMOOTH:
        jax_side, torch_side = peer_jax_smooth, peer_torch_smooth

    def jax_loss(tree):
        rest = jax.tree.map(jnp.asarray, (state, x, numbers))
        return jax_side.loss(workload, tree, *rest)[0]

    value, gradient = jax.jit(jax.value_and_grad(jax_loss))(jax.tree.map(jnp.asarray, tree))
    # Sorted by name, as JAX has them.
    tensors = [torch.tensor(leaf, requires_grad=True) for leaf in jax.tree.leaves(tree)]
    torch_tree = jax.tree.unflatten(jax.tree.structure(tree), tensors)
    other, _ = torch_side.loss(workload, torch_tree,
                                     *map(peer_torch_flows.tensors, (state, x, numbers)))
    other.backward()
    return (np.concatenate([[value], *map(np.ravel, jax.tree.leaves(gradient))]),
            np.concatenate([[other.item()], *(tensor.grad.numpy().ravel() for tensor in tensors)]))


def both_chains():
    """A place of W9's chains after a step."""
    random = np.random.default_rng(4)
    flow, shape = common.parameters("W9")["flow"], (SIZES["chains"], SIZES["W9"]["features"])
    arrays = [random.standard_normal(shape) for _ in range(3)] + [random.random((2, shape[0]))]
    ends = []
    for flows, convert in ((peer_jax_flows, lambda tree: jax.tree.map(jnp.asarray, tree)),
                           (peer_torch_flows, peer_torch_flows.tensors)):
        own, (start, *numbers) = convert(flow), convert(arrays)
        place = flows.chain_step(own, flows.place_of(own, start), *numbers)
        ends.append(np.concatenate([np.ravel(place[name]) for name in sorted(place)]))
    return ends


def losses_of_w1(ours):
    """-log p of Thalweg's points by JAX, whose couplings, taken backwards, are Thalweg's own."""
    def tensor(name, *shape):
        return jnp.asarray(ours["tensors"][name]).reshape(shape)

    hidden, flow = SIZES["W1"]["hidden"], []
    for i in range(SIZES["W1"]["layers"]):
        net = []
        for number, (inputs, outputs) in enumerate(((1, hidden), (hidden, hidden), (hidden, 2))):
            name = f"flow.{i}.coupling.conditioner.{number}"
            net.append({"weight": tensor(f"{name}.weights", outputs, inputs),
                        "bias": tensor(f"{name}.bias", outputs)})
        # Ours has the shift first.
        net[-1] = {name: values[::-1] for name, values in net[-1].items()}
        flow.append({"net": net, "log_scale": tensor(f"flow.{i}.act_norm.log_scale", 2),
                     "shift": tensor(f"flow.{i}.act_norm.mean", 2)})
    z, log_det = peer_jax_flows.coupling_to_data(flow, jnp.asarray(ours["x"]).reshape(-1, 2))
    return float(-jnp.mean(peer_jax_flows.log_normal(z) + log_det))


def networks_of(workload, tensors):
    """Encoder and decoder in JAX's order, of Thalweg's tensors by their names."""
    sizes = SIZES[workload]
    hidden, prefix = sizes["hidden"], next(
        name[:name.index("encoder")] for name in tensors if ".encoder." in name)

    def tensor(name, *shape):
        return jnp.asarray(tensors[prefix + name]).reshape(shape)

    def dense(name, inputs, outputs):
        return {"weight": tensor(f"{name}.weights", outputs, inputs),
                "bias": tensor(f"{name}.bias", outputs)}

    def pair(name):
        distances = dense(f"{name}.distances", 2, hidden)
        parts = [tensor(f"{name}.{part}", hidden, hidden) for part in ("receiver", "sender")]
        return {"first": {"weight": jnp.concatenate([*parts, distances["weight"]], 1),
                          "bias": distances["bias"]},
                "second": dense(f"{name}.second", hidden, hidden)}

    def block(name):
        return {"pair": pair(name), "gate": dense(f"{name}.gate", hidden, 1),
                "update": dense(f"{name}.update", 2 * hidden, hidden),
                "update_second": dense(f"{name}.update_second", hidden, hidden)}

    return {side: {"input": dense(f"{side}.input", 1, hidden),
                   "layers": [{"messages": [block(f"{side}.{i}.message{k}") for k in range(2)],
                               "pull": pair(f"{side}.{i}.pull"),
                               "output": tensor(f"{side}.{i}.pull.output", 1, hidden)}
                              for i in range(sizes["layers"])]}
            for side in ("encoder", "decoder")}


def particle_rows(workload, values):
    sizes = SIZES[workload]
    return jnp.asarray(values).reshape(-1, sizes["particles"],
                                       sizes["features"] // sizes["particles"])


def loss_of_w13(ours):
    """-log p of Thalweg's rows by JAX with Thalweg's networks."""
    x = particle_rows("W13", ours["x"])
    x = x - x.mean(1, keepdims=True)
    return float(-jnp.mean(jax.jit(functools.partial(
        peer_jax_particles.log_prob, "W13"))(networks_of("W13", ours["tensors"]), x)))


def gradient_of_particles(workload, ours):
    """The free-form loss of Thalweg's rows and probes by JAX with Thalweg's networks, and the
    largest difference of a tensor's slopes from Thalweg's by the largest of them."""
    x, v = particle_rows(workload, ours["x"]), particle_rows(workload, ours["v"])

    def loss(tree):
        return peer_jax_particles.loss(workload, tree, None, x, v)[0]

    value, gradient = jax.jit(jax.value_and_grad(loss))(networks_of(workload, ours["tensors"]))
    # The peer's loss has no constant of the normal.
    sizes = SIZES[workload]
    free = (sizes["particles"] - 1) * sizes["features"] // sizes["particles"]
    own = jax.tree.leaves(networks_of(workload, ours["gradient"]))
    slopes = jax.tree.leaves(gradient)
    off = max(float(jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b)))
              for a, b in zip(own, slopes, strict=True))
    return float(value) + 0.5 * free * np.log(2.0 * np.pi), off


def loss_of_w14(ours):
    """-log p of Thalweg's rows by JAX with Thalweg's networks. Ours swaps the halves first, and has
    all values of one parameter of the maps together."""
    sizes = SIZES["W14"]
    hidden, half, bumps = sizes["hidden"], sizes["features"] // 2, sizes["bumps"]

    def net(i):
        widths = (half, hidden, hidden, half * 5 * bumps)
        layers = []
        for number, (inputs, outputs) in enumerate(zip(widths, widths[1:])):
            name = f"flow.{i}.coupling.conditioner.{number}"
            layers.append({"weight": np.reshape(ours["tensors"][f"{name}.weights"], (outputs, inputs)),
                           "bias": np.asarray(ours["tensors"][f"{name}.bias"])})
        order = np.arange(half * 5 * bumps).reshape(5 * bumps, half).T.ravel()
        return layers[:-1] + [{name: values[order] for name, values in layers[-1].items()}]

    x = np.reshape(ours["x"], (-1, sizes["features"]))
    tree = {"flow": [{"net": net(i)} for i in reversed(range(sizes["layers"]))]}
    x = np.concatenate([x[:, half:], x[:, :half]], 1)
    return float(-jnp.mean(peer_jax_smooth.log_prob(jax.tree.map(jnp.asarray, tree), jnp.asarray(x))))


def both_densities():
    """Log densities of some rows of W13 by JAX and PyTorch."""
    tree = moved(common.parameters("W13"), np.random.default_rng(4))
    x = common.data("W13", 2)
    ours = jax.jit(functools.partial(peer_jax_particles.log_prob, "W13"))(
        jax.tree.map(jnp.asarray, tree), jnp.asarray(x))
    theirs = peer_torch_particles.log_prob("W13", *map(peer_torch_flows.tensors, (tree, x)))
    return np.asarray(ours), theirs.detach().numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", required=True)
    parser.add_argument("workloads", nargs="*", help="only these")
    arguments = parser.parse_args()
    folder = arguments.bin
    jax.config.update("jax_enable_x64", True)
    torch.set_default_dtype(torch.float64)
    wrong = 0

    def say(good, text):
        nonlocal wrong
        wrong += not good
        print(f"{'same' if good else 'DIFFERENT'}: {text}")

    for workload in arguments.workloads or WORKLOADS:
        ours = program(folder, "bench_ours", workload)
        own_surplus, their_surplus = known_surplus(workload)
        counts = {"ours": ours["parameters"] - own_surplus,
                  "JAX and PyTorch": common.count(common.parameters(workload)) - their_surplus}
        if workload not in LARGE:
            peer = program(folder, "bench_peer", workload)
            counts["libtorch"] = peer["parameters"] - their_surplus
        say(len(set(counts.values())) == 1, f"{workload}: parameters: " + ", ".join(
            f"{name} {count}" for name, count in counts.items()))
        if workload == "W1":
            loss = losses_of_w1(ours)
            say(abs(loss - ours["loss"]) < 1e-4 * abs(loss),
                f"W1: loss at equal parameters: ours {ours['loss']:.6f}, JAX {loss:.6f}")
        if workload == "W13":
            loss = loss_of_w13(ours)
            say(abs(loss - ours["loss"]) < 1e-6 * abs(loss),
                f"W13: -log p at equal parameters: ours {ours['loss']:.9f}, JAX {loss:.9f}")
        if workload in PARTICLES and workload != "W13":
            loss, off = gradient_of_particles(workload, ours)
            say(abs(loss - ours["loss"]) < 1e-9 * abs(loss) and off < 1e-7,
                f"{workload}: loss at equal parameters: ours {ours['loss']:.9f}, JAX {loss:.9f}; "
                f"gradients differ by at most {off:.1e} of a tensor's largest slope; ours in single "
                f"precision by {ours['single']:.1e} of the largest of all")
        if workload == "W14":
            loss = loss_of_w14(ours)
            say(abs(loss - ours["loss"]) < 1e-6 * abs(loss),
                f"W14: -log p at equal parameters: ours {ours['loss']:.9f}, JAX {loss:.9f}")
        if workload != "W6":
            first, second = (both_chains() if workload == "W9" else
                             both_densities() if workload == "W13" else both_losses(workload))
            error = np.max(np.abs(first - second)) / np.max(np.abs(first))
            say(error < 1e-8, f"{workload}: JAX and PyTorch in double, {len(first)} numbers: "
                              f"relative difference {error:.1e}, the first {first[0]:.6f}")
    sys.exit(1 if wrong else 0)


main()
