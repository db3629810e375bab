"""Fits a table by one library, in one process: fit_table.py LIBRARY SPLIT.npz SETTINGS. Prints JSON:
seconds of the fit, the mean log likelihood of the test rows, numbers that were learnt, and version.
Started by bench/fits.py."""

import json
import os
import sys
import time
from importlib.metadata import version

import numpy as np


class Scaled:
    """Rows in units of the training rows' deviations, as float, and the log of these units."""

    def __init__(self, split):
        known = split["known"]
        mean, deviation = known.mean(axis=0), known.std(axis=0)
        self.known = ((known - mean) / deviation).astype(np.float32)
        self.test = ((split["test"] - mean) / deviation).astype(np.float32)
        self.log_units = np.log(deviation).sum()


def by_thalweg(split, settings):
    """All of the package's fit: what is known of columns, the validation in between and the choice
    of the best step included."""
    import thalweg
    os.environ.pop("OMP_NUM_THREADS", None)
    known, test = split["known"], split["test"]
    start = time.perf_counter()
    model = thalweg.fit(
        known, flow="spline", base="normal", seed=settings["seed"], progress=False,
        threads=settings["threads"],
        settings={"flow.blocks": settings["layers"], "flow.hidden": settings["hidden"],
                  "flow.bins": settings["bins"], "training.iterations": settings["steps"],
                  "training.batch_size": settings["batch"], "training.schedule": "cosine",
                  "training.learning_rate": settings["rate"], "data.find_derived": False,
                  "data.test_fraction": 0.0, "data.validation_fraction": settings["validation"]})
    seconds = time.perf_counter() - start
    with open(os.path.join(model.path, "model.safetensors"), "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    numbers = sum(int(np.prod(entry["shape"])) for name, entry in header.items()
                  if name != "__metadata__")
    return seconds, float(model.log_prob(test).mean()), numbers


def with_torch(split, settings, make, log_prob):
    """Adam with a cosine schedule, and the validation's best of twenty looks."""
    import torch
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(settings["seed"])
    start = time.perf_counter()
    rows = Scaled(split)
    known = torch.from_numpy(rows.known)
    order = torch.randperm(len(known))
    held = int(settings["validation"] * len(known))
    validation, training = known[order[:held]], known[order[held:]]
    flow = make(torch, known.shape[1])
    numbers = sum(each.numel() for each in flow.parameters() if each.requires_grad)
    optimizer = torch.optim.Adam(flow.parameters(), lr=settings["rate"])
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings["steps"])
    best, state, taken = -np.inf, None, len(training)

    def likelihood(points):
        with torch.no_grad():
            parts = [log_prob(flow, part) for part in points.split(4096)]
        return float(torch.cat(parts).double().mean())

    for step in range(settings["steps"]):
        if taken + settings["batch"] > len(training):
            order, taken = torch.randperm(len(training)), 0
        batch = training[order[taken:taken + settings["batch"]]]
        taken += settings["batch"]
        optimizer.zero_grad(set_to_none=True)
        (-log_prob(flow, batch).mean()).backward()
        optimizer.step()
        schedule.step()
        if (step + 1) % max(1, settings["steps"] // 20) == 0:
            found = likelihood(validation)
            if found > best:
                best = found
                state = {name: value.clone() for name, value in flow.state_dict().items()}
    if state is not None:
        flow.load_state_dict(state)
    seconds = time.perf_counter() - start
    return seconds, likelihood(torch.from_numpy(rows.test)) - rows.log_units, numbers


def by_zuko(split, settings):
    import zuko

    def make(_, features):
        return zuko.flows.NSF(features=features, transforms=settings["layers"],
                              bins=settings["bins"], passes=2, randperm=True,
                              hidden_features=settings["hidden"])
    return with_torch(split, settings, make, lambda flow, x: flow().log_prob(x))


def by_normflows(split, settings):
    import normflows

    def make(_, features):
        flows = []
        for _ in range(settings["layers"]):
            # Two widths are a first layer and a block of two more.
            flows += [normflows.flows.CoupledRationalQuadraticSpline(
                          features, len(settings["hidden"]) // 2, settings["hidden"][0],
                          num_bins=settings["bins"], tail_bound=5.0),
                      normflows.flows.LULinearPermute(features)]
        return normflows.NormalizingFlow(normflows.distributions.DiagGaussian(
            features, trainable=False), flows)
    return with_torch(split, settings, make, lambda flow, x: flow.log_prob(x))


def by_flowjax(split, settings):
    """flowjax's own loop, with its validation after each epoch."""
    import equinox
    import jax
    import jax.numpy as jnp
    import optax
    from flowjax.bijections import RationalQuadraticSpline
    from flowjax.distributions import Normal
    from flowjax.flows import coupling_flow
    from flowjax.train import fit_to_data
    start = time.perf_counter()
    rows = Scaled(split)
    features = rows.known.shape[1]
    of_flow, of_fit = jax.random.split(jax.random.key(settings["seed"]))
    flow = coupling_flow(
        of_flow, base_dist=Normal(jnp.zeros(features)),
        transformer=RationalQuadraticSpline(knots=settings["bins"], interval=5),
        flow_layers=settings["layers"], nn_width=settings["hidden"][0],
        nn_depth=len(settings["hidden"]))
    numbers = sum(each.size for each in jax.tree_util.tree_leaves(
        equinox.filter(flow, equinox.is_inexact_array)))
    an_epoch = int((1 - settings["validation"]) * len(rows.known)) // settings["batch"]
    flow, _ = fit_to_data(
        of_fit, flow, jnp.asarray(rows.known), batch_size=settings["batch"],
        optimizer=optax.adam(optax.cosine_decay_schedule(settings["rate"], settings["steps"])),
        max_epochs=max(1, round(settings["steps"] / max(1, an_epoch))), max_patience=10**9,
        val_prop=settings["validation"], show_progress=False)
    jax.block_until_ready(equinox.filter(flow, equinox.is_array))
    seconds = time.perf_counter() - start
    log_prob = np.asarray(equinox.filter_jit(flow.log_prob)(jnp.asarray(rows.test)), dtype=float)
    return seconds, float(log_prob.mean() - rows.log_units), numbers


LIBRARIES = {"thalweg": by_thalweg, "zuko": by_zuko, "normflows": by_normflows,
             "flowjax": by_flowjax}


def main():
    library, split, settings = sys.argv[1], np.load(sys.argv[2]), json.loads(sys.argv[3])
    seconds, log_likelihood, numbers = LIBRARIES[library](split, settings)
    if library == "thalweg":
        import thalweg
        found = thalweg.__version__
    else:
        found = version(library)
    print(json.dumps({"library": library, "version": found, "seconds": seconds,
                      "log_likelihood": log_likelihood, "numbers": numbers}))


if __name__ == "__main__":
    main()
