"""Alternates bench_ours and bench_peer over all workloads, tasks and thread counts and prints a
Markdown table; every figure also goes to results.json. Started by bench/run."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time

REPEATS = {"step": 40, "log_prob": 5, "sample": 5, "sample_lockstep": 3, "chains": 20}  # Within a round.
# What each ratio should be at least.
TARGETS = {
    ("W0", "step"): 4.0, ("W0", "log_prob"): 5.0, ("W0", "sample"): 5.0,
    ("W1", "step"): 10.0, ("W1", "log_prob"): 5.0, ("W1", "sample"): 5.0,
    ("W2", "step"): 5.0, ("W2", "log_prob"): 5.0, ("W2", "sample"): 5.0,
    ("W3", "step"): 2.5,
    ("W4", "step"): 8.0,
    ("W5", "step"): 5.0,
    ("W6", "sample"): 8.0, ("W6", "sample_lockstep"): 8.0,
    ("W7", "step"): 8.0,
    ("W8", "step"): 8.0,
    ("W9", "chains"): 8.0,
}
THREADS = (1, 2)
START_LIMIT_MS = 50.0

# Multiply-adds of one sample through the flow, and of one point through W0's acceptance net.
FLOW_2D = 16 * (1 * 32 + 32 * 32 + 32 * 2)
FLOW_60D = 16 * (60 * 60 + 30 * 64 + 64 * 64 + 64 * 60)
SPLINE_6D = 10 * (6 * 6 + 3 * 256 + 4 * 256 * 256 + 256 * 3 * 23)
ACCEPTANCE = 2 * 256 + 256 * 256 + 256
# A step: 2 flops a multiply-add, once forward and twice backward.
STEP_FLOPS = {
    "W0": 6 * (1024 * FLOW_2D + 2048 * ACCEPTANCE),
    "W1": 6 * 1024 * FLOW_2D,
    "W2": 6 * 512 * FLOW_60D,
    "W3": 6 * 512 * SPLINE_6D,
}


def peer_environment():
    """The peer gets OpenBLAS's right core type, which Debian's version misjudges, and sleeping
    OpenMP workers, which are faster for it than spinning ones."""
    environment = dict(os.environ, OMP_WAIT_POLICY="passive")
    with open("/proc/cpuinfo", encoding="ascii", errors="ignore") as file:
        flags = set(re.findall(r"\w+", file.read()))
    if "avx512f" in flags:
        environment["OPENBLAS_CORETYPE"] = "SKYLAKEX"
    elif "avx2" in flags:
        environment["OPENBLAS_CORETYPE"] = "HASWELL"
    return environment


def our_environment():
    return {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}


def run(side, workload, task, threads, repeats):
    program, environment = side
    command = [program, "--task", task, "--threads", str(threads), "--repeat", str(repeats)]
    if workload:
        command += ["--workload", workload]
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        sys.exit(f"bench: failed with status {result.returncode}: {' '.join(command)}")
    return json.loads(result.stdout)


def compare(sides, cases, rounds):
    """results[workload, task][side][threads]: the median over rounds of the medians in ms."""
    times = {}
    for number in range(rounds):
        for workload, task in cases:
            print(f"bench: round {number + 1} of {rounds}: {workload} {task}", file=sys.stderr)
            for threads in THREADS:
                for name, side in sides.items():
                    result = run(side, workload, task, threads, REPEATS[task])
                    times.setdefault((workload, task, name, threads), []).append(
                        result["median_ms"])
    return {
        case: {
            name: {threads: statistics.median(times[(*case, name, threads)]) for threads in THREADS}
            for name in sides
        }
        for case in cases
    }


def matmul_peaks(sides, rounds):
    return {
        name: {
            threads: max(run(side, None, "matmul", threads, 20)["gflops"] for _ in range(rounds))
            for threads in THREADS
        }
        for name, side in sides.items()
    }


def start_up_ms(script):
    """The median of 20 starts of `thalweg list`."""
    times = []
    for _ in range(20):
        start = time.perf_counter()
        subprocess.run([script, "list"], stdout=subprocess.DEVNULL, check=True)
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def verdict(met):
    return "yes" if met else "**no**"


def print_table(results, peaks, start_up):
    print("| workload | task | ours, ms (threads) | peer, ms (threads) | ratio | target | met |"
          " ours, Gflop/s |")
    print("|---|---|---|---|---|---|---|---|")
    for (workload, task), sides in results.items():
        best = {name: min(sides[name].items(), key=lambda item: item[1]) for name in sides}
        cells = [f"{ms:.2f} ({threads})" for threads, ms in best.values()]
        target = TARGETS[workload, task]
        if "ours" in best:
            ratio = best["peer"][1] / best["ours"][1]
            threads, ms = best["ours"]
            rate = f"{1e-6 * STEP_FLOPS[workload] / ms:.0f}" if task == "step" and workload in STEP_FLOPS else ""
            cells += [f"{ratio:.2f}", f"{target:g}", verdict(ratio >= target), rate]
        else:
            cells = ["", *cells, "", f"{target:g}", "", ""]
        print(f"| {workload} | {task} | {' | '.join(cells)} |")
    print()
    for name, rates in peaks.items():
        text = ", ".join(f"{rate:.0f} Gflop/s on {threads}" for threads, rate in rates.items())
        print(f"Matrix-product peak, {name}: {text} thread(s).")
    for workload, goal in (("W2", 0.5), ("W3", 0.6)):
        if "ours" not in results.get((workload, "step"), {}):
            continue
        shares = [1e-6 * STEP_FLOPS[workload] / ms / peaks["ours"][threads]
                  for threads, ms in results[workload, "step"]["ours"].items()]
        text = ", ".join(f"{100 * share:.0f} % on {threads}"
                         for threads, share in zip(THREADS, shares))
        print(f"{workload}'s step against that peak: {text} thread(s); "
              f"target {100 * goal:.0f} %: {verdict(max(shares) >= goal)}.")
    if start_up is not None:
        print(f"Start-up of `thalweg list`: {start_up:.1f} ms; target below {START_LIMIT_MS:.0f}: "
              f"{verdict(start_up < START_LIMIT_MS)}.")
    print("Flops of a step: 6 x batch x the weights of all dense layers (multiply and add, once "
          "forward, twice backward), W0's acceptance net with 2 x 1024 points; the rest counts "
          "for nothing. Threads: each side's best of 1 and 2.")


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 rounds in place of 5")
    parser.add_argument("--workloads", nargs="+", choices=sorted({case[0] for case in TARGETS}),
                        help="only these")
    parser.add_argument("--bin", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--out", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--tool", required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rounds = 2 if arguments.quick else 5

    sides = {
        "ours": (os.path.join(arguments.bin, "bench_ours"), our_environment()),
        "peer": (os.path.join(arguments.bin, "bench_peer"), peer_environment()),
    }
    if not os.path.exists(sides["ours"][0]):
        print("bench: no bench_ours was built: measuring the peer alone", file=sys.stderr)
        del sides["ours"]
    peaks = matmul_peaks(sides, rounds)
    cases = [case for case in TARGETS if not arguments.workloads or case[0] in arguments.workloads]
    results = compare(sides, cases, rounds)
    start_up = start_up_ms(arguments.tool) if os.path.isfile(arguments.tool) else None

    print_table(results, peaks, start_up)
    with open(arguments.out, "w", encoding="utf-8") as file:
        json.dump(
            {
                "rounds": rounds,
                "median_ms": {f"{w} {t}": sides for (w, t), sides in results.items()},
                "matmul_gflops": peaks,
                "start_up_ms": start_up,
            }, file, indent=2)
        file.write("\n")


main()
