#!/usr/bin/env python3
"""Checks placements pair by pair: check_placement.py CAPACITY (INPUT.csv OUTPUT.csv)..."""

import csv
import sys


def main():
    capacity = int(sys.argv[1])
    for source, result in zip(sys.argv[2::2], sys.argv[3::2]):
        before, after = (list(csv.DictReader(open(name, newline=""))) for name in (source, result))
        kept = [{name: text for name, text in row.items() if name != "offset"} for row in after]
        assert kept == before, f"{result}: the input's columns changed"
        rows = [tuple(int(row[name]) for name in ("lower", "upper", "size", "offset")) for row in after]
        for i, (lower, upper, size, offset) in enumerate(rows):
            assert 0 <= offset and offset + size <= capacity, f"{result}: row {i} is out of bounds"
            for j, (lower2, upper2, size2, offset2) in enumerate(rows[:i]):
                together = lower < upper2 and lower2 < upper
                assert not (together and offset < offset2 + size2 and offset2 < offset + size), f"{result}: rows {j} and {i} overlap"


if __name__ == "__main__":
    main()
