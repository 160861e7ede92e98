#!/usr/bin/env python3
"""Runs the tasks of a model by the CPU's code and by emulated GPU kernels, and compares what they compute.

Options that are not known here are bigmac-opt's.
"""
import argparse
import math
import os
import re
import subprocess
import sys


def tasks_of(rt):
    """The task functions of an rt program as a module of their own."""
    lines, functions, i = open(rt).read().split("\n"), [], 0
    while i < len(lines):
        if lines[i].lstrip().startswith("func.func @"):
            begin = i
            while not lines[i].startswith("  }"):
                i += 1
            functions.append("\n".join(lines[begin:i + 1]))
        i += 1
    text = re.sub(r' loc\((#loc\d*|"[^"]*"(:\d+:\d+)?)\)', "", "\n".join(functions))
    # Attributes of the program are not those of a task alone.
    return "module {\n" + text + "\n}\n"


def read(path):
    tensors, current = {}, None
    with open(path) as file:
        for line in file:
            if line.startswith("tensor "):
                current = tensors.setdefault(line.strip(), [])
            else:
                current.append(float(line))
    return tensors


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--out", required=True)
    parser.add_argument("--tolerance", type=float, required=True, help="of the error's norm over the values' norm")
    arguments, options = parser.parse_known_args()
    os.makedirs(arguments.out, exist_ok=True)
    rt, tasks = os.path.join(arguments.out, "rt.mlir"), os.path.join(arguments.out, "tasks.mlir")
    subprocess.run(["bigmac-opt", arguments.model, "--compile-to=rt", "-o", rt, *options], check=True)
    with open(tasks, "w") as file:
        file.write(tasks_of(rt))
    results = []
    for program in ("BigMacCPUTests", "BigMacCUDAKernelTests"):
        path = os.path.join(arguments.out, program + ".txt")
        run = subprocess.run([program, "--gtest_filter=TaskFile.*"], text=True, capture_output=True,
                             env={**os.environ, "BIGMAC_TASKS": tasks, "BIGMAC_RESULTS": path})
        if run.returncode or "[  SKIPPED ]" in run.stdout:
            sys.exit(f"error: {program}:\n{run.stdout}{run.stderr}")
        results.append(read(path))
    cpu, gpu = results
    if cpu.keys() != gpu.keys() or not cpu:
        sys.exit(f"error: the targets compute different tensors: {sorted(cpu.keys() ^ gpu.keys())[:5]}")
    worst = ("", 0.0)
    for name, expected in cpu.items():
        actual = gpu[name]
        norm = math.sqrt(sum(x * x for x in expected))
        error = math.sqrt(sum((x - y) ** 2 for x, y in zip(expected, actual)))
        ratio = error / norm if norm > 0 else error
        if not ratio <= worst[1]:
            worst = (name, ratio)
        if not ratio <= arguments.tolerance:
            sys.exit(f"error: '{name}' differs by {ratio:.3g} of its norm {norm:.3g}; expected at most {arguments.tolerance}")
    print(f"{len(cpu)} tensors agree within {worst[1]:.3g} ({worst[0]})")


main()
