#!/usr/bin/env python3
"""`check_study.py TABLE.txt` checks what the study prints; `check_study.py COSTS.json COSTS.json` that both hold the same work."""

import json
import pathlib
import sys


def check(condition, *evidence):
    if not condition:
        raise SystemExit("error: " + " ".join(str(each) for each in evidence))


def check_table(text):
    workloads = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 11 and words[0].isdigit():
            m, _, schedule, seconds, _, _, encoder, _, _, gib, _ = words
            rows[int(m), schedule] = float(seconds), int(encoder), float(gib)
        elif line.endswith("chunks"):
            rows = workloads.setdefault(line.split(":")[0], {})
    check(list(workloads) == ["understanding", "generation"], "workloads:", list(workloads))
    for workload, rows in workloads.items():
        check(len(rows) == 8, workload, "has", len(rows), "rows")
        for m in (32, 64):
            time = {schedule: rows[m, schedule][0] for _, schedule in rows}
            check(time["bigmac"] <= 1.001 * time["encoder-first"], workload, m, "bigmac is slower than encoder-first:", time)
            check(time["bigmac-zb"] <= time["bigmac"] < time["separate-stages"], workload, m, "out of order:", time)
        check(rows[32, "bigmac"][1:] == rows[64, "bigmac"][1:], workload, "bigmac grows:", rows[32, "bigmac"], rows[64, "bigmac"])
        # What is searched may trade a little.
        check(rows[64, "bigmac-zb"][2] <= 1.05 * rows[32, "bigmac-zb"][2], workload, "bigmac-zb grows:", rows[64, "bigmac-zb"])
        first = [rows[m, "encoder-first"] for m in (32, 64)]
        check([units for _, units, _ in first] == [4, 8] and first[1][2] > first[0][2] + 5, workload, "encoder-first:", first)


def total(costs):
    return [sum(costs["llm"][part]) for part in ("forward", "backward_input", "backward_weight")] + [costs["encoder"]["forward"]]


def main():
    files = [pathlib.Path(argument) for argument in sys.argv[1:]]
    if len(files) == 1:
        check_table(files[0].read_text())
        return
    first, second = (json.loads(file.read_text()) for file in files)
    check(len(first["llm"]["forward"]) != len(second["llm"]["forward"]), "the same cut twice")
    for a, b in zip(total(first), total(second)):
        check(abs(a - b) <= 1e-9 * a and a > 0, "different work:", total(first), total(second))


if __name__ == "__main__":
    main()
