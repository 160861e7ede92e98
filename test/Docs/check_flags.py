#!/usr/bin/env python3
"""Compares docs/CommandLine.md with what the programs' --help lists, both ways, and the defaults that --help shows:
`check_flags.py REPO`. The options of a section are the first cells of its table. The programs are those in PATH, and a
training executable that is compiled here, in the current folder.
"""

import pathlib
import re
import subprocess
import sys

# Every program has them; they need no line of their own.
GENERIC = {"--help", "--help-list", "--version"}


def section_of(text, title):
    match = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if not match:
        sys.exit(f"error: no section '{title}'")
    return match[1]


def documented(section):
    """Option -> default, as the table says."""
    options = {}
    for line in section.splitlines():
        if not line.startswith("| `-"):
            continue
        cells = [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
        name = re.match(r"--?[A-Za-z][\w-]*", cells[0].strip("| `"))[0]
        if name in options:
            sys.exit(f"error: {name} is in the table twice")
        options[name] = cells[1]
    return options


def listed(help_text):
    """Option -> default where the help shows one, else None."""
    options = {}
    for line in help_text.splitlines():
        match = re.match(r"\s+(?:-\w,)?(--?[A-Za-z][\w-]*)(.*)", line)
        if match:
            left = re.split(r"\s{2,}|\s-\s(?!\d)", match[2])[0]
            value = re.search(r"(?:^| )[^<=]\S*?=(\S+)", left.split(" Needs:")[0].replace(" in [", "in["))
            bounded = re.search(r"\]=(\S+)", left)
            options[match[1]] = bounded[1] if bounded else value[1] if value else None
    return options


def same(documented_default, default):
    try:
        return float(documented_default) == float(default)
    except ValueError:
        return documented_default == default


def check(section, title, program):
    ours = documented(section)
    done = subprocess.run([program, "--help"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {program} --help ended with {done.returncode}: {done.stderr}")
    theirs = {name: value for name, value in listed(done.stdout).items() if name not in GENERIC}
    if len(theirs) < 3:
        sys.exit(f"error: read only {sorted(theirs)} from {program} --help")
    problems = [f"{title}: {name} is documented, but --help does not list it" for name in sorted(ours.keys() - theirs.keys())]
    problems += [f"{title}: --help lists {name}, which is not documented" for name in sorted(theirs.keys() - ours.keys())]
    problems += [
        f"{title}: {name}: the documented default is '{ours[name]}', --help says {default}"
        for name, default in theirs.items()
        if default is not None and name in ours and not same(ours[name], default)
    ]
    if not problems:
        print(f"{title}: {len(ours)} options, {sum(default is not None for default in theirs.values())} defaults")
    return problems


def main():
    root = pathlib.Path(sys.argv[1])
    text = (root / "docs" / "CommandLine.md").read_text()
    model = root / "test" / "Integration" / "models" / "llm" / "model.onnx"
    subprocess.run(["bigmac-opt", model, "-o", "train"], check=True)
    programs = {name: name for name in ("bigmac-opt", "bigmac-sim", "bigmac-memplan", "bigmac-interpret")} | {"train": "./train"}
    problems = [problem for title, program in programs.items() for problem in check(section_of(text, title), title, program)]
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
