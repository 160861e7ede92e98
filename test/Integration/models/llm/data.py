"""Sums written out character by character, such as "27+45=72.", padded to one length."""

import numpy as np

SAMPLES = 150
LENGTH = 24
CHARACTERS = " 0123456789+-=.,"
IGNORED = -100


def build(samples=SAMPLES, seed=0):
    random = np.random.default_rng(seed)
    tokens = np.zeros((samples, LENGTH), np.int64)
    labels = np.full((samples, LENGTH), IGNORED, np.int64)
    for row in range(samples):
        text = ""
        # One to three sums, so that microbatches differ in how many tokens count.
        for _ in range(random.integers(1, 4)):
            left, right = random.integers(0, 50, 2)
            text += f"{left}+{right}={left + right},"
        text = text[: LENGTH - 1].rstrip(",") + "."
        ids = [CHARACTERS.index(character) for character in text]
        tokens[row, : len(ids)] = ids
        labels[row, : len(ids)] = ids
    return {"input_ids": tokens, "labels": labels}
