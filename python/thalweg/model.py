"""Trained models."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core, energies, points, threading
from .errors import ConfigError, DataError, ShapeError
from .folders import TemporaryFolder

Array = npt.NDArray[np.float64]

_log = logging.getLogger("thalweg")

# Rows between two chances for Ctrl-C.
_BLOCK = 16384

_SAMPLING = {
    "sampler": "naive",
    "precision": "",
    "weights": "",
    "threshold": 1.5,
    "chains": 0,
    "burn_in": 500,
    "thinning": 10,
    "leapfrog_steps": 8,
    "levels": 8,
    "step_size": 0.0,
    "local_probability": 0.5,
    "density": "",
}


def energy_name(energy: Any) -> str:
    """What a function is called in settings and messages."""
    return str(getattr(energy, "__name__", type(energy).__name__))


def tell(sentences: Iterable[str], level: int = logging.WARNING) -> None:
    """Hands what the library found to the logger "thalweg"."""
    for sentence in sentences:
        _log.log(level, "%s", sentence)


class Model:
    """A trained model: a density on the columns of its data, or given some of them.

    Made by ``fit``, ``fit_energy`` and ``load``. Its run is a folder of the command-line tool's,
    at ``path``. Several threads may use a model; their calls take turns.
    """

    def __init__(
        self,
        path: str,
        *,
        verify: bool = True,
        energy: Callable[..., Any] | None = None,
        threads: int | None = None,
        keeper: TemporaryFolder | None = None,
    ) -> None:
        self._keeper = keeper
        self._energy = energy
        self._verify = verify
        self._threads = threads
        name = energy_name(energy)
        # The run does not keep it.
        self._evaluate = None if energy is None else energies.prepared(energy, name)
        self._run = _core.Run(
            path,
            threading.number(threads),
            verify,
            self._evaluate,
            name,
        )

    # What it is.

    @property
    def path(self) -> str:
        """Folder of the run."""
        return self._run.path

    @property
    def columns(self) -> list[str]:
        """Names of the columns that the density is of, in the order that ``fit`` was asked for;
        without names x0, x1, ..."""
        return self._run.columns

    @property
    def condition_columns(self) -> list[str]:
        """Names of the columns that the density is conditioned on."""
        return self._run.condition_columns

    @property
    def sample_columns(self) -> list[str]:
        """Names of the columns of ``sample()``: those of the data, also such as others decide, in
        the order of ``columns``."""
        names = self._run.sample_columns
        # Runs of before have columns that others decide at the end.
        return points.in_order(names) if points.in_order(self.columns) == self.columns else names

    @property
    def atoms(self) -> list[str]:
        """What the atoms of a molecule are called, each as "CA ALA 2 C A": name, residue, its
        number, element and chain, "-" for what is not known; empty if nothing is."""
        return self._run.atom_labels

    @property
    def atom_count(self) -> int:
        """How many atoms its molecule has; 0 for models of tables."""
        return self._run.atoms

    @property
    def temperature(self) -> float:
        """Of the energy of a molecule, in K."""
        return self._run.temperature

    @property
    def status(self) -> str:
        """How its training ended: finished, stopped (by time) or interrupted."""
        return self._run.status

    @property
    def steps(self) -> int:
        """Training steps."""
        return self._run.steps

    @property
    def seconds(self) -> float:
        """Seconds of training."""
        return self._run.seconds

    @property
    def config(self) -> str:
        """All settings, as the run's config.toml has them."""
        with open(os.path.join(self.path, "config.toml"), encoding="utf-8") as file:
            return file.read()

    def _facts(self) -> list[tuple[str, str]]:
        columns = self.columns
        shown = ", ".join(columns[:6]) + (", ..." if len(columns) > 6 else "")
        facts = [("columns", f"{len(columns)}: {shown}")]
        if self.condition_columns:
            facts.append(("given", ", ".join(self.condition_columns)))
        if self._run.base == "stack":
            facts.append(("model", "stack"))
        else:
            facts.append(("model", f"{self._run.flow} on {self._run.base}"))
        facts.append(("training", f"{self.steps} steps in {self.seconds:.1f} s, {self.status}"))
        return facts

    def __repr__(self) -> str:
        facts = "; ".join(f"{name} {value}" for name, value in self._facts())
        return f"<thalweg.Model {facts}; {self.path}>"

    def _repr_html_(self) -> str:
        from .notebook import shown

        return shown([*self._facts(), ("run", self.path)], os.path.join(self.path, "plots"))

    # What it does.

    def sample(
        self,
        n: int,
        condition: Any = None,
        *,
        seed: int | None = None,
        sampler: str = "naive",
        precision: str = "",
        weights: str = "",
        threshold: float = 1.5,
        chains: int = 0,
        burn_in: int = 500,
        thinning: int = 10,
        leapfrog_steps: int = 8,
        levels: int = 8,
        step_size: float = 0.0,
        local_probability: float = 0.5,
        density: str = "",
        info: bool = False,
    ) -> Any:
        """Draws ``n`` samples: an array n x ``sample_columns`` of float64, in the data's units; of a
        molecule n x atoms x 3 in nm, the mean position of the atoms at 0.

        condition: of a conditional model, one row or several, which are used in turn: an array of
            rows x ``condition_columns``, a dictionary or a DataFrame.
        seed: the same seed gives the same samples, for any number of threads; None: a fresh one.
        sampler: "naive" draws from the flow; "importance" weighs its draws by the energy that the
            model was trained for: ``weights="resample"``, its default, draws rows again by their
            weights, ``weights="column"`` adds their logarithm as a last column (of a molecule,
            as "log_weights" to the info), and ``weights="reject"`` does so after it has kept draws
            that weigh less than threshold mean weights at random, with a probability in
            proportion, so that the weights are more alike; "annealed" moves them to that energy's
            density first, by Hamiltonian steps of leapfrog_steps at each of levels - 1 densities on
            the way, and gives weights that are as exact and more alike; "sails", "mala", "hmc" and
            "independence" are Markov chains in latent space, with chains, burn_in, thinning,
            leapfrog_steps, step_size (0: found), local_probability and density ("model" or
            "target").
        precision: "float" or "double"; else that of the training, and double for weighted draws.
        info: give a tuple of the samples and a dictionary of what the sampler found as well:
            acceptance, R-hat, effective samples, log integral.

        Raises ConfigError for what the model cannot do, ShapeError for conditions of other columns,
        DataError if some column holds texts or dates: see ``sample_dict``.
        """
        options = self._sample_options(
            n,
            condition,
            seed,
            sampler=sampler,
            precision=precision,
            weights=weights,
            threshold=threshold,
            chains=chains,
            burn_in=burn_in,
            thinning=thinning,
            leapfrog_steps=leapfrog_steps,
            levels=levels,
            step_size=step_size,
            local_probability=local_probability,
            density=density,
        )
        if self._run.molecule:
            if weights in ("column", "reject") and not info:
                raise ConfigError(
                    f'weights="{weights}": of a molecule they are in the info: info=True'
                )
            positions, log_weights, found, warnings = self._run.sample_positions(options)
            tell(warnings)
            if log_weights is not None:
                found["log_weights"] = log_weights
            return (positions, found) if info else positions
        array, contents, found = self._sample(options)
        kept = len(contents) - len(self.condition_columns)
        for name, kind, _, _ in contents[:kept]:
            if kind != "number":
                raise DataError(
                    f"sample: column '{name}' holds {kind}s, which an array of numbers does not; "
                    "use sample_dict(), which gives columns by name"
                )
        names = [name for name, _, _, _ in contents[:kept]]
        order = [names.index(name) for name in self.sample_columns]
        order += range(len(order), kept)  # what the sampler adds
        if order != list(range(len(contents))):
            array = array[:, order]
        return (array, found) if info else array

    def sample_dict(
        self, n: int, condition: Any = None, *, seed: int | None = None
    ) -> dict[str, npt.NDArray[Any]]:
        """Draws ``n`` samples as columns by name, texts and dates as such, and their conditions.

        ``pandas.DataFrame(model.sample_dict(1000))`` makes a frame of them.
        """
        if self._run.molecule:
            raise ConfigError("sample_dict: gives columns of tables; use sample() for molecules")
        array, contents, _ = self._sample(self._sample_options(n, condition, seed))
        return {
            content[0]: points.column_values(array[:, number], content)
            for number, content in enumerate(contents)
        }

    def _sample_options(
        self, n: int, condition: Any, seed: int | None, **options: Any
    ) -> dict[str, Any]:
        options = {**_SAMPLING, **options}
        if options["sampler"] in ("importance", "annealed") and not options["weights"]:
            options["weights"] = "resample"
        if options["precision"] not in ("", "float", "double"):
            raise ConfigError(f"precision: expected float or double, got {options['precision']!r}")
        if seed is None:
            seed = int.from_bytes(os.urandom(6), "little")
        rows = self._condition_rows(condition)
        return {**options, "count": int(n), "seed": int(seed), "condition": rows}

    def _sample(self, options: dict[str, Any]) -> Any:
        array, contents, found, warnings = self._run.sample(options)
        tell(warnings)
        return array, contents, found

    def log_prob(self, x: Any, condition: Any = None, *, gradient: bool = False) -> Any:
        """Log densities of rows in nats, in the data's units: n float64.

        x: rows x ``columns``, as an array, or a DataFrame or dictionary, which may have others
            besides. An array may also have the ``sample_columns``, or, with more columns than
            these, all of the array that was fitted, condition included. A point of D columns is
            ``x[None]``.
        condition: rows x ``condition_columns`` in the same forms, or one row for all of x; not
            needed where x has these columns. Others that a DataFrame has are left out.
        gradient: give a tuple of the log densities and their slopes d log p / dx, n x ``columns``,
            as well, in double. Outside of a column's bounds they are NaN.

        Of a molecule x are positions in nm, n x atoms x 3 or n x 3 atoms, and densities those of
        positions whatever their place, all orientations being alike; slopes, in 1/nm, have the
        shape of x. One configuration, atoms x 3, has one number.

        -inf is a density of 0. Of categories and atoms it is the log mass, of evenly spaced values
        that over their step. Raises ShapeError, DataError for values that are not finite, and
        ConfigError for the slopes of a model that has no exact ones.
        """
        if self._run.molecule:
            return self._log_prob_of_positions(x, gradient)
        table = points.columns_of(x, "x")
        if condition is not None:
            table = self._joined(x, table, condition)
        if table is not None:
            values, slopes, warnings = self._log_prob_of_columns(table, gradient)
        else:
            names, rows = self._named_rows(x)
            values, slopes, warnings = self._in_blocks(
                lambda part: self._run.log_prob(names, part, gradient), rows
            )
        tell(warnings)
        return (values, slopes) if gradient else values

    def to_latent(self, x: Any, condition: Any = None) -> Array:
        """The points of the base that the flow leads to ``x``: n x ``columns``, in double.

        x and condition: as ``log_prob`` takes them, numbers alone. Rows outside of a column's
        bounds get NaN. Raises ConfigError for models without such points: of molecules, with random
        moves between layers, of columns of integers, categories or values of a mass, and stacks.
        """
        table = points.columns_of(x, "x")
        if condition is not None:
            table = self._joined(x, table, condition)
        if table is None:
            names, rows = self._named_rows(x)
        else:
            names = self.columns + self.condition_columns
            missing = [name for name in names if name not in table]
            if missing:
                raise DataError(f"x: column '{missing[0]}' is missing")
            if not points.all_numbers({name: table[name] for name in names}):
                raise DataError("to_latent: expected columns of numbers")
            rows = points.stacked(table, names)
        z: Array
        z, warnings = self._run.to_latent(names, rows)
        tell(warnings)
        return z

    def from_latent(self, z: Any, condition: Any = None) -> Array:
        """What the flow makes of points of its base: n x ``columns`` in the data's units, in double.

        z: n x ``columns``. condition: rows that are used in turn, as ``sample`` takes them.
        Raises ShapeError, DataError for points that are not finite, and ConfigError as
        ``to_latent``.
        """
        x: Array
        x, warnings = self._run.from_latent(self._points(z), self._condition_rows(condition))
        tell(warnings)
        return x

    def _pull_back(self, z: Any, cotangent: Any, condition: Any = None) -> Array:
        """Gradients by the samples of ``from_latent`` to gradients by z."""
        given = self._condition_rows(condition)
        slopes = self._run.pull_back(self._points(z), np.ascontiguousarray(cotangent), given)
        return np.asarray(slopes, dtype=np.float64)

    def _points(self, z: Any) -> Array:
        array = np.ascontiguousarray(points.matrix(z, "z"), dtype=np.float64)
        if array.shape[1] != len(self.columns):
            raise ShapeError(f"z: expected rows x {len(self.columns)}, got shape {array.shape}")
        if not np.isfinite(array).all():
            raise DataError("z: expected numbers, got some that are not finite")
        return array

    def _named_rows(self, x: Any) -> tuple[list[str], Array]:
        """An array's columns by name, and its rows."""
        array = points.numbers(x, "x")
        names = points.names_of_array(
            array,
            self.columns,
            self.condition_columns,
            self.sample_columns,
            self._run.weighted,
        )
        rows = array[:, np.newaxis] if array.ndim == 1 else array
        return names, np.ascontiguousarray(rows, dtype=np.float64)

    def _in_blocks(self, evaluate: Callable[[Array], Any], rows: Array) -> Any:
        """Values, slopes and warnings of rows, with a chance for Ctrl-C between blocks of them.
        Densities that are drawn depend on the number of a row and take all at once."""
        if len(rows) <= _BLOCK or self._run.drawn_densities:
            return evaluate(rows)
        found = [evaluate(rows[i : i + _BLOCK]) for i in range(0, len(rows), _BLOCK)]
        values, slopes, warnings = zip(*found)
        joined = None if slopes[0] is None else np.concatenate(slopes)
        return np.concatenate(values), joined, dict.fromkeys(sum(warnings, []))

    def _log_prob_of_positions(self, x: Any, gradient: bool) -> Any:
        rows, shape, slopes_shape = points.configurations(x, self._run.atoms)
        values, slopes, _ = self._in_blocks(
            lambda part: (*self._run.log_prob_of_positions(part, gradient), []), rows
        )
        values = points.shaped(values, shape)
        return (values, slopes.reshape(slopes_shape)) if gradient else values

    def energy_and_forces(self, positions: Any, temperature: float | None = None) -> Any:
        """The potential of a molecule's model, -kT log p: a tuple of energies in kJ/mol and forces
        in kJ/mol/nm, in double.

        positions: in nm, atoms x 3, n x atoms x 3 or n x 3 atoms, wherever they are and however
            they are turned. Energies have one number a configuration, forces the shape of positions.
        temperature: in K; else that of the run's system.

        Beyond the range of a bond or an angle, where the density is 0, energies are inf or NaN and
        forces NaN. Raises ConfigError for a model of no molecule, ShapeError for other shapes.
        """
        if not self._run.molecule:
            raise ConfigError(
                f"{self.path}: expected a model of a molecule, this is one of a table"
            )
        kelvin = self.temperature if temperature is None else float(temperature)
        if not kelvin > 0:
            raise ConfigError(f"temperature: expected K above 0, got {temperature}")
        rows, shape, forces_shape = points.configurations(positions, self._run.atoms)
        energies, forces = self._run.energies_and_forces(rows, kelvin)
        return points.shaped(energies, shape), forces.reshape(forces_shape)

    def _joined(self, x: Any, table: points.Columns | None, condition: Any) -> points.Columns:
        """Columns of x and of the condition, one row of which may serve all."""
        if not self.condition_columns:
            raise ConfigError("condition: this model has no condition")
        if table is None:
            array = points.matrix(x, "x")
            columns, width = self.columns, array.shape[1]
            own = columns if width == len(columns) else self.sample_columns
            if width != len(own):
                raise ShapeError(
                    f"x: expected rows x {len(columns)} columns ({', '.join(columns[:6])}) beside "
                    f"a condition, got shape {array.shape}"
                )
            table = {name: array[:, number] for number, name in enumerate(own)}
        rows = len(next(iter(table.values())))
        given = self._condition_columns(condition)
        for name, values in given.items():
            if not self._conditions_on(name):
                continue
            if len(values) not in (1, rows):
                raise ShapeError(
                    f"condition: expected one row, or {rows} as x has, got {len(values)}"
                )
            table[name] = np.broadcast_to(values, (rows,)) if len(values) == 1 else values
        return table

    def _conditions_on(self, name: str) -> bool:
        """Whether a column is one of the condition, or a date whose parts, name.hour, are."""
        names = self.condition_columns
        return name in names or (
            name not in self.columns and any(each.startswith(f"{name}.") for each in names)
        )

    def _log_prob_of_columns(self, table: points.Columns, gradient: bool) -> Any:
        wanted = self.columns + self.condition_columns
        if self._run.numeric and all(name in table for name in wanted):
            chosen = {name: table[name] for name in wanted}
            if points.all_numbers(chosen):
                rows = points.stacked(chosen, wanted)
                return self._in_blocks(
                    lambda part: self._run.log_prob(wanted, part, gradient), rows
                )
        with tempfile.TemporaryDirectory(prefix="thalweg-") as folder:
            path = os.path.join(folder, "x.csv")
            points.write_csv(path, table, "x")
            return self._run.log_prob_of_file(path, gradient)

    def _condition_columns(self, condition: Any) -> points.Columns:
        """A condition in any form as columns by name."""
        return points.condition_columns(condition, self.condition_columns)

    def _condition_rows(self, condition: Any) -> list[float]:
        names = self.condition_columns
        if not names:
            if condition is not None:
                raise ConfigError("condition: this model has no condition")
            return []
        if condition is None:
            raise ConfigError(
                f"this model is conditional: give condition, rows of {', '.join(names)}"
            )
        columns = self._condition_columns(condition)
        if self._run.numeric_condition and points.all_numbers(columns):
            given = list(columns)
            return self._run.condition_rows(given, points.stacked(columns, given))
        with tempfile.TemporaryDirectory(prefix="thalweg-") as folder:
            path = os.path.join(folder, "condition.csv")
            points.write_csv(path, columns, "condition")
            return self._run.condition_rows_of_file(path)

    def evaluate(
        self, data: Any = None, *, seed: int | None = None, rows: int = 0
    ) -> dict[str, Any]:
        """How good the model is: metrics by name, with NAME_error where there is one.

        data: points to judge on, in any form that ``fit`` takes, or a file; else the run's test
            rows. Columns of an array are those that ``log_prob`` takes them for. seed: of what is
            drawn to judge; else the run's. rows: held-out rows at most; 0: as many as take about a
            minute. What is not finite is None.
        """
        with tempfile.TemporaryDirectory(prefix="thalweg-") as folder:
            path = "" if data is None else self._held_out(data, folder)
            found: dict[str, Any] = json.loads(self._run.evaluate(path, seed, int(rows)))
        tell(found["warnings"])
        return found

    def _held_out(self, data: Any, folder: str) -> str:
        if isinstance(data, (str, os.PathLike)):
            return points.Points(data, folder).path
        # An array in the order of the samples is none of the data's, where another was asked for.
        reordered = self.sample_columns != points.in_order(self.sample_columns)
        if reordered and points.columns_of(data, "data") is None:
            names, rows = self._named_rows(data)
            return points.Points(rows, folder, names=names).path
        if not self._run.molecule:
            return points.Points(data, folder).path
        path = os.path.join(folder, "positions.npy")
        rows, _, _ = points.configurations(data, self._run.atoms)
        np.save(path, rows, allow_pickle=False)
        return path

    def report(self, out: str | os.PathLike[str] = "") -> str:
        """Evaluates the model and writes a page with tables and pictures into its folder, or into
        ``out``. Gives the path of the page. Pictures need gnuplot."""
        return self._run.report(os.fspath(out))

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Copies the run to ``path``, which ``load`` and the command-line tool read.

        A run that is there is replaced with ``force``; other folders are left alone.
        """
        path = os.fspath(path)
        if os.path.exists(path) and os.path.realpath(path) != os.path.realpath(self.path):
            is_run = os.path.exists(os.path.join(path, "manifest.json"))
            if not is_run and not (os.path.isdir(path) and not os.listdir(path)):
                raise ConfigError(f"{path}: exists already and is not a run; choose another path")
            if is_run and not force:
                raise ConfigError(f"{path}: exists already; force=True replaces it")
        elif os.path.exists(path):
            return
        # What is there goes when all of the copy is.
        new, old = (f"{os.path.normpath(path)}.{word}-{os.getpid()}" for word in ("new", "old"))
        try:
            shutil.copytree(self.path, new)
            if os.path.exists(path):
                os.rename(path, old)
            os.rename(new, path)
        finally:
            shutil.rmtree(new, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)

    # How it travels.

    def __reduce__(self) -> Any:
        import io
        import zipfile

        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for folder, _, files in sorted(os.walk(self.path)):
                for file in sorted(files):
                    full = os.path.join(folder, file)
                    archive.write(full, os.path.relpath(full, self.path))
        return _from_bytes, (stream.getvalue(), self._energy, self._verify, self._threads)


def _from_bytes(
    data: bytes,
    energy: Callable[..., Any] | None,
    verify: bool = True,
    threads: int | None = None,
) -> Model:
    import io
    import zipfile

    keeper = TemporaryFolder()
    folder = os.path.join(keeper.path, "run")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    return Model(folder, energy=energy, verify=verify, threads=threads, keeper=keeper)


def load(
    path: str | os.PathLike[str],
    *,
    energy: Callable[..., Any] | None = None,
    verify: bool = True,
    threads: int | None = None,
) -> Model:
    """Loads a run's model from its folder.

    energy: of a run that learnt a Python function, that function, by which it is evaluated and
        weighted; samples and densities do without.
    verify: refuse a model or settings that were changed after their run wrote them.

    Raises DataError for a folder that is no run, is damaged, or of a newer version.
    """
    return Model(os.fspath(path), energy=energy, verify=verify, threads=threads)
