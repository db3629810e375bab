"""check_format.py TOOL MAKE: small runs of every kind, made by golden/make.sh with the tool, must have the
log densities that read_model.py finds in their files."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from read_model import Model

RELATIVE = 1e-12
ESTIMATES = ("continuously_indexed",)  # the tool gives estimates of these densities
DRAWS, NEAR = 20000, 0.05  # their errors are below 0.01 then


def number(text):
    try:
        return float(text) if text else np.nan
    except ValueError:
        return text


def table(path):
    """Names, and columns: of numbers, or of texts."""
    lines = Path(path).read_text().split()
    rows = [[number(v) for v in line.split(",")] for line in lines[1:]]
    return lines[0].split(","), [np.array(column) for column in zip(*rows)]


def coordinates(column, values):
    """The middles of what values are on the line of the model, and logarithms of atoms' lengths."""
    missing = column.get("missing", False)
    if "labels" in column and "values" in column:
        labels = column["labels"]
        # An array of texts has "nan" for a missing one.
        values = np.array([labels.index(str(v)) if str(v) != "nan" else np.nan for v in values])
    if missing:  # What stands for it.
        values = np.where(np.isnan(values), column["values"][-1] if "values" in column else column["atoms"][0], values)
    if "values" in column:
        return np.searchsorted(column["values"], values) + 0.5, 0.0
    half_step = 0.5 * column["step"] * column["integer"]
    if "atoms" in column:
        atoms, gap = np.array(column["atoms"]), column.get("gap", 1.0)
        atom = np.isin(values, atoms)
        inside = np.where(atom, 0.5 * gap, half_step)
        return values + gap * np.searchsorted(atoms, values) + inside, np.log(gap) * atom
    return values + half_step, 0.0


def points_of(folder, model):
    names, values = table(folder / "points.csv")
    columns = [column["name"] for column in model.columns]
    given = [column["name"] for column in model.config.get("context_columns", [])]
    if not columns:
        return np.stack(values, axis=1), None, 0.0
    pairs = [coordinates(column, values[names.index(column["name"])]) for column in model.columns]
    x, intervals = np.stack([pair[0] for pair in pairs], axis=1), sum(pair[1] for pair in pairs)
    context = []
    for name, column in zip(given, model.config.get("context_columns", [])):
        own = values[names.index(name)]
        # A text of a condition is 1 where the row has it.
        context.append(own == column["labels"][0] if "labels" in column else own)
    return x, np.stack(context, axis=1).astype(float) if context else None, intervals


def main(tool, make):
    bad, compared = 0, 0
    with tempfile.TemporaryDirectory() as work:
        subprocess.run([make, tool, work], check=True)
        for folder in sorted(Path(work).iterdir()):
            try:
                model = Model(folder)
            except NotImplementedError as reason:
                print(f"{folder.name}: not compared: {reason}")
                continue
            x, context, intervals = points_of(folder, model)
            expected, tolerance = folder / "log_prob.csv", RELATIVE
            if folder.name in ESTIMATES:
                expected, tolerance = folder / "estimate.csv", NEAR
                command = [tool, "log-prob", folder, folder / "points.csv", "--out", expected]
                subprocess.run([*command, "--importance-samples", str(DRAWS), "--quiet"], check=True)
            expected = table(expected)[1][0]
            off = np.abs(model.log_prob(x, context) + intervals - expected) / np.maximum(1, np.abs(expected))
            fits = bool((off <= tolerance).all())
            print(f"{folder.name}: {'' if fits else 'WRONG: '}off by at most {off.max():.1e}")
            bad += not fits
            compared += 1
    if bad or compared < 20:
        sys.exit(f"{bad} of {compared} runs are not what their files say")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
