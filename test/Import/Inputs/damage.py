"""Damages a model in many ways and compiles each: it works or it is one error, and never a crash or a hang."""
import random
import subprocess
import sys

source, path = sys.argv[1:3]
original = open(source, "rb").read()
# The structure is in the first part of the file; the weights behind it hardly matter.
span = min(len(original), 60000)
generator = random.Random(1)


def variants():
    for _ in range(25):
        yield original[: generator.randrange(1, len(original))]
    for _ in range(25):
        damaged = bytearray(original)
        for _ in range(generator.randrange(1, 4)):
            damaged[generator.randrange(span)] = generator.randrange(256)
        yield bytes(damaged)
    for _ in range(10):
        start = generator.randrange(span)
        yield original[:start] + original[start + generator.randrange(1, 50) :]


failures = 0
for number, content in enumerate(variants()):
    with open(path, "wb") as file:
        file.write(content)
    run = subprocess.run(
        ["bigmac-opt", path, "--compile-to=import"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60
    )
    errors = run.stderr.decode(errors="replace")
    good = run.returncode == 0 or (run.returncode == 1 and errors.count("error:") == 1)
    if not good:
        failures += 1
        print(f"variant {number}: exit status {run.returncode}: {errors[:2000]}")
sys.exit(1 if failures else 0)
