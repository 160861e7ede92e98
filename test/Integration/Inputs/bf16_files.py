"""Checks the types in a bf16 program's files, and that a resumed run ends with the bits of one that was not stopped."""
import json
import os
import sys


def types(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {name: entry["dtype"] for name, entry in header.items() if name != "__metadata__"}


def expect(path, wanted):
    for name, dtype in types(path).items():
        suffix = next((s for s in wanted if s and name.endswith(s)), "")
        if dtype != wanted[suffix]:
            sys.exit(f"error: {path}: {name} is {dtype}, expected {wanted[suffix]}")


def last_hash(path):
    with open(path) as file:
        rows = [row for row in map(json.loads, file) if "weights_hash" in row]
    return rows[-1]["step"], rows[-1]["weights_hash"]


def main():
    folder, master = sys.argv[1], sys.argv[2] == "fp32"
    expect(os.path.join(folder, "train.safetensors"), {"": "F32" if master else "BF16"})
    latest = os.path.join(folder, "stopped", "latest")
    expect(os.path.join(latest, "model.safetensors"), {"": "BF16"})
    moments = "F32" if master else "BF16"
    optimizer = os.path.join(latest, "optimizer.safetensors")
    expect(optimizer, {".exp_avg": moments, ".exp_avg_sq": moments, ".master": "F32"})
    masters = sum(name.endswith(".master") for name in types(optimizer))
    if masters != (len(types(optimizer)) // 3 if master else 0):
        sys.exit(f"error: {masters} master copies in {optimizer}")
    whole, resumed = (last_hash(os.path.join(folder, name)) for name in ["whole.jsonl", "resumed.jsonl"])
    if whole != resumed:
        sys.exit(f"error: the whole run ends with {whole}, the resumed one with {resumed}")
    print("types and resumed bits are right")


main()
