#!/usr/bin/env python3
"""Checks that runs log the losses and gradient norms of the first one, within rounding, and that its loss falls:
`same_losses.py FIRST.jsonl OTHER.jsonl ...`."""

import json
import sys

TOLERANCE = 1e-5


def steps(path):
    with open(path) as file:
        return [row for row in map(json.loads, file) if "loss" in row]


def main():
    first = steps(sys.argv[1])
    if len(first) < 2 or not first[-1]["loss"] < first[0]["loss"]:
        sys.exit(f"error: {sys.argv[1]}: the loss does not fall: {[row['loss'] for row in first]}")
    for path in sys.argv[2:]:
        other = steps(path)
        if len(other) != len(first):
            sys.exit(f"error: {path} has {len(other)} steps, expected {len(first)}")
        for a, b in zip(first, other):
            for name in ("loss", "grad_norm"):
                if not abs(a[name] - b[name]) <= TOLERANCE * abs(a[name]):
                    sys.exit(f"error: {path}, step {b['step']}: {name} is {b[name]}, expected {a[name]}")


if __name__ == "__main__":
    main()
