"""Encodes every FOLDER/X.txt as FOLDER/X.onnx with a command that reads text and writes the binary model."""
import pathlib
import shlex
import subprocess
import sys

for text in pathlib.Path(sys.argv[1]).glob("*.txt"):
    with open(text, "rb") as source, open(text.with_suffix(".onnx"), "wb") as target:
        subprocess.run(shlex.split(sys.argv[2]), stdin=source, stdout=target, check=True)
