"""Planning a 1F1B schedule, beside the lowering of torch.distributed.pipelining, in one run.

    ninja -C build bigmac-bench-planning
    python test/benchmarks/planning/bench_peer.py build/bin/bigmac-bench-planning

64 ranks, one chunk, 1024 microbatches. Ours: the order is built and proved, executed, and its sends and receives are matched
and proved to end with rendezvous sends. PyTorch: its send/receive insertion and its simulation of computation and communication
of the same order, which is given. Processor seconds, the least of three runs on either side.
"""

import re
import subprocess
import sys
import time

import torch
from torch.distributed.pipelining import schedules

RANKS, MICROBATCHES, REPEATS = 64, 1024, 3


def orders():
    forward, backward = schedules._ComputationType.FORWARD, schedules._ComputationType.FULL_BACKWARD
    result = {}
    for rank in range(RANKS):
        warmup = min(RANKS - rank - 1, MICROBATCHES)
        order = [schedules._Action(rank, forward, m) for m in range(warmup)]
        for m in range(MICROBATCHES):
            if warmup + m < MICROBATCHES:
                order.append(schedules._Action(rank, forward, warmup + m))
            order.append(schedules._Action(rank, backward, m))
        result[rank] = order
    return result


def lower():
    compute = orders()
    begin = time.process_time()
    whole = schedules._add_send_recv(compute, stage_to_rank=lambda stage: stage, num_stages=RANKS)
    inserted = time.process_time()
    # Receives for the simulation stand before what waits for them.
    schedules._simulate_comms_compute(whole, stage_to_rank=lambda stage: stage, num_stages=RANKS)
    return inserted - begin, time.process_time() - inserted


def main():
    printed = subprocess.run([sys.argv[1], str(REPEATS)], check=True, capture_output=True, text=True).stdout
    print(printed, end="")
    ours = sum(float(number) for number in re.findall(r"(?:built|executed|transfers) ([0-9.]+)", printed.splitlines()[-1]))
    insertion, simulation = min((lower() for _ in range(REPEATS)), key=sum)
    print(f"torch {torch.__version__}: send/receive insertion {insertion:.3f} simulation {simulation:.3f}")
    print(f"ratio: {(insertion + simulation) / ours:.1f}")


if __name__ == "__main__":
    main()
