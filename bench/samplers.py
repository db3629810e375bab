"""Measures `thalweg train --energy` beside pocoMC and dynesty on energies of the bank, in turns, and
prints a Markdown table; every figure also goes to samplers.json. Started by bench/run --samplers."""

import argparse
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib

import report
from sides import HERE, our_environment

LIMIT_S = 600
GOAL = 0.01
CHECKED_DRAWS = 2000
LARGEST_DIFFERENCE = 1e-8
NAMES = {"ours": "Thalweg", "pocomc": "pocoMC", "dynesty": "dynesty"}
MARKER = "<!-- samplers table: ./bench/run --samplers -->"


class NoResult(Exception):
    """A run was stopped or failed."""


def limit():
    """Ends the calling process after LIMIT_S of processor time, which other work does not use up."""
    resource.setrlimit(resource.RLIMIT_CPU, (LIMIT_S, LIMIT_S))


def call(command):
    """What a program wrote, its wall time and its processor time in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = subprocess.run(command, env=our_environment(), stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, check=False, preexec_fn=limit)
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if result.returncode in (-signal.SIGKILL, -signal.SIGXCPU):
        raise NoResult(f"stopped after {used:.0f} s of processor time")
    if result.returncode != 0:
        last = result.stderr.strip().splitlines()[-1:] or ["no message"]
        raise NoResult(f"failed with status {result.returncode}: {last[0]}")
    return result.stdout, seconds, used


def training_evaluations(run):
    """Energies of a run's steps by reverse KL, and of the 20 000 draws of its evaluation."""
    with open(os.path.join(run, "config.toml"), "rb") as file:
        config = tomllib.load(file)
    training = config["training"]
    steps = 0
    if training["objective"] == "mixed":
        steps = training["iterations"] - training["likelihood_steps"]
    # A base that draws cannot be differentiated through takes the energy once more for its score.
    a_step = training["batch_size"] * (2 if config["base"]["kind"] == "mixture" else 1)
    return steps * a_step + 20000


def energy_difference(arguments, row, run):
    """The largest difference of the tool's energy, which is what importance weights and log density
    of draws leave, from NumPy's, as a share of 1 + abs(energy)."""
    import numpy as np
    import peer_energies
    draws, log_probs = os.path.join(run, "draws.csv"), os.path.join(run, "log_prob.csv")
    call([arguments.tool, "sample", run, "--sampler", "importance", "--count", str(CHECKED_DRAWS),
          "--out", draws])
    call([arguments.tool, "log-prob", run, draws, "--out", log_probs])
    table = np.loadtxt(draws, delimiter=",", skiprows=1)
    log_q = np.loadtxt(log_probs, delimiter=",", skiprows=1)
    points, energy = table[:, :-1], -(table[:, -1] + log_q)
    peers = peer_energies.energies(row, points)
    finite = np.isfinite(peers)
    if (np.isfinite(energy) != finite).any():
        return math.inf
    energy, peers = energy[finite], peers[finite]
    return float(np.max(np.abs(energy - peers) / (1.0 + np.abs(peers))))


def run_ours(arguments, row, seed):
    """All of `thalweg train`, from the start of the process to its end, page and all."""
    settings = dict(row["settings"])
    run = os.path.join(arguments.runs, f"{row['key']}-{seed}")
    shutil.rmtree(run, ignore_errors=True)
    command = [arguments.tool, "train", "--energy", settings.pop("energy"), "--out", run,
               "--seed", str(seed), "--quiet"]
    for constant in settings.pop("constants", []):
        command += ["--constants", constant]
    for bound in settings.pop("data", {}).get("bounds", []):
        command += ["--bounds", bound]
    for key, value in settings.items():
        command += ["--set", f"{key}={json.dumps(value)}"]
    _, seconds, used = call(command)
    metrics = json.loads(call([arguments.tool, "evaluate", run, "--json"])[0])
    difference = energy_difference(arguments, row, run)
    if not difference < LARGEST_DIFFERENCE:
        sys.exit(f"bench: {row['key']}: both sides' energies differ by {difference:.1e}")
    return {"log_integral": metrics["log_integral"], "error": metrics["log_integral_error"],
            "evaluations": metrics["exploration_evaluations"] + training_evaluations(run),
            "exploration_evaluations": metrics["exploration_evaluations"],
            "effective_samples": 20000 * metrics["effective_share"], "seconds": seconds,
            "processor_seconds": used, "warnings": metrics["warnings"],
            "energy_difference": difference}


def run_peer(arguments, name, key, seed):
    output, _, _ = call([arguments.python, os.path.join(HERE, "peer_samplers.py"), "--sampler", name,
                         "--energy", key, "--seed", str(seed)])
    return json.loads(output.splitlines()[-1])


def measure(arguments, rows, records):
    """Adds a record for each energy, sampler and seed that has none; written after each, so that
    none is lost."""
    done = {(record["energy"], record["sampler"], record["seed"]) for record in records}
    for seed in range(1, arguments.seeds + 1):
        for number, (key, row) in enumerate(rows.items()):
            # Every other energy goes the other way, so that none always comes first.
            for name in sorted(NAMES, reverse=(number + seed) % 2 == 1):
                if (key, name, seed) in done:
                    continue
                record = {"energy": key, "sampler": name, "seed": seed,
                          "load": os.getloadavg()[0]}
                try:
                    record |= (run_ours(arguments, row, seed) if name == "ours" else
                               run_peer(arguments, name, key, seed))
                    truth = row["truth"]["log_integral"]
                    truth = truth[0] if isinstance(truth, list) else truth
                    record["off"] = abs(record["log_integral"] - truth)
                    said = (f"off by {record['off']:.4f}, said {record['error'] or math.nan:.4f}, "
                            f"{record['seconds']:.1f} s")
                except NoResult as error:
                    record["no_result"] = said = str(error)
                print(f"bench: {key}, seed {seed}, {NAMES[name]}: {said}", file=sys.stderr)
                records.append(record)
                write(arguments.out, {"records": records})


def write(path, results):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(results, file, indent=2)
        file.write("\n")


def mean(values):
    return sum(values) / len(values)


def summary(records):
    """Of one sampler on one energy, over seeds: means, root mean square of errors, and times to an
    error of GOAL. A run's error is the larger of the true one and the one that it states."""
    failed = [record["no_result"] for record in records if "no_result" in record]
    if failed:
        return {"no_result": failed[0]}
    square = mean([max(record["off"], record["error"] or 0.0) ** 2 for record in records])
    result = {key: mean([record[key] for record in records])
              for key in ("evaluations", "seconds", "processor_seconds", "effective_samples")}
    result["off"] = math.sqrt(mean([record["off"] ** 2 for record in records]))
    stated = [record["error"] for record in records]
    result["stated"] = None if None in stated else math.sqrt(mean([e**2 for e in stated]))
    result["error"] = math.sqrt(square)
    # What grows with precision: pocoMC's draws for the evidence, all of the others' time.
    draws = mean([record.get("draws_s", record["seconds"]) for record in records])
    factor = square / GOAL**2
    result["time_to_goal"] = result["seconds"] + draws * max(factor - 1.0, 0.0)
    result["time_by_square"] = result["seconds"] * factor
    # The same by processor time, which other work on the machine changes less.
    share = result["processor_seconds"] / result["seconds"]
    result["processor_time_to_goal"] = share * result["time_to_goal"]
    return result


def summaries(records):
    """summaries[energy][sampler]."""
    groups = {}
    for record in records:
        groups.setdefault(record["energy"], {}).setdefault(record["sampler"], []).append(record)
    return {key: {name: summary(runs) for name, runs in samplers.items()}
            for key, samplers in groups.items()}


def first(samplers, figure="time_to_goal"):
    """Who needs the least, and how many times as much the best of the others (ours, if it is not
    ahead) needs."""
    times = {name: each.get(figure, math.inf) for name, each in samplers.items()}
    winner = min(times, key=times.get)
    others = [times[name] for name in times if name != winner and winner == "ours"]
    other = min(others) if others else times["ours"]
    return winner, other / times[winner]


def thousands(value):
    return f"{value / 1e3:.0f}"


def table(rows, measured):
    lines = ["| energy | sampler | off by | error stated | 1 000 evaluations | effective samples "
             "| seconds | processor seconds | seconds to an error of .01 | ahead |",
             "|---" * 10 + "|"]
    for key, samplers in measured.items():
        winner, ratio = first(samplers)
        for name in NAMES:
            each = samplers[name]
            label = rows[key]["name"] if name == "ours" else ""
            if "no_result" in each:
                lines.append(f"| {label} | {NAMES[name]} | {each['no_result']} |" + " |" * 7)
                continue
            stated = "not reliable" if each["stated"] is None else f"{each['stated']:.4f}"
            ahead = "" if name != winner else f"{ratio:.1f} times" if ratio < math.inf else "alone"
            lines.append("| " + " | ".join(
                [label, NAMES[name], f"{each['off']:.4f}", stated, thousands(each["evaluations"]),
                 f"{each['effective_samples']:.0f}", report.number(each["seconds"]),
                 report.number(each["processor_seconds"]), report.number(each["time_to_goal"]),
                 ahead]) + " |")
    return lines


def remarks(arguments, measured, records, versions):
    lines = [f"{report.processor()}; pocoMC {versions['pocomc']}, dynesty {versions['dynesty']}. "
             f"Seeds: {arguments.seeds}."]
    for figure, text in (
            ("time_to_goal", "Ahead in seconds to an error of .01"),
            ("processor_time_to_goal", "The same by processor time"),
            ("time_by_square", "By seconds x (error / .01)^2 alone, for all three"),
            ("evaluations", "Fewest evaluations, whatever the error")):
        winners = [first(samplers, figure)[0] for samplers in measured.values()]
        lines.append(f"{text}: " + ", ".join(
            f"{name} {winners.count(key)}" for key, name in NAMES.items()) +
            f" of {len(winners)} energies.")
    warned = sorted({record["energy"] for record in records if record.get("warnings")})
    lines.append(f"Runs of Thalweg that warned: on {', '.join(warned) or 'none'}.")
    difference = max(record.get("energy_difference", 0.0) for record in records)
    lines.append(f"Energies of both sides at {CHECKED_DRAWS} draws of each run of Thalweg differ by "
                 f"{difference:.0e} of 1 + abs(energy) at most.")
    loads = [record["load"] for record in records]
    lines.append(f"Mean load when a run began: {mean(loads):.1f}, {min(loads):.1f} to "
                 f"{max(loads):.1f}, on {os.cpu_count()} processors.")
    return lines


def main():
    parser = argparse.ArgumentParser(prog="bench/run --samplers", description=__doc__)
    parser.add_argument("--energies", nargs="+", metavar="KEY", help="only these rows of the bank, in this order")
    parser.add_argument("--seeds", type=int, default=2, help="runs of each (default 2)")
    parser.add_argument("--update", action="store_true",
                        help="write the table into docs/benchmarks.md")
    parser.add_argument("--tool", metavar="THALWEG", default="build/bench/bin/thalweg",
                        help="in place of the one just built")
    parser.add_argument("--resume", action="store_true",
                        help="keep the runs that are in samplers.json, and make the others")
    for hidden in ("--out", "--python", "--runs"):
        parser.add_argument(hidden, required=True, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.update and arguments.energies:
        parser.error("--update needs all energies")
    # After the options, so that --help needs no environment.
    from importlib.metadata import version

    import peer_energies
    rows = peer_energies.rows()
    for key in arguments.energies or []:
        if key not in rows:
            parser.error(f"--energies {key}: expected one of {', '.join(rows)}")
    rows = {key: rows[key] for key in arguments.energies or rows}
    for key, row in rows.items():
        if not peer_energies.check(row) < LARGEST_DIFFERENCE:
            sys.exit(f"bench: {key}: the energy in NumPy is not that of truths.py")
    os.makedirs(arguments.runs, exist_ok=True)
    records = []
    if arguments.resume and os.path.exists(arguments.out):
        with open(arguments.out, encoding="utf-8") as file:
            records = json.load(file)["records"]
    measure(arguments, rows, records)
    wanted = [record for record in records
              if record["energy"] in rows and record["seed"] <= arguments.seeds]
    measured = summaries(wanted)
    versions = {name: version(name) for name in ("pocomc", "dynesty")}
    lines = remarks(arguments, measured, wanted, versions)
    seconds = sum(record.get("seconds", 0.0) for record in wanted)
    lines.append(f"All runs together took {seconds / 60.0:.0f} minutes.")
    write(arguments.out, {"records": records, "summaries": measured, "versions": versions,
                          "remarks": lines})
    print("\n".join(table(rows, measured) + [""] + lines))
    if arguments.update:
        report.write_between(os.path.join("docs", "benchmarks.md"), MARKER, table(rows, measured),
                             lines)


main()
