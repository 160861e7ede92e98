"""Exports the example to `model.onnx`: `python export.py`. The data must be there (`python data.py`)."""

import pathlib
import sys

import torch
from safetensors.torch import load_file

FOLDER = pathlib.Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))

import model  # noqa: E402
from bigmac_export import export  # noqa: E402


def main():
    torch.set_num_threads(1)
    shard = load_file(FOLDER / "data" / "train-00000.safetensors")
    microbatch = {name: tensor[: model.BATCH] for name, tensor in shard.items()}
    graph = export(model.build(), microbatch, FOLDER / "model.onnx", output_names=model.OUTPUTS)
    print(f"{FOLDER / 'model.onnx'}: {graph.graph.num_nodes()} nodes")


if __name__ == "__main__":
    main()
