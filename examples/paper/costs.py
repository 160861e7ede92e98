#!/usr/bin/env python3
"""Costs of the paper's models from their FLOPs: `costs.py understanding|generation --ranks=P --chunks=V [-o FILE]`.

Writes what bigmac-sim reads. Everything is counted from the shapes below; what is not published is an assumption, and says so.
Only Python's standard library.
"""

import argparse
import json
import sys

TOKENS = 8192  # of one sequence, which is one microbatch
BYTES = 2  # bf16

# H800 SXM: 989 TFLOP/s dense bf16 (NVIDIA's data sheet of H100 SXM; H800 differs in NVLink). Assumed: half of it in dense matrix
# products and attention, 35% in the many small products of a mixture of experts.
PEAK = 989e12
DENSE, EXPERTS = 0.50, 0.35
# Assumed: a pipeline stage sends to the next over one 400 Gbit/s NIC, at 80% of its rate.
NETWORK = 0.8 * 50e9

# Qwen/Qwen3-30B-A3B, config.json.
LLM = dict(layers=48, hidden=2048, heads=32, kv_heads=4, head=128, experts=128, active=8, expert=768, vocabulary=151936)
# "1.3B ViT": width and depth are assumed, 12 * depth * width^2 = 1.33B parameters, as is the input: half of the sequence is
# images, each 64 x 64 patches that 2 x 2 become one token.
VIT = dict(depth=40, width=1664, patches=4096, merge=4)
# "20B MMDiT": Qwen/Qwen-Image's transformer, config.json: 60 blocks of 24 heads of 128, two streams, 20.4B parameters with the
# modulations. Assumed: one image of 1024 x 1024 pixels (4096 latent patches) for each sequence, and 1024 tokens of condition.
MMDIT = dict(depth=60, width=3072, image=4096, condition=1024)


class Work:
    """Seconds of products, by their part in a backward: every matrix product is there again for its input and for its weight."""

    def __init__(self):
        self.products = self.attention = 0.0

    def product(self, rows, inputs, outputs, rate=DENSE):
        self.products += 2.0 * rows * inputs * outputs / (PEAK * rate)

    def attend(self, queries, keys, width, causal=False):
        self.attention += 4.0 * queries * keys * width * (0.5 if causal else 1) / (PEAK * DENSE)

    @property
    def forward(self):
        return self.products + self.attention

    @property
    def backward_input(self):
        # Fused attention computes its scores again: five products for the forward's two.
        return self.products + 2.5 * self.attention

    @property
    def backward_weight(self):
        return self.products


def llm_layer():
    c, work = LLM, Work()
    queries, pairs = c["heads"] * c["head"], 2 * c["kv_heads"] * c["head"]
    work.product(TOKENS, c["hidden"], queries + pairs)
    work.attend(TOKENS, TOKENS, queries, causal=True)
    work.product(TOKENS, queries, c["hidden"])
    work.product(TOKENS, c["hidden"], c["experts"])
    work.product(TOKENS * c["active"], c["hidden"], 2 * c["expert"], EXPERTS)
    work.product(TOKENS * c["active"], c["expert"], c["hidden"], EXPERTS)
    return work


def llm_head():
    work = Work()
    work.product(TOKENS, LLM["hidden"], LLM["vocabulary"])
    return work


def layer_bytes():
    """Kept of one layer for its backward: norms' inputs, q, k, v, attention's output, and of the experts their hidden products.
    The tokens gathered for the experts and their outputs are gathered again in the backward."""
    c = LLM
    elements = 4 * c["hidden"] + 2 * c["heads"] * c["head"] + 2 * c["kv_heads"] * c["head"] + 3 * c["active"] * c["expert"]
    return TOKENS * elements * BYTES


def weight_bytes():
    """Of those, what a layer's weight gradient still reads, with the gradients of its products' outputs."""
    c = LLM
    inputs = 2 * c["hidden"] + c["heads"] * c["head"] + c["active"] * c["expert"]
    gradients = (c["heads"] + 2 * c["kv_heads"]) * c["head"] + 2 * c["hidden"] + 2 * c["active"] * c["expert"]
    return TOKENS * (inputs + gradients) * BYTES


def vit():
    """Whole, for the images of one sequence."""
    c, work = VIT, Work()
    rows = TOKENS // 2 * c["merge"]
    for _ in range(c["depth"]):
        work.product(rows, c["width"], 12 * c["width"])
        work.attend(rows, c["patches"], c["width"])
    return work, c["depth"] * rows * c["width"] * BYTES


def mmdit():
    c, work = MMDIT, Work()
    rows = c["image"] + c["condition"]
    for _ in range(c["depth"]):
        work.product(rows, c["width"], 12 * c["width"])
        work.attend(rows, rows, c["width"])
    return work, c["depth"] * rows * c["width"] * BYTES


def replicated(work):
    """Encoder and generator keep each block's input and run the block again in the backward: whole activations of one
    microbatch would be 30 to 60 GB."""
    return {"forward": work.forward, "backward": work.forward + work.backward_input + work.backward_weight}


def stages(count):
    """Layers of each stage, the last one's with the head: boundaries at even shares of the whole work."""
    layer, head = llm_layer().forward, llm_head().forward
    share = (LLM["layers"] * layer + head) / count
    cuts = [min(LLM["layers"], round(i * share / layer)) for i in range(count)] + [LLM["layers"]]
    return [after - before for before, after in zip(cuts, cuts[1:])]


def costs(workload, ranks, chunks):
    layer, head = llm_layer(), llm_head()
    layers = stages(ranks * chunks)
    last = len(layers) - 1
    of_stages = lambda part: [n * getattr(layer, part) + (getattr(head, part) if i == last else 0) for i, n in enumerate(layers)]
    # The head keeps its input; the loss is computed in pieces.
    head_bytes = TOKENS * LLM["hidden"] * BYTES
    held = lambda each: [n * each + (head_bytes if i == last else 0) for i, n in enumerate(layers)]
    encoder, encoder_bytes = vit()
    result = {
        "llm": {part: of_stages(part) for part in ("forward", "backward_input", "backward_weight")},
        "encoder": replicated(encoder),
        "transfer": TOKENS * LLM["hidden"] * BYTES / NETWORK,
        "activation_bytes": {"llm": held(layer_bytes()), "weight_gradient": held(weight_bytes()), "encoder": encoder_bytes, "generator": 0},
    }
    if workload == "generation":
        generator, generator_bytes = mmdit()
        result["generator"] = replicated(generator)
        result["activation_bytes"]["generator"] = generator_bytes
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=["understanding", "generation"])
    parser.add_argument("--ranks", type=int, default=8)
    parser.add_argument("--chunks", type=int, default=2)
    parser.add_argument("-o", dest="output", default="-")
    arguments = parser.parse_args()
    text = json.dumps(costs(arguments.workload, arguments.ranks, arguments.chunks), indent=1) + "\n"
    if arguments.output == "-":
        sys.stdout.write(text)
    else:
        with open(arguments.output, "w") as file:
            file.write(text)


if __name__ == "__main__":
    main()
