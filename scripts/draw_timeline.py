#!/usr/bin/env python3
"""Draws schedules as one SVG, from what `bigmac-sim --emit-actions` writes.

    draw_timeline.py TITLE=ACTIONS.jsonl ... -o FILE.svg

Each schedule is a lane a rank, and below them how many encoder units rank 0 holds over time: a unit is held from the start
of its encoder's forward to the end of its encoder's backward. All schedules share one time axis. Needs only Python's
standard library; the same input gives the same bytes.
"""

import argparse
import collections
import json
import pathlib
import sys

WIDTH, LEFT, RIGHT = 1000, 64, 12
LANE, GAP, CURVE, HEAD, FOOT = 15, 2, 40, 26, 18
# Action kinds in the order of the legend. Colours that differ in lightness as well as in hue.
KINDS = {
    "F": ("#a9c9ec", "LLM forward"),
    "B": ("#3b75b3", "LLM backward"),
    "W": ("#1d3f66", "LLM weight gradient"),
    "EF": ("#f9c784", "encoder forward"),
    "EB": ("#d9822b", "encoder backward"),
    "GF": ("#b6ddb0", "generator forward"),
    "GB": ("#2f7d3b", "generator backward"),
    "G": ("#58a65c", "generator forward and backward"),
}
STYLE = "text{font:12px system-ui,sans-serif;fill:#24292f}.t{font-weight:600}.s{font-size:11px;fill:#57606a}"


def number(value):
    return f"{value:.2f}".rstrip("0").rstrip(".")


def text(x, y, content, kind="", anchor=""):
    escaped = content.replace("&", "&amp;").replace("<", "&lt;")
    attributes = (f' class="{kind}"' if kind else "") + (f' text-anchor="{anchor}"' if anchor else "")
    return f'<text x="{number(x)}" y="{number(y)}"{attributes}>{escaped}</text>'


def read_actions(path):
    actions = [json.loads(line) for line in path.read_text().splitlines() if line]
    if not actions:
        sys.exit(f"draw_timeline.py: error: {path} has no actions")
    return actions


def held_units(actions):
    """The steps (time, units) of how many encoder units rank 0 holds."""
    begins, ends = {}, {}
    for action in actions:
        if action["rank"] != 0:
            continue
        if action["kind"] == "EF":
            begins[action["unit"]] = action["start"]
            ends.setdefault(action["unit"], action["end"])
        elif action["kind"] == "EB":
            ends[action["unit"]] = action["end"]
    changes = collections.Counter()
    for unit, begin in begins.items():
        changes[begin] += 1
        changes[ends[unit]] -= 1
    steps, units = [], 0
    for time in sorted(changes):
        units += changes[time]
        steps.append((time, units))
    return steps


def panel(title, actions, top, scale, most_units):
    ranks = 1 + max(action["rank"] for action in actions)
    makespan = max(action["end"] for action in actions)
    steps = held_units(actions)
    peak = max((units for _, units in steps), default=0)
    parts = [
        text(LEFT, top + 16, title, "t"),
        text(WIDTH - RIGHT, top + 16, f"ends at {number(makespan)}, holds {peak} encoder units at most", anchor="end"),
    ]
    lanes = top + HEAD
    for rank in range(ranks):
        y = lanes + rank * (LANE + GAP)
        parts.append(text(LEFT - 8, y + LANE - 3.5, f"rank {rank}", "s", "end"))
        parts.append(f'<path fill="#eceff2" d="M{LEFT} {number(y)}h{number(makespan * scale)}v{LANE}H{LEFT}z"/>')
    # One path a kind: far smaller than a rectangle an action.
    for kind, (colour, _) in KINDS.items():
        boxes = []
        for action in actions:
            if action["kind"] == kind:
                x, y = LEFT + action["start"] * scale, lanes + action["rank"] * (LANE + GAP)
                width = max((action["end"] - action["start"]) * scale - 0.5, 0.3)
                boxes.append(f"M{number(x)} {number(y)}h{number(width)}v{LANE}h{number(-width)}z")
        if boxes:
            parts.append(f'<path fill="{colour}" d="{"".join(boxes)}"/>')
    base = lanes + ranks * (LANE + GAP) + 6 + CURVE
    unit = CURVE / most_units
    curve = f"M{LEFT} {number(base)}"
    for time, units in steps:
        curve += f"H{number(LEFT + time * scale)}V{number(base - units * unit)}"
    parts.append(f'<path fill="#f3dcc0" stroke="#d9822b" d="{curve}"/>')
    parts.append(text(LEFT - 8, base - CURVE / 2 - 2, "encoder", "s", "end"))
    parts.append(text(LEFT - 8, base - CURVE / 2 + 10, "units", "s", "end"))
    return parts, base + FOOT - top


def legend(kinds, y):
    parts, x = [], LEFT
    for kind, (colour, name) in KINDS.items():
        if kind in kinds:
            parts.append(f'<rect x="{x}" y="{y}" width="12" height="12" fill="{colour}"/>')
            parts.append(text(x + 17, y + 10.5, name, "s"))
            x += 40 + 6 * len(name)
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("schedules", nargs="+", metavar="TITLE=ACTIONS.jsonl")
    parser.add_argument("-o", "--output", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    schedules = []
    for schedule in arguments.schedules:
        title, _, path = schedule.rpartition("=")
        schedules.append((title or pathlib.Path(path).stem, read_actions(pathlib.Path(path))))
    longest = max(action["end"] for _, actions in schedules for action in actions)
    scale = (WIDTH - LEFT - RIGHT) / longest if longest else 1
    most_units = max([1, *(units for _, actions in schedules for _, units in held_units(actions))])
    parts, height = [], 4
    for title, actions in schedules:
        drawn, taken = panel(title, actions, height, scale, most_units)
        parts += drawn
        height += taken
    parts += legend({action["kind"] for _, actions in schedules for action in actions}, height)
    height += 20
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">'
    background = f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>'
    arguments.output.write_text("\n".join([head, f"<style>{STYLE}</style>", background, *parts, "</svg>"]) + "\n")


if __name__ == "__main__":
    main()
