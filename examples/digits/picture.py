"""Draws digits with trained weights: `python picture.py WEIGHTS [-o digits.png]`.

Each row starts with an image from the data; then comes what the model says it is, and new digits that it draws.
"""

import argparse
import pathlib
import sys

import numpy as np
import torch
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))

import data  # noqa: E402
import model  # noqa: E402
from bigmac_reference import load_weights  # noqa: E402

CELL, TEXT = 48, 150


def describe(digits_model, images):
    """Writes the caption word by word, each the likeliest; returns the filled prompts."""
    tokens = torch.from_numpy(np.stack([data.prompt(0)[0]] * len(images)))
    caption = np.flatnonzero(data.prompt(0)[1] != data.IGNORED)
    tokens[:, caption] = data.TOKENS["<pad>"]
    for place in caption:
        logits, _ = digits_model.think(images, tokens)
        tokens[:, place] = logits[:, place - 1].argmax(dim=-1)
    return tokens, caption


def draw(digits_model, images, tokens, steps, generator):
    """Follows the flow from noise at time 1 to a digit at time 0, in Euler steps."""
    _, condition = digits_model.think(images, tokens)
    drawn = torch.randn(len(images), 1, 8, 8, generator=generator)
    for step in range(steps):
        times = torch.full((len(images),), 1 - step / steps)
        drawn = drawn - digits_model.velocity(drawn, times, condition) / steps
    return drawn


def tile(pixels):
    values = ((pixels[0].numpy() + 1) * 127.5).clip(0, 255).astype(np.uint8)
    return Image.fromarray(values).resize((CELL - 4, CELL - 4), Image.Resampling.NEAREST)


@torch.no_grad()
def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", help="a .safetensors file, or the folder that --save wrote")
    parser.add_argument("-o", "--output", default="digits.png")
    parser.add_argument("--columns", type=int, default=8, help="new digits a row")
    parser.add_argument("--steps", type=int, default=40, help="Euler steps")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    digits_model = model.build().eval()
    print(f"weights: {load_weights(digits_model, arguments.weights)}")

    digits = load_digits()
    first = [int(np.flatnonzero(digits.target == digit)[-1]) for digit in range(10)]
    images = torch.from_numpy(data.pixels(digits.images[first]))
    tokens, caption = describe(digits_model, images)
    generator = torch.Generator().manual_seed(arguments.seed)
    columns = [draw(digits_model, images, tokens, arguments.steps, generator) for _ in range(arguments.columns)]

    picture = Image.new("L", (CELL * (1 + arguments.columns) + TEXT, CELL * 10), 255)
    pen = ImageDraw.Draw(picture)
    for row in range(10):
        words = [data.VOCABULARY[token] for token in tokens[row, caption]]
        picture.paste(tile(images[row]), (2, row * CELL + 2))
        pen.text((CELL + 4, row * CELL + CELL // 2 - 6), " ".join(words).removesuffix(" <end>"), fill=0)
        for column, drawn in enumerate(columns):
            picture.paste(tile(drawn[row]), (CELL * (1 + column) + TEXT + 2, row * CELL + 2))
    picture.save(arguments.output)
    print(f"picture: {arguments.output}")


if __name__ == "__main__":
    main()
