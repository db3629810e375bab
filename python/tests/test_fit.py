"""Fits and their runs: the same bits as the tool's, and what comes in and out of them."""

from __future__ import annotations

import copy
import gc
import json
import logging
import multiprocessing
import os
import pickle
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from conftest import SMALL, assignments, banana, read

import thalweg


def test_a_fit_has_the_bits_of_the_tool(tool, data, tmp_path):
    np.save(tmp_path / "points.npy", data)
    tool(
        "train",
        "--data",
        tmp_path / "points.npy",
        "--out",
        tmp_path / "tool",
        "--seed",
        3,
        *assignments(SMALL),
    )
    model = thalweg.fit(data, tmp_path / "python", seed=3, settings=SMALL)
    for file in ("model.safetensors", "optimizer.safetensors", "metrics.csv"):
        assert read(tmp_path / "tool" / file) == read(tmp_path / "python" / file), file
    assert model.status == "finished"
    assert (tmp_path / "python" / "report.html").exists()

    tool("log-prob", tmp_path / "tool", tmp_path / "points.npy", "--out", tmp_path / "p.npy")
    np.testing.assert_array_equal(model.log_prob(data), np.load(tmp_path / "p.npy")[:, 0])
    tool("sample", tmp_path / "tool", "--count", 500, "--seed", 7, "--out", tmp_path / "s.npy")
    samples = model.sample(500, seed=7)
    np.testing.assert_array_equal(samples.astype(np.float32), np.load(tmp_path / "s.npy"))
    said = json.loads(tool("evaluate", tmp_path / "tool", "--json"))
    found = model.evaluate()
    said["run"] = found["run"]
    assert found == said


def test_frames_are_read_as_their_files_are(tool, tmp_path):
    random = np.random.default_rng(2)
    rows = 500
    columns = {
        "length": np.exp(random.normal(size=rows)),
        "kind": np.array(["red", "green, pale", 'b"lue'])[random.integers(0, 3, rows)],
        "count": random.integers(0, 4, rows),
        "when": np.datetime64("2024-03-01") + random.integers(0, 300, rows),
    }
    settings = {"training.iterations": 30, "training.batch_size": 64}
    model = thalweg.fit(columns, tmp_path / "python", settings=settings, report=False)
    with open(tmp_path / "points.csv", "w", encoding="utf-8") as file:
        file.write("length,kind,count,when\n")
        for length, kind, count, when in zip(*columns.values()):
            quoted = kind.replace('"', '""')
            file.write(f'{float(length)!r},"{quoted}",{count},{when}\n')
    tool(
        "train",
        "--data",
        tmp_path / "points.csv",
        "--out",
        tmp_path / "tool",
        *assignments(settings),
    )
    assert read(tmp_path / "tool/model.safetensors") == read(tmp_path / "python/model.safetensors")

    samples = model.sample_dict(200, seed=1)
    assert set(samples["kind"]) <= {"red", "green, pale", 'b"lue'}
    assert samples["when"].dtype == np.dtype("datetime64[D]")
    assert set(samples["count"]) <= {0.0, 1.0, 2.0, 3.0}
    assert np.all(np.isfinite(model.log_prob(samples)))
    with pytest.raises(thalweg.DataError, match="sample_dict"):
        model.sample(3)


def test_columns_have_names_bounds_and_periods():
    random = np.random.default_rng(5)
    data = np.column_stack([random.exponential(size=400), random.uniform(-180, 180, 400)])
    by_name = thalweg.fit(
        data,
        names=["r", "phi"],
        bounds={"r": (0, None)},
        periodic={"phi": (-180, 180)},
        settings=SMALL | {"flow.kind": "spline"},
    )
    by_place = thalweg.fit(
        data,
        bounds=[(0, np.inf), None],
        periodic={1: (-180, 180)},
        settings={**SMALL, "flow": {"kind": "spline"}, "flow.kind": "spline"},
    )
    assert by_name.columns == ["r", "phi"] and by_place.columns == ["x0", "x1"]
    samples = by_name.sample(2000, seed=1)
    assert np.all(samples[:, 0] > 0) and np.all(np.abs(samples[:, 1]) <= 180)
    np.testing.assert_array_equal(by_place.sample(2000, seed=1), samples)
    assert np.all(by_name.log_prob({"phi": [3.0], "r": [-1.0]}) == -np.inf)


def test_conditions_come_by_name_or_as_arrays():
    random = np.random.default_rng(6)
    given = random.normal(size=(500, 1))
    data = np.column_stack([given[:, 0] + 0.1 * random.normal(size=500), random.normal(size=500)])
    whole = np.column_stack([data, given])
    by_place = thalweg.fit(whole, condition=[2], settings=SMALL)
    beside = thalweg.fit(data, condition=given, settings=SMALL)
    named = thalweg.fit(
        {"a": data[:, 0], "b": data[:, 1], "t": given[:, 0]}, condition="t", settings=SMALL
    )
    assert named.condition_columns == ["t"] and beside.condition_columns == ["x2"]
    samples = by_place.sample(300, condition=1.5, seed=1)
    assert samples.shape == (300, 2)
    for other in (beside, named):
        np.testing.assert_array_equal(other.sample(300, condition=[1.5], seed=1), samples)
    np.testing.assert_array_equal(named.sample(300, {"t": 1.5}, seed=1), samples)
    density = by_place.log_prob(whole[:20])
    np.testing.assert_array_equal(by_place.log_prob(data[:20], given[:20]), density)
    np.testing.assert_array_equal(named.log_prob(data[:20], given[:20, 0]), density)
    one = named.log_prob(data[:20], condition={"t": 0.3})
    np.testing.assert_array_equal(one, named.log_prob(data[:20], np.full(20, 0.3)))


def test_weights_of_a_column_and_beside_the_data_are_alike(data):
    weights = np.random.default_rng(7).uniform(size=len(data))
    beside = thalweg.fit(data, weights=weights, settings=SMALL)
    within = thalweg.fit(np.column_stack([data, weights]), weights=2, settings=SMALL)
    assert read(beside.path + "/model.safetensors") == read(within.path + "/model.safetensors")
    assert beside.columns == ["x0", "x1"]


def test_a_seed_is_that_of_the_call_or_of_the_settings(data, tmp_path):
    of_settings = thalweg.fit(data, settings=SMALL | {"seed": 7})
    of_the_call = thalweg.fit(data, settings=SMALL, seed=7)
    assert read(of_settings.path + "/model.safetensors") == read(
        of_the_call.path + "/model.safetensors"
    )
    preset = tmp_path / "mine.toml"
    preset.write_text(of_settings.config)
    again = thalweg.fit(data, preset=str(preset))
    assert any(line.startswith("seed = 7 ") for line in again.config.splitlines())
    with pytest.raises(thalweg.ConfigError, match="got 1 and in settings 7"):
        thalweg.fit(data, settings=SMALL | {"seed": 7}, seed=1)


def _disk_full(source: str, target: str) -> None:
    os.mkdir(target)
    raise OSError("disk full")


def test_a_run_keeps_its_points_and_moves_with_them(model, tmp_path, monkeypatch):
    model.save(tmp_path / "kept")
    moved = tmp_path / "moved"
    os.rename(tmp_path / "kept", moved)
    loaded = thalweg.load(moved)
    mine, theirs = model.evaluate(), loaded.evaluate()
    mine["run"] = theirs["run"]
    assert mine == theirs
    assert 'path = "points.npy"' in loaded.config
    with pytest.raises(thalweg.ConfigError, match="force=True"):
        model.save(moved)
    model.save(moved, force=True)
    # What is there stays where a copy fails.
    with monkeypatch.context() as patch:
        patch.setattr(thalweg.model.shutil, "copytree", _disk_full)
        with pytest.raises(OSError, match="full"):
            model.save(moved, force=True)
    assert thalweg.load(moved).columns == model.columns
    assert not list(tmp_path.glob("*.new-*")) and not list(tmp_path.glob("*.old-*"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file").touch()
    with pytest.raises(thalweg.ConfigError, match="is not a run"):
        model.save(tmp_path / "other", force=True)


def test_a_report_is_a_page(model, tmp_path):
    page = model.report(tmp_path / "page")
    assert Path(page).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_resuming_gives_the_bits_of_never_having_stopped(data, tmp_path):
    whole = thalweg.fit(data, tmp_path / "whole", settings=SMALL, report=False)
    thalweg.fit(
        data, tmp_path / "parts", report=False, settings=SMALL | {"training.iterations": 25}
    )
    parts = thalweg.fit(
        out=tmp_path / "parts", resume=True, report=False, settings={"training.iterations": 60}
    )
    assert read(whole.path + "/model.safetensors") == read(parts.path + "/model.safetensors")


def test_a_resumed_run_keeps_its_data_and_its_seed(data, tmp_path):
    out = tmp_path / "run"
    few, more = ({"training.iterations": number} for number in (3, 5))
    thalweg.fit(data, out, settings=SMALL | few, seed=4, report=False)
    with pytest.raises(thalweg.ConfigError, match="resume: .*got a ndarray; leave data out"):
        thalweg.fit(data, out, settings=more, resume=True)
    with pytest.raises(thalweg.ConfigError, match="seed cannot change"):
        thalweg.fit(out=out, settings=more, resume=True, seed=3, report=False)
    assert thalweg.fit(out=out, settings=more, resume=True, seed=4, report=False).steps == 5

    energy = {"flow.kind": "real_nvp", "exploration.evaluations": 0, "base.kind": "normal"}
    thalweg.fit_energy("x^2/2+y^2", tmp_path / "energy", settings=energy | few, report=False)
    with pytest.raises(thalweg.ConfigError, match="seed cannot change"):
        thalweg.fit_energy("x^2/2+y^2", tmp_path / "energy", settings=more, resume=True, seed=3)


@pytest.mark.parametrize(
    "argument",
    [
        {"names": ["a", "b"]},
        {"columns": ["a"]},
        {"condition": "b"},
        {"weights": np.ones(600)},
        {"bounds": {"a": (0, None)}},
        {"periodic": {"a": (0, 9)}},
        {"integers": ["a"]},
        {"kinds": {"a": "category"}},
    ],
)
def test_what_is_said_of_columns_needs_data(argument, tmp_path):
    np.savetxt(tmp_path / "mine.csv", banana(60), delimiter=",", header="a,b", comments="")
    (name,) = argument
    with pytest.raises(thalweg.ConfigError, match=f"^{name}: expected data beside it"):
        thalweg.fit(settings=SMALL | {"data.path": str(tmp_path / "mine.csv")}, **argument)
    with pytest.raises(thalweg.ConfigError, match=f"^{name}: expected none with resume"):
        thalweg.fit(out=tmp_path / "run", resume=True, **argument)
    with pytest.raises(thalweg.ConfigError, match="^data: expected"):
        thalweg.fit(**argument)


def test_arguments_and_settings_do_not_contradict(data, tmp_path):
    np.savetxt(tmp_path / "mine.csv", data[:50], delimiter=",", header="a,b", comments="")
    for settings in (
        {"data.path": str(tmp_path / "mine.csv")},
        {"flow": {"kind": "spline"}},
    ):
        with pytest.raises(thalweg.ConfigError, match="expected one"):
            thalweg.fit(data, flow="real_nvp", settings=SMALL | settings)
    assert (tmp_path / "mine.csv").exists()
    with pytest.raises(thalweg.ConfigError, match="time_budget: expected one, got 9.0 and in .* 8"):
        thalweg.fit(data, time_budget=9, settings=SMALL | {"training": {"time_budget": 8}})
    masked = np.ma.masked_equal(np.arange(60) % 5, 3)
    with pytest.raises(thalweg.DataError, match="masks some"):
        thalweg.fit({"a": masked, "b": np.arange(60.0)}, settings=SMALL)


def test_settings_may_be_of_numpy(data):
    settings = {"flow.hidden": np.array([8, 8]), "training.iterations": np.int64(3)}
    model = thalweg.fit(data, settings=SMALL | settings)
    assert "hidden = [8, 8]" in model.config and model.steps == 3


def test_frames_may_hold_any_numbers(data):
    plain = {"a": data[:, 0].astype(np.float32), "b": (9 * data[:, 1]).astype(np.int64)}
    few = SMALL | {"training.iterations": 3}
    expected = thalweg.fit(plain, settings=few)
    for form in (
        {"a": plain["a"].astype(np.longdouble), "b": plain["b"]},
        {name: np.array(list(values), dtype=object) for name, values in plain.items()},
        {"a": np.array([*plain["a"].astype(np.longdouble)], dtype=object), "b": plain["b"]},
    ):
        model = thalweg.fit(form, settings=few)
        assert read(model.path + "/points.csv") == read(expected.path + "/points.csv")
        np.testing.assert_array_equal(model.log_prob(form), expected.log_prob(plain))
    other = np.array([np.timedelta64(1, "ns")] * len(data), dtype=object)
    with pytest.raises(thalweg.DataError, match="holds a timedelta64"):
        thalweg.fit({"a": plain["a"], "b": other}, settings=few)


def test_frames_keep_rows_and_names_that_begin_with_a_hash():
    rows = 300
    texts = np.array(["#a", " b", "c"])[np.arange(rows) % 3]
    numbers = np.random.default_rng(3).normal(size=rows)
    model = thalweg.fit({"#kind": texts, "x": numbers}, settings=SMALL)
    assert model.columns == ["#kind", "x"]
    assert model.log_prob({"#kind": texts, "x": numbers}).shape == (rows,)
    assert set(model.sample_dict(50)["#kind"]) <= {"#a", " b", "c"}


def test_samples_have_the_names_of_their_columns():
    random = np.random.default_rng(4)
    a, b = random.normal(size=(2, 400))
    frame = {"a": a, "b": b, "total": a + b, "c": random.normal(size=400)}
    model = thalweg.fit(frame, settings=SMALL)
    assert model.sample_columns == list(frame)
    samples = dict(zip(model.sample_columns, model.sample(20).T))
    np.testing.assert_allclose(samples["total"], samples["a"] + samples["b"], atol=1e-5)
    bounds = [(-9, 9), None, None, None]
    thalweg.fit(np.column_stack([*frame.values()])[:, :2], bounds=bounds[:2], settings=SMALL,
                weights=np.ones(400))


def test_models_say_what_they_are(model):
    assert "2: x0, x1" in repr(model) and "60 steps" in repr(model) and "finished" in repr(model)
    assert "<table>" in model._repr_html_()
    assert model.sample_columns == ["x0", "x1"] and model.steps == 60


def test_temporary_runs_go_with_their_models(data):
    model = thalweg.fit(data, settings=SMALL)
    path = model.path
    assert os.path.isdir(path) and os.listdir(os.path.dirname(path)) == ["run"]
    del model
    gc.collect()
    assert not os.path.exists(path)


def test_a_pickled_model_is_the_same(model, data):
    again = pickle.loads(pickle.dumps(model))
    assert again.path != model.path
    np.testing.assert_array_equal(again.log_prob(data), model.log_prob(data))
    np.testing.assert_array_equal(again.sample(10, seed=1), model.sample(10, seed=1))


def test_copies_are_loaded_as_the_model_was(model, tmp_path):
    model.save(tmp_path / "run")
    weights = tmp_path / "run" / "model.safetensors"
    changed = bytearray(weights.read_bytes())
    changed[8 + int.from_bytes(changed[:8], "little")] ^= 1  # a last bit of the first number
    weights.write_bytes(changed)
    loaded = thalweg.load(tmp_path / "run", verify=False, threads=1)
    for same in (copy.deepcopy(loaded), pickle.loads(pickle.dumps(copy.deepcopy(loaded)))):
        np.testing.assert_array_equal(same.sample(10, seed=1), loaded.sample(10, seed=1))
        assert same._threads == 1


def _density(model, data):
    return model.log_prob(data)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning", "ignore:os.fork:RuntimeWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_processes_may_share_a_model(model, data, method):
    expected = model.log_prob(data)  # its threads are there when a child is forked
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found in pool.starmap(_density, [(model, data)] * 2):
            np.testing.assert_array_equal(found, expected)


def test_threads_may_call_at_once(model, data):
    expected = model.log_prob(data), model.sample(500, seed=2)
    failures = []

    def work() -> None:
        for _ in range(20):
            if not np.array_equal(model.log_prob(data), expected[0]):
                failures.append("log_prob")
            if not np.array_equal(model.sample(500, seed=2), expected[1]):
                failures.append("sample")

    def train() -> None:
        own = thalweg.fit(data, settings=SMALL)
        if not np.array_equal(own.log_prob(data), expected[0]):
            failures.append("fit")

    threads = [threading.Thread(target=work) for _ in range(2)]
    threads += [threading.Thread(target=train) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_results_do_not_depend_on_threads(data):
    one, two = (thalweg.fit(data, settings=SMALL, threads=number) for number in (1, 2))
    assert read(one.path + "/model.safetensors") == read(two.path + "/model.safetensors")
    np.testing.assert_array_equal(one.log_prob(data), two.log_prob(data))


def test_the_number_of_threads_is_set():
    before = thalweg.get_threads()
    try:
        thalweg.set_threads(1)
        assert thalweg.get_threads() == 1
    finally:
        thalweg.set_threads(0)
    assert thalweg.get_threads() == before
    with pytest.raises(thalweg.ConfigError, match="from 0"):
        thalweg.set_threads(-1)


def test_progress_is_told(data):
    told = []
    thalweg.fit(data, settings=SMALL | {"training.iterations": 3000}, progress=told.append)
    assert told and all(0 <= each["share"] <= 1 for each in told)
    assert {"step", "iterations", "loss", "text"} <= set(told[-1])


def test_a_bar_is_drawn_and_taken_away(data, capsys):
    thalweg.fit(data, settings=SMALL | {"training.iterations": 3000}, progress=True)
    shown = capsys.readouterr().err
    assert "steps/s" in shown and shown.endswith("\r")
    thalweg.fit(data, settings=SMALL, progress=False)
    assert capsys.readouterr().err == ""


def test_what_raises_in_progress_ends_the_training(data):
    def progress(told):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        thalweg.fit(data, settings=SMALL | {"training.iterations": 10**6}, progress=progress)


def test_what_was_found_is_logged(caplog):
    random = np.random.default_rng(8)
    data = np.column_stack([random.integers(0, 40, 500), random.normal(size=500)]).astype(float)
    with caplog.at_level(logging.INFO, "thalweg"):
        thalweg.fit(data, settings=SMALL)
    assert "categories" in caplog.text


INTERRUPTED = """
import os, signal, sys, threading, numpy as np, thalweg
data = np.random.default_rng(1).normal(size=(1000, 2))
steps = []
def progress(told):
    steps.append(told.get("step", 0))
    if len(steps) == 3:
        os.kill(os.getpid(), signal.SIGINT)
try:
    thalweg.fit(data, sys.argv[1] or None, progress=progress,
                settings={"flow.kind": "real_nvp", "training.iterations": 10**8})
except KeyboardInterrupt as stop:
    assert isinstance(stop, thalweg.Interrupted)
    later = stop.model.steps - steps[-1]
    print(stop.model.status, np.isfinite(stop.model.log_prob(data)).all(), later < 2000, stop)
"""


@pytest.mark.parametrize("kept", [True, False])
def test_an_interrupt_stops_after_a_step_and_leaves_a_model(tmp_path, kept):
    out = str(tmp_path / "run") if kept else ""
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, out],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("interrupted True True interrupted after"), done.stdout
    assert ("resume=True" in done.stdout) == kept
    if kept:
        steps = thalweg.load(out).steps
        resumed = thalweg.fit(out=out, resume=True, settings={"training.iterations": steps + 10})
        assert resumed.steps == steps + 10 and resumed.status == "finished"


INTERRUPTED_ENERGY = """
import os, signal, sys, threading, thalweg
def energy(points):
    return (points**4).sum(axis=1) / 4, points**3
settings = {"training.iterations": 10**8}
if sys.argv[1] == "training":
    settings |= {"exploration.evaluations": 0, "flow.kind": "real_nvp", "base.kind": "normal"}
else:
    settings |= {"exploration.evaluations": 10**8}
threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    thalweg.fit_energy(energy, dimension=4, settings=settings)
except thalweg.Interrupted as stop:
    print(stop.model is not None and stop.model.status, stop)
"""


@pytest.mark.parametrize(
    ("stage", "says"),
    [("training", "interrupted interrupted after"), ("exploring", "False interrupted before")],
)
def test_an_interrupt_in_an_energy_ends_after_a_step_too(stage, says):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_ENERGY, stage],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.startswith(says), done.stdout + done.stderr


INTERRUPTED_JUDGEMENT = """
import os, signal, sys, threading, time, numpy as np, thalweg
random = np.random.default_rng(1)
data = random.normal(size=(600, 2))
model = thalweg.fit(data, settings={"flow.kind": "real_nvp", "flow.blocks": 32,
                                    "flow.hidden": [256, 256], "training.iterations": 2})
expected = model.log_prob(data[:5])
sent = []
def interrupt():
    sent.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)
threading.Timer(1.0, interrupt).start()
try:
    if sys.argv[1] == "evaluate":
        model.evaluate(random.normal(size=(200000, 2)), rows=200000)
    else:
        for _ in range(100):
            model.report(sys.argv[2])
    print("it was done before")
except KeyboardInterrupt:
    print("late" if time.monotonic() > sent[0] + 2.0 else "in time")
assert np.array_equal(model.log_prob(data[:5]), expected)
"""


@pytest.mark.parametrize("what", ["evaluate", "report"])
def test_an_interrupt_stops_a_judgement(what, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_JUDGEMENT, what, str(tmp_path / "page")],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "in time\n", done.stdout + done.stderr


def test_other_signals_have_their_say(data):
    def handler(number, frame):
        raise TimeoutError("time is up")

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(TimeoutError, match="time is up"):
            thalweg.fit(data, settings=SMALL | {"training.iterations": 10**8})
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def resident() -> int:
    """Bytes of memory that are in use now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux's /proc")
def test_fits_leak_nothing():
    data = banana(100)
    settings = SMALL | {"training.iterations": 2, "flow.blocks": 2, "flow.hidden": [8]}
    settings["base.kind"] = "normal"

    def rounds(count: int) -> None:
        for _ in range(count):
            model = thalweg.fit(data, settings=settings, threads=1)
            model.log_prob(data, gradient=True)
            model.sample(10, seed=1)
        gc.collect()

    rounds(50)
    before = resident()
    rounds(200)
    # A kept array of each fit would be 1.6 kB, a kept model some 100 kB each.
    assert resident() - before < 4_000_000
