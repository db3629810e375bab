"""Models of molecules: positions, energies and forces, and the programs that move atoms by them."""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path

import numpy as np
import pytest

import thalweg

BOLTZMANN = 0.00831446261815324  # kJ/mol/K
TEMPERATURE = 320.0
MASSES = [12.0, 12.0, 14.0, 12.0, 1.0]
STILL = np.array(
    [[0, 0, 0], [0.13, 0.05, 0], [0.17, 0.18, 0.03], [0.3, 0.21, 0.08], [0.36, 0.3, 0.17]]
)


def system_xml() -> str:
    """A chain of five atoms as a System of OpenMM."""
    particles = "".join(f'<Particle mass="{mass}"/>' for mass in MASSES)
    bonds = "".join(f'<Bond d=".14" k="200000" p1="{i}" p2="{i + 1}"/>' for i in range(4))
    angles = "".join(f'<Angle a="2" k="400" p1="{i}" p2="{i + 1}" p3="{i + 2}"/>' for i in range(3))
    return (
        '<?xml version="1.0" ?>\n<System openmmVersion="8.1" type="System" version="1">'
        f"<Particles>{particles}</Particles><Constraints/><Forces>"
        f'<Force type="HarmonicBondForce" usesPeriodic="0" version="2"><Bonds>{bonds}</Bonds></Force>'
        f'<Force type="HarmonicAngleForce" usesPeriodic="0" version="2"><Angles>{angles}</Angles>'
        "</Force></Forces></System>\n"
    )


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return STILL + np.random.default_rng(1).normal(scale=0.004, size=(300, 5, 3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, frames) -> Path:
    folder = tmp_path_factory.mktemp("molecule")
    (folder / "five.xml").write_text(system_xml())
    np.save(folder / "frames.npy", frames)
    lines = [
        f"ATOM  {i + 1:5d} {name:<4s} FIV A   1    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00          {name[0]:>2s}"
        for i, (name, (x, y, z)) in enumerate(zip(["C1", "C2", "N", "C3", "H"], 10 * STILL))
    ]
    (folder / "five.pdb").write_text("\n".join([*lines, "END", ""]))
    return folder


@pytest.fixture(scope="module")
def settings(folder) -> dict[str, object]:
    return {
        "molecule.system": str(folder / "five.xml"),
        "molecule.topology": str(folder / "five.pdb"),
        "molecule.temperature": TEMPERATURE,
        "training.iterations": 60,
        "flow": {"kind": "smooth", "blocks": 2, "hidden": [8]},
    }


@pytest.fixture(scope="module")
def peptide(folder, settings) -> thalweg.Model:
    return thalweg.fit(
        folder / "frames.npy", folder / "run", settings=settings, report=False
    )


def test_positions_are_learnt_from_an_array(peptide, settings, frames):
    model = thalweg.fit(frames, settings=settings)
    np.testing.assert_array_equal(model.log_prob(frames[:20]), peptide.log_prob(frames[:20]))


def test_a_molecule_without_positions_is_simulated(settings, tmp_path, frames):
    few = settings | {"exploration.evaluations": 12800, "training.iterations": 5}
    told: list[str] = []
    model = thalweg.fit(
        out=tmp_path / "run", settings=few, progress=lambda each: told.append(each["text"])
    )
    assert model.sample(3).shape == (3, 5, 3)
    assert (tmp_path / "run-md").is_dir() and told
    assert np.all(np.isfinite(model.log_prob(np.load(tmp_path / "run-md" / "trajectory.npy"))))
    del few["molecule.topology"]
    with pytest.raises(thalweg.ConfigError, match="place to start a simulation from"):
        thalweg.fit(settings=few)


def test_positions_have_gradients_in_torch(peptide, frames):
    torch = pytest.importorskip("torch")
    from thalweg.torch import log_prob

    # As many rows as atoms: what is multiplied along the wrong axis would not be seen by its shape.
    x = torch.tensor(frames[:5], requires_grad=True)
    weights = torch.arange(1.0, 6.0, dtype=torch.float64)
    (weights * log_prob(peptide, x)).sum().backward()
    _, slopes = peptide.log_prob(frames[:5], gradient=True)
    np.testing.assert_allclose(x.grad.numpy(), weights.numpy()[:, None, None] * slopes)
    one = torch.tensor(frames[0], requires_grad=True)
    log_prob(peptide, one).backward()
    np.testing.assert_allclose(one.grad.numpy(), slopes[0])


def test_densities_and_energies_are_those_of_positions(peptide, frames):
    values, slopes = peptide.log_prob(frames, gradient=True)
    assert values.shape == (300,) and slopes.shape == frames.shape
    np.testing.assert_array_equal(values, peptide.log_prob(frames.reshape(300, 15)))
    energies, forces = peptide.energy_and_forces(frames)
    kt = BOLTZMANN * TEMPERATURE
    np.testing.assert_allclose(energies, -kt * values, atol=1e-3)  # the run's precision is float
    np.testing.assert_allclose(forces, kt * slopes, rtol=1e-12)
    hot, hot_forces = peptide.energy_and_forces(frames, temperature=2 * TEMPERATURE)
    np.testing.assert_allclose(hot, 2 * energies, rtol=1e-12)
    np.testing.assert_allclose(hot_forces, 2 * forces, rtol=1e-12)
    # One configuration, wherever it is and however it is turned, has the same energy.
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    energy, turned = peptide.energy_and_forces(frames[3] @ turn + 7.0)
    assert isinstance(energy, float)
    assert energy == pytest.approx(energies[3], abs=1e-8)
    np.testing.assert_allclose(turned, forces[3] @ turn, atol=1e-6 * np.abs(forces[3]).max())
    # The same number whatever comes along.
    assert peptide.energy_and_forces(frames[3])[0] == energies[3]


def test_forces_are_slopes_of_the_energy(peptide, frames):
    energy, forces = peptide.energy_and_forces(frames[0])
    step = 1e-6
    moved = frames[0] + step * np.concatenate([np.eye(15), -np.eye(15)]).reshape(30, 5, 3)
    ends, _ = peptide.energy_and_forces(moved)
    np.testing.assert_allclose(
        forces.ravel(), (ends[15:] - ends[:15]) / (2 * step), rtol=1e-5, atol=1e-3
    )


def test_samples_are_positions(peptide):
    x = peptide.sample(50, seed=3)
    assert x.shape == (50, 5, 3)
    np.testing.assert_allclose(x.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_array_equal(x, peptide.sample(50, seed=3))
    assert np.all(np.isfinite(peptide.log_prob(x)))
    x, info = peptide.sample(50, sampler="importance", weights="column", info=True)
    assert x.shape == (50, 5, 3) and info["log_weights"].shape == (50,)
    with pytest.raises(thalweg.ConfigError, match="info=True"):
        peptide.sample(5, sampler="importance", weights="column")


def test_samples_are_those_of_the_tool(peptide, tool, tmp_path):
    tool("sample", peptide.path, "--count", 40, "--seed", 5, "--out", tmp_path / "x.npy")
    of_tool = np.load(tmp_path / "x.npy").reshape(40, 5, 3)
    np.testing.assert_array_equal(peptide.sample(40, seed=5).astype(np.float32), of_tool)
    tool("log-prob", peptide.path, tmp_path / "x.npy", "--out", tmp_path / "log_prob.npy")
    np.testing.assert_array_equal(
        peptide.log_prob(of_tool), np.load(tmp_path / "log_prob.npy").ravel()
    )


def test_it_is_judged_by_positions(peptide, frames):
    found = peptide.evaluate(frames[:100])
    log_prob = peptide.log_prob(frames[:100])
    assert found["log_likelihood"] == pytest.approx(np.mean(log_prob), abs=1e-3)


def test_wrong_positions_and_models_are_refused(peptide, model, frames):
    for wrong in (frames[0, 0], frames[:, :4], frames[0].ravel(), np.zeros((2, 16))):
        with pytest.raises(thalweg.ShapeError, match="expected n x 5 atoms x 3 numbers in nm"):
            peptide.energy_and_forces(wrong)
        with pytest.raises(thalweg.ShapeError, match="expected n x 5 atoms"):
            peptide.log_prob(wrong)
    with pytest.raises(thalweg.DataError, match="not finite"):
        peptide.energy_and_forces(np.full((5, 3), np.nan))
    with pytest.raises(thalweg.ConfigError, match="above 0"):
        peptide.energy_and_forces(frames[0], temperature=-1)
    with pytest.raises(thalweg.ConfigError, match="model of a molecule"):
        model.energy_and_forces(frames[0])
    with pytest.raises(thalweg.ConfigError, match="use sample"):
        peptide.sample_dict(3)


@pytest.fixture
def atoms(frames):
    ase = pytest.importorskip("ase", reason="ASE is not installed: pip install ase")
    return ase.Atoms("CCNCH", 10 * frames[0], masses=MASSES)


def ase_units() -> tuple[float, float]:
    """kJ/mol in eV, and fs in ASE's unit of time."""
    from ase import units

    return units.kJ / units.mol, units.fs


def test_ase_moves_atoms_by_it(peptide, atoms, frames):
    from ase.md.verlet import VelocityVerlet

    from thalweg.ase import FlowCalculator

    kj_mol, fs = ase_units()
    atoms.calc = FlowCalculator(peptide)
    energy, forces = peptide.energy_and_forces(frames[0])
    assert atoms.get_potential_energy() == pytest.approx(energy * kj_mol, rel=1e-9)
    np.testing.assert_allclose(atoms.get_forces(), forces * kj_mol / 10, rtol=1e-9, atol=1e-9)
    before = atoms.get_total_energy()
    VelocityVerlet(atoms, 0.1 * fs).run(50)
    assert atoms.get_kinetic_energy() > 1e-4
    assert atoms.get_total_energy() == pytest.approx(before, abs=0.02 * atoms.get_kinetic_energy())


def test_ase_is_told_of_other_atoms(peptide, model, atoms):
    from thalweg.ase import FlowCalculator

    with pytest.raises(thalweg.ConfigError, match="model of a molecule"):
        FlowCalculator(model)
    atoms.calc = FlowCalculator(peptide)
    other = atoms[[0, 2, 1, 3, 4]]
    other.calc = atoms.calc
    with pytest.raises(thalweg.DataError, match="atom 1: expected C2 FIV 1 C A, got N"):
        other.get_potential_energy()
    other = atoms[:3]
    other.calc = atoms.calc
    with pytest.raises(thalweg.DataError, match="expected 5 atoms, got 3"):
        other.get_potential_energy()
    atoms.positions *= 1e100  # bonds of any length in reason have a density
    with pytest.raises(thalweg.NumericalError, match="beyond the range"):
        atoms.get_potential_energy()


def test_ase_moves_atoms_by_it_over_a_socket(peptide, atoms, tool, folder):
    from ase.calculators.socketio import SocketIOCalculator

    import thalweg.ase

    kj_mol, _ = ase_units()
    name = f"thalweg_{folder.parent.name}_{folder.name}"
    with SocketIOCalculator(unixsocket=name) as calculator:
        client = subprocess.Popen(
            [tool.binary, "drive", peptide.path, "--unix", name], stdout=subprocess.PIPE, text=True
        )
        atoms.calc = calculator
        direct = atoms.copy()
        direct.calc = thalweg.ase.FlowCalculator(peptide)
        for _ in range(3):
            # ASE has constants of 2014.
            assert atoms.get_potential_energy() == pytest.approx(
                direct.get_potential_energy(), rel=1e-6
            )
            np.testing.assert_allclose(
                atoms.get_forces(), direct.get_forces(), rtol=1e-6, atol=1e-6
            )
            atoms.positions += 0.01
            direct.positions += 0.01
    said, _ = client.communicate(timeout=30)
    assert client.returncode == 0
    assert "connected, 5 atoms" in said


@pytest.fixture
def openmm():
    openmm = pytest.importorskip("openmm", reason="OpenMM is not installed: pip install openmm")
    if not hasattr(openmm, "PythonForce"):
        pytest.skip("OpenMM is older than 8.5, which has PythonForce")
    return openmm


def test_openmm_moves_atoms_by_it(peptide, model, openmm, frames):
    from thalweg.openmm import FlowEnergy, flow_force

    with pytest.raises(thalweg.ConfigError, match="model of a molecule"):
        flow_force(model)
    system = openmm.System()
    for mass in MASSES:
        system.addParticle(mass)
    # Into the XML of a System it goes by pickle, its run with it; OpenMM 8.6 never frees what it reads.
    energy = pickle.loads(pickle.dumps(FlowEnergy(peptide, None)))
    assert energy.model.path != peptide.path
    system.addForce(flow_force(energy.model))
    integrator = openmm.VerletIntegrator(0.0001)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(frames[0])
    kj = openmm.unit.kilojoule_per_mole

    def total() -> tuple[float, float]:
        state = context.getState(getEnergy=True)
        moving = state.getKineticEnergy().value_in_unit(kj)
        return state.getPotentialEnergy().value_in_unit(kj), moving

    state = context.getState(getForces=True)
    energy, forces = peptide.energy_and_forces(frames[0])
    assert total()[0] == pytest.approx(energy, rel=1e-9)
    found = state.getForces(asNumpy=True).value_in_unit(kj / openmm.unit.nanometer)
    np.testing.assert_allclose(found, forces, rtol=1e-9, atol=1e-9)
    integrator.step(50)
    potential, kinetic = total()
    assert kinetic > 0.01
    assert potential + kinetic == pytest.approx(energy, abs=0.02 * kinetic)


def test_it_is_pickled_with_its_run(peptide, frames):
    again = pickle.loads(pickle.dumps(peptide))
    assert again.energy_and_forces(frames[0])[0] == peptide.energy_and_forces(frames[0])[0]
    assert again.atoms == peptide.atoms and again.temperature == TEMPERATURE


def of_mdtraj() -> bool:
    """Whether Debian's python3-mdtraj is there."""
    command = ["/usr/bin/python3", "-c", "import mdtraj"]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


MDTRAJ = """
import sys, mdtraj, numpy
for path in sys.argv[2:]:
    frames = mdtraj.load(path) if path.endswith(".pdb") else mdtraj.load(path, top=sys.argv[1])
    assert [atom.name for atom in frames.topology.atoms] == ["C1", "C2", "N", "C3", "H"], path
    numpy.save(path + ".npy", frames.xyz)
"""


@pytest.mark.skipif(not of_mdtraj(), reason="python3-mdtraj is not installed")
@pytest.mark.parametrize("of", ["samples", "simulation"])
def test_files_open_in_mdtraj(peptide, folder, tool, tmp_path, of):
    """Positions in nm, as ours say, to the digits of each format."""
    written = {}
    for kind in ("npy", "dcd", "nc", "pdb"):
        if of == "samples":
            written[kind] = tmp_path / f"samples.{kind}"
            tool("sample", folder / "run", "--count", 9, "--out", written[kind])
        elif kind != "pdb":
            out = tmp_path / kind
            tool("simulate", folder / "five.xml", "--positions", folder / "five.pdb", "--out", out,
                 "--steps", 90, "--frame-every", 10, "--time-step", 0.5, "--format", kind)
            written[kind] = out / f"trajectory.{kind}"
    ours = np.load(written.pop("npy"))
    paths = [str(path) for path in written.values()]
    subprocess.run(["/usr/bin/python3", "-c", MDTRAJ, folder / "five.pdb", *paths], check=True)
    assert len(paths) >= 2
    for path in paths:
        error = 6e-5 if path.endswith(".pdb") else 1e-6
        np.testing.assert_allclose(np.load(path + ".npy"), ours, atol=error)
