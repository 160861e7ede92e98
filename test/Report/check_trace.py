#!/usr/bin/env python3
"""`check_trace.py TRACE.json ACTIONS.jsonl REPORT.json`: checks a trace by the Trace Event format, and against the simulator's
other outputs.
"""

import collections
import json
import pathlib
import sys


def check(condition, *evidence):
    if not condition:
        raise SystemExit("error: " + " ".join(str(each) for each in evidence))


def main():
    trace = json.loads(pathlib.Path(sys.argv[1]).read_text())
    actions = [json.loads(line) for line in pathlib.Path(sys.argv[2]).read_text().splitlines()]
    reports = {report["schedule"]: report for report in json.loads(pathlib.Path(sys.argv[3]).read_text())["schedules"]}
    check(trace["displayTimeUnit"] in ("ms", "ns"), trace["displayTimeUnit"])
    events = trace["traceEvents"]
    for event in events:
        check(isinstance(event["pid"], int) and isinstance(event["tid"], int) and event["ph"] in "MXsfC", event)
        check(event["ph"] == "M" or event["ts"] >= 0, event)
    named = lambda name: {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == name}
    schedules = {pid: name for (pid, _), name in named("process_name").items()}
    check(all(name == f"rank {tid}" for (_, tid), name in named("thread_name").items()), named("thread_name"))

    slices = collections.defaultdict(list)
    shown = collections.Counter()
    for event in events:
        if event["ph"] == "X":
            slices[event["pid"], event["tid"]].append(event)
            args = event["args"]
            times = round(event["ts"] / 1e6, 6), round((event["ts"] + event["dur"]) / 1e6, 6)
            shown[schedules[event["pid"]], event["tid"], event["name"], event["cat"], args.get("chunk"), args["microbatch"], args.get("unit"), *times] += 1
    expected = collections.Counter(
        (a["schedule"], a["rank"], a["kind"], a["component"], a.get("chunk"), a["microbatch"], a.get("unit"), round(a["start"], 6), round(a["end"], 6))
        for a in actions
    )
    check(shown == expected, "slices differ from the actions:", list((shown - expected) + (expected - shown))[:4])

    # A flow starts inside its producer's slice and ends inside its consumer's.
    flows = collections.defaultdict(dict)
    for event in events:
        if event["ph"] in "sf":
            check(event["ph"] not in flows[event["id"]], "twice:", event)
            check(event["ph"] == "s" or event["bp"] == "e", event)
            flows[event["id"]][event["ph"]] = event
    inside = lambda e: [s for s in slices[e["pid"], e["tid"]] if s["ts"] < e["ts"] < s["ts"] + s["dur"]]
    crossing = collections.Counter()
    for number, flow in flows.items():
        check(set(flow) == {"s", "f"}, "flow", number, "has only", set(flow))
        producer, consumer = inside(flow["s"]), inside(flow["f"])
        check(len(producer) == len(consumer) == 1, "flow", number, "binds to", producer, consumer)
        producer, consumer = producer[0], consumer[0]
        check(producer["tid"] != consumer["tid"] and producer["pid"] == consumer["pid"], producer, consumer)
        check(producer["ts"] + producer["dur"] < consumer["ts"], producer, "ends after", consumer, "starts")
        check(producer["args"]["microbatch"] == consumer["args"]["microbatch"], producer, consumer)
        crossing[producer["pid"]] += 1
    for pid, name in schedules.items():
        ranks, chunks, m = (reports[name][key] for key in ("ranks", "chunks", "microbatches"))
        # Between stages forward and back; to and from the ranks of encoder and generator, of which one in `ranks` is the same.
        stages = 2 * (ranks * chunks - 1) * m
        units = 2 * (m - m // ranks) + 2 * (m - m // ranks)
        check(crossing[pid] == stages + units, name, "has", crossing[pid], "transfers, expected", stages + units)

    peaks = collections.defaultdict(int)
    for event in events:
        if event["ph"] == "C":
            check(all(value >= 0 for value in event["args"].values()), event)
            key = schedules[event["pid"]], event["tid"]
            peaks[key] = max(peaks[key], sum(event["args"].values()))
    for (name, rank), peak in peaks.items():
        check(peak == reports[name]["peak_bytes"][rank], name, "rank", rank, "peaks at", peak)
    check(len(peaks) == sum(report["ranks"] for report in reports.values()), "memory of", len(peaks), "ranks")
    print(f"{len(schedules)} schedules, {sum(shown.values())} actions, {len(flows)} transfers")


if __name__ == "__main__":
    main()
