"""Writes scikit-learn's handwritten digits (8x8 pixels) as training data: `python data.py [FOLDER]`.

A sample is an image of a digit, its caption as tokens, another image of the same digit to be drawn, and the noise and
time of the flow that draws it. Shards are safetensors files; their tensors are named after the inputs of the graph and
have the samples as their first dimension.
"""

import pathlib
import sys

import numpy as np

SAMPLES = 1536
SHARDS = 3
IMAGE_TOKENS = 16
DRAW_TOKENS = 4

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
VOCABULARY = ["<pad>", "<image>", "<draw>", "a", "handwritten", *WORDS, "<end>", "<start>"]
TOKENS = {word: token for token, word in enumerate(VOCABULARY)}
IGNORED = -100


def prompt(digit):
    """The tokens of one sample: start, the image's places, a caption, the places whose states draw the new digit."""
    caption = ["a", "handwritten", WORDS[digit], "<end>"]
    words = ["<start>"] + ["<image>"] * IMAGE_TOKENS + caption + ["<draw>"] * DRAW_TOKENS
    tokens = np.array([TOKENS[word] for word in words], np.int64)
    labels = np.full_like(tokens, IGNORED)
    first = 1 + IMAGE_TOKENS
    labels[first : first + len(caption)] = tokens[first : first + len(caption)]
    return tokens, labels


def pixels(images):
    """scikit-learn's 0..16 as -1..1, with a channel dimension."""
    return (images[:, None] / 8 - 1).astype(np.float32)


def build(samples=SAMPLES, seed=0):
    from sklearn.datasets import load_digits

    digits = load_digits()
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(digits.target))[:samples]
    labels = digits.target[chosen]
    others = np.array([random.choice(np.flatnonzero(digits.target == digit)) for digit in labels])
    tokens = [prompt(digit) for digit in labels]
    images = pixels(digits.images)
    return {
        "images": images[chosen],
        "input_ids": np.stack([ids for ids, _ in tokens]),
        "labels": np.stack([label for _, label in tokens]),
        "targets": images[others],
        "noise": random.standard_normal((samples, 1, 8, 8), np.float32),
        # The logit-normal times of Stable Diffusion 3: more samples in the middle, where the flow is hardest.
        "times": (1 / (1 + np.exp(-random.standard_normal(samples)))).astype(np.float32),
    }


if __name__ == "__main__":
    here = pathlib.Path(__file__).parent
    sys.path.insert(0, str(here.parent))
    from bigmac_reference import save_data

    save_data(build(), sys.argv[1] if len(sys.argv) > 1 else here / "data", SHARDS)
