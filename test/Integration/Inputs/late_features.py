#!/usr/bin/env python3
"""Writes a model whose image features enter the LLM behind layers that are frozen, as MLIR, and its data:
`late_features.py FOLDER`. The embedding and the first layers are frozen, the encoder and the last layers are trained."""

import json
import os
import random
import struct
import sys

WIDTH, PIXELS, VOCABULARY, SAMPLES, BATCH, FROZEN, TRAINED = 16, 12, 10, 48, 4, 6, 3


def matrix(rows, columns):
    row = lambda: "[" + ", ".join(f"{random.gauss(0, 0.4):.6f}" for _ in range(columns)) + "]"
    return "dense<[" + ", ".join(row() for _ in range(rows)) + "]>"


def model():
    parameters, body = [], []

    def parameter(name, rows, columns, trained):
        kind = f"tensor<{rows}x{columns}xf32>"
        parameters.append(f"nn.parameter {'trained ' if trained else ''}@{name} : {kind} = {matrix(rows, columns)} : {kind}")
        body.append(f"  %{name} = nn.get_parameter @{name} : {kind}")

    hidden = f"tensor<{BATCH}x{WIDTH}xf32>"
    weights = f"tensor<{WIDTH}x{WIDTH}xf32>"

    def layer(name, trained, value):
        parameter(name, WIDTH, WIDTH, trained)
        body.append(f"  %{name}_x = nn.matmul %{value}, %{name} : {hidden}, {weights}")
        body.append(f"  %{name}_y = math.tanh %{name}_x : {hidden}")
        return f"{name}_y"

    parameter("embed", VOCABULARY, WIDTH, False)
    parameter("vision", PIXELS, WIDTH, True)
    body.append(f"  %features = nn.matmul %image, %vision : tensor<{BATCH}x{PIXELS}xf32>, tensor<{PIXELS}x{WIDTH}xf32>")
    body.append(f"  %words = nn.embedding %embed, %ids : tensor<{VOCABULARY}x{WIDTH}xf32>, tensor<{BATCH}xi64>")
    value = "words"
    for i in range(FROZEN):
        value = layer(f"frozen{i}", False, value)
    body.append(f"  %merged = arith.addf %{value}, %features : {hidden}")
    value = "merged"
    for i in range(TRAINED):
        value = layer(f"trained{i}", True, value)
    parameter("head", VOCABULARY, WIDTH, True)
    body.append(f"  %logits = nn.matmul %{value}, %head transposed : {hidden}, tensor<{VOCABULARY}x{WIDTH}xf32>")
    body.append(f"  %loss, %lse = nn.cross_entropy %logits, %labels : tensor<{BATCH}x{VOCABULARY}xf32>, tensor<{BATCH}xi64>")
    ids = f"tensor<{BATCH}xi64>"
    arguments = ", ".join([f'%image: tensor<{BATCH}x{PIXELS}xf32> {{nn.name = "image"}}', f'%ids: {ids} {{nn.name = "ids"}}',
                           f'%labels: {ids} {{nn.name = "labels"}}'])
    return "\n".join(parameters + [f'func.func @main({arguments}) -> (tensor<f32> {{nn.name = "loss", nn.loss}}) {{']
                     + body + ["  return %loss : tensor<f32>", "}", ""])


def data(path):
    random.seed(2)
    image = struct.pack(f"<{SAMPLES * PIXELS}f", *(random.gauss(0, 1) for _ in range(SAMPLES * PIXELS)))
    ids = struct.pack(f"<{SAMPLES}q", *(random.randrange(VOCABULARY) for _ in range(SAMPLES)))
    labels = struct.pack(f"<{SAMPLES}q", *(random.randrange(VOCABULARY) for _ in range(SAMPLES)))
    header, offset = {}, 0
    for name, dtype, shape, raw in [("image", "F32", [SAMPLES, PIXELS], image), ("ids", "I64", [SAMPLES], ids),
                                    ("labels", "I64", [SAMPLES], labels)]:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + image + ids + labels)


def main():
    folder = sys.argv[1]
    os.makedirs(os.path.join(folder, "data"), exist_ok=True)
    random.seed(1)
    with open(os.path.join(folder, "model.mlir"), "w") as file:
        file.write(model())
    data(os.path.join(folder, "data", "train.safetensors"))


if __name__ == "__main__":
    main()
