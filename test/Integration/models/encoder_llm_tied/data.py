"""scikit-learn's handwritten digits, each with a caption of a few tokens after the image's places."""

import numpy as np
from sklearn.datasets import load_digits

SAMPLES = 130
IMAGE_TOKENS = 16
IGNORED = -100
# 0 to 9 stand for the digits themselves.
IMAGE, START, THIS_IS, EVEN, ODD, END = range(10, 16)
VOCABULARY = 16
LENGTH = 1 + IMAGE_TOKENS + 4


def build(samples=SAMPLES, seed=0):
    digits = load_digits()
    chosen = np.random.default_rng(seed).permutation(len(digits.target))[:samples]
    tokens = np.full((samples, LENGTH), IMAGE, np.int64)
    tokens[:, 0] = START
    labels = np.full((samples, LENGTH), IGNORED, np.int64)
    for row, digit in enumerate(digits.target[chosen]):
        tokens[row, 1 + IMAGE_TOKENS :] = THIS_IS, digit, ODD if digit % 2 else EVEN, END
    labels[:, 2 + IMAGE_TOKENS :] = tokens[:, 2 + IMAGE_TOKENS :]
    images = (digits.images[chosen][:, None] / 8 - 1).astype(np.float32)
    return {"images": images, "input_ids": tokens, "labels": labels}
