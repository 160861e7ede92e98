#!/usr/bin/env python3
"""Runs the commands of a Markdown document, as a reader would: `run_blocks.py DOC.md --source REPO`.

Works in the current folder, which gets links to the repository's folders and, as `build`, to the build folder whose bin is in
PATH. In the order of the document:
  ```sh               is run, all blocks in one shell, any failing command fails the test;
  ```sh needs=torch   likewise, but only where python3 has the packages of examples/requirements.txt;
  ```sh needs=install is not run: it builds, installs, or takes long;
  ```sh needs=tests   is not run: it runs tests;
  ```sh needs=gpu     is not run: it needs an NVIDIA GPU;
  ```LANG file=PATH   is written to PATH.
Other blocks are left alone. Ends with the number of blocks that were run and written.
"""

import argparse
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

LINKED = ["docs", "examples", "scripts", "test"]
PACKAGES = ["torch", "transformers", "diffusers", "onnx", "onnxscript", "safetensors", "sklearn", "PIL"]


def blocks(text):
    """(line of the opening fence, info string, contents)"""
    found = re.finditer(r"^```(\S.*)\n((?:.*\n)*?)```$", text, re.MULTILINE)
    return [(1 + text.count("\n", 0, match.start()), match[1], match[2]) for match in found]


def has_packages():
    check = "import importlib.util, sys; sys.exit(any(importlib.util.find_spec(p) is None for p in sys.argv[1:]))"
    return subprocess.run(["python3", "-c", check, *PACKAGES]).returncode == 0


def link(source, build):
    for name in LINKED:
        target = pathlib.Path(name)
        if not target.is_symlink():
            target.symlink_to(source / name)
    if not pathlib.Path("build").is_symlink():
        pathlib.Path("build").symlink_to(build)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("document", type=pathlib.Path)
    parser.add_argument("--source", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    compiler = shutil.which("bigmac-opt")
    if not compiler:
        sys.exit("error: bigmac-opt is not in PATH")
    link(arguments.source.resolve(), pathlib.Path(compiler).resolve().parent.parent)
    packages = has_packages()
    script, run, skipped, written = ["set -eu"], 0, 0, 0
    for line, info, contents in blocks(arguments.document.read_text()):
        language, _, rest = info.partition(" ")
        options = dict(part.split("=", 1) for part in rest.split())
        need = options.get("needs")
        if options.keys() - {"needs", "file"} or need not in {None, "torch", "install", "tests", "gpu"}:
            sys.exit(f"{arguments.document}:{line}: unknown word in '{info}'")
        skip = need in {"install", "tests", "gpu"} or (need == "torch" and not packages)
        if "file" in options:
            path = pathlib.Path(options["file"])
            if path.is_absolute() or path.parts[0] != "out" or ".." in path.parts:
                sys.exit(f"{arguments.document}:{line}: files go to out/, found {path}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(contents)
            written += 1
        elif language == "sh" and skip:
            skipped += 1
        elif language == "sh":
            script += [f"echo {shlex.quote(f'# {arguments.document.name}:{line}')}", "set -x", contents, "{ set +x; } 2>/dev/null"]
            run += 1
    if subprocess.run(["bash", "-c", "\n".join(script)], stderr=subprocess.STDOUT).returncode != 0:
        sys.exit(f"error: a command of {arguments.document} failed")
    print(f"{arguments.document.name}: {run} blocks run, {skipped} left out, {written} files written")


if __name__ == "__main__":
    main()
