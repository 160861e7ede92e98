"""Trains the benchmark's model with PyTorch, one way of many, and prints a JSON line for each step and one of figures.

    python rivals.py compile FOLDER --recipe bf16 --steps 20
    torchrun --nproc-per-node 2 rivals.py pipeline-1f1b FOLDER --recipe bf16 --steps 20

FOLDER is what `weights.py` wrote. What a rival may be followed by: an attention backend and another recipe, as in
`compile+cudnn` or `compile+autocast`.

Rivals    eager, compile, max-autotune (torch.compile's mode max-autotune-no-cudagraphs), reduce-overhead; on several devices
          pipeline-1f1b and pipeline-interleaved (torch.distributed.pipelining, stages compiled, encoder first, generator
          last; two stages a rank when interleaved), ddp (the compiled model in DistributedDataParallel), ddp-outer
          (DistributedDataParallel compiled, which cuts the backward at its buckets) and ddp-eager.
Recipes   bf16      parameters, gradients and optimizer state in bf16
          master    parameters and gradients in bf16, the optimizer has float32 copies of the parameters
          autocast  float32 parameters and gradients, products in bf16 (not with pipelines)
          fp32      without TF32

The order of samples is the compiled program's (docs/Runtime.md), and so are the optimizer's defaults. All optimizers are
fused where the device has that.
"""

import argparse
import contextlib
import itertools
import json
import os
import pathlib
import statistics
import sys
import time

import torch
import torch.distributed as dist
from safetensors import safe_open
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import model as benchmark  # noqa: E402

SINGLE = ["eager", "compile", "max-autotune", "reduce-overhead"]
SEVERAL = ["pipeline-1f1b", "pipeline-interleaved", "ddp", "ddp-outer", "ddp-eager"]
MODES = {"max-autotune": "max-autotune-no-cudagraphs", "reduce-overhead": "reduce-overhead"}
RECIPES = ["bf16", "master", "autocast", "fp32"]
# Where the first has no kernel for a shape or type, the next is taken.
ATTENTION = {
    "cudnn": [SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.MATH],
    "flash": [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH],
    "efficient": [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
    "math": [SDPBackend.MATH],
}
OPTIMIZER = {"lr": 1e-4, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}
PEAK_FLOPS = 989e12  # dense bf16 of an H100 or H200


def parse_rival(text, recipe):
    """(name, attention or None, recipe) of NAME[+ATTENTION][+RECIPE]"""
    name, *rest = text.split("+")
    attention = None
    for word in rest:
        if word in ATTENTION:
            attention = word
        elif word in RECIPES:
            recipe = word
        else:
            raise ValueError(f"{text}: expected {', '.join([*ATTENTION, *RECIPES])} after '+', found '{word}'")
    if name not in SINGLE + SEVERAL:
        raise ValueError(f"{text}: expected one of {', '.join(SINGLE + SEVERAL)}, found '{name}'")
    if recipe == "autocast" and name.startswith("pipeline"):
        raise ValueError(f"{text}: no autocast with pipelines")
    return name, attention, recipe


class Data:
    """The samples, in pinned memory where that helps."""

    def __init__(self, folder, device, batch):
        self.device, self.batch, self.tensors = device, batch, {}
        for path in sorted(pathlib.Path(folder).glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                for name in file.keys():
                    self.tensors.setdefault(name, []).append(file.get_tensor(name))
        self.tensors = {name: torch.cat(shards) for name, shards in self.tensors.items()}
        if device.type == "cuda":
            self.tensors = {name: tensor.pin_memory() for name, tensor in self.tensors.items()}
        self.samples = len(self.tensors["times"])

    def step(self, step, microbatches):
        """All samples of a step, which starts over where the data end, as {name: tensor} on the host."""
        count = microbatches * self.batch
        if self.samples < count:
            raise ValueError(f"{self.samples} samples are too few for a step of {count}")
        first = step % (self.samples // count) * count
        return {name: tensor[first : first + count] for name, tensor in self.tensors.items()}

    def to_device(self, tensors, names=None):
        return {name: tensors[name].to(self.device, non_blocking=True) for name in names or tensors}


def materialize(module, names, path, device, dtype):
    """Gives the parameters of a module on the meta device memory and values; `names` has their names in the file."""
    module.to_empty(device=device)
    with safe_open(path, "pt") as file:
        for name, parameter in module.named_parameters():
            parameter.data = file.get_tensor(names[name]).to(device, dtype)
    return module


class Optimizer:
    """AdamW, which decays what has two dimensions or more, with float32 copies of the parameters if `master`."""

    def __init__(self, parameters, master, fused, options=OPTIMIZER):
        self.parameters = list(parameters)
        self.updated = [nn.Parameter(p.detach().float()) for p in self.parameters] if master else self.parameters
        decayed = [p for p in self.updated if p.dim() > 1]
        others = [p for p in self.updated if p.dim() <= 1]
        groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
        self.adamw = torch.optim.AdamW([group for group in groups if group["params"]], **options, fused=fused)
        self.master = master

    @property
    def param_groups(self):
        return self.adamw.param_groups

    @torch.no_grad()
    def step(self):
        if self.master:
            for parameter, copy in zip(self.parameters, self.updated, strict=True):
                copy.grad = parameter.grad.float()
        self.adamw.step()
        if self.master:
            torch._foreach_copy_(self.parameters, self.updated)
            self.adamw.zero_grad()

    def zero_grad(self):
        for parameter in self.parameters:
            parameter.grad = None

    def fill_grad(self):
        """Zeros in the memory that gradients had, or in new memory."""
        for parameter in self.parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            else:
                parameter.grad.zero_()


class Whole(nn.Module):
    """The whole model, under autocast if the recipe says so."""

    def __init__(self, model, autocast, device):
        super().__init__()
        self.model, self.autocast, self.device = model, autocast, device.type

    def forward(self, images, input_ids, labels, targets, noise, times):
        with torch.autocast(self.device, torch.bfloat16, enabled=self.autocast):
            return torch.stack(self.model(images, input_ids, labels, targets, noise, times))


class DataParallel:
    """The whole model on each device, the microbatches divided between them; on one device that is plain training."""

    def __init__(self, setup):
        self.setup = setup
        network = benchmark.build(setup.sizes)
        names = {name: name for name, _ in network.named_parameters()}
        materialize(network, names, setup.weights, setup.device, setup.dtype)
        self.module = Whole(network, setup.recipe == "autocast", setup.device)
        self.optimizer = setup.optimizer(network.parameters())
        # CUDA graphs would give each microbatch's gradients the same memory: these stay, and are added to.
        self.keep_memory = setup.name == "reduce-overhead"
        if setup.compiled and setup.name != "ddp-outer":
            self.module.compile(mode=MODES.get(setup.name), dynamic=False)
        if setup.name.startswith("ddp"):
            ids = [setup.device.index] if setup.device.type == "cuda" else None
            self.module = nn.parallel.DistributedDataParallel(self.module, device_ids=ids, gradient_as_bucket_view=True)
        if setup.compiled and setup.name == "ddp-outer":
            self.module.compile(dynamic=False)

    def step(self, data, samples):
        own, batch = self.setup.microbatches // self.setup.world, data.batch
        outputs = []
        if self.keep_memory:
            self.optimizer.fill_grad()
        else:
            self.optimizer.zero_grad()
        for index in range(own):
            first = (self.setup.rank * own + index) * batch
            microbatch = data.to_device({name: tensor[first : first + batch] for name, tensor in samples.items()})
            last = index + 1 == own
            with contextlib.nullcontext() if last or not self.setup.name.startswith("ddp") else self.module.no_sync():
                if self.keep_memory:
                    torch.compiler.cudagraph_mark_step_begin()
                values = self.module(**microbatch)
                (values[0] / own).backward()
            outputs.append(values.detach().clone())
        self.optimizer.step()
        means = torch.stack(outputs).mean(dim=0)
        if self.setup.world > 1:
            dist.all_reduce(means)
            means /= self.setup.world
        return means.tolist()


class Stage(nn.Module):
    """Layers `begin` to `end`, after the encoder and the embeddings if first, before the losses if last."""

    def __init__(self, model, begin, end, first, last):
        super().__init__()
        self.model, self.begin, self.end, self.first, self.last = model, begin, end, first, last
        layers = [layer if begin <= i < end else nn.Identity() for i, layer in enumerate(model.llm.layers)]
        model.llm.layers = nn.ModuleList(layers)
        if not first:
            model.encoder = model.projector = model.llm.embed = None
        if not last:
            model.connector = model.generator = model.llm.norm = model.llm.head = None

    def forward(self, *inputs, labels=None, targets=None, noise=None, times=None):
        x = self.model.embed(*inputs) if self.first else inputs[0]
        x = self.model.decode(x, self.model.llm.layers[self.begin : self.end])
        return torch.stack(self.model.finish(x, labels, targets, noise, times)) if self.last else x


class Pipeline:
    LATE = ["labels", "targets", "noise", "times"]

    def __init__(self, setup):
        from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleInterleaved1F1B

        self.setup = setup
        interleaved = setup.name == "pipeline-interleaved"
        count = setup.world * (2 if interleaved else 1)
        self.ends = setup.split or balanced(setup.sizes, setup.world, count)
        bounds = [0, *self.ends, setup.sizes.layers]
        if len(bounds) != count + 1 or sorted(bounds) != bounds:
            raise ValueError(f"--split: expected {count - 1} growing numbers of layers, found {setup.split}")
        stages, parameters = [], []
        for index in range(setup.rank, count, setup.world):
            network = Stage(benchmark.build(setup.sizes), bounds[index], bounds[index + 1], index == 0, index + 1 == count)
            names = {name: name.removeprefix("model.") for name, _ in network.named_parameters()}
            materialize(network, names, setup.weights, setup.device, setup.dtype)
            parameters += network.parameters()
            inputs, output = self.examples(index, count)
            if setup.compiled:
                network.compile(dynamic=False)
            stages.append(PipelineStage(network, index, count, setup.device, input_args=inputs, output_args=output))
        self.optimizer = setup.optimizer(parameters)

        def loss(outputs, _):
            return outputs[0]

        # Both divide gradients by the number of microbatches.
        if interleaved:
            self.schedule = ScheduleInterleaved1F1B(stages, setup.microbatches, loss)
        else:
            self.schedule = Schedule1F1B(stages[0], setup.microbatches, loss)

    def examples(self, index, count):
        """Of one microbatch, without memory: given, so that no forward is spent on finding their shapes."""
        sizes = self.setup.sizes
        # A gradient is sent back for what requires one here.
        states = torch.empty(sizes.batch, sizes.length, sizes.hidden, dtype=self.setup.dtype, device="meta", requires_grad=True)
        inputs = (states,)
        if index == 0:
            specs = benchmark.input_specs(sizes)
            shapes = [specs[name] for name in ("images", "input_ids")]
            inputs = tuple(torch.empty((sizes.batch, *shape), dtype=dtype, device="meta") for shape, dtype in shapes)
        return inputs, torch.empty(len(benchmark.OUTPUTS), device="meta") if index + 1 == count else states

    def step(self, data, samples):
        self.optimizer.zero_grad()
        first, last = self.setup.rank == 0, self.setup.rank + 1 == self.setup.world
        args = tuple(data.to_device(samples, ["images", "input_ids"]).values()) if first else ()
        late = data.to_device(samples, self.LATE) if last else {}
        losses = []
        outputs = self.schedule.step(*args, target=late["labels"] if last else None, losses=losses, **late)
        self.optimizer.step()
        means = torch.empty(len(benchmark.OUTPUTS), device=self.setup.device)
        if last:
            means.copy_(outputs.detach().view(self.setup.microbatches, -1).mean(dim=0))
        dist.broadcast(means, self.setup.world - 1)
        return means.tolist()


def balanced(sizes, ranks, stages):
    """Where to cut the layers so that the ranks' FLOPs, and then the stages', are even: stage i is on rank i % ranks."""
    flops = benchmark.forward_flops(sizes)
    best = None
    for ends in itertools.combinations_with_replacement(range(sizes.layers + 1), stages - 1):
        bounds = [0, *ends, sizes.layers]
        costs = [(bounds[i + 1] - bounds[i]) * flops["layer"] for i in range(stages)]
        costs[0] += flops["encoder"]
        costs[-1] += flops["head"] + flops["generator"]
        key = (max(sum(costs[rank::ranks]) for rank in range(ranks)), max(costs))
        if best is None or key < best[0]:
            best = (key, list(ends))
    return best[1]


class Setup:
    """What a run is: from the command line and the launcher's environment."""

    def __init__(self, arguments):
        self.name, self.attention, self.recipe = parse_rival(arguments.rival, arguments.recipe)
        self.rank, self.world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
        if (self.name in SEVERAL) != (self.world > 1):
            raise ValueError(f"{self.name} runs on {'several processes: start it with torchrun' if self.world == 1 else 'one'}")
        self.sizes = benchmark.sizes_of(arguments)
        self.microbatches = arguments.microbatches
        if self.name.startswith("ddp") and self.microbatches % self.world:
            raise ValueError(f"{self.microbatches} microbatches do not divide among {self.world} devices")
        self.split = [int(end) for end in arguments.split.split(",")] if arguments.split else None
        self.weights = arguments.folder / "init.safetensors"
        self.dtype = torch.bfloat16 if self.recipe in ("bf16", "master") else torch.float32
        self.compiled = "eager" not in self.name and not arguments.no_compile
        index = int(os.environ.get("LOCAL_RANK", 0)) if arguments.device == "cuda" else None
        self.device = torch.device(arguments.device, index)

    def optimizer(self, parameters):
        return Optimizer(parameters, self.recipe == "master", fused=self.device.type == "cuda" or None)

    def start(self):
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
        if self.device.type == "cuda":
            torch.cuda.set_device(self.device)
        else:
            torch.set_num_threads(1)
        if self.world > 1 and self.device.type == "cuda":
            dist.init_process_group("nccl", device_id=self.device)
        elif self.world > 1:
            dist.init_process_group("gloo")

    def synchronize(self):
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def train(setup, arguments):
    """Prints the steps; returns each step's seconds on this rank, and its bytes."""
    data = Data(arguments.folder / "data", setup.device, setup.sizes.batch)
    trainer = (Pipeline if setup.name.startswith("pipeline") else DataParallel)(setup)
    if setup.rank == 0 and getattr(trainer, "ends", None):
        print(f"stages end after layers {trainer.ends} of {setup.sizes.layers}", file=sys.stderr)
    seconds = []
    for step in range(arguments.steps):
        if step == arguments.warm_up and setup.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        setup.synchronize()
        if setup.world > 1:
            dist.barrier()
        start = time.perf_counter()
        means = trainer.step(data, data.step(step, setup.microbatches))
        setup.synchronize()
        seconds.append(time.perf_counter() - start)
        if setup.rank == 0:
            line = {"step": step} | dict(zip(benchmark.OUTPUTS, means, strict=True)) | {"step_seconds": seconds[-1]}
            print(json.dumps(line), flush=True)
    return seconds


def memory():
    """Most bytes that tensors took after the warm-up, and all of the device's memory that is in use."""
    if not torch.cuda.is_available():
        return [0, 0]
    free, total = torch.cuda.mem_get_info()
    return [torch.cuda.max_memory_allocated(), total - free]


def figures(setup, arguments, seconds, bytes_of_ranks):
    median = statistics.median(seconds[arguments.warm_up :])
    samples = setup.microbatches * setup.sizes.batch
    rate = benchmark.step_flops(setup.sizes, samples) / median / setup.world
    gib = [[round(value / 2**30, 2) for value in column] for column in zip(*bytes_of_ranks)]
    return {
        "rival": arguments.rival,
        "recipe": setup.recipe,
        "devices": setup.world,
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name() if setup.device.type == "cuda" else "cpu",
        "step_ms": round(median * 1e3, 3),
        "tokens_per_s": round(samples * setup.sizes.length / median, 1),
        "mfu": round(rate / arguments.peak_flops, 4),
        "peak_gib": gib[0],
        "device_gib": gib[1],
        "first_step_s": round(seconds[0], 2),
    }


def add_run_arguments(parser):
    """The options that `compare.py` passes on."""
    benchmark.add_size_arguments(parser)
    parser.add_argument("--recipe", choices=RECIPES, default="bf16")
    parser.add_argument("--microbatches", type=int, default=8, help="of a step, on all devices together")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm-up", type=int, default=5, help="first steps that are not counted")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--split", help="layers after which pipeline stages end, such as 13 or 5,11,19; default: even FLOPs")
    parser.add_argument("--no-compile", action="store_true", help="no torch.compile, where it has no compiler: to try the script")
    parser.add_argument("--peak-flops", type=float, default=PEAK_FLOPS, help="of one device, for the MFU")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rival")
    parser.add_argument("folder", type=pathlib.Path)
    add_run_arguments(parser)
    arguments = parser.parse_args()
    if arguments.steps <= arguments.warm_up:
        parser.error("--steps must be more than --warm-up")
    try:
        setup = Setup(arguments)
    except ValueError as error:
        parser.error(str(error))
    setup.start()
    backend = sdpa_kernel(ATTENTION[setup.attention], set_priority=True) if setup.attention else contextlib.nullcontext()
    with backend:
        seconds = train(setup, arguments)
    bytes_of_ranks = [memory()]
    if setup.world > 1:
        slowest = torch.tensor(seconds, dtype=torch.float64, device=setup.device)
        dist.all_reduce(slowest, dist.ReduceOp.MAX)
        seconds = slowest.tolist()
        bytes_of_ranks = [None] * setup.world
        dist.all_gather_object(bytes_of_ranks, memory())
    if setup.rank == 0:
        print(json.dumps(figures(setup, arguments, seconds, bytes_of_ranks)), flush=True)
    if setup.world > 1:
        dist.barrier()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
