#!/usr/bin/env python3
"""Compiles kernels.mlir for measure.py: build.py BIGMAC_OPT OUTPUT_FOLDER [--chip=sm_90].

Writes tasks.mlir and kernels.cubin. Needs ptxas (CUDA toolkit) on PATH, and no GPU.
"""

import pathlib
import re
import subprocess
import sys


def main():
    tool, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    chip = next((a.split("=")[1] for a in sys.argv[3:] if a.startswith("--chip=")), "sm_90")
    folder.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path(__file__).with_name("kernels.mlir")
    tasks = subprocess.run([tool, source, "--cuda-task-pipeline"], check=True,
                           capture_output=True, text=True).stdout
    (folder / "tasks.mlir").write_text(tasks)
    binary = subprocess.run([tool, folder / "tasks.mlir", f"--cuda-kernel-pipeline=chip={chip} format=isa"],
                            check=True, capture_output=True, text=True).stdout
    escaped = re.search(r'assembly = "((?:[^"\\]|\\.)*)"', binary)[1]
    assembly = re.sub(r"\\([0-9A-F]{2}|\\)",
                      lambda m: "\\" if m[1] == "\\" else chr(int(m[1], 16)), escaped)
    (folder / "kernels.ptx").write_text(assembly.rstrip("\0"))
    subprocess.run(["ptxas", f"-arch={chip}", folder / "kernels.ptx", "-o", folder / "kernels.cubin"],
                   check=True)


if __name__ == "__main__":
    main()
