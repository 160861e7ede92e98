"""Exports the benchmark's model to ONNX: `python export.py FOLDER [--small] [--length 4096]`.

Writes FOLDER/model.onnx and, beside it, a data file that has the weights' size but takes no space: the weights are made
where the program runs (`weights.py`) and given to it with `--init`. Takes less than a minute and 2 GB of memory.
"""

import argparse
import pathlib
import sys

import torch

FOLDER = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parents[2] / "examples")]

import model as benchmark  # noqa: E402
from bigmac_export import export  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    benchmark.add_size_arguments(parser)
    arguments = parser.parse_args()
    sizes = benchmark.sizes_of(arguments)
    network = benchmark.build(sizes)
    inputs = {
        name: torch.empty((sizes.batch, *shape), dtype=dtype, device="meta")
        for name, (shape, dtype) in benchmark.input_specs(sizes).items()
    }
    arguments.folder.mkdir(parents=True, exist_ok=True)
    path = arguments.folder / "model.onnx"
    graph = export(network, inputs, path, output_names=benchmark.OUTPUTS, weights=False)
    counts = benchmark.parameter_counts(network)
    print(f"{path}: {graph.graph.num_nodes()} nodes, {sum(counts.values()) / 1e6:.1f} million parameters")
    print(", ".join(f"{part} {count / 1e6:.1f} M" for part, count in counts.items()))


if __name__ == "__main__":
    main()
