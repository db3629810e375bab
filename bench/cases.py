"""What is measured: cases (workload, task), their goals, and the flops of their dense layers."""

import json
import os

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "workloads.json"),
          encoding="utf-8") as _file:
    SIZES = json.load(_file)

# What the ratio to eager libtorch should be at least.
CASES = {
    ("W0", "step"): 4.0, ("W0", "log_prob"): 5.0, ("W0", "sample"): 5.0,
    ("W1", "step"): 10.0, ("W1", "log_prob"): 5.0, ("W1", "sample"): 5.0,
    ("W2", "step"): 5.0, ("W2", "log_prob"): 5.0, ("W2", "sample"): 5.0,
    ("W3", "step"): 2.5,
    ("W4", "step"): 8.0,
    ("W7", "step"): 8.0,
    ("W5", "step"): 5.0,
    ("W6", "sample"): 8.0, ("W6", "sample_lockstep"): 8.0,
    ("W8", "step"): 8.0,
    ("W9", "chains"): 8.0,
    ("W10", "step"): 4.0, ("W11", "step"): 4.0, ("W12", "step"): 4.0,
    ("W13", "log_prob"): 4.0,
    ("W14", "step"): 4.0,
}
# Against the best of all peers: a ratio, or, where products dominate, a share of our product rate.
BEST_PEER_GOAL = 4.0
SHARE_GOAL = 0.85
PRODUCTS_DOMINATE = [("W0", "log_prob"), ("W0", "sample"), ("W2", "step"), ("W2", "log_prob"),
                     ("W2", "sample"), ("W3", "step"), ("W6", "sample")]
PARTICLES = ("W10", "W11", "W12", "W13")
SMOOTH = ("W14",)
# Large steps and densities, which libtorch's side does not have: measured beside the peers in
# Python alone.
LARGE = (*PARTICLES, *SMOOTH)
# Within a round.
REPEATS = {"step": 40, "log_prob": 3, "sample": 3, "sample_lockstep": 1, "chains": 20}


def repeats_of(case):
    few = {**dict.fromkeys(PARTICLES, 3), **dict.fromkeys(SMOOTH, 10)}
    return few.get(case[0], REPEATS[case[1]])


def threads_of(case):
    """Numbers of threads; peers of large steps at once would fill the memory."""
    return (2,) if case[0] in LARGE else (1, 2)


WORKLOADS = {
    "W0": "two columns, 16 couplings, resampled base",
    "W1": "the same with a normal base",
    "W2": "60 columns, 16 x [LU, ActNorm, coupling]",
    "W3": "six columns, 10 spline couplings, residual networks 256 wide",
    "W4": "reverse KL in double, resampled base",
    "W5": "residual flow, 16 layers, two columns",
    "W6": "samples of a resampled base",
    "W7": "reverse KL in double, normal base",
    "W8": "stochastic flow of the double well, 20 Metropolis moves a layer",
    "W9": "SAILS in double, 1 000 chains",
    "W10": "free-form loss, 13 particles in space, E(n) networks of 8 layers",
    "W11": "the same with 55 particles",
    "W12": "the same with 4 particles in the plane, 20 layers",
    "W13": "exact densities of 256 rows of W10's flow",
    "W14": "force matching of a smooth flow of 60 columns, 8 couplings",
}
TASKS = {
    "step": "training step", "log_prob": "log-prob", "sample": "sampling",
    "sample_lockstep": "sampling, peers propose for all", "chains": "20 steps",
}


def _flow_weights(workload):
    """Weights of the dense layers that a point of the flow meets."""
    sizes = SIZES[workload]
    features, hidden, half = sizes["features"], sizes["hidden"], sizes["features"] // 2
    if workload == "W3":
        inner = 2 * sizes["blocks"] * hidden * hidden
        net = half * hidden + inner + hidden * half * (3 * sizes["bins"] - 1)
    else:
        net = half * hidden + hidden * hidden + hidden * 2 * half
    return sizes["layers"] * (net + (features**2 if workload in ("W2", "W3") else 0))


def _acceptance_weights(workload):
    hidden = SIZES["base"]["hidden"]
    return SIZES[workload]["features"] * hidden + hidden * hidden + hidden


def dense_flops(workload, task):
    """Flops of a case's dense layers: 2 a weight and point, and as much again twice for gradients;
    None where they are not counted. Half of the base's proposals are accepted."""
    points = SIZES["points"]
    if workload == "W6":
        return 2 * points * 2 * _acceptance_weights(workload)
    if workload not in ("W0", "W1", "W2", "W3"):
        return None
    flow = _flow_weights(workload)
    acceptance = _acceptance_weights(workload) if workload == "W0" else 0
    if task == "step":
        batch = SIZES[workload]["batch"]
        return 6 * (batch * flow + (batch + SIZES["base"]["proposals"]) * acceptance)
    return 2 * points * (flow + (2 if task == "sample" else 1) * acceptance)
