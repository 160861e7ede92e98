"""Checks the interpreter's first-step losses of a model against PyTorch's.

mean_losses.py MODEL.mlir FOLDER: runs the model on the first step's microbatches of FOLDER/data and
compares the means of its outputs with the goldens.
"""
import json
import subprocess
import sys

model, folder = sys.argv[1:]
with open(f"{folder}/goldens/losses.json") as file:
    golden = json.load(file)
run = golden["runs"]["m8"]
outputs = {name: [] for name in golden["outputs"]}
for microbatch in range(run["settings"]["microbatches"]):
    result = subprocess.run(
        ["bigmac-interpret", model, f"--inputs={folder}/data/train-00000.safetensors",
         f"--sample={microbatch * golden['batch']}"], stdout=subprocess.PIPE, text=True)
    if result.returncode:
        sys.exit(f"error: the interpreter failed on microbatch {microbatch}")
    for line in result.stdout.splitlines():
        name, value = line.split(": tensor<f32> = ")
        outputs[name].append(float(value))
for name, values in outputs.items():
    expected = run["steps"][0][name]
    mean = sum(values) / len(values)
    print(f"{name}: {mean} (PyTorch: {expected})")
    if not abs(mean - expected) <= 1e-6 * abs(expected):
        sys.exit(f"error: {name} differs from PyTorch's")
