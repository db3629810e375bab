"""What the compiled peers share: sizes, first values of the parameters, data, timing and output.

A peer gives `main` a function prepare(arguments) that returns a function which does the work once
and waits for its end."""

import argparse
import json
import math
import os
import sys
import time

import numpy as np

from cases import PARTICLES, REPEATS, SIZES, SMOOTH

POINTS, BASE = SIZES["points"], SIZES["base"]
DOUBLE = ("W4", "W7", "W9")
RESAMPLED = ("W0", "W4", "W6")
LEARNING_RATE = 1e-5
MATMUL = 1024


def dense(random, inputs, outputs):
    bound = 1.0 / math.sqrt(inputs)
    return {"weight": random.uniform(-bound, bound, (outputs, inputs)),
            "bias": random.uniform(-bound, bound, outputs)}


def network(random, *widths):
    return [dense(random, inputs, outputs) for inputs, outputs in zip(widths, widths[1:])]


def act_norm(features):
    return {"log_scale": np.zeros(features), "shift": np.zeros(features)}


def lu_map(random, features):
    return {"lower": 0.01 * random.standard_normal((features, features)),
            "upper": 0.01 * random.standard_normal((features, features)),
            "diagonal": np.ones(features)}


def layer(random, workload):
    """One layer of a flow."""
    sizes = SIZES[workload]
    features, hidden = sizes["features"], sizes["hidden"]
    half = features // 2
    if workload == "W3":
        net = network(random, half, *[hidden] * (2 * sizes["blocks"] + 1),
                      half * (3 * sizes["bins"] - 1))
        net[-1]["weight"] *= 0.1
        return {**lu_map(random, features), "net": net}
    if workload == "W5":
        widths = [features, hidden, hidden, features]
        return {**act_norm(features),
                "weights": [random.standard_normal((outputs, inputs)) / math.sqrt(inputs)
                            for inputs, outputs in zip(widths, widths[1:])],
                "biases": [np.zeros(outputs) for outputs in widths[1:]],
                "betas": [np.full(1, math.log(math.expm1(0.5))) for _ in widths[1:-1]]}
    if workload in SMOOTH:
        return {"net": network(random, half, hidden, hidden, half * 5 * sizes["bumps"])}
    result = {"net": network(random, half, hidden, hidden, 2 * half)}
    if workload != "W9":
        result.update(act_norm(features))
    if workload == "W2":
        result.update(lu_map(random, features))
    return result


def graph_network(random, workload):
    """An E(n)-equivariant graph network, two updates of the particles' features a layer."""
    hidden, layers = SIZES[workload]["hidden"], SIZES[workload]["layers"]

    def pair():
        return {"first": dense(random, 2 * hidden + 2, hidden),
                "second": dense(random, hidden, hidden)}

    def block():
        return {"pair": pair(), "gate": dense(random, hidden, 1),
                "update": dense(random, 2 * hidden, hidden),
                "update_second": dense(random, hidden, hidden)}

    return {"input": dense(random, 1, hidden),
            "layers": [{"messages": [block(), block()], "pull": pair(),
                        "output": 1e-3 * dense(random, hidden, 1)["weight"]}
                       for _ in range(layers)]}


def parameters(workload):
    """Nested dicts and lists of arrays: "flow" and, with a resampled base, "acceptance"; or the
    "encoder" and "decoder" of particles."""
    random = np.random.default_rng(1)
    if workload in PARTICLES:
        return {part: graph_network(random, workload) for part in ("encoder", "decoder")}
    result = {}
    if workload in RESAMPLED:
        net = network(random, SIZES[workload]["features"], BASE["hidden"], BASE["hidden"], 1)
        net[-1]["bias"][:] = 0.0  # About half of the proposals are accepted then.
        result["acceptance"] = net
    if workload != "W6":
        result["flow"] = [layer(random, workload) for _ in range(SIZES[workload]["layers"])]
    return result


def first_state(workload):
    """What a step carries on beside parameters: directions of W5's power iterations, a vector a
    weight, or the moving average of Z."""
    if workload != "W5":
        return np.asarray(0.5)
    random = np.random.default_rng(2)
    return [[random.standard_normal(weight.shape[1]) for weight in layer["weights"]]
            for layer in parameters(workload)["flow"]]


def count(tree):
    if isinstance(tree, dict):
        return sum(map(count, tree.values()))
    return sum(map(count, tree)) if isinstance(tree, list) else tree.size


def data(workload, rows):
    """Normal numbers on a bent surface; for W8 points of the right well; positions of particles;
    numbers of [0, 1]."""
    if workload in SMOOTH:
        return np.random.default_rng(3).random((rows, SIZES[workload]["features"]))
    noise = np.random.default_rng(3).standard_normal((rows, SIZES[workload]["features"]))
    if workload in PARTICLES:
        x = noise.reshape(rows, SIZES[workload]["particles"], -1)
        return x - x.mean(1, keepdims=True)
    if workload == "W8":
        return 0.3 * noise + np.array([1.7, 0.0])
    return noise + 0.5 * np.sin(2.0 * np.roll(noise, 1, axis=1))


def unit_probe(module, noise):
    """Mean-free directions of particles, as long as the square root of their degrees of freedom."""
    free = noise - noise.mean(1)[:, None]
    length = module.sqrt((free**2).sum((1, 2)))[:, None, None]
    return free / length * math.sqrt((noise.shape[1] - 1) * noise.shape[2])


def measure(run, repeats):
    """Milliseconds of each run, sorted, after some to warm up."""
    for _ in range(max(1, repeats // 8)):
        run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(1e3 * (time.perf_counter() - start))
    return sorted(times)


def parse(describe, chunk):
    """The command line of a peer; `chunk` is the default of its points at a time."""
    parser = argparse.ArgumentParser(description=describe)
    parser.add_argument("--workload", default="W1", choices=[key for key in SIZES if key[0] == "W"])
    parser.add_argument("--task", default="step", choices=[*REPEATS, "matmul"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--chunk", type=int, default=chunk,
                        help="points at a time in log_prob and sample; divides their number")
    parser.add_argument("--serve", action="store_true",
                        help="measure once for each line of standard input")
    return parser.parse_args()


def restrict_processors(count):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def main(arguments, prepare):
    """Says how long the first run took, most of it compilation; then measures."""
    start = time.perf_counter()
    run = prepare(arguments)
    run()
    print(json.dumps({"first_run_s": round(time.perf_counter() - start, 2)}), flush=True)
    for _ in sys.stdin if arguments.serve else [None]:
        times = measure(run, arguments.repeat)
        result = {"workload": arguments.workload, "task": arguments.task,
                  "threads": arguments.threads, "median_ms": times[len(times) // 2],
                  "min_ms": times[0], "repeats": len(times)}
        if arguments.task == "matmul":
            result["gflops"] = 2e-6 * MATMUL**3 / times[0]
        print(json.dumps(result), flush=True)
