"""Measures what the Python package adds to the library: to log densities of 1 000 points, to an energy
that is a function of NumPy, and at import; prints a Markdown table. Started by bench/run --python."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import thalweg

from sides import our_environment

ROWS = 1000
GOALS = {"log_prob": 1.1, "energy": 1.1, "import": 0.1}
BATCH = 1024
OBSERVATIONS, PARAMETERS = 500, 8


def output(command):
    result = subprocess.run(command, env=our_environment(), stdout=subprocess.PIPE, text=True,
                            check=True)
    return result.stdout


def density(arguments):
    """Microseconds of a call with 1 000 points from C++ and from Python, by turns; the medians over
    the rounds of their medians over the calls."""
    random = np.random.default_rng(1)
    data = random.standard_normal((5000, 2))
    data[:, 1] += data[:, 0] ** 2
    sides = {"C++": [], "Python": []}
    with tempfile.TemporaryDirectory() as folder:
        run, file = os.path.join(folder, "run"), os.path.join(folder, "points.npy")
        model = thalweg.fit(data, run, flow="real_nvp", report=False,
                            settings={"training.iterations": 50, "flow.blocks": 16,
                                      "flow.hidden": [64, 64], "base.kind": "normal"})
        points = data[:ROWS]
        np.save(file, points)

        def ours():
            times = []
            for call in range(-arguments.calls // 4, arguments.calls):
                start = time.perf_counter()
                model.log_prob(points)
                times.append(1e6 * (time.perf_counter() - start))
            return statistics.median(times[arguments.calls // 4:])

        def theirs():
            return json.loads(output([arguments.bench, run, file, str(arguments.calls)]))["median_us"]

        for turn in range(arguments.rounds):
            for side, measure in sorted({"C++": theirs, "Python": ours}.items(), reverse=turn % 2):
                sides[side].append(measure())
    return {side: statistics.median(times) for side, times in sides.items()}


class Posterior:
    """The energy of a logistic regression, with slopes, which counts its points."""

    def __init__(self):
        random = np.random.default_rng(2)
        self.x = random.standard_normal((OBSERVATIONS, PARAMETERS))
        chance = 1 / (1 + np.exp(-self.x @ random.standard_normal(PARAMETERS)))
        self.y = (random.random(OBSERVATIONS) < chance).astype(float)
        self.counts = []

    def __call__(self, points):
        self.counts.append(len(points))
        return self.energy(points)

    def energy(self, points):
        logits = points @ self.x.T
        chance = 1 / (1 + np.exp(-logits))
        energies = (np.logaddexp(0, logits) - self.y * logits).sum(axis=1)
        return (energies + 0.5 * (points**2).sum(axis=1),
                (chance - self.y) @ self.x + points)


def energy_alone(function, counts):
    """Seconds of calls from Python with as many points each."""
    points = np.random.default_rng(3).standard_normal((max(counts), PARAMETERS))
    function.energy(points)
    start = time.perf_counter()
    for count in counts:
        function.energy(points[:count])
    return time.perf_counter() - start


def energies(arguments, exploring):
    """What a function adds to the time of a training whose energy is an expression of the engine,
    beside the time that it takes alone on the same numbers of points: seconds of both, points a
    call, and the time alone if all calls had a whole batch. Medians over the rounds."""
    names = [f"x{i}" for i in range(PARAMETERS)]
    expression = "0.5*(" + " + ".join(f"{name}^2" for name in names) + ")"
    settings = {"flow.kind": "real_nvp", "flow.blocks": 4, "flow.hidden": [32],
                "base.kind": "normal", "training.batch_size": BATCH,
                "training.iterations": 1 if exploring else arguments.steps,
                "exploration.evaluations": arguments.evaluations if exploring else 0}
    added, alone, whole, function = [], [], [], Posterior()
    for _ in range(arguments.rounds):
        function.counts.clear()
        seconds = []
        for energy in (function, expression):
            start = time.perf_counter()
            thalweg.fit_energy(energy, columns=names, settings=settings, progress=False)
            seconds.append(time.perf_counter() - start)
        counts = list(function.counts)
        added.append(seconds[0] - seconds[1])
        alone.append(energy_alone(function, counts))
        whole.append(energy_alone(function, [BATCH] * 20) / (20 * BATCH) * sum(counts))
    return {"added": statistics.median(added), "alone": statistics.median(alone),
            "whole": statistics.median(whole), "points": sum(counts) / len(counts),
            "calls": len(counts)}


def import_seconds(arguments):
    """Seconds of importing the package once NumPy is there, in fresh processes."""
    code = ("import time, numpy; start = time.perf_counter(); import thalweg; "
            "print(time.perf_counter() - start)")
    times = [float(output([sys.executable, "-c", code])) for _ in range(4 * arguments.rounds)]
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(prog="bench/run --python", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of all sides; default 5")
    parser.add_argument("--calls", type=int, default=400, help="of log_prob a round; default 400")
    parser.add_argument("--steps", type=int, default=300, help="of training a round; default 300")
    parser.add_argument("--evaluations", type=int, default=300000,
                        help="energies of an exploration; default 300000")
    parser.add_argument("--bench", default="build/bench/bin/bench_log_prob", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    rows = []
    times = density(arguments)
    ratio = times["Python"] / times["C++"]
    rows.append((f"`log_prob` of {ROWS:,} points", f"{times['Python']:.0f} us",
                 f"{times['C++']:.0f} us from C++", f"{ratio:.2f}", ratio <= GOALS["log_prob"]))
    for exploring in (False, True):
        found = energies(arguments, exploring)
        ratio = found["added"] / found["alone"]
        what = "exploring" if exploring else "training by"
        rows.append((f"{what} an energy of NumPy, {found['points']:.0f} points a call",
                     f"{found['added']:.2f} s more than an expression",
                     f"{found['alone']:.2f} s alone, {found['whole']:.2f} s in batches of {BATCH}",
                     f"{ratio:.2f}", ratio <= GOALS["energy"]))
    seconds = import_seconds(arguments)
    rows.append(("`import thalweg` after `import numpy`", f"{seconds:.3f} s", "", "",
                 seconds < GOALS["import"]))
    print("| what | takes | beside | ratio | goal met |\n|---|---|---|---|---|")
    for *cells, met in rows:
        print("| " + " | ".join(cells) + f" | {'yes' if met else '**no**'} |")
    load = os.getloadavg()[0]
    print(f"\nGoals: {GOALS['log_prob']} times C++, {GOALS['energy']} times the function alone, "
          f"{GOALS['import']} s. Load at the end {load:.1f}, {thalweg.get_threads()} threads, "
          f"Python {sys.version.split()[0]}, NumPy {np.__version__}.")


if __name__ == "__main__":
    main()
