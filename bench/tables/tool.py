"""Calls of the tool: every one has a time limit, and ends in files or in the tool's own line."""

import json
import os
import resource
import shutil
import subprocess
import time

import pandas as pd

import catalogue


class Refused(Exception):
    """What the tool said in place of doing it."""


def processor_seconds():
    """Of all processes that this one has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Tool:
    def __init__(self, path, seconds, threads):
        self.path = os.path.abspath(path)
        self.seconds = seconds
        self.threads = threads
        with open(self.path, "rb") as file:
            self.hash = catalogue.hash_of(file.read())

    def call(self, *arguments):
        """What it printed; the wall time in seconds."""
        start = time.perf_counter()
        try:
            done = subprocess.run([self.path, *map(str, arguments), "--threads", str(self.threads)],
                                  capture_output=True, text=True, timeout=self.seconds)
        except subprocess.TimeoutExpired:
            raise Refused(f"{arguments[0]}: not done after {self.seconds} s") from None
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            line = lines[-1].replace(f"{catalogue.ROOT}/", "")
            raise Refused(f"{arguments[0]}: {line}")
        return done.stdout, time.perf_counter() - start

    def train(self, data, run, options):
        """The notes that it printed on the data; seconds on the clock, and of the processors."""
        shutil.rmtree(run, ignore_errors=True)
        before = processor_seconds()
        printed, seconds = self.call("train", "--data", data, "--out", run, *options)
        run.joinpath("printed.txt").write_text(printed)
        notes = [line for line in printed.splitlines() if line.startswith(("note:", "warning:"))]
        return notes, seconds, processor_seconds() - before

    def log_densities(self, run, data, out):
        _, seconds = self.call("log-prob", run, data, "--out", out)
        return pd.read_csv(out)["log_prob"].to_numpy(float), seconds

    def sample(self, run, count, out, seed):
        _, seconds = self.call("sample", run, "--count", count, "--out", out, "--seed", seed)
        return catalogue.read_text(out), seconds

    def evaluate(self, run, data):
        """Mean log likelihood of the rows as `evaluate` has it, which log-prob should give too."""
        printed, _ = self.call("evaluate", run, "--data", data, "--json")
        return json.loads(printed)["log_likelihood"]
