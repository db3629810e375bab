"""Fits a table by Thalweg's Python package, zuko, normflows and flowjax, in turns, at equal sizes of
networks and equal steps, and prints a Markdown table of wall times and held-out log likelihoods. Started
by bench/run --fits."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

import report
from sides import HERE, our_environment

MARKER = "<!-- fits table: ./bench/run --fits -->"
PEERS = ("zuko", "normflows", "flowjax")
VALIDATION, TEST = 0.1, 0.1

# Run by the interpreter that has NumPy: the table's distinct rows, shuffled and split. Values of a
# column with few distinct ones are spread over the distance to the next one, so that all libraries
# have the same density to learn.
SPLIT = """
import sys, numpy as np
points, out, share = sys.argv[1], sys.argv[2], float(sys.argv[3])
x = np.unique(np.load(points).astype(float), axis=0)
random = np.random.default_rng(1)
random.shuffle(x)
for column in x.T:
    values = np.unique(column)
    if len(values) < len(x) / 20:
        column += np.diff(values).min() * (random.random(len(x)) - 0.5)
held = round(share * len(x))
np.savez(out, test=x[:held], known=x[held:])
print(len(x), x.shape[1])
"""


def fit(arguments, library, split, seed, notes):
    """What a library's process printed; None with a note if it failed."""
    settings = {"seed": seed, "threads": arguments.threads, "layers": arguments.layers,
                "hidden": arguments.hidden, "bins": arguments.bins, "steps": arguments.steps,
                "batch": arguments.batch, "rate": arguments.rate, "validation": VALIDATION}
    python = arguments.python if library == "thalweg" else arguments.peers
    environment = dict(our_environment(), OMP_NUM_THREADS=str(arguments.threads))
    if library != "thalweg":
        environment.pop("PYTHONPATH", None)
    result = subprocess.run([python, os.path.join(HERE, "fit_table.py"), library, split,
                             json.dumps(settings)], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode == 0:
        return json.loads(result.stdout.splitlines()[-1])
    last = result.stderr.strip().splitlines()[-1:] or ["no message"]
    note = f"{library}: not measured: {last[0]}."
    if note not in notes:
        notes.append(note)
    return None


def over_seeds(count):
    if count == 1:
        return "one seed"
    return f"medians of times and means of likelihoods over {count} seeds, in brackets the range"


def table(records):
    lines = ["| library | wall time of the fit, s | beside Thalweg | held-out log likelihood, nats "
             "a row | learnt numbers |", "|---|---|---|---|---|"]
    ours = statistics.median(each["seconds"] for each in records["thalweg"])
    for library, found in records.items():
        if not found:
            continue
        seconds = statistics.median(each["seconds"] for each in found)
        values = [each["log_likelihood"] for each in found]
        name = "**Thalweg**" if library == "thalweg" else f"{library} {found[0]['version']}"
        spread = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
        lines.append(f"| {name} | {seconds:.0f} | {seconds / ours:.1f} x | "
                     f"{statistics.mean(values):.2f}{spread} | {found[0]['numbers']:,} |")
    return lines


def main():
    parser = argparse.ArgumentParser(prog="bench/run --fits", description=__doc__)
    parser.add_argument("points", help="a table of numbers, .npy")
    parser.add_argument("--steps", type=int, default=10000, help="of training; default 10000")
    parser.add_argument("--batch", type=int, default=512, help="rows a step; default 512")
    parser.add_argument("--layers", type=int, default=8, help="spline couplings; default 8")
    parser.add_argument("--hidden", type=int, nargs="+", default=[128, 128],
                        help="widths of their networks, all alike; default 128 128")
    parser.add_argument("--bins", type=int, default=8, help="of the splines; default 8")
    parser.add_argument("--rate", type=float, default=1e-3,
                        help="first learning rate, which falls as a cosine; default 0.001")
    parser.add_argument("--seeds", type=int, default=3, help="fits by each; default 3")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)),
                        help="default: all processors")
    parser.add_argument("--update", action="store_true",
                        help="write the table into README.md and docs/benchmarks.md")
    parser.add_argument("--out", default="build/bench/fits.json", help=argparse.SUPPRESS)
    parser.add_argument("--python", default=sys.executable, help=argparse.SUPPRESS)
    parser.add_argument("--peers", default=sys.executable, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    records, notes, loads = {library: [] for library in ("thalweg", *PEERS)}, [], []
    with tempfile.TemporaryDirectory() as folder:
        split = os.path.join(folder, "split.npz")
        done = subprocess.run([arguments.python, "-c", SPLIT, arguments.points, split, str(TEST)],
                              stdout=subprocess.PIPE, text=True, check=True)
        rows, columns = map(int, done.stdout.split())
        for seed in range(1, arguments.seeds + 1):
            # The order turns, so that what else the machine does falls on all of them.
            order = list(records)
            for library in order[seed % len(order):] + order[:seed % len(order)]:
                loads.append(os.getloadavg()[0])
                print(f"seed {seed} of {arguments.seeds}: {library}", file=sys.stderr)
                found = fit(arguments, library, split, seed, notes)
                if found:
                    records[library].append(found)
    if not records["thalweg"]:
        sys.exit("\n".join(["bench: there is nothing to compare with", *notes]))
    lines = [f"{os.path.basename(arguments.points)}, {rows:,} distinct rows of {columns} columns, "
             f"{100 * TEST:.0f} % held out: {arguments.layers} rational quadratic spline couplings "
             f"with {arguments.bins} bins and networks of {' and '.join(map(str, arguments.hidden))}"
             f" on a normal base, {arguments.steps:,} steps of Adam on {arguments.batch} rows, a "
             f"cosine from {arguments.rate}, the best step by validation, float, "
             f"{arguments.threads} threads of {report.processor()}; {over_seeds(arguments.seeds)}. Start "
             f"and compilation count. Load when a fit began: {min(loads):.1f} to {max(loads):.1f}.",
             "Sizes are equal as each library counts them: couplings, bins, widths. What else its "
             "couplings learn differs, so numbers and likelihoods do, too.", *notes]
    print("\n".join([*table(records), "", *lines]))
    with open(arguments.out, "w", encoding="utf-8") as file:
        json.dump({"records": records, "remarks": lines}, file, indent=1)
    if arguments.update:
        for name in ("README.md", os.path.join("docs", "benchmarks.md")):
            report.write_between(name, MARKER, table(records), lines)


if __name__ == "__main__":
    main()
