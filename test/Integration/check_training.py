#!/usr/bin/env python3
"""Compiles a model, trains it, and compares every step's loss and every parameter's first gradient
with PyTorch's goldens (examples/goldens.py). Needs only Python's standard library.

Training in bf16 (--run=bf16, or bf16_pure: without masters) is compared with PyTorch's in bf16. Both round every stored
number to 8 bits, at places and in orders of their own, so they differ by what rounding does to this model: how far PyTorch
itself is from fp32, or from itself with other kernels, whichever is more. Twice that is the tolerance, as two roundings may
fall to opposite sides; first gradients are not compared, as goldens of them are in float64."""
import argparse
import array
import fnmatch
import json
import math
import os
import subprocess
import sys

LOSS_TOLERANCE = 1e-4  # relative
GRADIENT_TOLERANCE = 1e-4  # relative L2
SMALL_TOLERANCE = 1e-3  # for tensors whose norm is near rounding
SMALL_NORM = 1e-5
NOISE_FLOOR = 1e-6  # absolute, for tensors whose exact gradient is zero


def read_safetensors(path):
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}, expected F32"
        values = array.array("f")
        values.frombytes(data[begin:end])
        tensors[name] = values
    return tensors


def norm(values):
    return math.sqrt(math.fsum(v * v for v in values))


def check_gradients(path, folder, goldens, freeze):
    ours = read_safetensors(path)
    theirs = read_safetensors(os.path.join(folder, "goldens", "gradients.safetensors"))
    parameters = goldens.get("parameters", {})
    expected = {n for n in theirs if not any(fnmatch.fnmatchcase(n, p) for p in freeze)}
    if set(ours) != expected:
        sys.exit(f"error: gradients of other parameters: missing {sorted(expected - set(ours))}, "
                 f"extra {sorted(set(ours) - expected)}")
    worst = 0.0
    for name in sorted(expected):
        size = norm(theirs[name])
        error = norm(array.array("f", (a - b for a, b in zip(ours[name], theirs[name]))))
        if size < NOISE_FLOOR or parameters.get(name, {}).get("noise"):
            if error > NOISE_FLOOR:
                sys.exit(f"error: gradient of {name} is off by {error:.2e}, expected about zero")
            continue
        tolerance = SMALL_TOLERANCE if size < SMALL_NORM else GRADIENT_TOLERANCE
        if not error <= tolerance * size:
            sys.exit(f"error: gradient of {name} is off by {error / size:.2e} of its norm {size:.2e}")
        worst = max(worst, error / size)
    return worst


def largest_arena(report):
    with open(report) as file:
        return max(rank["arena"] for rank in json.load(file)["ranks"])


def squeezed_limit(compile_command, out, fraction, option, levels):
    """A limit between what the program needs with an option at the first of two levels and at the second."""
    report = os.path.join(out, "bytes.json")
    needs = []
    for level in levels:
        subprocess.run(compile_command + ["--compile-to=rt", f"--{option}={level}", f"--report={report}",
                                          "-o", os.path.join(out, "rt.mlir")], check=True)
        needs.append(largest_arena(report))
    without, with_all = needs
    if with_all >= without:
        sys.exit(f"error: {with_all} bytes with --{option}={levels[1]}, {without} with {levels[0]}")
    return int(without - fraction * (without - with_all))


def check_memory(report, log, limit):
    """The plan keeps the limit, the run takes what was planned, and something was done for it."""
    with open(report) as file:
        plan = json.load(file)
    recomputed, offloaded = plan["recomputation"]["tasks"], plan["offload"]["values"]
    planned = max(rank["arena"] for rank in plan["ranks"])
    on_host = max(rank["host_arena"] for rank in plan["ranks"])
    if limit is not None and planned > limit:
        sys.exit(f"error: {planned} bytes planned under a limit of {limit}")
    if not recomputed and not any(value["moved"] for value in offloaded):
        sys.exit(f"error: nothing is recomputed or offloaded to keep {planned} of {limit} bytes")
    if (on_host > 0) != any(value["moved"] for value in offloaded):
        sys.exit(f"error: {on_host} bytes on the host for {offloaded}")
    with open(log) as file:
        rows = [row for row in map(json.loads, file) if "loss" in row]
    measured = max(row["peak_bytes"] for row in rows)
    away = max(row.get("host_bytes", 0) for row in rows)
    if measured != planned or not on_host - 64 < away <= on_host:
        sys.exit(f"error: {measured} bytes measured, {planned} planned; on the host {away}, {on_host} planned")
    print(f"{measured} of {limit} bytes, {len(recomputed)} tasks recompute, {len(offloaded)} values of {away} bytes "
          "offloaded")


def read_goldens(folder, name):
    """The file that has a run, and the run."""
    for file in ["losses.json", "bf16.json"]:
        path = os.path.join(folder, "goldens", file)
        if os.path.exists(path):
            with open(path) as source:
                goldens = json.load(source)
            if name in goldens["runs"]:
                return goldens, goldens["runs"][name]
    sys.exit(f"error: {folder} has no goldens of run '{name}'")


def precision_options(settings):
    if settings.get("precision", "fp32") == "fp32":
        return []
    return ["--precision=bf16"] + ([] if settings["master"] else ["--master=none", "--grads=bf16"])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", help="a model's folder: model.onnx, data, goldens")
    parser.add_argument("--run", default="m8", help="which of the goldens' runs")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--chunks", type=int, default=1)
    parser.add_argument("--schedule", default="bigmac")
    parser.add_argument("--option", action="append", default=[], help="more for bigmac-opt")
    parser.add_argument("--squeeze", type=float, help="compile under a memory limit: this fraction of the way from the "
                        "bytes without recomputation to those with all of it")
    parser.add_argument("--squeeze-by", default="recompute", choices=["recompute", "offload"], help="what --squeeze "
                        "gets its bytes by")
    parser.add_argument("--compile-only", action="store_true", help="for a machine with other devices, where --program "
                        "runs what is made")
    parser.add_argument("--program", help="a program that was compiled with the same arguments; nothing is compiled")
    parser.add_argument("--out", required=True, help="where to put the executable and its files")
    arguments = parser.parse_args()

    goldens, run = read_goldens(arguments.folder, arguments.run)
    settings = run["settings"]
    is_narrow = settings.get("precision", "fp32") != "fp32"
    replicas = settings["data_parallel"]
    os.makedirs(arguments.out, exist_ok=True)
    program = arguments.program or os.path.join(arguments.out, "train")
    train = os.path.join(arguments.out, "train")
    compile_command = (["bigmac-opt", os.path.join(arguments.folder, "model.onnx"),
                        f"--ranks={arguments.ranks}", f"--chunks={arguments.chunks}",
                        f"--microbatches={settings['microbatches']}", f"--data-parallel={replicas}",
                        f"--schedule={arguments.schedule}"]
                       + [f"--freeze={pattern}" for pattern in settings["freeze"]]
                       + ([f"--loss-weight={settings['loss_weight']}"] if settings["loss_weight"] else [])
                       + precision_options(settings) + arguments.option)
    report, limit = train + ".json", None
    offloads = "--offload=all" in arguments.option
    if arguments.squeeze is not None:
        most = {"recompute": "full", "offload": "all"}[arguments.squeeze_by]
        limit = squeezed_limit(compile_command, arguments.out, arguments.squeeze, arguments.squeeze_by, ["none", most])
        compile_command += [f"--memory-limit={limit}"]
    if limit is not None or offloads:
        compile_command += [f"--report={report}"]
    if not arguments.program:
        subprocess.run(compile_command + ["-o", program], check=True)
    if arguments.compile_only:
        return
    world = arguments.ranks * replicas
    log, gradients = train + ".jsonl", train + ".gradients"
    command = ["mpirun", "--oversubscribe", "-np", str(world)] if world > 1 else []
    command += [program, "--data", os.path.join(arguments.folder, "data"), "--log", log, "--quiet",
                "--save-gradients", gradients, "--steps", str(settings["steps"]),
                "--lr", str(settings["lr"]), "--eps", str(settings["eps"]),
                "--betas", ",".join(map(str, settings["betas"])), "--clip", str(settings["clip"]),
                "--weight-decay", str(settings["weight_decay"]),
                "--warmup", str(settings["warmup"]), "--schedule", settings["schedule"]]
    subprocess.run(command, check=True)

    if limit is not None or offloads:
        check_memory(report, log, limit)
    with open(log) as file:
        steps = [row for row in map(json.loads, file) if "loss" in row]
    if len(steps) != len(run["steps"]):
        sys.exit(f"error: {len(steps)} steps logged, expected {len(run['steps'])}")
    worst, rows = 0.0, {}
    for ours, theirs in zip(steps, run["steps"]):
        for name in ["grad_norm"] + [n for n in goldens["outputs"] if n in theirs]:
            error = abs(ours[name] - theirs[name]) / max(abs(theirs[name]), 1e-12)
            rows[name] = max(rows.get(name, 0.0), error)
            tolerance = 2 * max(run["spread"][name], run["deviation"][name]) if is_narrow else LOSS_TOLERANCE
            if not error <= tolerance:
                sys.exit(f"error: step {theirs['step']}: {name} is {ours[name]}, PyTorch's is "
                         f"{theirs[name]} ({error:.1e} relative, expected {tolerance:.1e} at most)")
            worst = max(worst, error)
    if is_narrow:
        print("within " + ", ".join(f"{error:.1e} of {name}" for name, error in rows.items()))
        return
    # The goldens' gradients are of the plain mean; a weighted run is held to its gradient norms.
    if settings["loss_weight"]:
        print(f"losses and gradient norms within {worst:.1e}")
        return
    gradient = check_gradients(gradients, arguments.folder, goldens, settings["freeze"])
    print(f"losses and gradient norms within {worst:.1e}, gradients within {gradient:.1e}")


if __name__ == "__main__":
    main()
