"""Step time of a compiled training program against PyTorch eager on the CPU: the same model, data, steps and threads.

    bigmac-opt examples/digits/model.onnx --ranks=2 --microbatches=8 -o digits
    python test/benchmarks/step_time.py ./digits --ranks 2 --microbatches 8

The two run in turn, `--rounds` times, so that what else the machine does hits both. PyTorch gets ranks x threads threads and
runs twice: with the same microbatches, one after another, and with all of a step's samples as one batch. The losses of the
first steps are compared too: a ratio of two different computations would mean nothing.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "digits"
BATCH = 4
OPTIONS = ["--lr", "2e-3", "--betas", "0.9,0.95", "--weight-decay", "0.1", "--clip", "1"]
TOLERANCE = 1e-3
PHASES = ("compute", "wait", "reduce", "optimizer")


def read_log(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def execute(command, environment):
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-2000:]}")


def run_compiled(arguments, log):
    environment = dict(os.environ)
    if os.geteuid() == 0:
        environment |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    launcher = ["mpirun", "-np", arguments.ranks, "--oversubscribe", "--bind-to", "none"] if arguments.ranks > 1 else []
    program = [arguments.program.resolve(), "--data", arguments.data, "--steps", arguments.steps, "--log", log, "--quiet"]
    execute([*launcher, *program, "--threads", arguments.threads, *OPTIONS], environment)
    return read_log(log)


def run_pytorch(arguments, log, microbatches, batch):
    threads = arguments.ranks * arguments.threads
    command = [sys.executable, EXAMPLE / "reference.py", "--data", arguments.data, "--steps", arguments.steps, "--log", log]
    command += ["--threads", threads, "--microbatches", microbatches, "--batch", batch, *OPTIONS]
    execute(command, dict(os.environ) | {"OMP_NUM_THREADS": str(threads)})
    return read_log(log)


def check_losses(name, records, reference):
    for record, expected in zip(records[:5], reference[:5], strict=True):
        if abs(record["loss"] - expected["loss"]) > TOLERANCE * abs(expected["loss"]):
            sys.exit(
                f"{name}: loss of step {record['step']} is {record['loss']}, the compiled program's {expected['loss']}. "
                "Was it compiled from examples/digits/model.onnx with these --ranks and --microbatches?"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=pathlib.Path, help="compiled from examples/digits/model.onnx")
    parser.add_argument("--ranks", type=int, default=1, help="ranks the program was compiled for")
    parser.add_argument("--microbatches", type=int, default=8, help="microbatches the program was compiled for")
    parser.add_argument("--threads", type=int, default=1, help="threads a rank")
    parser.add_argument("--data", type=pathlib.Path, default=EXAMPLE / "data")
    parser.add_argument("--steps", type=int, default=25, help="steps a round")
    parser.add_argument("--warm-up", type=int, default=5, help="first steps of a round that are not counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    if arguments.steps <= arguments.warm_up:
        parser.error("--steps must be more than --warm-up")

    variants = {
        "compiled": lambda log: run_compiled(arguments, log),
        "PyTorch eager, same microbatches": lambda log: run_pytorch(arguments, log, arguments.microbatches, BATCH),
        "PyTorch eager, one batch": lambda log: run_pytorch(arguments, log, 1, BATCH * arguments.microbatches),
    }
    records = {name: [] for name in variants}
    with tempfile.TemporaryDirectory() as folder:
        for round_number in range(arguments.rounds):
            for place, (name, run) in enumerate(variants.items()):
                steps = run(pathlib.Path(folder) / f"{round_number}-{place}.jsonl")
                if name == "compiled":
                    compiled = steps
                check_losses(name, steps, compiled)
                records[name] += steps[arguments.warm_up :]

    times = {name: [step["step_seconds"] for step in steps] for name, steps in records.items()}
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    print(f"{arguments.ranks} ranks x {arguments.threads} threads, {arguments.microbatches} microbatches of {BATCH} samples")
    for name, seconds in times.items():
        ratio = medians[name] / medians["compiled"]
        print(f"{name:34} median {medians[name] * 1e3:8.2f} ms   least {min(seconds) * 1e3:8.2f} ms   {ratio:5.2f} x compiled")
    phases = {phase: statistics.mean(step["phases"][phase] for step in records["compiled"]) for phase in PHASES}
    print("compiled, by phase: " + ", ".join(f"{phase} {seconds * 1e3:.2f} ms" for phase, seconds in phases.items()))
    if arguments.json:
        figures = {"ranks": arguments.ranks, "threads": arguments.threads, "microbatches": arguments.microbatches}
        figures |= {"median_seconds": medians, "phases": phases, "steps": len(times["compiled"])}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
