#!/usr/bin/env python3
"""Checks that what the README lists as not there yet is an error that says so: `check_refused.py REPO`. When a
feature comes, its entry and its line go.
"""

import pathlib
import subprocess
import sys


def main():
    root = pathlib.Path(sys.argv[1])
    section = (root / "README.md").read_text().split("## Not there yet")[1].split("\n## ")[0]
    script = pathlib.Path("model.pt")
    script.write_bytes(b"PK")
    # What the README must mention, the arguments, and what the error must say.
    cases = [("TorchScript", [script], "TorchScript, whose importer is not built in this version")]
    for word, arguments, message in cases:
        if word not in section:
            sys.exit(f"error: the README does not list {word}")
        done = subprocess.run(["bigmac-opt", *arguments, "-o", "refused"], capture_output=True, text=True)
        errors = [line for line in done.stderr.splitlines() if "error: " in line]
        if done.returncode == 0 or len(errors) != 1 or message not in errors[0]:
            sys.exit(f"error: {arguments[1:] or arguments} ended with {done.returncode}, expected one error with '{message}':\n{done.stderr}")
        if pathlib.Path("refused").exists():
            sys.exit(f"error: {arguments} left a file")
    print(f"{len(cases)} refusals")


if __name__ == "__main__":
    main()
