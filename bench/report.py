"""Tables and remarks in Markdown, and the documents that hold them."""

import dataclasses
import os
import re
import statistics

from cases import (BEST_PEER_GOAL, CASES, PRODUCTS_DOMINATE, SHARE_GOAL, TASKS, WORKLOADS,
                   dense_flops)

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MARKER = "<!-- speed table: ./bench/run -->"
START_LIMIT_MS = 50.0
BUILD_LIMIT = 1.03


@dataclasses.dataclass
class Measured:
    """All that a run found; median_ms[case][side][threads]."""

    median_ms: dict
    rates: dict
    first_runs: dict
    versions: dict
    notes: list
    start_up_ms: float
    seconds: float

    def as_json(self):
        return {
            "median_ms": {" ".join(case): sides for case, sides in self.median_ms.items()},
            "matmul_gflops": self.rates, "first_run_s": self.first_runs,
            "versions": self.versions, "notes": self.notes, "start_up_ms": self.start_up_ms,
            "verdicts": {" ".join(case): verdict(self, case) for case in self.median_ms},
        }


def best(times):
    """The fewest milliseconds and their number of threads."""
    threads = min(times, key=times.get)
    return times[threads], threads


def product_share(measured, case):
    """Share of our own product rate that our dense layers reach, at our best number of threads."""
    flops = dense_flops(*case)
    if flops is None or "ours" not in measured.median_ms[case]:
        return None
    ms, threads = best(measured.median_ms[case]["ours"])
    return 1e-6 * flops / ms / measured.rates["ours"][threads]


def verdict(measured, case):
    """The best peer, our ratio to it, our share of the product rate, the goal, and if it is met."""
    sides = measured.median_ms[case]
    peers = {name: best(times)[0] for name, times in sides.items() if name != "ours"}
    peer = min(peers, key=peers.get)
    ratio = peers[peer] / best(sides["ours"])[0] if "ours" in sides else None
    share = product_share(measured, case)
    by_share = bool(measured.versions) and case in PRODUCTS_DOMINATE
    goal = SHARE_GOAL if by_share else BEST_PEER_GOAL if measured.versions else CASES[case]
    reached = share if by_share else ratio
    return {"best_peer": peer, "ratio": ratio, "share": share, "by_share": by_share, "goal": goal,
            "met": None if reached is None else reached >= goal}


def number(value):
    """Three digits, as in 0.331, 16.7, 1681."""
    digits = max(0, 3 - len(str(int(value)))) if value >= 1.0 else 3
    return f"{value:.{digits}f}"


def percent(share):
    return "" if share is None else f"{100.0 * share:.0f} %"


def peer_table(measured):
    peers = ["libtorch", *measured.versions]
    lines = ["| workload | task | ours, ms | " + " | ".join(f"{name}, ms" for name in peers) +
             " | ratio to the best | share of our product rate | goal | met |",
             "|---" * (7 + len(peers)) + "|"]
    last = None
    for case, sides in measured.median_ms.items():
        workload, task = case
        cells = []
        for name in ("ours", *peers):
            if name in sides:
                ms, threads = best(sides[name])
                cells.append(f"{number(ms)} ({threads})")
            else:
                cells.append("–")
        judged = verdict(measured, case)
        ratio = f"{judged['ratio']:.1f} ({judged['best_peer']})" if judged["ratio"] else "–"
        goal = percent(judged["goal"]) if judged["by_share"] else f"{judged['goal']:g} x"
        met = {None: "–", True: "yes", False: "**no**"}[judged["met"]]
        label = f"{workload}: {WORKLOADS[workload]}" if workload != last else ""
        lines.append("| " + " | ".join(
            [label, TASKS[task], *cells, ratio, percent(judged["share"]), goal, met]) + " |")
        last = workload
    return lines


def processor():
    with open("/proc/cpuinfo", encoding="utf-8", errors="ignore") as file:
        text = file.read()
    name = re.search(r"model name\s*: (.*)", text)
    kind = "AVX-512" if "avx512f" in text else "AVX2" if "avx2" in text else "no AVX2"
    name = name.group(1).strip() if name else "unknown processor"
    return f"{name}, {os.cpu_count()} processors, {kind}"


def headline(measured):
    """Where it was measured, and how many goals are met."""
    judged = [verdict(measured, case)["met"] for case in measured.median_ms]
    versions = "".join(f", {name} {version}" for name, version in measured.versions.items())
    return (f"{processor()}; libtorch of the system{versions}. In brackets the number of threads, "
            f"each side's better of 1 and 2. Goals met: {judged.count(True)} of {len(judged)}.")


def remarks(measured):
    lines = [headline(measured), *measured.notes]
    for name, rates in measured.rates.items():
        text = ", ".join(f"{rate:.0f} Gflop/s on {threads}" for threads, rate in rates.items())
        lines.append(f"Large matrix products, {name}: {text} thread(s).")
    for name, seconds in measured.first_runs.items():
        lines.append(f"{name}'s first results, compilation or loading from its cache included, not "
                     f"part of the figures: {statistics.median(seconds.values()):.1f} s in the "
                     f"median, {max(seconds.values()):.1f} s at most.")
    if measured.start_up_ms is not None:
        met = "met" if measured.start_up_ms < START_LIMIT_MS else "**missed**"
        lines.append(f"Start-up of `thalweg list`: {measured.start_up_ms:.1f} ms; below "
                     f"{START_LIMIT_MS:.0f} is the goal: {met}.")
    lines.append(f"Measured in {measured.seconds / 60.0:.1f} minutes.")
    return lines


def build_table(times):
    """Ratios new / old of two builds, round by round."""
    lines = ["| workload | task | threads | old, ms | new, ms | new / old | its spread |",
             "|---|---|---|---|---|---|---|"]
    middle = []
    for (workload, task), sides in times.items():
        for threads, new in sides["new"].items():
            old = sides["old"][threads]
            ratios = sorted(a / b for a, b in zip(new, old))
            middle.append((statistics.median(ratios), f"{workload} {task} on {threads}"))
            lines.append(f"| {workload} | {task} | {threads} | {number(statistics.median(old))} | "
                         f"{number(statistics.median(new))} | {middle[-1][0]:.3f} | "
                         f"{ratios[0]:.3f} to {ratios[-1]:.3f} |")
    geometric = statistics.geometric_mean([ratio for ratio, _ in middle])
    slower = [f"{name} ({ratio:.3f})" for ratio, name in middle if ratio > BUILD_LIMIT]
    lines += ["", f"Geometric mean of new / old: {geometric:.3f}. Slower by more than "
              f"{100.0 * (BUILD_LIMIT - 1.0):.0f} %: {', '.join(slower) or 'none'}."]
    return lines


def write_between(name, marker, table, lines):
    """Writes a table and remarks between the two markers of a document."""
    path = os.path.join(ROOT, name)
    with open(path, encoding="utf-8") as file:
        parts = file.read().split(marker)
    if len(parts) != 3:
        raise SystemExit(f"bench: {path} must have the line {marker} twice")
    parts[1] = "\n" + "\n".join([*table, "", *(f"- {line}" for line in lines)]) + "\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(marker.join(parts))


def update_documents(measured):
    """Writes the table between the markers of both documents."""
    texts = {"README.md": [headline(measured), *measured.notes],
             os.path.join("docs", "benchmarks.md"): remarks(measured)}
    for name, lines in texts.items():
        write_between(name, MARKER, peer_table(measured), lines)
