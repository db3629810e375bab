"""Energies with forces and steps of Langevin dynamics a second by OpenMM, as a line of JSON.

    peer_openmm.py SYSTEM.xml POSITIONS PLATFORM THREADS PROCESSES SECONDS [--vacuum]

Every process has a context of its own, with as many threads where the platform takes any, and moves
a molecule of its own: OpenMM's way to use several cores on small molecules. Rates are summed."""

import json
import multiprocessing
import sys
import time

import numpy as np
import openmm
from openmm import app, unit

NOISE_NM = 0.002
CONFIGURATIONS = 256


def make_context(path, platform, threads, vacuum):
    with open(path, encoding="utf-8") as file:
        system = openmm.XmlSerializer.deserialize(file.read())
    for index in reversed(range(system.getNumForces())):
        force = system.getForce(index)
        solvent = isinstance(force, (openmm.GBSAOBCForce, openmm.CustomGBForce))
        if isinstance(force, openmm.CMMotionRemover) or (vacuum and solvent):
            system.removeForce(index)
    integrator = openmm.LangevinMiddleIntegrator(300.0, 1.0, 0.0005)
    integrator.setRandomNumberSeed(1)
    properties = {"Threads": str(threads)} if platform == "CPU" else {}
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName(platform),
                          properties)


def rate(work, seconds):
    """Calls a second of work(i), after a tenth of the time to warm up."""
    for limit in (0.1 * seconds, seconds):
        count, start = 0, time.perf_counter()
        while time.perf_counter() - start < limit:
            work(count)
            count += 1
    return count / (time.perf_counter() - start)


def measure(path, positions, platform, threads, seconds, vacuum, number, barrier, results):
    context = make_context(path, platform, threads, vacuum)
    random = np.random.default_rng(number)
    rows = positions + NOISE_NM * random.standard_normal((CONFIGURATIONS, *positions.shape))

    def evaluate(index):
        context.setPositions(rows[index % CONFIGURATIONS])
        state = context.getState(energy=True, forces=True)
        state.getPotentialEnergy()
        state.getForces(asNumpy=True)

    barrier.wait()
    energies = rate(evaluate, seconds)
    context.setPositions(positions)
    context.setVelocitiesToTemperature(300.0, number + 1)
    barrier.wait()
    steps = 200 * rate(lambda _: context.getIntegrator().step(200), seconds)
    results.put((energies, steps))


def main():
    vacuum = sys.argv[-1] == "--vacuum"
    path, structure, platform = sys.argv[1:4]
    threads, processes, seconds = int(sys.argv[4]), int(sys.argv[5]), float(sys.argv[6])
    if structure.endswith(".npy"):
        positions = np.load(structure).reshape(-1, 3)
    else:
        positions = app.PDBFile(structure).getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=measure, args=(path, positions, platform, threads, seconds,
                                                     vacuum, number, barrier, results))
               for number in range(processes)]
    for worker in workers:
        worker.start()
    rates = [results.get(timeout=60.0 + 10.0 * seconds) for _ in workers]
    for worker in workers:
        worker.join()
    print(json.dumps({"energies": sum(r[0] for r in rates), "steps": sum(r[1] for r in rates),
                      "version": openmm.version.version}))


if __name__ == "__main__":
    main()
