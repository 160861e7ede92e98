"""Whether compiled programs compute what PyTorch computes, on the same device: losses of 20 steps, step by step.

    python parity.py FOLDER --digits digits-1 digits-2 --benchmark small-1 small-2 --small --recipe fp32

--digits: programs compiled from examples/digits/model.onnx with 8 microbatches. --benchmark: from `export.py`'s graph with
the same sizes. With fp32 the losses must equal PyTorch's within 1e-4, relative. With bf16 they must be no farther from
PyTorch's first run than PyTorch's runs with other kernels (SDPA backends, torch.compile) are from one another.

The digits example needs diffusers; without it fp32 is compared with the numbers in examples/digits/goldens, which PyTorch
computed on a CPU, and bf16 is left out.
"""

import argparse
import contextlib
import importlib.util
import itertools
import json
import pathlib
import sys
import tempfile

import torch
from torch.nn.attention import sdpa_kernel

FOLDER = pathlib.Path(__file__).resolve().parent
EXAMPLES = FOLDER.parents[2] / "examples"
sys.path.insert(0, str(FOLDER))

import compare  # noqa: E402
import model as benchmark  # noqa: E402
import rivals  # noqa: E402
import weights  # noqa: E402
from programs import Failed, Program, execute, largest_difference  # noqa: E402

TOLERANCE = 1e-4
VARIANTS = {"fp32": ["eager"], "bf16": ["eager", "eager+math", "eager+flash", "compile"]}
VARIANTS["master"] = VARIANTS["bf16"]
DIGITS = {"lr": 2e-3, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
DIGITS_CLIP, DIGITS_MICROBATCHES = 1.0, 8


def train_digits(variant, init, arguments):
    """Prints a JSON line of losses for each step: in a process of its own, as the example has a module `model`, too."""
    sys.path[:0] = [str(EXAMPLES / "digits"), str(EXAMPLES)]
    del sys.modules["model"]
    import model
    from bigmac_reference import Settings, Trainer, load_data, load_weights

    name, attention, recipe = rivals.parse_rival(variant, arguments.recipe)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    device = torch.device(arguments.device)
    network = model.build()
    load_weights(network, init)
    network.to(device)
    low = recipe in ("bf16", "master")
    for parameter in network.parameters():
        parameter.data = parameter.data.to(torch.bfloat16 if low else torch.float32)
    if name == "compile":
        network.compile(dynamic=False)
    data = {key: tensor.to(device) for key, tensor in load_data(EXAMPLES / "digits" / "data").items()}
    settings = Settings(microbatches=DIGITS_MICROBATCHES, clip=DIGITS_CLIP, steps=arguments.steps, **DIGITS)
    trainer = Trainer(network, data, model.BATCH, model.OUTPUTS, settings)
    trainer.optimizer = rivals.Optimizer(network.parameters(), recipe == "master", device.type == "cuda" or None, DIGITS)
    # The example's own casts are few: autocast gives products their types where inputs and tables are float32.
    kernels = sdpa_kernel(rivals.ATTENTION[attention], set_priority=True) if attention else contextlib.nullcontext()
    with kernels, torch.autocast(device.type, torch.bfloat16, enabled=low):
        for _ in range(arguments.steps):
            print(json.dumps({"loss": trainer.train_step()["loss"]}), flush=True)


def digits_losses(init, arguments):
    """{how: losses} of PyTorch."""
    if importlib.util.find_spec("diffusers") is None:
        if arguments.recipe != "fp32":
            return {}
        run = json.loads((EXAMPLES / "digits" / "goldens" / "losses.json").read_text())["runs"]["m8"]
        return {"PyTorch on a CPU": [step["loss"] for step in run["steps"][: arguments.steps]]}
    losses = {}
    for variant in variants(arguments):
        command = [sys.executable, __file__, arguments.folder, "--one", variant, "--init", init]
        command += ["--recipe", arguments.recipe, "--device", arguments.device, "--steps", arguments.steps]
        losses[variant] = [json.loads(line)["loss"] for line in execute(command).splitlines() if line.startswith("{")]
    return losses


def check_digits(programs, arguments):
    if not programs:
        return []
    init = programs[0].path.with_name(programs[0].path.name + ".safetensors")
    reference = digits_losses(init, arguments)
    if not reference:
        print("digits: left out, as diffusers is not installed")
        return []
    options = ["--data", EXAMPLES / "digits" / "data", "--init", init, "--clip", DIGITS_CLIP, "--lr", DIGITS["lr"]]
    options += ["--betas", ",".join(map(str, DIGITS["betas"])), "--weight-decay", DIGITS["weight_decay"]]
    verdicts = []
    for program in programs:
        with tempfile.TemporaryDirectory() as folder:
            records, _ = program.train(options, pathlib.Path(folder) / "log.jsonl", arguments.steps)
        verdicts.append(judge("digits", program, [record["loss"] for record in records], reference, arguments))
    return verdicts


def check_benchmark(programs, arguments):
    if not programs:
        return []
    sizes = benchmark.sizes_of(arguments)
    compare.check_programs(programs, arguments)
    weights.write(arguments.folder, sizes, 4 * arguments.microbatches * sizes.batch, arguments.device)
    reference = {name: compare.run_rival(name, arguments, None).losses["loss"] for name in variants(arguments)}
    verdicts = []
    for program in programs:
        losses = compare.run_program(program, arguments, None).losses["loss"]
        verdicts.append(judge("benchmark", program, losses, reference, arguments))
    return verdicts


def variants(arguments):
    chosen = arguments.variants or VARIANTS[arguments.recipe]
    return [name for name in chosen if not (arguments.no_compile and name == "compile")]


def judge(model, program, losses, reference, arguments):
    """Prints how far the losses are from each of PyTorch's runs, and how far those are apart."""
    away = {name: largest_difference(losses, theirs) for name, theirs in reference.items()}
    spread = max((largest_difference(a, b) for a, b in itertools.combinations(reference.values(), 2)), default=0.0)
    allowed = TOLERANCE if arguments.recipe == "fp32" else spread
    first = next(iter(away))
    good = away[first] <= allowed
    print(f"{model} {program.path.name}, {arguments.recipe}, {program.world}, {len(losses)} steps: largest relative difference")
    for name, difference in away.items():
        print(f"  {difference:.2e} from {name}")
    if len(reference) > 1:
        print(f"  {spread:.2e} between PyTorch's own runs")
    print(f"  {'ok' if good else 'TOO FAR'}: {away[first]:.2e} from {first}, {allowed:.2e} allowed", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path, help="for the benchmark's weights and data")
    parser.add_argument("--digits", nargs="*", default=[], help="programs of the digits example")
    parser.add_argument("--benchmark", nargs="*", default=[], help="programs of the benchmark's model")
    parser.add_argument("--variants", type=lambda text: text.split(","), help="PyTorch's runs; the first is compared with")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--init", type=pathlib.Path, help=argparse.SUPPRESS)
    rivals.add_run_arguments(parser)
    parser.set_defaults(warm_up=0, recipe="fp32")
    arguments = parser.parse_args()
    if arguments.recipe not in VARIANTS:
        parser.error(f"--recipe: expected one of {', '.join(VARIANTS)}, found {arguments.recipe}")
    arguments.devices = 1
    if arguments.one:
        train_digits(arguments.one, arguments.init, arguments)
        return
    if not arguments.digits + arguments.benchmark:
        parser.error("nothing to check: give --digits or --benchmark")
    try:
        digits, own = ([Program(path) for path in paths] for paths in (arguments.digits, arguments.benchmark))
        verdicts = check_digits(digits, arguments) + check_benchmark(own, arguments)
    except (Failed, OSError) as failure:
        sys.exit(f"error: {failure}")
    sys.exit(0 if all(verdicts) else 1)


if __name__ == "__main__":
    main()
