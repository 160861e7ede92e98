"""Compiled training programs beside PyTorch on the benchmark's model, in one run: times, memory, losses and their ratios.

    python compare.py FOLDER --programs train-1 train-2 --recipe bf16 --rivals eager,compile,pipeline-1f1b

FOLDER gets the initial weights and the data (`weights.py`). Programs are compiled from `export.py`'s graph with the same
sizes and recipe. Rivals are those of `rivals.py --help`. All train the same samples from the same weights, one after another;
the programs again at the end, so that a machine that changed its speed shows. Every loss of every step is compared with the
first rival's that finished: a run whose losses differ by more than --tolerance has no ratio, and the exit status is 1.

Times are medians over the steps after the warm-up. `peak` is what one device holds at most: PyTorch's tensors without what
its allocator keeps beyond them, the compiled program's arena; `device` is all of its memory in use, with CUDA's and NCCL's
own and what an allocator keeps. FLOPs are counted by formula (model.py), causal attention at half.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import model as benchmark  # noqa: E402
import rivals  # noqa: E402
import weights  # noqa: E402
from programs import Failed, Program, execute, largest_difference  # noqa: E402

TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2, "master": 2e-2, "autocast": 2e-2}
PHASES = ("compute", "wait", "reduce", "optimizer")


class Run:
    """What one run gave."""

    def __init__(self, name, devices, records, warm_up):
        self.name, self.devices, self.ours = name, devices, False
        self.losses = {output: [record[output] for record in records] for output in benchmark.OUTPUTS}
        self.seconds = [record["step_seconds"] for record in records[warm_up:]]
        self.first_step = records[0]["step_seconds"]
        self.peak = self.device = 0.0
        self.difference = 0.0

    @property
    def median(self):
        return statistics.median(self.seconds)


def run_program(program, arguments, timeout):
    with tempfile.TemporaryDirectory() as folder:
        optimizer = rivals.OPTIMIZER
        options = ["--data", arguments.folder / "data", "--init", arguments.folder / "init.safetensors"]
        options += ["--lr", optimizer["lr"], "--betas", ",".join(map(str, optimizer["betas"])), "--eps", optimizer["eps"]]
        options += ["--weight-decay", optimizer["weight_decay"]]
        records, _ = program.train(options, pathlib.Path(folder) / "log.jsonl", arguments.steps, timeout)
    run = Run(program.path.name, program.ranks, records, arguments.warm_up)
    run.ours = True
    run.peak = max(record["peak_bytes"] for record in records) / 2**30
    run.device = max(record.get("device_bytes", 0) for record in records) / 2**30
    run.phases = {
        phase: statistics.mean(record["phases"][phase] for record in records[arguments.warm_up :]) for phase in PHASES
    }
    return run


def run_rival(name, arguments, timeout):
    single = rivals.parse_rival(name, arguments.recipe)[0] in rivals.SINGLE
    script = pathlib.Path(rivals.__file__)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", arguments.devices]
    command = [sys.executable, *([] if single else launcher), script, name, arguments.folder]
    for option in ("recipe", "microbatches", "steps", "warm_up", "device", "split", "length", "batch", "peak_flops"):
        if getattr(arguments, option) is not None:
            command += [f"--{option.replace('_', '-')}", getattr(arguments, option)]
    command += [f"--{flag.replace('_', '-')}" for flag in ("small", "no_compile") if getattr(arguments, flag)]
    lines = [json.loads(line) for line in execute(command, timeout=timeout).splitlines() if line.startswith("{")]
    run = Run(name, 1 if single else arguments.devices, [line for line in lines if "step" in line], arguments.warm_up)
    run.peak, run.device = max(lines[-1]["peak_gib"]), max(lines[-1]["device_gib"])
    return run


class Session:
    """The runs of one call, within its time."""

    def __init__(self, arguments):
        self.arguments, self.runs, self.failures = arguments, [], []
        self.end = time.monotonic() + arguments.budget

    def left(self):
        return self.end - time.monotonic()

    def attempt(self, name, function, *details):
        if self.left() < self.arguments.least:
            self.failures.append(f"{name}: left out, as --budget is used up")
            return None
        print(f"running {name} ...", file=sys.stderr, flush=True)
        try:
            return function(*details, self.arguments, self.left())
        except Failed as failure:
            self.failures.append(f"{name}: {failure}")
            return None

    def everything(self, programs):
        ours = {program: self.attempt(program.path.name, run_program, program) for program in programs}
        theirs = [self.attempt(name, run_rival, name) for name in self.arguments.rivals]
        for program, run in ours.items():
            again = None if self.arguments.once or not run else self.attempt(f"{run.name} again", run_program, program)
            if again:
                run.again = again.median
                run.seconds += again.seconds
        self.runs = [run for run in [*ours.values(), *theirs] if run]


def compare_losses(runs, tolerance):
    """Sets each run's largest difference from the first rival; true where all are within the tolerance."""
    reference = next((run for run in runs if not run.ours), runs[0])
    for run in runs:
        run.difference = max(largest_difference(run.losses[name], reference.losses[name]) for name in benchmark.OUTPUTS)
    return reference, all(run.difference <= tolerance for run in runs)


def print_table(runs, arguments, tolerance):
    sizes = benchmark.sizes_of(arguments)
    samples = arguments.microbatches * sizes.batch
    flops = benchmark.step_flops(sizes, samples)
    heading = ["run", "devices", "step ms", "tokens/s", "MFU", "peak GiB", "device GiB", "first step s", "loss differs by", "ratio"]
    rows = [heading]
    for run in runs:
        best = best_of([other for other in runs if other.ours and other.devices == run.devices], tolerance)
        ratio = "" if run.ours or not best else f"{run.median / best.median:.3f}" if run.difference <= tolerance else "none"
        mfu = flops / run.median / run.devices / arguments.peak_flops
        rows.append(
            [run.name + (" (compiled)" if run.ours else ""), str(run.devices), f"{run.median * 1e3:.2f}"]
            + [f"{samples * sizes.length / run.median:.0f}", f"{mfu:.1%}" if arguments.device == "cuda" else "-"]
            + [f"{run.peak:.2f}", f"{run.device:.2f}", f"{run.first_step:.1f}", f"{run.difference:.1e}", ratio]
        )
    for row in rows:
        print("| " + " | ".join(row) + " |")
        if row is heading:
            print("|" + "---|" * len(row))


def best_of(runs, tolerance):
    fitting = [run for run in runs if run.difference <= tolerance]
    return min(fitting, key=lambda run: run.median) if fitting else None


def print_summary(runs, tolerance):
    for run in runs:
        if run.ours:
            phases = ", ".join(f"{phase} {seconds * 1e3:.2f} ms" for phase, seconds in run.phases.items())
            again = f"; at the end of the call {run.again * 1e3:.2f} ms" if hasattr(run, "again") else ""
            print(f"{run.name}: {phases}{again}")
    for devices in sorted({run.devices for run in runs}):
        sides = [best_of([r for r in runs if r.devices == devices and r.ours == ours], tolerance) for ours in (True, False)]
        if all(sides):
            ours, theirs = sides
            memory = f", peak memory {ours.peak / theirs.peak:.2f} of its" if theirs.peak else ""
            speed = f"{ours.name} is {theirs.median / ours.median:.3f} x as fast as {theirs.name}"
            print(f"{devices} device{'s' if devices > 1 else ''}: {speed}{memory}")


def check_programs(programs, arguments):
    samples = arguments.microbatches * benchmark.sizes_of(arguments).batch
    for program in programs:
        if program.step_samples != samples:
            sys.exit(
                f"error: {program.path} trains {program.step_samples} samples a step ({program.world}, {program.microbatches} "
                f"microbatches of {program.batch}), the rivals {samples}: compile it for as many, or give --microbatches, --batch"
            )


def commit():
    command = ["git", "-C", pathlib.Path(__file__).parent, "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"  # a copy without the repository


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--programs", nargs="*", default=[], help="compiled programs")
    parser.add_argument("--rivals", default="eager,compile", type=lambda text: [name for name in text.split(",") if name])
    parser.add_argument("--devices", type=int, default=2, help="of the rivals that use several")
    parser.add_argument("--samples", type=int, help="of the data, which start over; default four steps' worth")
    parser.add_argument("--tolerance", type=float, help="largest relative difference of a loss; default 1e-4 for fp32, else 2e-2")
    parser.add_argument("--budget", type=float, default=580, help="seconds for everything: what does not fit is left out")
    parser.add_argument("--least", type=float, default=15, help="seconds that must be left to begin another run")
    parser.add_argument("--once", action="store_true", help="do not run the programs again at the end")
    parser.add_argument("--json", type=pathlib.Path, help="write all losses and times to this file, too")
    rivals.add_run_arguments(parser)
    arguments = parser.parse_args()
    if arguments.steps <= arguments.warm_up:
        parser.error("--steps must be more than --warm-up")
    try:
        for name in arguments.rivals:
            rivals.parse_rival(name, arguments.recipe)
    except ValueError as error:
        parser.error(str(error))
    session = Session(arguments)
    try:
        programs = [Program(path) for path in arguments.programs]
    except (Failed, OSError) as failure:
        sys.exit(f"error: {failure}")
    check_programs(programs, arguments)
    sizes = benchmark.sizes_of(arguments)
    weights.write(arguments.folder, sizes, arguments.samples or 4 * arguments.microbatches * sizes.batch, arguments.device)

    session.everything(programs)
    tolerance = arguments.tolerance or TOLERANCE[arguments.recipe]
    agree = False
    if session.runs:
        reference, agree = compare_losses(session.runs, tolerance)
        machine = torch.cuda.get_device_name() if arguments.device == "cuda" else "CPU"
        print(f"{machine}, PyTorch {torch.__version__}, commit {commit()}")
        print(f"{arguments.recipe}, {arguments.microbatches} microbatches of {sizes.batch} x {sizes.length} tokens, "
              f"{arguments.steps} steps; losses against {reference.name}")  # fmt: skip
        print_table(session.runs, arguments, tolerance)
        print_summary(session.runs, tolerance)
    if arguments.json:
        arguments.json.write_text(json.dumps([vars(run) for run in session.runs], indent=1) + "\n")
    for failure in session.failures:
        print(f"error: {failure}", file=sys.stderr)
    if session.runs and not agree:
        print(f"error: losses differ by more than {tolerance}", file=sys.stderr)
    sys.exit(0 if agree and not session.failures else 1)


if __name__ == "__main__":
    main()
