#!/usr/bin/env python3
"""Holds the tool to real tables: held-out likelihoods beside simple estimators on equal terms, a
classifier between samples and held-out rows, values that cannot be, spikes and marginals.

Started by bench/tables/run, which makes the Python environment. What is measured is kept in --out,
so that an interrupted or repeated call measures only what is not there: results of the tool by the
hash of its program, its options and the data, those of other estimators by the data alone."""

import argparse
import concurrent.futures
import json
import multiprocessing
import os
import pathlib
import subprocess
import sys
import time

import numpy as np

import baselines
import catalogue
import judge
import kinds
import peers
import report
from tool import Refused, Tool

HERE = pathlib.Path(__file__).resolve().parent
SAMPLES = 100_000


def revision(*modules):
    """Changes with what the modules say, so that what they found before is found anew."""
    return catalogue.hash_of(*(pathlib.Path(module.__file__).read_bytes() for module in modules))


ESTIMATED = revision(baselines, kinds)
JUDGED = revision(judge, kinds)
FITTED = revision(judge, kinds, peers)


def say(text):
    print(f"tables: {text}", file=sys.stderr, flush=True)


def kept(path, key, make):
    """What `make` gives, as JSON in the file `path`; if the file has it for the same key, from
    there. Of a failure that may not be one the next time nothing is kept."""
    if path.exists():
        found = json.loads(path.read_text())
        if found["key"] == key:
            return found["result"]
    result = make()
    if "again" in result:
        return result
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps({"key": key, "result": result}))
    os.replace(scratch, path)
    return result


class Measurement:
    """Of one table: its splits in files, and all that is found on them."""

    def __init__(self, table, arguments, tool):
        self.table, self.tool, self.arguments = table, tool, arguments
        self.frame = table.load()
        self.splits = catalogue.splits_of(self.frame, table.missing)
        if arguments.splits:
            self.splits = self.splits[:arguments.splits]
        self.folder = arguments.out / "work" / table.name
        self.results = arguments.out / "results"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.hash = catalogue.hash_of(self.frame.to_csv(index=False))
        self.train_frames, self.test_frames = [], []
        for split in self.splits:
            train, test = self.frame.iloc[split.train], self.frame.iloc[split.test]
            train.to_csv(self.path(split, "train.csv"), index=False)
            test.to_csv(self.path(split, "test.csv"), index=False)
            # The others cannot drop rows themselves.
            self.train_frames.append(train.dropna() if table.missing == "drop" else train)
            self.test_frames.append(test)

    def path(self, split, name):
        return self.folder / f"{split.number}-{name}"

    def kept(self, parts, key, make):
        path = self.results.joinpath(*parts[:-1], f"{self.table.name}.{parts[-1]}.json")
        return kept(path, catalogue.hash_of(self.hash, key), make)

    # --- Of the tool.

    @property
    def tool_key(self):
        return self.tool.hash, self.table.options

    def cell(self, split):
        """Notes, seconds, log densities and kinds of columns of one split; or what the tool
        refused."""
        def make():
            run = self.path(split, "run")
            try:
                test = self.path(split, "test.csv")
                notes, seconds, processor_seconds = self.tool.train(
                    self.path(split, "train.csv"), run, self.table.options)
                logs, log_seconds = self.tool.log_densities(
                    run, test, self.path(split, "log_prob.csv"))
                evaluated = self.tool.evaluate(run, test) if split.number == 0 else None
            except Refused as error:
                return {"refused": str(error), "again": True}
            columns = kinds.columns_of_run(run, self.frame)
            return {"notes": notes, "train_seconds": seconds,
                    "train_processor_seconds": processor_seconds, "log_prob_seconds": log_seconds,
                    "log_densities": logs.tolist(), "evaluate": evaluated,
                    "columns": [vars(column) for column in columns]}
        return self.kept((self.tool.hash, f"cell-{split.number}"), self.tool_key, make)

    def samples(self, split):
        """Enough for the classifier's seeds; of the first split enough for all else."""
        count = SAMPLES if split.number == 0 else 3 * len(split.test)
        return self.tool.sample(self.path(split, "run"), count, self.path(split, "samples.csv"), 1)

    def judged(self):
        """The classifier's area, values that cannot be, spikes and marginals."""
        def make():
            pooled, seconds, found = [], 0.0, {}
            try:
                for split, train in zip(self.splits, self.train_frames):
                    drawn, took = self.samples(split)
                    seconds += took
                    absent = set(self.frame) - set(drawn)
                    if absent:
                        raise Refused(f"sample: no columns {', '.join(sorted(absent))}")
                    if split.number == 0:
                        rows = self.frame.dropna() if self.table.missing == "drop" else self.frame
                        worst, zeros = judge.spikes(rows, drawn)
                        found = {"impossible": judge.impossible(train, drawn),
                                 "spike": worst, "zeros": zeros,
                                 "marginals": judge.marginal_distances(rows, drawn)}
                    pooled.append(drawn.iloc[:3 * len(split.test)])
            except Refused as error:
                return {"refused": str(error), "again": True}
            area, error = judge.auc(self.held_out(), concatenated(pooled))
            return found | {"auc": area, "auc_error": error, "sample_seconds": seconds}
        return self.kept((self.tool.hash, "judged"),
                         (self.tool_key, len(self.splits), JUDGED), make)

    def held_out(self):
        return concatenated(self.test_frames)

    # --- Of the others.

    def baselines(self, split, columns):
        def make():
            start = time.process_time()
            train = self.train_frames[split.number]
            coder = kinds.Coder(columns, train)
            logs, chosen = baselines.log_densities(coder, train, self.test_frames[split.number])
            return {"log_densities": {name: values.tolist() for name, values in logs.items()},
                    "chosen": chosen, "seconds": time.process_time() - start}
        key = ESTIMATED, [vars(column) for column in columns]
        return self.kept(("baselines", f"{split.number}"), key, make)

    def floor(self):
        """The area for a bootstrap of the training rows in place of samples."""
        def make():
            generator = np.random.default_rng(6)
            drawn = [train.iloc[generator.integers(len(train), size=3 * len(split.test))]
                     for split, train in zip(self.splits, self.train_frames)]
            return judge.auc(self.held_out(), concatenated(drawn))
        return self.kept(("floor", "area"), (len(self.splits), JUDGED), make)

    def peer(self, kind):
        """Area and seconds of one of SDV's synthesizers on the same splits, within a time limit."""
        def make():
            pooled, seconds, limit = [], 0.0, self.arguments.peer_seconds
            for split, train in zip(self.splits, self.train_frames):
                data, out = self.path(split, "complete.csv"), self.path(split, f"{kind}.csv")
                train.to_csv(data, index=False)
                start = time.perf_counter()
                try:
                    done = subprocess.run(
                        [sys.executable, HERE / "peers.py", kind, data, out,
                         str(3 * len(split.test))],
                        capture_output=True, text=True, timeout=max(1.0, limit - seconds))
                except subprocess.TimeoutExpired:
                    return {"refused": f"not done after {limit:.0f} s"}
                seconds += time.perf_counter() - start
                if done.returncode != 0:
                    return {"refused": (done.stderr.strip().splitlines() or ["failed"])[-1],
                            "again": True}
                pooled.append(catalogue.read_text(out))
            area, error = judge.auc(self.held_out(), concatenated(pooled))
            return {"auc": area, "auc_error": error, "seconds": seconds}
        key = len(self.splits), FITTED, self.arguments.peer_seconds
        return self.kept(("peers", kind), key, make)


def concatenated(frames):
    import pandas as pd
    return pd.concat(frames, ignore_index=True)


def measure(name, arguments, tool):
    """All that the report needs of one table, as a dictionary."""
    start = time.perf_counter()
    table = next(table for table in catalogue.TABLES if table.name == name)
    try:
        work = Measurement(table, arguments, tool)
    except catalogue.Unavailable as error:
        say(f"{table.name}: left out: {error}")
        return {"name": table.name, "unavailable": str(error)}
    result = {"name": table.name, "rows": len(work.frame), "columns": work.frame.shape[1],
              "splits": len(work.splits), "cells": [], "baselines": []}
    for split in work.splits:
        say(f"{table.name}: split {split.number + 1} of {len(work.splits)}")
        cell = work.cell(split)
        result["cells"].append(cell)
        if "refused" in cell:
            say(f"{table.name}: {cell['refused']}")
            break  # the others have no measure to be compared in
        columns = [kinds.Column(**column) for column in cell["columns"]]
        result["baselines"].append(work.baselines(split, columns))
    if "refused" not in result["cells"][-1]:
        say(f"{table.name}: samples")
        result["judged"] = work.judged()
    result["floor"] = work.floor()
    if table.peers:
        result["peers"] = {}
        for kind in arguments.peers:
            say(f"{table.name}: SDV's {kind}")
            result["peers"][kind] = work.peer(kind)
    result["wall_seconds"] = time.perf_counter() - start
    return result


def parse_arguments():
    processors = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tool", default=catalogue.ROOT / "build/release/bin/thalweg",
                        help="the program to measure; default: build/release/bin/thalweg")
    parser.add_argument("--out", type=pathlib.Path, default=catalogue.ROOT / "build/tables",
                        help="folder of data, runs and results; default: build/tables")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these tables")
    parser.add_argument("--quick", action="store_true", help="three small tables")
    parser.add_argument("--splits", type=int, default=0, metavar="N",
                        help="at most so many of a table")
    parser.add_argument("--peers", default="copula,tvae", metavar="LIST",
                        help="of SDV: copula, tvae, ctgan; or none. Default: copula,tvae")
    parser.add_argument("--peer-seconds", type=float, default=120.0, metavar="S",
                        help="of one of them on one table; default 120")
    parser.add_argument("--seconds", type=float, default=900.0, metavar="S",
                        help="of one call of the tool; default 900")
    parser.add_argument("--jobs", type=int, default=processors, metavar="N",
                        help="tables at once, the processors' number by default: one then has the "
                             "tool on one thread")
    parser.add_argument("--list", action="store_true", help="name the tables, and measure nothing")
    arguments = parser.parse_args()
    names = [table.name for table in catalogue.TABLES]
    for name in arguments.only or []:
        if name not in names:
            parser.error(f"no table {name!r}; there are {', '.join(names)}")
    arguments.peers = [] if arguments.peers == "none" else arguments.peers.split(",")
    return arguments


def main():
    arguments = parse_arguments()
    tables = [table for table in catalogue.TABLES
              if (table.quick or not arguments.quick)
              and (not arguments.only or table.name in arguments.only)]
    if arguments.list:
        for table in tables:
            print(table.name, *table.options)
        return
    try:
        import sdv  # noqa: F401
    except ImportError:
        if arguments.peers:
            say("SDV is not installed, so its synthesizers are not measured")
        arguments.peers = []
    threads = max(1, len(os.sched_getaffinity(0)) // arguments.jobs)
    tool = Tool(arguments.tool, arguments.seconds, threads)
    start = time.perf_counter()
    results = {}
    text = arguments.out / "results" / f"{tool.hash}.txt"
    text.parent.mkdir(parents=True, exist_ok=True)
    # On a busy machine threads that wait for each other make scikit-learn a hundred times slower.
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with concurrent.futures.ProcessPoolExecutor(
            arguments.jobs, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(measure, table.name, arguments, tool): table.name
                   for table in tables}
        for done in concurrent.futures.as_completed(running):
            results[running[done]] = done.result()
            ordered = [results[table.name] for table in tables if table.name in results]
            text.write_text(report.of(ordered, tool.hash, time.perf_counter() - start))
    print(text.read_text(), end="")
    say(f"also in {text}")


if __name__ == "__main__":
    main()
