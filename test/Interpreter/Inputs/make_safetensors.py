"""Writes a safetensors file: make_safetensors.py FILE [NAME:DTYPE:SHAPE=VALUES]...

SHAPE is sizes joined by x (empty for a scalar), VALUES numbers joined by commas, or one for all.
"""
import json
import struct
import sys

FORMATS = {"F64": "d", "F32": "f", "F16": "e", "I64": "q", "I32": "i", "I16": "h", "I8": "b",
           "U64": "Q", "U32": "I", "U16": "H", "U8": "B", "BOOL": "?"}


def encode(dtype, values):
    if dtype == "BF16":  # the upper half of an f32; the tests' values need no rounding
        return b"".join(struct.pack("<f", v)[2:] for v in values)
    convert = float if dtype.startswith("F") else int
    return b"".join(struct.pack("<" + FORMATS[dtype], convert(v)) for v in values)


header, data = {}, b""
for spec in sys.argv[2:]:
    description, values = spec.split("=")
    name, dtype, sizes = description.rsplit(":", 2)
    shape = [int(size) for size in sizes.split("x")] if sizes else []
    count = 1
    for size in shape:
        count *= size
    numbers = [float(v) if "." in v or "n" in v else int(v) for v in values.split(",")]
    numbers = numbers * count if len(numbers) == 1 else numbers
    assert len(numbers) == count, f"{name}: {len(numbers)} values for shape {shape}"
    chunk = encode(dtype, numbers)
    header[name] = {"dtype": dtype, "shape": shape,
                    "data_offsets": [len(data), len(data) + len(chunk)]}
    data += chunk
text = json.dumps(header).encode()
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + data)
