"""A trained flow of a molecule as a calculator of ASE.

>>> atoms.calc = thalweg.ase.FlowCalculator(thalweg.load("runs/peptide"))
>>> atoms.get_potential_energy()
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import units  # type: ignore[import-untyped, unused-ignore]
from ase.calculators.calculator import (  # type: ignore[import-untyped, unused-ignore]
    Calculator,
    all_changes,
)

from .errors import ConfigError, DataError, NumericalError
from .model import Model

_NM = 10.0  # Angstrom
_KJ_MOL = units.kJ / units.mol  # eV


class FlowCalculator(Calculator):  # type: ignore[misc, unused-ignore]
    """The energy -kT log p(x) of a model of a molecule, in eV, with its forces in eV/Angstrom.

    model: of ``thalweg train --molecule``; atoms come in its order, whole, not wrapped into a cell,
        and without cells of their own: there is no stress.
    temperature: in K; else that of the run's system.

    Raises ConfigError for a model of a table, DataError for other atoms, NumericalError where the
    model has no density, as beyond the range of a bond.
    """

    implemented_properties = ["energy", "free_energy", "forces"]

    def __init__(self, model: Model, temperature: float | None = None, **options: Any) -> None:
        super().__init__(**options)  # type: ignore[no-untyped-call, unused-ignore]
        if model.atom_count == 0:
            raise ConfigError(
                f"{model.path}: expected a model of a molecule, this is one of a table"
            )
        self.model = model
        self.temperature = temperature
        # Files have chlorine as CL or Cl.
        self._elements = [label.split()[3].capitalize() for label in model.atoms]

    def calculate(
        self,
        atoms: Any = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Sets energy and forces of the atoms."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call, unused-ignore]
        current: Any = self.atoms
        found = current.get_chemical_symbols()
        if len(found) != self.model.atom_count:
            raise DataError(f"expected {self.model.atom_count} atoms, got {len(found)}")
        for number, (own, other) in enumerate(zip(self._elements, found)):
            if own not in ("-", other) and other != "X":
                raise DataError(
                    f"atom {number}: expected {self.model.atoms[number]}, got {other}; the atoms "
                    "must be in the order of the model's"
                )
        energy, forces = self.model.energy_and_forces(
            current.get_positions() / _NM, self.temperature
        )
        if not (np.isfinite(energy) and np.all(np.isfinite(forces))):
            raise NumericalError(
                f"the energy is {energy} kJ/mol: a bond or an angle is beyond the range of the "
                "model, or atoms are wrapped into a cell"
            )
        self.results = {
            "energy": energy * _KJ_MOL,
            "free_energy": energy * _KJ_MOL,
            "forces": forces * (_KJ_MOL / _NM),
        }
