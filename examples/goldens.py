"""Makes data, models and goldens of the example and the test models anew: `python goldens.py [NAME ...]`.

For each model a folder `goldens` with
  losses.json            for each run: its settings, the outputs, gradient norm and learning rate of every step in float32,
                         and `deviation`: the largest relative difference of these losses from a run in float64;
                         for each parameter: its first gradient's norm, how far float32 was from float64 (relative L2), and
                         the norm of the weights and of their change after the first run's steps (`noise`: the gradient is
                         nothing but rounding errors, so AdamW moves this parameter at random);
  gradients.safetensors  the first step's gradients (means over the microbatches, before clipping), computed in float64;
  bf16.json              the same records for training in bf16, with fp32 masters (`bf16`) and without (`bf16_pure`), and
                         `spread`: the largest relative difference of each output from a run with other kernels, which sum
                         in another order, and `deviation`: from float32. They are what rounding to 8 bits makes of the same
                         numbers: no two programs can be expected to be closer than the larger of them.
"""

import contextlib
import dataclasses
import importlib
import json
import pathlib
import subprocess
import sys
import warnings

import torch
from safetensors.torch import save_file
from torch.nn.attention import SDPBackend, sdpa_kernel

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples"))

from bigmac_export import DEFAULT_OPSET, export  # noqa: E402
from bigmac_reference import Settings, Trainer, save_data  # noqa: E402

FOLDERS = {
    "digits": ROOT / "examples" / "digits",
    "encoder_llm_tied": ROOT / "test" / "Integration" / "models" / "encoder_llm_tied",
    "llm": ROOT / "test" / "Integration" / "models" / "llm",
}
SINGLE = Settings(lr=2e-3, betas=(0.9, 0.95), weight_decay=0.1, clip=1.0)
RUNS = {
    "m8": SINGLE,
    "m4_d2": dataclasses.replace(SINGLE, microbatches=4, data_parallel=2),
    "cosine": dataclasses.replace(SINGLE, warmup=5, schedule="cosine", clip=0.5, weight_decay=0.01, betas=(0.9, 0.999)),
}
BF16_RUNS = {
    "bf16": dataclasses.replace(SINGLE, precision="bf16"),
    "bf16_pure": dataclasses.replace(SINGLE, precision="bf16", master=False),
}
EXTRA_RUNS = {
    "encoder_llm_tied": {"frozen_encoder": dataclasses.replace(SINGLE, freeze=("encoder.*", "projector.*"))},
    "llm": {"token_weighted": dataclasses.replace(SINGLE, loss_weight="tokens")},
}
# A gradient whose float32 value is this far from its float64 value (relative L2) is rounding noise.
NOISE = 1e-2


@contextlib.contextmanager
def double_precision():
    """Makes the explicit float32 casts of Hugging Face's norms, rotary tables and losses float64 ones."""
    single, to_float, default = torch.float32, torch.Tensor.float, torch.get_default_dtype()
    torch.float32, torch.Tensor.float = torch.float64, torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.float32, torch.Tensor.float = single, to_float
        torch.set_default_dtype(default)


def to_double(tensors):
    return {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def train(module, network, data, settings):
    """The steps' records, the first step's gradients, and the weights before and after."""
    trainer = Trainer(network, data, module.BATCH, module.OUTPUTS, settings)
    before = {name: parameter.detach().clone() for name, parameter in trainer.parameters.items()}
    trainer.backward()
    gradients = {name: p.grad.clone() for name, p in trainer.parameters.items() if p.grad is not None}
    records = [trainer.train_step() for _ in range(settings.steps)]
    after = {name: parameter.detach().clone() for name, parameter in trainer.parameters.items()}
    return records, gradients, before, after


def relative(value, reference):
    difference, size = torch.linalg.norm(value.double() - reference).item(), torch.linalg.norm(reference).item()
    # Some gradients are exactly zero, such as that of a query whose result is thrown away.
    return difference / size if difference else 0.0


def golden_run(module, data, settings):
    records, gradients, before, after = train(module, module.build(), data, settings)
    # Built in float32 too, as random numbers depend on the type.
    network = module.build().double()
    with double_precision():
        exact, exact_gradients, _, exact_after = train(module, network, to_double(data), settings)
    deviation = max(abs(r["loss"] - e["loss"]) / abs(e["loss"]) for r, e in zip(records, exact, strict=True))
    for record in records:
        del record["step_seconds"]
    run = {"settings": dataclasses.asdict(settings), "deviation": deviation, "steps": records}
    parameters = {}
    for name, gradient in gradients.items():
        far = relative(gradient, exact_gradients[name])
        parameters[name] = {
            "gradient_norm": torch.linalg.norm(exact_gradients[name]).item(),
            "gradient_deviation": far,
            "noise": far > NOISE,
            "norm": torch.linalg.norm(exact_after[name]).item(),
            "moved": torch.linalg.norm(exact_after[name] - before[name].double()).item(),
            "weight_deviation": relative(after[name], exact_after[name]),
        }
    return run, parameters, {name: gradient.float() for name, gradient in exact_gradients.items()}


def bf16_runs(module, data):
    """Training in bf16, how far two sets of kernels are apart, and how far float32 is."""
    exact = Trainer(module.build(), data, module.BATCH, module.OUTPUTS, SINGLE)
    wide = [exact.train_step() for _ in range(SINGLE.steps)]
    runs = {}
    for label, settings in BF16_RUNS.items():
        records, others = [], []
        for kernels, into in [(True, records), (False, others)]:
            attention = contextlib.nullcontext() if kernels else sdpa_kernel(SDPBackend.MATH)
            with torch.backends.mkldnn.flags(enabled=kernels), attention:
                trainer = Trainer(module.build(), data, module.BATCH, module.OUTPUTS, settings)
                into.extend(trainer.train_step() for _ in range(settings.steps))

        def difference(others):
            return {
                key: max(abs(a[key] - b[key]) / max(abs(a[key]), 1e-12) for a, b in zip(records, others, strict=True))
                for key in [*module.OUTPUTS, "grad_norm"]
            }

        spread, deviation = difference(others), difference(wide)
        for record in records:
            del record["step_seconds"]
        runs[label] = {
            "settings": dataclasses.asdict(settings), "spread": spread, "deviation": deviation, "steps": records
        }
        print(f"bf16 {label}: loss {records[0]['loss']:.4f} to {records[-1]['loss']:.4f}, spread of the loss "
              f"{spread['loss']:.1e}, from float32 {deviation['loss']:.1e}")
    return runs


def load(name):
    """A model's module and data."""
    folder = FOLDERS[name]
    sys.path.insert(0, str(folder))
    torch.set_num_threads(1)
    tensors = importlib.import_module("data").build()
    return importlib.import_module("model"), {key: torch.from_numpy(tensor) for key, tensor in tensors.items()}


def make_bf16(name):
    module, data = load(name)
    golden = {"model": name, "batch": module.BATCH, "outputs": module.OUTPUTS, "torch": torch.__version__}
    golden["runs"] = bf16_runs(module, data)
    (FOLDERS[name] / "goldens" / "bf16.json").write_text(json.dumps(golden, indent=1, allow_nan=False) + "\n")


def make(name):
    folder = FOLDERS[name]
    sys.path.insert(0, str(folder))
    torch.set_num_threads(1)
    tensors = importlib.import_module("data").build()
    module = importlib.import_module("model")
    save_data(tensors, folder / "data", shards=getattr(sys.modules["data"], "SHARDS", 2))
    data = {key: torch.from_numpy(tensor) for key, tensor in tensors.items()}
    microbatch = {key: tensor[: module.BATCH] for key, tensor in data.items()}
    opset = getattr(module, "OPSET", DEFAULT_OPSET)
    export(module.build(), microbatch, folder / "model.onnx", output_names=module.OUTPUTS, opset=opset)

    golden = {"model": name, "batch": module.BATCH, "outputs": module.OUTPUTS, "torch": torch.__version__, "runs": {}}
    for label, settings in {**RUNS, **EXTRA_RUNS.get(name, {})}.items():
        golden["runs"][label], parameters, gradients = golden_run(module, data, settings)
        print(f"{name} {label}: loss {golden['runs'][label]['steps'][0]['loss']:.4f} to "
              f"{golden['runs'][label]['steps'][-1]['loss']:.4f}, float32 is off by {golden['runs'][label]['deviation']:.1e}")
        if label == "m8":
            golden["parameters"] = parameters
            (folder / "goldens").mkdir(exist_ok=True)
            save_file(gradients, folder / "goldens" / "gradients.safetensors")
    (folder / "goldens" / "losses.json").write_text(json.dumps(golden, indent=1, allow_nan=False) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        warnings.simplefilter("ignore")
        make(sys.argv[2])
    elif sys.argv[1:2] == ["--one-bf16"]:
        warnings.simplefilter("ignore")
        make_bf16(sys.argv[2])
    else:
        # A process each: the folders' modules have the same names. `--bf16`: bf16.json only.
        only = sys.argv[1:2] == ["--bf16"]
        for chosen in sys.argv[2 if only else 1 :] or FOLDERS:
            for part in ["--one-bf16"] if only else ["--one", "--one-bf16"]:
                subprocess.run([sys.executable, __file__, part, chosen], check=True)
