#!/usr/bin/env python3
"""Runs every suite of a build folder through lit and closes with one line: N passed, N failed."""
import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", default="build")
    parser.add_argument("--filter", help="only tests whose name matches this regular expression")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    lit = "/usr/lib/llvm-22/bin/lit"
    if not os.path.exists(lit):
        sys.exit(f"error: {lit} is missing; run scripts/install-deps.sh")
    with tempfile.TemporaryDirectory() as folder:
        results = os.path.join(folder, "results.json")
        command = [sys.executable, lit, "-sv", f"--output={results}", f"--workers={os.cpu_count()}"]
        if arguments.filter:
            command.append(f"--filter={arguments.filter}")
        command += [os.path.join(build, "test"), os.path.join(build, "test", "Unit")]
        status = subprocess.run(command).returncode
        try:
            with open(results) as file:
                tests = json.load(file)["tests"]
        except OSError:
            sys.exit("error: lit wrote no results")
    good = {"PASS", "XFAIL", "FLAKYPASS"}
    skipped = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}
    passed = sum(test["code"] in good for test in tests)
    left_out = sum(test["code"] in skipped for test in tests)
    failed = len(tests) - passed - left_out
    print(f"{passed} passed, {failed} failed" + (f", {left_out} skipped" if left_out else ""))
    if passed == 0:
        sys.exit("error: no test ran")
    sys.exit(1 if failed or status else 0)


if __name__ == "__main__":
    main()
