#!/usr/bin/env python3
"""Schedules of the paper's workloads over batch size: `study.py [--microbatches 16,32,...] [--report FOLDER]`.

Derives the costs (costs.py), runs bigmac-sim, and prints time, bubble, units alive and activation bytes. 128 GPUs are 8 pipeline
ranks x 16 replicas, so a step has 16 x M sequences of 8192 tokens. The last column is the speed-up where the number of images in a
sequence varies, the mean over five draws; `--robust` chooses plans that hold up better then.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import costs

SCHEDULES = ["separate-stages", "encoder-first", "bigmac", "bigmac-zb"]
REPLICAS = 16
ROOT = pathlib.Path(__file__).resolve().parents[2]


def simulate(simulator, file, arguments, microbatches, *more):
    command = [
        simulator, file, f"--schedule={','.join(SCHEDULES)}", f"--ranks={arguments.ranks}", f"--chunks={arguments.chunks}",
        f"--microbatches={microbatches}", f"--effort={arguments.effort}", "--report=-", *(["--robust"] if arguments.robust else []), *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.strip() or f"{simulator} ended with {done.returncode}")
    return json.loads(done.stdout)["schedules"]


def seconds_with_images(report):
    variations = report["robustness"]["variations"]
    return next(each["makespan_mean"] for each in variations if each["images"])


def row(report, slowest):
    units = report["peak_units"]
    images = seconds_with_images(slowest) / seconds_with_images(report)
    return (
        f"{report['microbatches']:5}  {REPLICAS * report['microbatches']:6}  {report['schedule']:15}  {report['makespan']:8.2f}  "
        f"{slowest['makespan'] / report['makespan']:8.2f}x  {100 * report['bubble']:6.1f}%  {units['encoder']:7}  {units['generator']:9}  "
        f"{report['peak_llm_microbatches']:7.1f}  {max(report['peak_bytes']) / 2**30:7.1f}  "
        f"{images:5.2f}x"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--microbatches", default="16,32,64,128,256", help="of a step and replica")
    parser.add_argument("--ranks", type=int, default=8)
    parser.add_argument("--chunks", type=int, default=2)
    parser.add_argument("--effort", type=int, default=1)
    parser.add_argument("--robust", action="store_true", help="plans that lose little when times vary")
    parser.add_argument("--simulator", default=ROOT / "build/bin/bigmac-sim", type=pathlib.Path)
    parser.add_argument("--report", type=pathlib.Path, help="a folder for a page of each workload, at its least batch")
    arguments = parser.parse_args()
    counts = [int(count) for count in arguments.microbatches.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        for workload in ("understanding", "generation"):
            file = pathlib.Path(folder) / f"{workload}.json"
            file.write_text(json.dumps(costs.costs(workload, arguments.ranks, arguments.chunks)))
            print(f"{workload}: {arguments.ranks} ranks x {REPLICAS} replicas, {arguments.chunks} chunks")
            print("    M   batch  schedule         seconds  speed-up  bubble  encoder  generator  LLM mb.      GiB  images")
            for count in counts:
                more = []
                if arguments.report and count == min(counts):
                    arguments.report.mkdir(parents=True, exist_ok=True)
                    more = [f"--report={arguments.report / workload}.html"]
                reports = simulate(arguments.simulator, file, arguments, count, *more)
                slowest = next(report for report in reports if report["schedule"] == "separate-stages")
                for report in reports:
                    print(row(report, slowest), flush=True)
            print()


if __name__ == "__main__":
    main()
