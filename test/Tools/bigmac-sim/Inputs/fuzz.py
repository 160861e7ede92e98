"""Runs bigmac-sim on altered and hostile costs: `fuzz.py SEED RUNS`.

Every run must end within its time and memory, with a report or with one line of error, and never by a signal.
"""

import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile

SCHEDULES = ["bigmac", "bigmac-zb", "1f1b", "interleaved", "gpipe", "zb", "encoder-first", "separate-stages"]
MEMORY = 1 << 30
SECONDS = 120  # only a hang takes this long, also on a busy machine
NUMBERS = ["0", "-0", "-1", "1e999", "-1e999", "1e-999", "NaN", "Infinity", "1e308", "1e15", "1e16", "00", "1.", ".5", "0x10",
           "9" * 400, "18446744073709551616", "null", "true", '"1"', "[]", "{}", "[[1]]", "[1,null]", "1e", "--1"]


def base(rng, stages, microbatches):
    def figures(count):
        if rng.random() < 0.5:
            return rng.choice([0, 0.5, 1, 3])
        return [rng.choice([0, 0.5, 1, 3]) for _ in range(count)]

    costs = {"llm": {"forward": figures(stages), "backward_input": figures(stages), "backward_weight": figures(stages)}}
    for part in ("encoder", "generator"):
        if rng.random() < 0.6:
            costs[part] = {"forward": figures(microbatches), "backward": figures(microbatches)}
    if rng.random() < 0.5:
        costs["transfer"] = rng.choice([0, 0.25, 10])
    if rng.random() < 0.5:
        costs["activation_bytes"] = {"llm": 10, "weight_gradient": 3, "encoder": 100, "generator": 1000}
    return costs


def alter_bytes(rng, text):
    text = bytearray(text)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(text)) if text else 0
        kind = rng.randrange(5)
        if kind == 0:
            text[at:at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            text[at:at] = rng.choice([b"[", b"]", b"{", b"}", b",", b":", b'"', b"-", b"e", b"\\u0000", b"\xff\xfe", b"\xc3\x28"])
        elif kind == 2:
            del text[at:at + rng.randint(1, 9)]
        elif kind == 3:
            text[at:at] = text[at:at + rng.randint(1, 40)]
        else:
            del text[at:]
    return bytes(text)


def alter_number(rng, text):
    """Puts a strange value in place of a number."""
    digits = [i for i, c in enumerate(text) if chr(c).isdigit()]
    if not digits:
        return text
    at = rng.choice(digits)
    return text[:at] + rng.choice(NUMBERS).encode() + text[at + 1:]


def hostile(rng, text):
    depth = rng.choice([17, 1000, 200000])
    size = rng.choice([2000, 300000])
    return rng.choice([
        lambda: b"[" * depth,
        lambda: b'{"llm":' * depth,
        lambda: b'{"llm":' * depth + b"1" + b"}" * depth,
        lambda: text[:-1] + b"," + text[1:],
        lambda: b"{" + b",".join(b'"k%d":1' % i for i in range(size)) + b"}",
        lambda: b'{"' + b"k" * size + b'":1}',
        lambda: b'{"llm":{"forward":[' + b"1," * size + b'1],"backward_input":1,"backward_weight":1}}',
        lambda: b'"' + b"\\u00e9" * size,
        lambda: b"\xef\xbb\xbf" + text,
        lambda: text.decode().encode("utf-16"),
        lambda: b"\x00" * size,
        lambda: b" " * size + text,
        lambda: b"",
    ])()


def limit():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def check(done, arguments, text):
    def wrong(why):
        sys.exit(f"error: {why}\narguments: {arguments}\ncosts: {text[:400]!r}\nended with {done.returncode}:\n{done.stderr[:2000]!r}")

    if done.returncode == 0:
        if done.stderr:
            wrong("a success with text on the standard error")
        report = json.loads(done.stdout)
        for key in ("makespan", "bound", "bubble"):
            if not math.isfinite(report[key]) or report[key] < 0:
                wrong(f"{key} is {report[key]}")
        if report["makespan"] < report["bound"] * (1 - 1e-9):
            wrong("a makespan below its bound")
        return True
    lines = done.stderr.decode("utf-8", "strict").splitlines()
    if done.returncode != 1 or len(lines) != 1 or not lines[0].startswith("bigmac-sim: error: ") or len(lines[0]) > 1500:
        wrong("neither a report nor one line of error")
    if any(ord(c) < 32 or ord(c) == 127 for c in lines[0]):
        wrong("an error with control characters")
    if "out of memory" in lines[0]:
        wrong("more memory than a gigabyte")
    return False


def main():
    rng = random.Random(int(sys.argv[1]))
    reports = errors = 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "costs.json")
        for run in range(int(sys.argv[2])):
            ranks, chunks = rng.choice([(1, 1), (2, 1), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (3, 2)])
            microbatches = rng.choice([8, 8, 1, 5])
            lengths = [ranks * chunks, microbatches]
            if rng.random() < 0.1:
                lengths[rng.randrange(2)] += 1
            text = json.dumps(base(rng, *lengths)).encode()
            change = rng.choice([None, None, alter_bytes, alter_number, alter_number, hostile])
            if change:
                text = change(rng, text)
            with open(path, "wb") as file:
                file.write(text)
            arguments = [f"--schedule={rng.choice(SCHEDULES)}", f"--ranks={ranks}", f"--chunks={chunks}",
                         f"--microbatches={microbatches}"]
            if rng.random() < 0.15:
                arguments.append(f"--memory-limit={rng.choice([0, 1, 500, 5000, 2**63])}")
            if rng.random() < 0.1:
                arguments.append(rng.choice(["--jitter=images", "--jitter=1", "--robust"]))
            if rng.random() < 0.1:
                which = rng.randrange(3)
                name = ("ranks", "chunks", "microbatches")[which]
                arguments[1 + which] = f"--{name}={rng.choice([0, 2**32, 2**63, 10**18, 4097, 2**22 + 1])}"
            done = subprocess.run(["bigmac-sim", path, "--report=-", *arguments], capture_output=True, preexec_fn=limit,
                                  timeout=SECONDS)
            if check(done, arguments, text):
                reports += 1
            else:
                errors += 1
    print(f"{reports} reports, {errors} errors")
    # A test that only ever saw one of them would show little.
    if min(reports, errors) < int(sys.argv[2]) // 10:
        sys.exit("error: too few of one kind")


if __name__ == "__main__":
    main()
