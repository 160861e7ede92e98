#!/usr/bin/env python3
"""Plants one fault at a time in an rt program and checks that every one is rejected: `plant_faults.py PROGRAM.mlir`.

Each instruction is left out; each is doubled; each transfer and copy is left out with its wait; the microbatches of neighbouring receives of a channel are swapped; two
receives of a rank get one buffer where both hold a value at a time; what is fetched from the host's memory is waited for
after its use, or comes from another's place. The messages are printed, each once."""

import collections
import re
import subprocess
import sys

INSTRUCTION = re.compile(r"\s+rt\.(zero|load|run|send|recv|offload|fetch|wait|record) ")


def ranks_of(lines):
    """For each line the rank that it is an instruction of, or None."""
    rank, result = None, []
    for line in lines:
        start = re.match(r"\s+rt\.rank (\d+) ", line)
        rank = int(start[1]) if start else rank
        result.append(rank if INSTRUCTION.match(line) else None)
    return result


def receives(lines):
    """Line, rank, (peer, channel), microbatch, offset of each receive."""
    for i, (line, rank) in enumerate(zip(lines, ranks_of(lines))):
        found = re.match(r"\s+rt\.recv from (\d+) channel (\d+) microbatch (\d+) at (\d+) ", line)
        if found:
            yield i, rank, found[1] + " " + found[2], found[3], found[4]


def faults(lines):
    owner = ranks_of(lines)
    for i, line in enumerate(lines):
        if owner[i] is None:
            continue
        kind = INSTRUCTION.match(line)[1]
        yield f"no {kind}", lines[:i] + lines[i + 1:]
        yield f"two {kind}", lines[:i + 1] + lines[i:]
        if kind in ("send", "recv", "offload", "fetch"):
            slot = re.search(r"slot (\d+)", line)[1]
            wait = re.compile(rf"\s+rt\.wait {slot} ")
            end = next(n for n in range(i + 1, len(lines)) if wait.match(lines[n]))
            yield f"no {kind} and no wait", lines[:i] + lines[i + 1:end] + lines[end + 1:]
        if kind == "fetch":
            use = next(n for n in range(end + 1, len(lines)) if INSTRUCTION.match(lines[n])[1] == "run")
            yield "late wait", lines[:end] + lines[end + 1:use + 1] + [lines[end]] + lines[use + 1:]
            own = re.search(r"from (\d+) at", line)[1]
            places = {re.search(r"to (\d+) bytes", other)[1] for n, other in enumerate(lines)
                      if owner[n] == owner[i] and INSTRUCTION.match(other)[1] == "offload"}
            for place in sorted(places - {own}):
                yield "another's place", lines[:i] + [line.replace(f"from {own} at", f"from {place} at")] + lines[i + 1:]
    known = list(receives(lines))
    for a, b in ((a, b) for n, a in enumerate(known) for b in known[n + 1:]):
        if a[1] != b[1]:
            continue
        changed = list(lines)
        if a[2] == b[2]:
            changed[a[0]] = lines[a[0]].replace(f"microbatch {a[3]}", f"microbatch {b[3]}")
            changed[b[0]] = lines[b[0]].replace(f"microbatch {b[3]}", f"microbatch {a[3]}")
            yield "swapped receives", changed
        if a[4] != b[4]:
            # One buffer for both: all of the rank's instructions use the first's.
            changed = [re.sub(rf"\b{b[4]}\b(?! bytes \d+$)", a[4], line) if rank == a[1] and "rt.zero" not in line else line
                       for line, rank in zip(lines, owner)]
            yield "one buffer for two", changed


def main():
    with open(sys.argv[1]) as file:
        lines = file.read().rstrip("\n").split("\n")
    planted = list(faults(lines))
    text, starts = "", []
    for _, changed in planted:
        starts.append(text.count("\n") + 1)
        text += "\n".join(changed) + "\n// -----\n"
    done = subprocess.run(["bigmac-opt", "-", "--split-input-file", "--rt-check-program", "--mlir-print-op-on-diagnostic=false"],
                          input=text, capture_output=True, text=True)
    errors = collections.defaultdict(list)
    for line, message in re.findall(r"^[^\n:]+:(\d+):\d+: error: (.*)$", done.stderr, re.M):
        errors[sum(start <= int(line) for start in starts) - 1].append(message)
    if done.returncode not in (0, 1):
        sys.exit(f"error: bigmac-opt ended with {done.returncode}:\n{done.stderr[-2000:]}")
    counts = collections.Counter()
    messages = collections.defaultdict(dict)
    missed = []
    for i, (kind, changed) in enumerate(planted):
        if not errors[i]:
            missed.append((kind, "\n".join(changed)))
        counts[kind] += 1
        messages[kind].update(dict.fromkeys(errors[i][:1]))
    for kind, text in missed[:3]:
        print(f"not rejected: {kind}\n{text}")
    for kind in sorted(counts):
        print(f"{kind}: {counts[kind]} planted")
        for message in messages[kind]:
            print(f"{kind}: {message}")
    print(f"{len(planted)} planted, {len(missed)} not rejected")
    sys.exit(1 if missed or not planted else 0)


if __name__ == "__main__":
    main()
