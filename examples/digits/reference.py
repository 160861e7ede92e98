"""Trains the example with PyTorch, step by step as the compiled program does: `python reference.py --data data --steps 150`."""

import argparse
import pathlib
import sys

import torch

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import model  # noqa: E402
from bigmac_reference import add_arguments, run  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser, lr=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=model.BATCH, help="samples in a microbatch")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    run(model.build(), arguments, arguments.batch, model.OUTPUTS)


if __name__ == "__main__":
    main()
