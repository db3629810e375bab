"""The programs that are measured, and the environments that they run in."""

import json
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


class Unmeasured(Exception):
    """A program ended without a figure."""


def our_environment():
    return {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}


def libtorch_environment():
    """Debian's libtorch gets OpenBLAS's right core type, which Debian's version misjudges, and
    sleeping OpenMP workers, which are faster for it than spinning ones."""
    environment = dict(our_environment(), OMP_WAIT_POLICY="passive")
    with open("/proc/cpuinfo", encoding="ascii", errors="ignore") as file:
        flags = set(re.findall(r"\w+", file.read()))
    if "avx512f" in flags:
        environment["OPENBLAS_CORETYPE"] = "SKYLAKEX"
    elif "avx2" in flags:
        environment["OPENBLAS_CORETYPE"] = "HASWELL"
    return environment


class Side:
    """A program that prints one JSON line a call; `serves`: it compiles first and then measures
    once for each line that it reads."""

    def __init__(self, command, environment, serves=False):
        self.command, self.environment, self.serves = command, environment, serves

    def call(self, check=True):
        output = subprocess.DEVNULL if check else None
        return subprocess.run(self.command, env=self.environment, stdout=output,
                              check=check).returncode

    def start(self, workload, task, threads, repeats):
        command = [*self.command, "--task", task, "--threads", str(threads),
                   "--repeat", str(repeats)]
        if workload:
            command += ["--workload", workload]
        return (Server if self.serves else Calls)(command, self.environment)


class Calls:
    """A program started anew for each measurement."""

    def __init__(self, command, environment):
        self.command, self.environment = command, environment

    def ready(self):
        """Nothing is compiled."""

    def measure(self):
        result = subprocess.run(self.command, env=self.environment, stdout=subprocess.PIPE,
                                text=True, check=False)
        if result.returncode != 0:
            # Without these two there is nothing to compare.
            sys.exit(f"bench: failed with status {result.returncode}: {' '.join(self.command)}")
        return json.loads(result.stdout)

    def close(self):
        pass


class Server:
    """A program that stays, so that it compiles once; several may compile at the same time."""

    def __init__(self, command, environment):
        self.command = command
        self.process = subprocess.Popen([*command, "--serve"], env=environment, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ready(self):
        """Waits until the program has compiled; the seconds that this took."""
        return self._read()["first_run_s"]

    def measure(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._read()

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise Unmeasured(f"failed with status {self.process.wait()}: {' '.join(self.command)}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compiled_peers(python, cache):
    """The compiled peers that `python` has, their versions, and a note for each that it has not.
    Their compilers keep what they compiled in the folder `cache`."""
    environment = dict(our_environment(), OMP_WAIT_POLICY="passive",
                       PYTHONWARNINGS="ignore::FutureWarning",
                       TORCHINDUCTOR_CACHE_DIR=os.path.join(cache, "inductor"),
                       JAX_COMPILATION_CACHE_DIR=os.path.join(cache, "jax"),
                       JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS="0")
    peers, versions, notes = {}, {}, []
    for name, module, script in (("torch.compile", "torch", "peer_torch.py"),
                                 ("JAX", "jax", "peer_jax.py")):
        found = None
        if os.path.exists(python):
            found = subprocess.run([python, "-c", f"import {module}; print({module}.__version__)"],
                                   env=environment, stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True, check=False)
        if found is None or found.returncode != 0:
            notes.append(f"{name}: absent, not measured.")
            continue
        versions[name] = found.stdout.strip()
        peers[name] = Side([python, os.path.join(HERE, script)], environment, serves=True)
    return peers, versions, notes
