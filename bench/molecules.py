"""Measures energies with forces and steps of dynamics of a molecule beside OpenMM, in turns, and prints
a Markdown table. Started by bench/run --molecules."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys

from sides import HERE, our_environment

GOAL = 20.0
PEERS = [("Reference", 1, 2), ("Reference", 1, 1), ("CPU", 1, 2), ("CPU", 2, 1), ("CPU", 1, 1)]
LINE = re.compile(r"(.+?) +(\d) threads?: +(\d+) energies with forces a second in double, +(\d+) in "
                  r"float, +(\d+) steps")


def run(command, environment=None):
    result = subprocess.run(command, env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        last = result.stderr.strip().splitlines()[-1:] or ["no message"]
        sys.exit(f"{' '.join(command)}: failed: {last[0]}")
    return result.stdout


def ours(arguments):
    """By medium and number of threads: energies in double and float, and steps."""
    text = run([arguments.bench, "3", arguments.system, arguments.positions], our_environment())
    found = {}
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            found[match[1].strip(), int(match[2])] = [float(match[i]) for i in (3, 4, 5)]
    return found


def theirs(arguments, vacuum):
    """By processes: the best platform's energies and steps, each with its name."""
    best = {}
    for platform, threads, processes in PEERS:
        command = [arguments.python, os.path.join(HERE, "peer_openmm.py"), arguments.system,
                   arguments.positions, platform, str(threads), str(processes),
                   str(arguments.seconds)]
        rates = json.loads(run(command + (["--vacuum"] if vacuum else [])))
        cores = threads * processes
        for what in ("energies", "steps"):
            name = f"{platform}, {processes} x {threads}"
            if rates[what] > best.get((cores, what), (0.0, ""))[0]:
                best[cores, what] = (rates[what], name)
    return best


def main():
    parser = argparse.ArgumentParser(prog="bench/run --molecules", description=__doc__)
    parser.add_argument("system", help="an OpenMM System (.xml)")
    parser.add_argument("positions", help="of its atoms: .pdb, or .npy in nm")
    parser.add_argument("--rounds", type=int, default=3, help="of all sides; default 3")
    parser.add_argument("--seconds", type=float, default=3.0,
                        help="of each measurement of OpenMM; default 3")
    parser.add_argument("--bench", default="build/bench/bin/bench_molecules", help=argparse.SUPPRESS)
    parser.add_argument("--python", default=sys.executable, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    own, peers = [], []
    for index in range(arguments.rounds):
        print(f"round {index + 1} of {arguments.rounds}", file=sys.stderr)
        sides = [lambda: own.append(ours(arguments)),
                 lambda: peers.append({"vacuum": theirs(arguments, True),
                                       "in solvent": theirs(arguments, False)})]
        for side in sides if index % 2 == 0 else reversed(sides):
            side()
    print("| | cores | Thalweg, double | float | OpenMM's best | platform, processes x threads | "
          "ratio, double | float |\n|---|---|---|---|---|---|---|---|")
    worst = float("inf")
    for medium, threads in own[0]:
        for what, column in (("energies", 0), ("steps", 2)):
            mine = statistics.median(each[medium, threads][column] for each in own)
            narrow = statistics.median(each[medium, threads][1] for each in own)
            best = [each[medium].get((threads, what)) for each in peers]
            if None in best:
                continue
            rate = statistics.median(each[0] for each in best)
            worst = min(worst, mine / rate)
            single = (f"{narrow:,.0f}", f"{narrow / rate:.1f}") if what == "energies" else ("-", "-")
            words = "energies with forces a second" if what == "energies" else "steps a second"
            print(f"| {medium}, {words} | {threads} | {mine:,.0f} | {single[0]} | {rate:,.0f} | "
                  f"{best[0][1]} | {mine / rate:.1f} | {single[1]} |")
    print(f"\nleast ratio in double: {worst:.1f} (goal {GOAL:.0f})")


if __name__ == "__main__":
    main()
