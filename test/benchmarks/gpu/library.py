"""Compares a program's matrix products and attentions with the same calls alone, by PyTorch on the same GPU.

    BIGMAC_CUDA_LISTS=time PROGRAM ... 2>times.txt && python library.py times.txt

The program's times are means over a run, each call between two events, beside whatever else a step does to clocks and
caches. Alone, a call is repeated between two events as well: products by torch.mm, addmm and linear (cuBLASLt, the
algorithm that it proposes), attention by cuDNN through scaled_dot_product_attention. The ratio is the time alone over the
program's, of all calls of the run; above 1 the program is faster.
"""

import re
import sys
import warnings

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

RUNS = 40
SLEEP_CYCLES = 50_000_000  # some 30 ms
DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32}


def seconds(call):
    for _ in range(5):
        call()
    # The GPU waits until all calls are there: else their times would be the host's.
    torch.cuda._sleep(SLEEP_CYCLES)
    events = []
    for _ in range(RUNS):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        call()
        end.record()
        events.append((begin, end))
    torch.cuda.synchronize()
    return sum(begin.elapsed_time(end) for begin, end in events) / RUNS / 1e3


def random(*shape, dtype=torch.bfloat16, grad=False):
    return torch.randn(*shape, device="cuda", dtype=dtype).requires_grad_(grad)


def matmul(text):
    """The call that a description names; None for one that has no counterpart here."""
    m, n, k = map(int, re.search(r"matmul (\d+) x (\d+) x (\d+)", text).groups())
    dtype = DTYPES.get(re.search(r"\), (\w+)", text)[1])
    if dtype is None or "batch" in text or "into" in text or "gelu" in text or "sums" in text:
        return None
    a = random(k, m, dtype=dtype).t() if "transposed A" in text else random(m, k, dtype=dtype)
    b = random(n, k, dtype=dtype).t() if "transposed B" in text else random(k, n, dtype=dtype)
    if "bias" in text:
        bias = random(n, dtype=dtype)
        return lambda: torch.addmm(bias, a, b)
    c = random(m, n, dtype=dtype)
    if "beta 1" in text:
        return lambda: c.addmm_(a, b)
    return lambda: torch.mm(a, b, out=c)


def attention(text):
    batch, heads, queries, depth = map(int, re.search(r"of (\d+) x (\d+) x (\d+) x (\d+)", text).groups())
    keys = int(re.search(r"on (\d+) keys", text)[1])
    shared = re.search(r"keys of (\d+) heads", text)
    key_heads = int(shared[1]) if shared else heads
    if "mask" in text or "bf16" not in text:
        return None
    backward = "backward" in text
    q = random(batch, queries, heads, depth, grad=backward)
    k, v = (random(batch, keys, key_heads, depth, grad=backward) for _ in range(2))

    def forward():
        with sdpa_kernel(SDPBackend.CUDNN_ATTENTION):
            return F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2),
                                                  is_causal="causal" in text, enable_gqa=key_heads != heads)

    if not backward:
        return forward
    out = forward()
    gradient = torch.randn_like(out)
    return lambda: torch.autograd.grad(out, (q, k, v), gradient, retain_graph=True)


def main():
    warnings.simplefilter("ignore")
    calls = {}
    for line in open(sys.argv[1]):
        fields = line.rstrip("\n").split("\t")
        if len(fields) == 5 and ("matmul" in fields[4] or "attention" in fields[4]):
            name, text = fields[4].split(": ", 1)
            entry = calls.setdefault(("backward of " if "backward" in name else "") + text, [0, 0])
            entry[0] += float(fields[0])
            entry[1] += int(fields[1])
    if not calls:
        sys.exit(f"{sys.argv[1]}: no matrix products or attentions; is it what a program printed with BIGMAC_CUDA_LISTS=time?")
    print(torch.cuda.get_device_name(), "PyTorch", torch.__version__)
    print(f"{'all s':>8}{'calls':>8}{'us':>9}{'alone us':>10}{'ratio':>7}  call")
    totals = {}
    for text, (total, count) in sorted(calls.items(), key=lambda item: -item[1][0]):
        kind = "attention" if "attention" in text else "matrix products"
        try:
            call = (attention if kind == "attention" else matmul)(text)
            alone = seconds(call) if call else None
        except RuntimeError as error:
            call, alone = None, None
            text += f" ({str(error).splitlines()[0]})"
        if alone is None:
            print(f"{total:8.3f}{count:8}{total / count * 1e6:9.1f}{'-':>10}{'':>7}  {text}")
            continue
        sums = totals.setdefault(kind, [0, 0])
        sums[0] += total
        sums[1] += alone * count
        print(f"{total:8.3f}{count:8}{total / count * 1e6:9.1f}{alone * 1e6:10.1f}{alone / (total / count):7.2f}  {text}",
              flush=True)
    for kind, (ours, alone) in totals.items():
        print(f"{kind}: {ours:.3f} s, alone {alone:.3f} s, ratio {alone / ours:.3f}")


if __name__ == "__main__":
    main()
