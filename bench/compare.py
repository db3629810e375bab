"""Measures Thalweg beside the same work in other libraries, in turns, and prints a Markdown table;
every figure also goes to results.json. With --against it compares two builds of Thalweg instead.
Started by bench/run."""

import argparse
import json
import os
import statistics
import sys
import time

import report
from cases import CASES, LARGE, repeats_of, threads_of
from sides import Side, Unmeasured, compiled_peers, libtorch_environment, our_environment

THREADS = (1, 2)


def in_turns(sides, cases, rounds, repeat_factor=1):
    """times[case][side][threads]: the medians of the rounds, in ms; seconds of first runs; and what
    went wrong, by side and case. All peers of a case compile before its first round."""
    times, first_runs, failures = {}, {}, {}
    for case in cases:
        running = {(name, threads): side.start(*case, threads, repeats_of(case) * repeat_factor)
                   for threads in threads_of(case) for name, side in sides.items()
                   if name != "libtorch" or case[0] not in LARGE}

        def attempt(key, function):
            if (key[0], case) not in failures:
                try:
                    return function()
                except Unmeasured as error:
                    failures[key[0], case] = str(error)
            return None

        for (name, threads), process in running.items():
            seconds = attempt((name, threads), process.ready)
            if seconds is not None:
                first_runs.setdefault(name, {})[f"{' '.join(case)} {threads}"] = seconds
        for number in range(rounds):
            print(f"bench: {' '.join(case)}: round {number + 1} of {rounds}", file=sys.stderr)
            # Every other round goes the other way, so that none always comes first.
            for key in sorted(running, reverse=number % 2 == 1):
                result = attempt(key, running[key].measure)
                if result:
                    times.setdefault(case, {}).setdefault(key[0], {}).setdefault(
                        key[1], []).append(result["median_ms"])
        for process in running.values():
            process.close()
    for name, case in failures:
        times[case].pop(name, None)
    return times, first_runs, failures


def medians(times):
    return {case: {name: {threads: statistics.median(values) for threads, values in each.items()}
                   for name, each in sides.items()}
            for case, sides in times.items()}


def product_rates(sides, rounds):
    """Gflop/s of large matrix products, by side and threads: the best of all repeats."""
    rates = {}
    for name, side in sides.items():
        for threads in THREADS:
            process = side.start(None, "matmul", threads, 20)
            try:
                process.ready()
                rates.setdefault(name, {})[threads] = max(
                    process.measure()["gflops"] for _ in range(rounds))
            except Unmeasured as error:
                print(f"bench: {name}: no matrix products: {error}", file=sys.stderr)
            process.close()
    return rates


def start_up_ms(tool):
    """The median of 20 starts of `thalweg list`."""
    starts = Side([tool, "list"], our_environment())
    times = []
    for _ in range(20):
        start = time.perf_counter()
        starts.call()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def compare_builds(arguments, cases, rounds):
    """Two builds of bench_ours: the ratio new / old of each round, its median and its spread."""
    sides = {"new": Side([arguments.ours], our_environment()),
             "old": Side([arguments.against], our_environment())}
    times, _, failures = in_turns(sides, cases, rounds, repeat_factor=5)
    if failures:
        sys.exit(f"bench: {next(iter(failures.values()))}")
    print("\n".join(report.build_table(times)))
    return {"rounds": rounds, "rounds_ms": {" ".join(case): each for case, each in times.items()}}


def compare_peers(arguments, cases, rounds):
    """Ours and all peers; prints the table and, with --update, writes it into the documents."""
    sides = {"ours": Side([arguments.ours], our_environment()),
             "libtorch": Side([os.path.join(arguments.bin, "bench_peer")], libtorch_environment())}
    if not os.path.exists(arguments.ours):
        print("bench: no bench_ours was built: measuring the peers alone", file=sys.stderr)
        del sides["ours"]
    versions = {}
    notes = ["Compiled peers (JAX jit, torch.compile): not measured; `--peers` adds them."]
    if arguments.peers:
        peers, versions, notes = compiled_peers(arguments.python, arguments.cache)
        sides.update(peers)
        if not peers:
            cases = [case for case in cases if case[0] not in LARGE]
    start = time.perf_counter()
    rates = product_rates(sides, rounds)
    times, first_runs, failures = in_turns(sides, cases, rounds)
    notes += [f"{name}: {' '.join(case)} failed, not measured." for name, case in failures]
    measured = report.Measured(
        medians(times), rates, first_runs, versions, notes,
        start_up_ms(arguments.tool) if os.path.isfile(arguments.tool) else None,
        time.perf_counter() - start)
    print("\n".join(report.peer_table(measured) + [""] + report.remarks(measured)))
    if arguments.update:
        report.update_documents(measured)
    return {"rounds": rounds, **measured.as_json(),
            "rounds_ms": {" ".join(case): each for case, each in times.items()}}


def check(arguments):
    """Runs bench/peer_check.py in the peers' environment."""
    python = Side([arguments.python, os.path.join(os.path.dirname(__file__), "peer_check.py"),
                   "--bin", arguments.bin, *(arguments.workloads or [])], our_environment())
    sys.exit(python.call(check=False))


def main():
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="2 rounds in place of 5")
    parser.add_argument("--rounds", type=int, help="so many rounds")
    parser.add_argument("--workloads", nargs="+", choices=sorted({case[0] for case in CASES}),
                        help="only these")
    parser.add_argument("--peers", action="store_true",
                        help="JAX and torch.compile too, in a virtual environment of their own")
    parser.add_argument("--check", action="store_true",
                        help="measure nothing: do all sides compute the same? (needs --peers)")
    parser.add_argument("--update", action="store_true",
                        help="write the table into README.md and docs/benchmarks.md")
    parser.add_argument("--against", metavar="BENCH_OURS",
                        help="compare with another build of bench_ours in place of the peers")
    parser.add_argument("--ours", metavar="BENCH_OURS", help="in place of the one just built")
    for hidden in ("--bin", "--out", "--tool", "--python", "--cache"):
        parser.add_argument(hidden, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.check and not arguments.peers:
        parser.error("--check needs --peers")
    if arguments.update and (arguments.workloads or arguments.against):
        parser.error("--update needs all workloads, and no --against")
    if arguments.check:
        check(arguments)
    arguments.ours = arguments.ours or os.path.join(arguments.bin, "bench_ours")
    rounds = arguments.rounds or (2 if arguments.quick else 5)
    cases = [case for case in CASES if not arguments.workloads or case[0] in arguments.workloads]
    if not arguments.peers and not arguments.against:
        cases = [case for case in cases if case[0] not in LARGE]
    if not cases:
        parser.error(f"{' '.join(arguments.workloads)} need --peers")
    compare = compare_builds if arguments.against else compare_peers
    results = compare(arguments, cases, rounds)
    with open(arguments.out, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2)
        file.write("\n")


main()
