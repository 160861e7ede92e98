#!/usr/bin/env python3
"""Times bigmac-memplan, and MiniMalloc in the same run if it is given, on the published hard instances:

    python3 test/benchmarks/memory_planner.py build/bin/bigmac-memplan [--minimalloc PATH] [--rounds N] [FILE.csv...]

MiniMalloc (github.com/google/minimalloc) is built from its sources; PATH is its `minimalloc` executable. A file's
capacity is the number in its name. Times are CPU seconds of whole processes, the least of the rounds, so that other
work on the machine matters little. Prints a line a file: seconds of each and their ratio.
"""

import argparse
import pathlib
import resource
import subprocess
import sys
import tempfile

INSTANCES = pathlib.Path(__file__).resolve().parent.parent / "Tools/bigmac-memplan/Inputs"


def cpu_seconds(command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, command))} ended with {done.returncode}: {done.stderr.strip()}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("memplan")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    parser.add_argument("--minimalloc")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    files = arguments.files or sorted(INSTANCES.glob("*.1048576.csv"))
    totals = [0.0, 0.0]
    print(f"{'instance':<20}{'memplan s':>12}" + (f"{'MiniMalloc s':>14}{'ratio':>8}" if arguments.minimalloc else ""))
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            capacity = f"--capacity={file.stem.split('.')[1]}"
            ours = [arguments.memplan, file, capacity, f"--output={folder}/ours.csv"]
            theirs = [arguments.minimalloc, f"--input={file}", capacity, f"--output={folder}/theirs.csv"]
            times = [float("inf")] * 2
            for _ in range(arguments.rounds):
                times[0] = min(times[0], cpu_seconds(ours))
                if arguments.minimalloc:
                    times[1] = min(times[1], cpu_seconds(theirs))
            totals = [total + time for total, time in zip(totals, times)]
            print(line(file.stem, times, arguments.minimalloc), flush=True)
    print(line("all", totals, arguments.minimalloc))


def line(name, times, both):
    ours, theirs = times
    return f"{name:<20}{ours:>12.3f}" + (f"{theirs:>14.3f}{theirs / max(ours, 1e-3):>8.1f}" if both else "")


if __name__ == "__main__":
    main()
