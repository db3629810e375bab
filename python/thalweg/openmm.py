"""A trained flow of a molecule as a force of OpenMM, which must be 8.5 or newer.

>>> system.addForce(thalweg.openmm.flow_force(thalweg.load("runs/peptide")))
"""

from __future__ import annotations

from typing import Any

import openmm  # type: ignore[import-untyped, import-not-found, unused-ignore]

from .errors import ConfigError
from .model import Model


class FlowEnergy:
    """Energy in kJ/mol and forces in kJ/mol/nm of a State, as PythonForce calls it; goes into
    OpenMM's XML with the model's run in it."""

    def __init__(self, model: Model, temperature: float | None) -> None:
        self.model = model
        self.temperature = temperature

    def __call__(self, state: Any) -> Any:
        positions = state.getPositions(asNumpy=True).value_in_unit(openmm.unit.nanometer)
        return self.model.energy_and_forces(positions, self.temperature)


def flow_force(model: Model, temperature: float | None = None) -> Any:
    """A PythonForce with the energy -kT log p(x) of a model of a molecule.

    model: of ``thalweg train --molecule``, of all particles of the System in its order; of some of
        them after the force's ``setParticles``. Another number of them raises ShapeError as soon as
        the force is evaluated.
    temperature: in K; else that of the run's system.

    Beyond the range of a bond or an angle energies are inf or NaN, at which OpenMM stops. Raises
    ConfigError for a model of a table, and for an OpenMM without PythonForce.
    """
    if model.atom_count == 0:
        raise ConfigError(f"{model.path}: expected a model of a molecule, this is one of a table")
    if not hasattr(openmm, "PythonForce"):
        version = openmm.Platform.getOpenMMVersion()
        raise ConfigError(f"expected OpenMM 8.5 or newer, which has PythonForce, got {version}")
    return openmm.PythonForce(FlowEnergy(model, temperature))
