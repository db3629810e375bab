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


def table(path):
    lines = Path(path).read_text().split()
    return lines[0].split(","), np.array([[float(v) for v in line.split(",")] for line in lines[1:]])


def points_of(folder, model):
    names, values = table(folder / "points.csv")
    columns = [column["name"] for column in model.columns]
    given = [column["name"] for column in model.config.get("context_columns", [])]
    x = values[:, [names.index(name) for name in columns]] if columns else values
    for i, column in enumerate(model.columns):
        if column["integer"]:
            x[:, i] += 0.5 * column["step"]
    return x, values[:, [names.index(name) for name in given]] if given else None


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
            x, context = points_of(folder, model)
            expected, tolerance = folder / "log_prob.csv", RELATIVE
            if folder.name in ESTIMATES:
                expected, tolerance = folder / "estimate.csv", NEAR
                command = [tool, "log-prob", folder, folder / "points.csv", "--out", expected]
                subprocess.run([*command, "--importance-samples", str(DRAWS), "--quiet"], check=True)
            expected = table(expected)[1][:, 0]
            off = np.abs(model.log_prob(x, context) - expected) / np.maximum(1, np.abs(expected))
            fits = bool((off <= tolerance).all())
            print(f"{folder.name}: {'' if fits else 'WRONG: '}off by at most {off.max():.1e}")
            bad += not fits
            compared += 1
    if bad or compared < 20:
        sys.exit(f"{bad} of {compared} runs are not what their files say")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
