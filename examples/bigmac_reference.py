"""The training loop that a BigMac executable runs, in plain PyTorch: what its numbers are compared with.

Sample i of microbatch m of replica d at step t is sample ((t*D + d)*M + m)*b + i of the data, in the order of the files;
an incomplete last step is dropped and the data start over. The loss of a step is the mean (or, with `loss_weight`, the
weighted mean) of its D*M microbatch losses; gradients are of that mean, their global norm is clipped, and AdamW decays
all parameters but the one-dimensional ones.

With `precision="bf16"` parameters are bf16 and what meets them is cast to bf16; norms and losses are computed in fp32. With
`master` gradients are summed in fp32 and fp32 masters of the parameters are updated; without, gradients and the optimizer's
moments are bf16 as the parameters are, as PyTorch has them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import json
import math
import pathlib
import time

import torch
from safetensors.torch import load_file, save_file


@dataclasses.dataclass
class Settings:
    steps: int = 20
    microbatches: int = 8
    data_parallel: int = 1
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.01
    clip: float = 0.0
    warmup: int = 0
    schedule: str = "constant"
    freeze: tuple[str, ...] = ()
    loss_weight: str | None = None
    precision: str = "fp32"
    master: bool = True


def narrow(model):
    """Makes the parameters bf16, and casts what meets them; buffers, such as rotary frequencies, stay as they are."""

    def cast(_, arguments):
        return tuple(a.bfloat16() if isinstance(a, torch.Tensor) and a.dtype == torch.float32 else a for a in arguments)

    for parameter in model.parameters():
        parameter.data = parameter.data.bfloat16()
    for module in model.modules():
        if any(parameter is not None for parameter in module._parameters.values()):
            module.register_forward_pre_hook(cast)


@contextlib.contextmanager
def wide_losses():
    """Losses in fp32, whatever the model gives them."""
    functional = torch.nn.functional
    originals = {name: getattr(functional, name) for name in ["cross_entropy", "mse_loss"]}

    def wide(loss):
        return lambda given, target, *rest, **named: loss(
            given.float(), target.float() if target.is_floating_point() else target, *rest, **named
        )

    try:
        for name, loss in originals.items():
            setattr(functional, name, wide(loss))
        yield
    finally:
        for name, loss in originals.items():
            setattr(functional, name, loss)


def learning_rate(settings: Settings, step: int) -> float:
    """Hugging Face's schedules: a linear rise from 0 over `warmup` steps, then the schedule over those that are left."""
    if step < settings.warmup:
        return settings.lr * step / settings.warmup
    progress = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    if settings.schedule == "constant":
        return settings.lr
    if settings.schedule == "linear":
        return settings.lr * (1 - progress)
    if settings.schedule == "cosine":
        return settings.lr * 0.5 * (1 + math.cos(math.pi * progress))
    raise ValueError(f"schedule {settings.schedule}: expected constant, linear or cosine")


def load_data(folder) -> dict[str, torch.Tensor]:
    shards = [load_file(path) for path in sorted(pathlib.Path(folder).glob("*.safetensors"))]
    if not shards:
        raise FileNotFoundError(f"{folder}: no .safetensors files")
    return {name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}


def save_data(tensors, folder, shards: int):
    """Writes NumPy arrays, samples first, as that many shards."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    samples = len(next(iter(tensors.values())))
    bounds = [samples * shard // shards for shard in range(shards + 1)]
    for shard in range(shards):
        part = {name: torch.from_numpy(tensor[bounds[shard] : bounds[shard + 1]]) for name, tensor in tensors.items()}
        save_file(part, folder / f"train-{shard:05d}.safetensors")


class Trainer:
    """Trains `model`, whose forward takes the tensors of `data` by name and returns the scalars named `outputs`."""

    def __init__(self, model, data, batch, outputs, settings):
        self.model, self.data, self.batch, self.outputs, self.settings = model, data, batch, outputs, settings
        self.parameters = dict(model.named_parameters())
        for name, parameter in self.parameters.items():
            if any(fnmatch.fnmatchcase(name, pattern) for pattern in settings.freeze):
                parameter.requires_grad_(False)
        # What the optimizer updates: the parameters, or their masters.
        self.updated = {name: p for name, p in self.parameters.items() if p.requires_grad}
        narrows = settings.precision == "bf16"
        self.masters = narrows and settings.master
        if self.masters:
            self.updated = {name: p.detach().clone() for name, p in self.updated.items()}
        if narrows:
            narrow(model)
        trained = list(self.updated.values())
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in trained if p.dim() > 1], "weight_decay": settings.weight_decay},
                {"params": [p for p in trained if p.dim() <= 1], "weight_decay": 0.0},
            ],
            lr=settings.lr,
            betas=settings.betas,
            eps=settings.eps,
            # One kernel that computes in fp32; the others round to bf16 after each operation.
            fused=narrows or None,
        )
        self.step = 0

    def microbatches(self):
        """The samples of this step, one dictionary of tensors a microbatch, replica after replica."""
        count = self.settings.data_parallel * self.settings.microbatches
        samples = len(next(iter(self.data.values())))
        steps = samples // (count * self.batch)
        if steps == 0:
            raise ValueError(f"{samples} samples are too few for a step of {count * self.batch}")
        first = (self.step % steps) * count * self.batch
        for begin in range(first, first + count * self.batch, self.batch):
            yield {name: tensor[begin : begin + self.batch] for name, tensor in self.data.items()}

    def backward(self):
        """Sums the gradients of a step and returns the means of the graph's outputs."""
        microbatches = list(self.microbatches())
        results = []
        if self.settings.loss_weight:
            with torch.no_grad():
                place = self.outputs.index(self.settings.loss_weight)
                weights = [self._outputs(microbatch)[place].item() for microbatch in microbatches]
        else:
            weights = [1.0] * len(microbatches)
        for microbatch, weight in zip(microbatches, weights, strict=True):
            values = self._outputs(microbatch)
            (values[0] * (weight / sum(weights))).backward()
            if self.masters:
                self._take_gradients()
            results.append([value.item() for value in values])
        means = {name: sum(column) / len(column) for name, column in zip(self.outputs, zip(*results), strict=True)}
        losses = [result[0] for result in results]
        means[self.outputs[0]] = sum(l * w for l, w in zip(losses, weights, strict=True)) / sum(weights)
        return means

    def _take_gradients(self):
        """Adds a microbatch's gradients to the masters'."""
        for name, master in self.updated.items():
            gradient = self.parameters[name].grad
            if gradient is None:
                continue
            master.grad = gradient.float() if master.grad is None else master.grad + gradient.float()
            self.parameters[name].grad = None

    def _outputs(self, microbatch):
        with wide_losses() if self.settings.precision == "bf16" else contextlib.nullcontext():
            values = self.model(**microbatch)
        return [values] if isinstance(values, torch.Tensor) else list(values)

    def train_step(self):
        start = time.perf_counter()
        lr = learning_rate(self.settings, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.optimizer.zero_grad()
        record = {"step": self.step, **self.backward()}
        gradients = [p for p in self.updated.values() if p.grad is not None]
        if self.settings.clip > 0:
            norm = torch.nn.utils.clip_grad_norm_(gradients, self.settings.clip)
        else:
            norm = torch.nn.utils.get_total_norm([p.grad for p in gradients])
        self.optimizer.step()
        if self.masters:
            with torch.no_grad():
                for name, master in self.updated.items():
                    self.parameters[name].copy_(master)
        self.step += 1
        return record | {"grad_norm": norm.item(), "lr": lr, "step_seconds": time.perf_counter() - start}


def save_weights(model, path):
    """The parameters under their names, a tied one once: the layout of the executable's own files."""
    save_file({name: parameter.detach().contiguous() for name, parameter in model.named_parameters()}, path)


def load_weights(model, path):
    """Loads what `save_weights` or a training executable wrote, from a file or the newest file of a folder."""
    path = pathlib.Path(path)
    names = dict(model.named_parameters()).keys()
    files = [path] if path.is_file() else sorted(path.rglob("*.safetensors"), key=lambda file: file.stat().st_mtime)
    for file in reversed(files):
        weights = load_file(file)
        if names <= weights.keys():
            model.load_state_dict({name: weights[name] for name in names}, strict=False)
            return file
    raise FileNotFoundError(f"{path}: no .safetensors file with all {len(names)} parameters of the model")


def add_arguments(parser, **defaults):
    """The options of the training executable that matter to its numbers."""
    settings = dataclasses.replace(Settings(), **defaults)
    parser.add_argument("--data", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--microbatches", type=int, default=settings.microbatches)
    parser.add_argument("--data-parallel", type=int, default=settings.data_parallel)
    parser.add_argument("--lr", type=float, default=settings.lr)
    parser.add_argument("--betas", type=lambda s: tuple(map(float, s.split(","))), default=settings.betas)
    parser.add_argument("--eps", type=float, default=settings.eps)
    parser.add_argument("--weight-decay", type=float, default=settings.weight_decay)
    parser.add_argument("--clip", type=float, default=settings.clip)
    parser.add_argument("--warmup", type=int, default=settings.warmup)
    parser.add_argument("--schedule", choices=["constant", "linear", "cosine"], default=settings.schedule)
    parser.add_argument("--log", help="one JSON line a step")
    parser.add_argument("--save", help="folder for the trained weights")


def settings_of(arguments):
    fields = {field.name for field in dataclasses.fields(Settings)}
    return Settings(**{name: value for name, value in vars(arguments).items() if name in fields})


def run(model, arguments, batch, outputs):
    """What a reference script does with its command line: trains, shows progress, logs and saves."""
    trainer = Trainer(model, load_data(arguments.data), batch, outputs, settings_of(arguments))
    log = open(arguments.log, "w") if arguments.log else None
    for _ in range(arguments.steps):
        record = trainer.train_step()
        if log:
            print(json.dumps(record), file=log, flush=True)
        scalars = "  ".join(f"{name} {record[name]:.4f}" for name in outputs)
        print(f"step {record['step']}  {scalars}  {record['step_seconds']:.3f} s")
    if arguments.save:
        folder = pathlib.Path(arguments.save)
        folder.mkdir(parents=True, exist_ok=True)
        save_weights(model, folder / "model.safetensors")
