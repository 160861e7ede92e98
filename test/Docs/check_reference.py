#!/usr/bin/env python3
"""Checks the generated reference: `check_reference.py REPO`. docs/CMakeLists.txt documents every dialect and every file of
passes, and each op and pass has a summary.
"""

import pathlib
import re
import shutil
import subprocess
import sys

GENERATORS = {"Ops.td": "-gen-dialect-doc", "Passes.td": "-gen-pass-doc"}


def main():
    root = pathlib.Path(sys.argv[1])
    tablegen = pathlib.Path(shutil.which("mlir-tblgen")).resolve()
    folders = [root, root / "include", tablegen.parent.parent / "include"]
    rules = (root / "docs" / "CMakeLists.txt").read_text()
    files = sorted(
        path for top in ("dialects", "include", "lib") for end in GENERATORS for path in (root / top).rglob(f"*{end}")
    )
    entries = 0
    for path in files:
        name = path.relative_to(root).as_posix()
        if f"bigmac_doc({name} " not in rules:
            sys.exit(f"error: docs/CMakeLists.txt does not document {name}")
        flags = [next(flag for end, flag in GENERATORS.items() if name.endswith(end))]
        if flags == ["-gen-dialect-doc"]:
            flags.append("-dialect=" + path.parent.parent.name.lower())
        command = [tablegen, *flags, path, *(f"-I{folder}" for folder in folders)]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        described = re.findall(r"^### `([^`]+)`.*\n\n(.*)$", text, re.MULTILINE)
        if not described:
            sys.exit(f"error: {name} documents nothing")
        for title, summary in described:
            if not re.fullmatch(r"_.+_", summary):
                sys.exit(f"error: {name}: {title} has no summary")
        entries += len(described)
    if len(files) < 6:
        sys.exit(f"error: found only {files}")
    print(f"{len(files)} files, {entries} ops and passes")


if __name__ == "__main__":
    main()
