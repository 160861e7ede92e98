#!/usr/bin/env python3
"""Checks that the limit which a too small --memory-limit names as the least that works does work, and that one byte
less ends with the same error: `check_least_limit.py MODEL [options of bigmac-opt] --out=FILE`."""
import argparse
import re
import subprocess
import sys


def compile_within(arguments, options, limit):
    """The least limit that an error names; nothing where the compilation succeeds."""
    done = subprocess.run(["bigmac-opt", arguments.model, "--compile-to=rt", "-o", arguments.out,
                           f"--memory-limit={limit}"] + options, capture_output=True, text=True)
    if done.returncode == 0:
        return None
    named = re.search(rf"error: cannot keep every rank within --memory-limit={limit} bytes; "
                      r"the least limit that works is (\d+)", done.stderr)
    if not named:
        sys.exit(f"error: --memory-limit={limit} ended with\n{done.stderr}")
    return int(named[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--out", required=True, help="a file that is written")
    arguments, options = parser.parse_known_args()
    least = compile_within(arguments, options, 1000)
    if least is None:
        sys.exit("error: 1000 bytes are said to be enough")
    if compile_within(arguments, options, least) is not None:
        sys.exit(f"error: {least} bytes do not work")
    if compile_within(arguments, options, least - 1) != least:
        sys.exit(f"error: {least - 1} bytes do not name {least} as the least")
    print(f"{least} bytes work, one less does not")


if __name__ == "__main__":
    main()
