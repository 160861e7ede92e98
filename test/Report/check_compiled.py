#!/usr/bin/env python3
"""`check_compiled.py PAGE.html REPORT.json RT.mlir`: opens the page of a compiled program; its memory must have the peaks that
the report has, its actions be the program's runs, in order.
"""

import json
import pathlib
import re
import sys

from browser import Browser

# Classes of the page, by their names in the report.
CLASSES = {
    "parameters": "parameters",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "llm_activations": "LLM activations",
    "encoder_activations": "encoder activations",
    "generator_activations": "generator activations",
    "transfers": "transfers",
    "workspace": "workspace",
    "inputs": "inputs",
}


def check(condition, *evidence):
    if not condition:
        raise SystemExit("error: " + " ".join(str(each) for each in evidence))


def main():
    html, report, program = (pathlib.Path(argument) for argument in sys.argv[1:])
    report = json.loads(report.read_text())
    runs = {}
    for line in program.read_text().splitlines():
        if match := re.match(r"\s*rt\.rank (\d+)", line):
            runs[int(match[1])] = own = []
        elif match := re.match(r"\s*rt\.run @\S+ microbatch (\d+)", line):
            own.append(int(match[1]))
    with Browser() as browser:
        page = browser.open(html)
        page.evaluate("bigmac.ready.then(() => true)")
        page.settle()
        ask = lambda call: page.evaluate(f"bigmac.{call}")
        shown = ask("schedules")[0]
        check(abs(shown["figures"]["makespan"] - report["makespan"]) <= 1e-12 * report["makespan"], shown["figures"])
        check(shown["name"] == report["schedule"] and shown["figures"]["actions"] == report["actions"], shown["name"])
        held = 0
        for rank, bytes_of in enumerate(report["ranks"]):
            actions = ask(f"actions(0, {rank})")
            check([action["microbatch"] for action in actions] == runs[rank], "rank", rank, "runs", actions)
            for position, action in enumerate(actions):
                producers = ask(f"producers(0, {rank}, {position})")
                needs = action["kind"] != "EF" and not (action["kind"] == "F" and action["chunk"] == 0 and rank == 0 and not bytes_of["encoder_activations"])
                check(bool(producers) == needs, action, "waits for", producers)
                check(all(producer["end"] <= action["start"] * (1 + 1e-9) for producer in producers), action, "starts before", producers)
            memory = ask(f"memory(0, {rank})")
            check(memory["classes"] == list(CLASSES.values()), memory["classes"])
            check(memory["limit"] == 100000000, "limit", memory["limit"])
            check(memory["peak"] <= bytes_of["arena"], "rank", rank, "holds", memory["peak"], "in an arena of", bytes_of["arena"])
            for name, title in CLASSES.items():
                column = 1 + memory["classes"].index(title)
                most = max(step[column] for step in memory["steps"])
                # A place that one action leaves and the next takes counts once.
                check(most == bytes_of[name], "rank", rank, title, "peaks at", most, "not", bytes_of[name])
                held += most > 0
            # Only what stays is there at the end.
            check(not any(memory["steps"][-1][4:]), "rank", rank, "ends with", memory["steps"][-1])
        check(held > 2 * 6, "only", held, "classes hold anything")
        check(not page.problems, page.problems)
        print(f"{len(report['ranks'])} ranks, {report['actions']} actions, {len(CLASSES)} classes")


if __name__ == "__main__":
    main()
