#!/usr/bin/env python3
"""Opens a report in a browser and compares it with the simulator's other outputs:
`check_page.py PAGE.html ACTIONS.jsonl REPORT.json COSTS.json`, of two schedules, the second slower or equal. Input is real
mouse and keyboard events. Everything that the page must say is computed here from the actions, by docs/Schedules.md.
"""

import collections
import json
import pathlib
import sys

from browser import Browser

SAME = 1e-9  # relative: times travel as multiples of 2^-36 of the whole


def check(condition, *evidence):
    if not condition:
        raise SystemExit("error: " + " ".join(str(each) for each in evidence))


def close(a, b, scale):
    return abs(a - b) <= SAME * scale


def identity(action):
    """What names an action: its rank, kind, chunk (of the LLM's) and microbatch."""
    return action["rank"], action["kind"], action.get("chunk"), action["microbatch"]


def expected_producers(action, ranks, chunks, kinds):
    """What an action waits for, as (rank, kind, chunk, microbatch)."""
    rank, kind, chunk, m = identity(action)
    stages = ranks * chunks
    home = m % ranks  # the rank that runs the microbatch's encoder and generator
    if kind in ("F", "B"):
        stage = chunk * ranks + rank
    at = lambda kind, stage: (stage % ranks, kind, stage // ranks, m)
    if kind == "F":
        return {at("F", stage - 1)} if stage else {(home, "EF", None, m)} & kinds
    if kind == "G":
        return {at("F", stages - 1)}
    if kind == "EB":
        return {(home, "EF", None, m), at("B", 0)}
    if kind == "B":
        after = {at("B", stage + 1)} if stage + 1 < stages else {(home, "G", None, m)} & kinds
        return {at("F", stage)} | after
    return set()


class Checks:
    def __init__(self, page, actions, reports, costs):
        self.page = page
        self.actions = actions
        self.reports = reports
        self.costs = costs
        self.scale = max(report["makespan"] for report in reports)

    def ask(self, call):
        return self.page.evaluate(f"bigmac.{call}")

    def view(self):
        view = self.ask("view()")
        return view["start"], view["end"]

    def actions_are_those_of_the_simulator(self):
        for number, report in enumerate(self.reports):
            mine = self.actions[report["schedule"]]
            for rank in range(report["ranks"]):
                shown = self.ask(f"actions({number}, {rank})")
                emitted = [action for action in mine if action["rank"] == rank]
                check(len(shown) == len(emitted), "rank", rank, "shows", len(shown), "actions, not", len(emitted))
                for theirs, ours in zip(shown, emitted):
                    check(identity(theirs) == identity(ours) and theirs.get("unit") == ours.get("unit"), theirs, "is not", ours)
                    for end in ("start", "end"):
                        check(close(theirs[end], ours[end], self.scale), theirs, "is not at the time of", ours)
                    middle = (ours["start"] + ours["end"]) / 2
                    found = self.ask(f"actionAt({number}, {rank}, {middle!r})")
                    check(found and identity(found) == identity(ours), "at", middle, "is", found, "not", ours)

    def dependencies(self):
        for number, report in enumerate(self.reports):
            mine = self.actions[report["schedule"]]
            kinds = {identity(action) for action in mine}
            consumers = collections.defaultdict(set)
            for action in mine:
                for producer in expected_producers(action, report["ranks"], report["chunks"], kinds):
                    consumers[producer].add(identity(action))
            for rank in range(report["ranks"]):
                on_rank = [action for action in mine if action["rank"] == rank]
                for position, action in enumerate(on_rank):
                    for name, expected in (
                        ("producers", expected_producers(action, report["ranks"], report["chunks"], kinds)),
                        ("consumers", consumers[identity(action)]),
                    ):
                        found = {identity(each) for each in self.ask(f"{name}({number}, {rank}, {position})")}
                        check(found == expected, action, "has the", name, found, "not", expected)

    def critical_path(self):
        """It covers the makespan: each action starts when the one before it has ended, or its result arrived."""
        for number, report in enumerate(self.reports):
            path = self.ask(f"criticalPath({number})")
            check(close(path[0]["start"], 0, self.scale), "the critical path starts with", path[0])
            check(close(path[-1]["end"], report["makespan"], self.scale), "the critical path ends with", path[-1])
            for before, after in zip(path, path[1:]):
                wait = self.costs.get("transfer", 0) if before["rank"] != after["rank"] else 0
                check(close(after["start"], before["end"] + wait, self.scale), after, "does not follow", before)

    def is_drawn(self):
        """Every action that is wide enough has its colour, and every such gap the idle one."""
        wrong = self.page.evaluate(
            """(() => {
              const wrong = [];
              let seen = 0;
              const same = (a, b) => a.every((value, i) => Math.abs(value - b[i]) <= 3);
              bigmac.schedules.forEach((schedule, number) => {
                for (let rank = 0; rank < schedule.ranks; ++rank) {
                  const actions = bigmac.actions(number, rank);
                  actions.forEach((action, position) => {
                    const rect = bigmac.rectOf(number, rank, position);
                    const y = rect.y + 2.5;
                    if (rect.width >= 3 && rect.x > 62 && ++seen) {
                      const found = bigmac.colourAt(number, rect.x + 1.5, y);
                      if (!same(found, bigmac.colourOf(action.kind))) wrong.push([action, found]);
                    }
                    if (position === 0) return;
                    const left = bigmac.rectOf(number, rank, position - 1);
                    const gap = rect.x - left.x - left.width;
                    if (gap >= 5 && ++seen) {
                      const found = bigmac.colourAt(number, left.x + left.width + 2, y);
                      if (!same(found, bigmac.idleColour())) wrong.push(['idle', action, found]);
                    }
                  });
                }
              });
              return { wrong: wrong.slice(0, 5), seen };
            })()"""
        )
        check(wrong["seen"] > 100, "only", wrong["seen"], "actions were wide enough to look at")
        check(not wrong["wrong"], "drawn in another colour:", wrong["wrong"])

    def memory(self):
        for number, report in enumerate(self.reports):
            for rank, peak in enumerate(report["peak_bytes"]):
                memory = self.ask(f"memory({number}, {rank})")
                check(memory["peak"] == peak, "rank", rank, "peaks at", memory["peak"], "bytes, not", peak)
                check(all(value >= 0 for step in memory["steps"] for value in step), "memory below 0")
                check(not any(memory["steps"][-1][1:]), "rank", rank, "ends with", memory["steps"][-1])
                times = [step[0] for step in memory["steps"]]
                check(times == sorted(times), "memory steps out of order")
                most = max(memory["steps"], key=lambda step: sum(step[1:]))
                check(sum(most[1:]) == peak and most[0] == memory["peakTime"], "the peak is at", most)

    def zooms(self):
        first = self.ask("rectOf(0, 1, 4)")
        # The browser gives whole pixels.
        x, y = round(first["x"] + first["width"] / 2), round(first["y"] + first["height"] / 2)
        before = self.view()
        under = lambda: self.page.evaluate(f"(() => {{ const r = bigmac.rectOf(0, 1, 4); return ({x} - r.x) / r.width; }})()")
        share = under()
        check(0 < share < 1, "the mouse is not on the action")
        for _ in range(4):
            self.page.wheel(x, y, -240)
        after = self.view()
        check(after[1] - after[0] < 0.3 * (before[1] - before[0]), "the wheel zoomed from", before, "to", after)
        check(abs(under() - share) < 1e-6, "what was under the mouse moved")
        # Both schedules show the same stretch of time.
        other = self.ask("rectOf(1, 1, 4)")
        mine = self.ask("rectOf(0, 1, 4)")
        durations = [self.ask(f"actions({i}, 1)")[4] for i in (0, 1)]
        ratios = [rect["width"] / (each["end"] - each["start"]) for rect, each in zip((mine, other), durations)]
        check(abs(ratios[0] / ratios[1] - 1) < 1e-9, "the two timelines have different scales", ratios)
        self.is_drawn_here()

        start = self.view()
        self.page.drag(x + 100, y, x - 50, y)
        moved = self.view()
        check(moved[0] > start[0] and close(moved[1] - moved[0], start[1] - start[0], self.scale), "dragged from", start, "to", moved)
        self.page.wheel(x, y, -100, shift=True)
        check(self.view()[0] < moved[0], "shift and wheel went from", moved, "to", self.view())
        self.page.key("ArrowRight")
        self.page.key("+", "+")
        check(self.view()[1] - self.view()[0] < moved[1] - moved[0], "the key + did not zoom")
        self.page.key("0", "0")
        check(self.view() == before, "the key 0 shows", self.view(), "not", before)
        for _ in range(60):
            self.page.wheel(x, y, -240)
        check(0 < self.view()[1] - self.view()[0] <= 1.01e-9 * self.scale, "the closest view is", self.view())
        self.press("[data-do=fit]")
        check(self.view() == before, "Fit shows", self.view(), "not", before)

    def is_drawn_here(self):
        """As is_drawn, for what is seen now: the left edge is cut off."""
        label = self.page.evaluate(
            """(() => {
              const [rank, width] = [1, 3];
              for (const [position, action] of bigmac.actions(0, rank).entries()) {
                const rect = bigmac.rectOf(0, rank, position);
                if (rect.x < 90 || rect.x > 1200 || rect.width < width) continue;
                const found = bigmac.colourAt(0, rect.x + 1.5, rect.y + 2.5);
                if (found.some((value, i) => Math.abs(value - bigmac.colourOf(action.kind)[i]) > 3)) return [action, found];
              }
              return null;
            })()"""
        )
        check(label is None, "zoomed in, drawn in another colour:", label)

    def press(self, selector):
        box = self.page.evaluate(
            f"(() => {{ const b = document.querySelector({json.dumps(selector)}).getBoundingClientRect();"
            " return [b.left + b.width / 2, b.top + b.height / 2]; })()"
        )
        self.page.click(*box)

    def selects(self):
        """A click on an action: it, its producers and its consumers keep their colours, everything else is dimmed."""
        position = next(i for i, action in enumerate(self.ask("actions(0, 2)")) if action["kind"] == "B")
        action = self.ask("actions(0, 2)")[position]
        others = self.ask(f"producers(0, 2, {position})") + self.ask(f"consumers(0, 2, {position})")
        check(len(others) >= 3, action, "has too few neighbours to test with")
        self.ask(f"setView({min(a['start'] for a in others) - 1!r}, {max(a['end'] for a in others) + 1!r})")
        self.page.settle()
        rect = self.ask(f"rectOf(0, 2, {position})")
        self.page.click(rect["x"] + rect["width"] / 2, rect["y"] + rect["height"] / 2)
        selected = self.ask("selected()")
        check(selected and identity(selected) == identity(action), "clicked", action, "and selected", selected)

        text = self.page.evaluate("document.querySelector('.details').textContent")
        names = [self.describe(each) for each in [action, *others]]
        for name in names:
            check(name in text, "the details do not mention", name, ":", text)
        buttons = self.page.evaluate("[...document.querySelectorAll('.details button')].length")
        check(buttons == len(others), buttons, "links, expected", len(others))

        related = {identity(each) for each in [action, *others]}
        for rank in range(self.reports[0]["ranks"]):
            for place, each in enumerate(self.ask(f"actions(0, {rank})")):
                rect = self.ask(f"rectOf(0, {rank}, {place})")
                if rect["width"] < 8 or rect["x"] < 90 or rect["x"] + rect["width"] > 1200:
                    continue
                colours = [self.ask(f"colourAt(0, {rect['x'] + rect['width'] * share!r}, {rect['y'] + rect['height'] - 4!r})") for share in (0.3, 0.5, 0.7)]
                full = any(all(abs(a - b) <= 3 for a, b in zip(colour, self.ask(f"colourOf('{each['kind']}')"))) for colour in colours)
                check(full == (identity(each) in related), each, "is" if full else "is not", "highlighted:", colours)

        # A link leads on, a key to the neighbour on the rank, another away from it all.
        self.press(".details button")
        check(identity(self.ask("selected()")) == identity(others[0]), "the first link leads to", self.ask("selected()"))
        self.page.key(".", ".")
        after = self.ask("selected()")
        check(after["rank"] == others[0]["rank"] and after["position"] == others[0]["position"] + 1, "the key . selects", after)
        self.page.key("Escape")
        check(self.ask("selected()") is None, "Escape left", self.ask("selected()"))
        self.press("[data-do=fit]")

    def describe(self, action):
        what = f"chunk {action['chunk']}" if "chunk" in action else f"unit {action['unit']}"
        return f"{action['kind']}({what}, microbatch {action['microbatch']}) on rank {action['rank']}"

    def shows_a_tooltip(self):
        rect = self.ask("rectOf(0, 0, 0)")
        self.page.mouse("mouseMoved", rect["x"] + rect["width"] / 2, rect["y"] + rect["height"] / 2)
        self.page.settle()
        text = self.page.evaluate("document.getElementById('tooltip').hidden ? '' : document.getElementById('tooltip').textContent")
        name = self.describe(self.ask("actions(0, 0)")[0])
        check(name in text, "the tooltip says", repr(text), "not", name)

    def compares(self):
        cells = lambda: self.page.evaluate("[...document.querySelectorAll('#comparison tbody tr')].map(row => [...row.cells].map(cell => cell.textContent))")
        names = [report["schedule"] for report in self.reports]
        check([row[0] for row in cells()] == names, "the table lists", cells(), "not", names)
        heads = self.page.evaluate("[...document.querySelectorAll('#comparison th')].map(head => head.textContent)")
        for row, report in zip(cells(), self.reports):
            shown = dict(zip(heads, row))
            check(float(shown["Encoder units"]) == report["peak_units"]["encoder"], shown)
            check(float(shown["LLM microbatches"]) == report["peak_llm_microbatches"], shown)
            check(shown["Bubble"] == f"{100 * report['bubble']:.2f}%", shown)
        column = heads.index("Encoder units")
        units = [report["peak_units"]["encoder"] for report in self.reports]
        for wanted in (sorted(units), sorted(units, reverse=True)):
            self.press(f"#comparison th:nth-child({column + 1}) button")
            check([int(row[column]) for row in cells()] == wanted, "sorted by encoder units:", cells())

    def hides_kinds(self):
        rect = self.ask("rectOf(0, 0, 0)")
        kind = self.ask("actions(0, 0)")[0]["kind"]
        look = lambda: self.ask(f"colourAt(0, {rect['x'] + 1.5}, {rect['y'] + 2.5})")
        number = self.page.evaluate(f"[...document.querySelectorAll('#legend button')].findIndex(b => b.querySelector('b').textContent === '{kind}')")
        self.press(f"#legend button:nth-child({number + 1})")
        check(look() == self.ask("idleColour()"), kind, "is hidden and drawn as", look())
        self.press(f"#legend button:nth-child({number + 1})")
        check(look() == self.ask(f"colourOf('{kind}')"), kind, "is shown and drawn as", look())

    def changes_theme(self):
        paper = lambda: self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        light, idle = paper(), self.ask("idleColour()")
        self.press("#theme")
        check(paper() != light and self.ask("idleColour()") != idle, "the dark theme has the light one's colours")
        self.is_drawn()
        self.press("#theme")
        check(paper() == light, "back from the dark theme:", paper())

    def shows_the_critical_path(self):
        path = {identity(action) for action in self.ask("criticalPath(0)")}
        wide = [a for rank in range(self.reports[0]["ranks"]) for a in self.ask(f"actions(0, {rank})") if a["kind"] != "F"]
        on = next(action for action in wide if identity(action) in path)
        off = next(action for action in wide if identity(action) not in path)

        def plain(action):
            rect = self.ask(f"rectOf(0, {action['rank']}, {action['position']})")
            return self.ask(f"colourAt(0, {rect['x'] + 2}, {rect['y'] + 3})") == self.ask(f"colourOf('{action['kind']}')")

        self.page.key("c", "c")
        check(plain(on), on, "is on the critical path and dimmed")
        check(not plain(off), off, "is not on the critical path and not dimmed")
        self.page.key("c", "c")
        check(plain(off), "the critical path does not go away")


def main():
    html, lines, report, costs = (pathlib.Path(argument) for argument in sys.argv[1:])
    actions = collections.defaultdict(list)
    for line in lines.read_text().splitlines():
        action = json.loads(line)
        actions[action["schedule"]].append(action)
    with Browser() as browser:
        page = browser.open(html, width=1400, height=1300)
        page.evaluate("bigmac.ready.then(() => true)")
        checks = Checks(page, actions, json.loads(report.read_text())["schedules"], json.loads(costs.read_text()))
        for name in (
            "actions_are_those_of_the_simulator", "dependencies", "critical_path", "is_drawn", "memory", "zooms", "selects",
            "shows_a_tooltip", "compares", "hides_kinds", "changes_theme", "shows_the_critical_path",
        ):
            getattr(checks, name)()
            print("checked:", name.replace("_", " "))
        check(not page.problems, page.problems)
    print("no complaints, no requests")


if __name__ == "__main__":
    main()
