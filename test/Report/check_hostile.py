#!/usr/bin/env python3
"""`check_hostile.py COSTS.json FOLDER`: makes reports of cost files with hostile names, opens them, and looks at the title."""

import pathlib
import shutil
import subprocess
import sys

from browser import Browser

NAMES = [
    "<img src=x onerror=window.hurt=1>.json",
    "\"><script>window.hurt=1<script><svg onload=window.hurt=1>.json",
    "{{script}}{{data}}{{title}}<!--<script>&amp;&#39;'.json",
    "\u202ereversed \u2028 \\u003cscript\\u003e.json",
]


def main():
    costs, folder = (pathlib.Path(argument) for argument in sys.argv[1:])
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with Browser() as browser:
        for number, name in enumerate(NAMES):
            shutil.copy(costs, folder / name)
            report = folder / f"{number}.html"
            subprocess.run(["bigmac-sim", folder / name, "--ranks=2", f"--report={report}"], check=True, stdout=subprocess.DEVNULL)
            page = browser.open(report)
            page.evaluate("bigmac.ready.then(() => true)")
            page.settle()
            for where in ("document.title", "document.querySelector('h1').textContent"):
                found = page.evaluate(where)
                if not found.startswith(name):
                    raise SystemExit(f"error: {where} is {found!r}, expected {name!r}")
            if page.evaluate("window.hurt") is not None or page.problems:
                raise SystemExit(f"error: {name!r}: hurt is {page.evaluate('window.hurt')}, {page.problems}")
    # A name that is not UTF-8 still gives a page.
    odd = bytes(folder) + b"/\xff\xfe<b>.json"
    shutil.copy(costs, odd)
    subprocess.run([b"bigmac-sim", odd, b"--report=" + bytes(folder) + b"/odd.html"], check=True, stdout=subprocess.DEVNULL)
    if b"\xff<b>" in (folder / "odd.html").read_bytes():
        raise SystemExit("error: markup of a name that is not UTF-8 is in the page")
    print(len(NAMES), "names")


if __name__ == "__main__":
    main()
