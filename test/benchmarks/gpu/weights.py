"""Initial weights and data of the benchmark, made where they are used: both are too large to carry.

    python weights.py FOLDER [--small] [--device cuda]

writes FOLDER/init.safetensors, for `train --init` and the rivals, and FOLDER/data. Seeded: the same device and PyTorch give
the same files. The weights are float32, and their values are ones that bf16 has too, so that each recipe starts from the
same numbers.
"""

import argparse
import dataclasses
import json
import math
import pathlib
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import model as benchmark  # noqa: E402

DEVIATION = 0.02


def initial_weights(sizes, seed=0, device="cpu"):
    network = benchmark.build(sizes)
    norms = {f"{name}.weight" for name, m in network.named_modules() if isinstance(m, (torch.nn.LayerNorm, torch.nn.RMSNorm))}
    generator = torch.Generator(device).manual_seed(seed)
    weights = {}
    for name, parameter in network.named_parameters():
        if name in norms or parameter.dim() < 2:
            weights[name] = torch.full(parameter.shape, float(name in norms))
            continue
        # What adds to the residual stream is smaller, as in GPT-2.
        residual = name.endswith(("attn.proj.weight", "mlp.2.weight", "o_proj.weight", "down_proj.weight"))
        deviation = DEVIATION / math.sqrt(2 * sizes.layers) if residual else DEVIATION
        value = torch.randn(parameter.shape, generator=generator, device=device) * deviation
        weights[name] = value.bfloat16().float().cpu()
    return weights


def make_data(sizes, samples, seed=0):
    """Images, latents and noise of normal numbers; texts in which a token mostly decides the next one, so that training
    has something to find."""
    generator = torch.Generator().manual_seed(seed)
    data = {}
    for name, (shape, dtype) in benchmark.input_specs(sizes).items():
        if dtype == torch.float32:
            data[name] = torch.randn((samples, *shape), generator=generator)
    data["times"] = torch.sigmoid(data["times"])
    texts = torch.empty(samples, sizes.length + 1, dtype=torch.int64)
    texts[:, 0] = torch.randint(sizes.vocabulary, (samples,), generator=generator)
    jumps = torch.rand(texts.shape, generator=generator) < 0.2
    others = torch.randint(sizes.vocabulary, texts.shape, generator=generator)
    for place in range(1, sizes.length + 1):
        texts[:, place] = torch.where(jumps[:, place], others[:, place], (5 * texts[:, place - 1] + 7) % sizes.vocabulary)
    labels = texts[:, 1:].clone()
    labels[:, : sizes.image_tokens] = benchmark.IGNORED  # the next place is the image's
    labels[:, -sizes.draw :] = benchmark.IGNORED
    return data | {"input_ids": texts[:, :-1].contiguous(), "labels": labels}


def write(folder, sizes, samples, device="cpu"):
    """Leaves what is there already from the same sizes."""
    folder = pathlib.Path(folder)
    made, wanted = folder / "made.json", json.dumps(dataclasses.asdict(sizes) | {"samples": samples})
    if made.is_file() and made.read_text() == wanted:
        return
    made.unlink(missing_ok=True)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    save_file(initial_weights(sizes, device=device), folder / "init.safetensors")
    save_file(make_data(sizes, samples), folder / "data" / "train-00000.safetensors")
    made.write_text(wanted)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    benchmark.add_size_arguments(parser)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--device", default="cpu", help="where random weights are drawn: cuda is faster")
    arguments = parser.parse_args()
    write(arguments.folder, benchmark.sizes_of(arguments), arguments.samples, arguments.device)


if __name__ == "__main__":
    main()
