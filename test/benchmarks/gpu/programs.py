"""Runs compiled training programs on the benchmark's weights and data: shared by `compare.py` and `parity.py`."""

import importlib.util
import json
import os
import pathlib
import re
import signal
import subprocess
import time


class Failed(RuntimeError):
    """A run that did not end well, with the end of what it printed."""


def execute(command, environment=None, timeout=None):
    """What it printed to standard output."""
    command = [str(part) for part in command]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end(process)
        raise Failed(f"{' '.join(command)} was ended after {timeout:.0f} s") from None
    if process.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {process.returncode}:\n{(out + err)[-4000:]}")
    return out


def end(process):
    """Launchers end what they started when they are asked to, so they are asked first."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def environment_of_programs():
    """Finds NCCL, cuBLAS and cuDNN where PyTorch's packages brought them, so that both sides use the same ones."""
    environment = dict(os.environ)
    packages = pathlib.Path(importlib.util.find_spec("torch").origin).parents[1]
    folders = [str(path) for path in sorted(packages.glob("nvidia/*/lib"))]
    environment["LD_LIBRARY_PATH"] = ":".join([*filter(None, [environment.get("LD_LIBRARY_PATH")]), *folders])
    if os.geteuid() == 0:
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    return environment


class Program:
    """A training executable, and what its --help says that it was compiled for."""

    def __init__(self, path):
        self.path = pathlib.Path(path).resolve()
        about = " ".join(execute([self.path, "--help"], environment_of_programs()).split())
        found = re.search(r"on (\d+) ranks? \((.*?)\), (\d+) microbatches of (\d+) samples? each", about)
        if not found:
            raise Failed(f"{self.path} --help does not say what it was compiled for")
        self.ranks, self.world = int(found[1]), found[2]
        replicas = re.search(r"(\d+) replicas?", self.world)
        self.replicas = int(replicas[1]) if replicas else 1
        self.microbatches, self.batch = int(found[3]), int(found[4])

    @property
    def step_samples(self):
        return self.replicas * self.microbatches * self.batch

    def train(self, options, log, steps, timeout=None):
        """The log's records, and the seconds of the whole run."""
        launcher = ["mpirun", "-np", self.ranks, "--oversubscribe", "--bind-to", "none"] if self.ranks > 1 else []
        start = time.perf_counter()
        command = [*launcher, self.path, *options, "--steps", steps, "--log", log, "--quiet"]
        execute(command, environment_of_programs(), timeout)
        records = [json.loads(line) for line in pathlib.Path(log).read_text().splitlines()]
        records = [record for record in records if "loss" in record]
        if len(records) != steps:
            raise Failed(f"{self.path} logged {len(records)} of {steps} steps")
        return records, time.perf_counter() - start


def largest_difference(losses, reference):
    """Relative, over all steps; infinity where one is no number."""
    largest = 0.0
    for ours, theirs in zip(losses, reference, strict=True):
        if ours is None or theirs is None or ours != ours or theirs != theirs:
            return float("inf")
        largest = max(largest, abs(ours - theirs) / abs(theirs))
    return largest
