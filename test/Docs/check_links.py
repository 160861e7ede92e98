#!/usr/bin/env python3
"""Checks that what the documents point at exists: `check_links.py REPO`. Relative links, their #anchors, and paths in
`code` that start with a folder of the repository.
"""

import pathlib
import re
import sys

FOLDERS = "cmake|dialects|docs|examples|include|lib|runtime|scripts|test|tools"


def anchors(path):
    titles = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def problems_of(path, root):
    text = path.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file) if file else path
        if not place.exists():
            yield f"{path}: link to {target}, which does not exist"
        elif anchor and place.suffix == ".md" and anchor not in anchors(place):
            yield f"{path}: {file or path.name} has no heading #{anchor}"
    if path.is_relative_to(root / "runtime"):
        return  # its paths are also those of the build folder
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    for name in re.findall(rf"`((?:{FOLDERS})/[\w./*-]*)`", prose):
        if not list(root.glob(name.rstrip("/"))):
            yield f"{path}: `{name}` does not exist"


def main():
    root = pathlib.Path(sys.argv[1])
    documents = [root / "README.md"]
    documents += [path for folder in ("docs", "examples", "runtime") for path in sorted((root / folder).rglob("*.md"))]
    problems = [problem for document in documents for problem in problems_of(document, root)]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(documents)} documents")


if __name__ == "__main__":
    main()
