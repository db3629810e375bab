"""Moves a molecule at constant energy by a trained flow, from one state with equal steps: by `thalweg
simulate --flow`, and through ASE, OpenMM's PythonForce and i-PI's socket; prints the sums of energies
side by side. Started by bench/run --nve."""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

import numpy as np

from sides import our_environment

EQUILIBRATION = 2000  # steps of Langevin dynamics at 300 K
# CODATA 2018: bohr in nm, hartree in kJ/mol, atomic unit of time in ps, electron masses a dalton.
BOHR, HARTREE, TIME, DALTON = 0.0529177210903, 2625.49963948, 2.4188843265857e-5, 1822.888486209


class Start:
    """Positions in nm, velocities in nm/ps, masses in g/mol, and names of elements."""

    def __init__(self, folder, system, labels):
        with open(os.path.join(folder, "state.safetensors"), "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header, data = json.loads(file.read(length)), file.read()
        self.positions, self.velocities = (
            np.frombuffer(data[slice(*header[name]["data_offsets"])]).reshape(-1, 3)
            for name in ("positions", "velocities"))
        particles = xml.etree.ElementTree.parse(system).getroot().iter("Particle")
        masses = [float(each.get("mass")) for each in particles if each.get("mass")]
        self.masses = np.array(masses[:len(self.positions)])
        self.elements = [label.split()[3] for label in labels]


def by_thalweg(arguments, folder):
    """Potential and kinetic energies of the state that a short simulation leaves, and every
    `every` steps after it."""
    command = [arguments.tool, "simulate", arguments.system, "--positions", arguments.positions,
               "--flow", arguments.run, "--ensemble", "nve", "--equilibrate", str(EQUILIBRATION),
               "--time-step", str(arguments.time_step), "--frame-every", str(arguments.every),
               "--steps", str(arguments.every), "--seed", str(arguments.seed), "--out", folder,
               "--quiet"]
    subprocess.run(command, env=our_environment(), check=True)

    def go_on():
        subprocess.run([arguments.tool, "simulate", "--resume", "--out", folder, "--quiet",
                        "--steps", str(arguments.every + arguments.steps)],
                       env=our_environment(), check=True)
        return np.load(os.path.join(folder, "energies.npy"))[:, 0, :2]
    return go_on


def by_ase(arguments, start, model):
    from ase import Atoms, units
    from ase.md.verlet import VelocityVerlet
    import thalweg.ase
    atoms = Atoms(start.elements, 10 * start.positions, masses=start.masses)
    atoms.set_velocities(start.velocities * 10 / (1000 * units.fs))
    atoms.calc = thalweg.ase.FlowCalculator(model)
    kj = units.kJ / units.mol
    found = []
    dynamics = VelocityVerlet(atoms, arguments.time_step * units.fs)
    for _ in range(arguments.steps // arguments.every):
        found.append((atoms.get_potential_energy() / kj, atoms.get_kinetic_energy() / kj))
        dynamics.run(arguments.every)
    found.append((atoms.get_potential_energy() / kj, atoms.get_kinetic_energy() / kj))
    return np.array(found)


def by_openmm(arguments, start, model):
    import openmm
    from openmm import unit
    import thalweg.openmm
    system = openmm.System()
    for mass in start.masses:
        system.addParticle(mass)
    system.addForce(thalweg.openmm.flow_force(model))
    # OpenMM's own VerletIntegrator has velocities of half steps.
    integrator = openmm.CustomIntegrator(arguments.time_step * unit.femtosecond)
    integrator.addComputePerDof("v", "v + 0.5 * dt * f / m")
    integrator.addComputePerDof("x", "x + dt * v")
    integrator.addComputePerDof("v", "v + 0.5 * dt * f / m")
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(start.positions)
    context.setVelocities(start.velocities)
    kj, found = unit.kilojoule_per_mole, []
    for frame in range(arguments.steps // arguments.every + 1):
        if frame > 0:
            integrator.step(arguments.every)
        state = context.getState(getEnergy=True)
        found.append((state.getPotentialEnergy().value_in_unit(kj),
                      state.getKineticEnergy().value_in_unit(kj)))
    return np.array(found)


IPI = """<simulation verbosity='quiet'>
  <output prefix='nve'>
    <properties filename='out' stride='{every}' flush='1'> [ step, potential, kinetic_md ] </properties>
  </output>
  <total_steps>{total}</total_steps>
  <prng><seed>1</seed></prng>
  <ffsocket mode='unix' name='flow' pbc='False'><address>{address}</address><latency>1e-4</latency></ffsocket>
  <system>
    <initialize nbeads='1'>
      <file mode='xyz'> start.xyz </file>
      <masses mode='manual'> {masses} </masses>
      <velocities mode='manual'> {velocities} </velocities>
    </initialize>
    <forces><force forcefield='flow'/></forces>
    <ensemble><temperature units='kelvin'>300</temperature></ensemble>
    <motion mode='dynamics'>
      <fixcom>False</fixcom>
      <dynamics mode='nve'><timestep units='femtosecond'>{time_step}</timestep></dynamics>
    </motion>
  </system>
</simulation>
"""


def by_ipi(arguments, start, folder):
    """i-PI as the server, `thalweg drive` as its client."""
    def numbers(values):
        return "[" + ", ".join(repr(float(value)) for value in np.ravel(values)) + "]"
    address = f"thalweg_nve_{os.getpid()}"
    with open(os.path.join(folder, "start.xyz"), "w", encoding="ascii") as file:
        file.write(f"{len(start.masses)}\n# CELL(abcABC): 1000 1000 1000 90 90 90 "
                   "cell{atomic_unit} positions{atomic_unit}\n")
        for element, place in zip(start.elements, start.positions / BOHR):
            file.write(" ".join([element, *(repr(float(x)) for x in place)]) + "\n")
    with open(os.path.join(folder, "input.xml"), "w", encoding="ascii") as file:
        file.write(IPI.format(every=arguments.every, total=arguments.steps + 1, address=address,
                              masses=numbers(start.masses * DALTON),
                              velocities=numbers(start.velocities / BOHR * TIME),
                              time_step=arguments.time_step))
    ipi = os.path.join(os.path.dirname(sys.executable), "i-pi")
    with open(os.path.join(folder, "log"), "w", encoding="utf-8") as log:
        server = subprocess.Popen([ipi, "input.xml"], cwd=folder, stdout=log, stderr=log)
        subprocess.run([arguments.tool, "drive", arguments.run, "--unix", address, "--wait", "60",
                        "--quiet"], env=our_environment(), check=True)
        if server.wait(60) != 0:
            raise RuntimeError(f"i-PI failed: see {folder}/log")
    rows = np.loadtxt(os.path.join(folder, "nve.out"), ndmin=2)
    return rows[:, 1:3] * HARTREE


def table(arguments, found):
    """Sums of energies at some steps, and how they spread and drift, in kJ/mol; of the freedoms
    that the deviation a degree of freedom counts 3 are those of the molecule's place."""
    frames = len(found["simulate --flow"])
    shown = sorted({0, *(round(share * (frames - 1)) for share in (0.01, 0.1, 0.5, 1))})
    lines = ["| by | " + " | ".join(f"step {frame * arguments.every:,}" for frame in shown) +
             " | deviation | drift a ps | largest difference of potential energies in the first "
             f"{min(frames - 1, 10) * arguments.every} steps |",
             "|---" * (len(shown) + 4) + "|"]
    ours = found["simulate --flow"]
    picoseconds = np.arange(frames) * arguments.every * arguments.time_step / 1000
    for name, energies in found.items():
        total = energies.sum(axis=1)
        drift = np.polyfit(picoseconds, total, 1)[0]
        apart = np.abs(energies[:11, 0] - ours[:11, 0]).max()
        lines.append(f"| {name} | " + " | ".join(f"{total[frame]:.4f}" for frame in shown) +
                     f" | {total.std():.4f} | {drift:+.4f} | {apart:.1e} |")
    return lines


def main():
    parser = argparse.ArgumentParser(prog="bench/run --nve", description=__doc__)
    parser.add_argument("run", help="a run of `train --molecule` with smooth flows")
    parser.add_argument("system", help="the molecule's OpenMM System (.xml)")
    parser.add_argument("positions", help="where to start: .pdb, or .npy in nm")
    parser.add_argument("--steps", type=int, default=5000, help="default 5000")
    parser.add_argument("--time-step", type=float, default=0.5, help="in fs; default 0.5")
    parser.add_argument("--every", type=int, default=10, help="steps between energies; default 10")
    parser.add_argument("--seed", type=int, default=1, help="of the first velocities; default 1")
    parser.add_argument("--tool", default="build/bench/bin/thalweg", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    import thalweg
    model = thalweg.load(arguments.run)
    found, notes = {}, []
    with tempfile.TemporaryDirectory() as folder:
        own = os.path.join(folder, "own")
        go_on = by_thalweg(arguments, own)
        start = Start(own, arguments.system, model.atoms)
        found["simulate --flow"] = go_on()
        for name, module, run in (
                ("ASE", "ase", lambda: by_ase(arguments, start, model)),
                ("OpenMM's PythonForce", "openmm", lambda: by_openmm(arguments, start, model)),
                ("i-PI's socket", "ipi", lambda: by_ipi(arguments, start, folder))):
            if importlib.util.find_spec(module) is None:
                notes.append(f"{name}: absent, not moved.")
                continue
            print(f"moving by {name}", file=sys.stderr)
            found[name] = run()
    print("\n".join([*table(arguments, found), "",
                     f"kJ/mol; {len(start.masses)} atoms, {arguments.steps} steps of "
                     f"{arguments.time_step} fs after {EQUILIBRATION} of Langevin dynamics at 300 K.",
                     *notes]))


if __name__ == "__main__":
    main()
