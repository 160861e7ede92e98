#!/usr/bin/env python3
"""Opens a report of many actions, `check_large.py PAGE.html ACTIONS.jsonl`: where many actions share a pixel, its colour must
be the mixture of theirs, at every zoom; and a click far in must find the right action.
"""

import bisect
import json
import pathlib
import random
import sys

from browser import Browser


def mixture(actions, ends, colours, idle, start, end):
    """The colour of a stretch of a rank's time."""
    mixed = [0.0, 0.0, 0.0]
    busy = 0.0
    for action in actions[bisect.bisect_right(ends, start):]:
        if action["start"] >= end:
            break
        share = (min(end, action["end"]) - max(start, action["start"])) / (end - start)
        busy += share
        mixed = [m + share * c for m, c in zip(mixed, colours[action["kind"]])]
    return [m + max(0, 1 - busy) * i for m, i in zip(mixed, idle)]


def main():
    html, lines = (pathlib.Path(argument) for argument in sys.argv[1:])
    ranks = {}
    for line in lines.read_text().splitlines():
        action = json.loads(line)
        ranks.setdefault(action["rank"], []).append(action)
    ends = {rank: [action["end"] for action in actions] for rank, actions in ranks.items()}
    pick = random.Random(1)
    with Browser() as browser:
        page = browser.open(html, width=1500, height=1300)
        page.evaluate("bigmac.ready.then(() => true)")
        kinds = sorted({action["kind"] for actions in ranks.values() for action in actions})
        colours = {kind: page.evaluate(f"bigmac.colourOf('{kind}')") for kind in kinds}
        idle = page.evaluate("bigmac.idleColour()")
        whole = page.evaluate("bigmac.view()")
        looked = 0
        for zoom in range(4):
            view = page.evaluate("bigmac.view()")
            # The plot's left edge and its pixels a second, from where two actions are drawn.
            a, b = (page.evaluate(f"bigmac.rectOf(0, 0, {place})") for place in (0, len(ranks[0]) - 1))
            per_second = (b["x"] - a["x"]) / (ranks[0][-1]["start"] - ranks[0][0]["start"])
            left = a["x"] + (view["start"] - ranks[0][0]["start"]) * per_second
            width = (view["end"] - view["start"]) * per_second
            for _ in range(60):
                rank, pixel = pick.randrange(len(ranks)), pick.randrange(4, int(width) - 4)
                y = page.evaluate(f"bigmac.rectOf(0, {rank}, 0)")["y"] + 3
                found = page.evaluate(f"bigmac.colourAt(0, {left + pixel + 0.5!r}, {y!r})")
                start = view["start"] + pixel / per_second
                middle = start + 0.5 / per_second
                under = ranks[rank][min(bisect.bisect_right(ends[rank], middle), len(ends[rank]) - 1)]
                if abs(under["end"] - middle) * per_second < 2.5 or abs(under["start"] - middle) * per_second < 1.5:
                    if (under["end"] - under["start"]) * per_second > 4:
                        continue  # the gap between two actions
                # In a far view actions are counted in bins narrower than half a pixel, which a pixel may gain or lose.
                near = [mixture(ranks[rank], ends[rank], colours, idle, start + shift / per_second, start + (shift + 1) / per_second) for shift in (-0.5, -0.25, 0, 0.25, 0.5)]
                low, high = ([f(c) for c in zip(*near)] for f in (min, max))
                if any(not l - 14 <= c <= h + 14 for c, l, h in zip(found, low, high)):
                    mark = min(abs(left + pixel - page.evaluate(f"bigmac.schedules[0].figures.{name}") * per_second - left + view["start"] * per_second) for name in ("bound", "makespan"))
                    if mark > 2:  # the dashed lines of bound and makespan are over everything
                        raise SystemExit(f"error: zoom {zoom}, rank {rank}, pixel {pixel}: {found}, expected {low} to {high}")
                looked += 1
            for _ in range(4):
                page.wheel(left + 0.37 * width, a["y"] + 4, -240)
        while (view := page.evaluate("bigmac.view()"))["end"] - view["start"] > 60 * (ranks[0][3]["end"] - ranks[0][3]["start"]):
            page.wheel(left + 0.37 * width, a["y"] + 4, -240)
        inside = lambda action: view["start"] < action["start"] and action["end"] < view["end"]
        rank, place = next((rank, place) for rank in sorted(ranks, reverse=True) for place, action in enumerate(ranks[rank]) if inside(action))
        rect = page.evaluate(f"bigmac.rectOf(0, {rank}, {place})")
        page.click(rect["x"] + rect["width"] / 2, rect["y"] + rect["height"] / 2)
        selected = page.evaluate("bigmac.selected()")
        expected = ranks[rank][place]
        if not selected or any(selected[key] != expected[key] for key in ("rank", "kind", "microbatch")):
            raise SystemExit(f"error: clicked {expected}, selected {selected}")
        page.key("0", "0")
        if page.evaluate("bigmac.view()") != whole:
            raise SystemExit("error: the key 0 does not show everything")
        if page.problems:
            raise SystemExit(f"error: {page.problems}")
        if looked < 100:
            raise SystemExit(f"error: looked at {looked} pixels only")
        print(f"{sum(map(len, ranks.values()))} actions, {looked} pixels")


if __name__ == "__main__":
    main()
