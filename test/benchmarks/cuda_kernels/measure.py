#!/usr/bin/env python3
"""Checks generated kernels against float64 and times them against a device copy and PyTorch.

    measure.py TASKS.mlir KERNELS.cubin

TASKS.mlir is what `bigmac-opt kernels.mlir --cuda-task-pipeline` prints, KERNELS.cubin the device code
of its `gpu.module` (build.py makes both, on a machine without a GPU). Inputs are random; outputs are
poisoned with NaN before they are checked. Times are medians over device events; the share is of the
bytes a second that a device copy reaches in the same run, counting each input read and each output
written once.
"""

import ctypes
import re
import sys

import torch
import torch.nn.functional as F

DTYPES = {"bf16": torch.bfloat16, "f32": torch.float32, "i64": torch.int64}


def check(code, what):
    if code:
        sys.exit(f"{what} failed with CUDA driver error {code}")


class Tasks:
    """The tasks of a module, run as their launches say."""

    def __init__(self, text, image):
        torch.zeros(1, device="cuda")  # PyTorch's context is the one used.
        self.cuda = ctypes.CDLL("libcuda.so.1")
        self.module = ctypes.c_void_p()
        check(self.cuda.cuModuleLoadData(ctypes.byref(self.module), image), "loading the kernels")
        self.bodies = {}
        for name, arguments, body in re.findall(
                r"func\.func @(\w+)\((.*?)\) \{\n(.*?)\n  \}", text, re.S):
            self.bodies[name] = (re.findall(r"(%\w+): memref<([\dx]*)(\w+)>", arguments), body)

    def kernel(self, name):
        function = ctypes.c_void_p()
        check(self.cuda.cuModuleGetFunction(ctypes.byref(function), self.module, name.encode()),
              f"finding {name}")
        return function

    def prepare(self, name, *buffers):
        """A function that launches task `name` on tensors, one for each of its arguments."""
        arguments, body = self.bodies[name]
        assert len(arguments) == len(buffers), (name, len(arguments), len(buffers))
        values, launches, keep = {}, [], []
        for (value, shape, dtype), buffer in zip(arguments, buffers):
            expected = [int(size) for size in shape.split("x") if size]
            assert list(buffer.shape) == expected and buffer.dtype == DTYPES[dtype], (name, value)
            values[value] = buffer
        for line in body.splitlines():
            if match := re.search(r"(%\S+) = arith.constant (\d+) : index", line):
                values[match[1]] = int(match[2])
            elif match := re.search(r"(%\S+) = memref.alloc\(\).*memref<([\dx]*)x(\w+)>", line):
                shape = [int(size) for size in match[2].split("x")]
                values[match[1]] = torch.full(shape, float("nan"), dtype=DTYPES[match[3]],
                                              device="cuda")
            elif match := re.search(r"(%\S+) = memref.subview (%\w+)\[", line):
                values[match[1]] = values[match[2]]  # a kernel's type has the offset
            elif match := re.search(r"launch_func\s+@kernels::@(\w+) blocks in \((\S+?),.*threads in "
                                    r"\((\S+?),.*args\((.*)\)", line):
                pointers = [ctypes.c_void_p(values[v].data_ptr())
                            for v in re.findall(r"(%\w+) : memref", match[4])]
                addresses = (ctypes.c_void_p * len(pointers))(
                    *[ctypes.addressof(pointer) for pointer in pointers])
                keep.append((pointers, values))
                launches.append((self.kernel(match[1]), values[match[2]], values[match[3]],
                                 addresses))
            elif line.strip() not in ("", "return"):
                sys.exit(f"{name}: cannot run: {line.strip()}")

        def run():
            stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
            for function, blocks, threads, addresses in launches:
                check(self.cuda.cuLaunchKernel(function, blocks, 1, 1, threads, 1, 1, 0, stream,
                                               addresses, None), f"launching {name}")
        run.keep = keep
        return run


def seconds(function, runs=40):
    for _ in range(5):
        function()
    torch.cuda.synchronize()
    events = []
    for _ in range(runs):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        function()
        end.record()
        events.append((begin, end))
    torch.cuda.synchronize()
    return sorted(begin.elapsed_time(end) for begin, end in events)[runs // 2] / 1e3


def error(actual, expected):
    return ((actual.double() - expected).norm() / expected.norm()).item()


def rotary(x, cos, sin):
    """Of [batch, position, head, size], as [batch, head, position, size], in the tables' type."""
    x = x.transpose(1, 2).to(cos.dtype)
    low, high = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-high, low], dim=-1) * sin


def main():
    tasks = Tasks(open(sys.argv[1]).read(), open(sys.argv[2], "rb").read())
    device = dict(device="cuda")
    rows, columns = 16384, 4096
    x, g, d = (torch.randn(rows, columns, **device).bfloat16() for _ in range(3))
    scale = (1 + 0.1 * torch.randn(columns, **device)).bfloat16()
    bias = (0.1 * torch.randn(columns, **device)).bfloat16()
    whole = x.numel() * 2

    def poisoned(like, dtype=None):
        return torch.full_like(like, float("nan"), dtype=dtype)

    def per_row():
        return torch.full((rows,), float("nan"), **device)

    copy = torch.empty_like(x)
    rate = 2 * whole / seconds(lambda: copy.copy_(x))
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}; device copy "
          f"{rate / 1e12:.2f} TB/s")
    print(f"{'task':24}{'us':>8}{'of copy':>9}{'eager us':>10}{'compile us':>12}{'ratio':>7}"
          "   relative errors")

    def report(name, buffers, results, bytes_moved, eager):
        """results: (tensor, expected float64, most error)."""
        run = tasks.prepare(name, *buffers)
        run()
        errors = [error(actual, expected) for actual, expected, _ in results]
        for value, (_, _, most) in zip(errors, results):
            if not value <= most:
                sys.exit(f"{name}: relative error {value} is above {most}")
        ours = seconds(run)
        theirs = [seconds(eager(lambda f: f)), seconds(eager(torch.compile))]
        print(f"{name:24}{ours * 1e6:8.1f}{bytes_moved / ours / rate:9.0%}{theirs[0] * 1e6:10.1f}"
              f"{theirs[1] * 1e6:12.1f}{min(theirs) / ours:7.2f}   "
              + " ".join(f"{value:.1e}" for value in errors), flush=True)

    def backward(forward, inputs, gradient):
        """PyTorch's backward of `forward`, compiled or not."""
        def make(wrap):
            leaves = [tensor.detach().clone().requires_grad_() for tensor in inputs]
            out = wrap(forward)(*leaves)
            return lambda: torch.autograd.grad(out, leaves, gradient, retain_graph=True)
        return make

    def plain(function, *arguments):
        def make(wrap):
            wrapped = wrap(function)
            return lambda: wrapped(*arguments)
        return make

    BF16, FP32 = 2.5e-3, 1e-5
    xd, gd, sd = x.double(), g.double(), scale.double()
    rstd = (xd.pow(2).mean(1) + 1e-5).rsqrt()
    y, r = poisoned(x), per_row()
    rms = lambda a, w: F.rms_norm(a, (columns,), w, 1e-5)
    with torch.no_grad():
        report("rmsnorm", (x, scale, y, r),
               [(y, xd * rstd[:, None] * sd, BF16), (r, rstd, FP32)], 2 * whole,
               plain(rms, x, scale))
        hd = xd + d.double()
        hr = (hd.pow(2).mean(1) + 1e-5).rsqrt()
        h, y2, r2 = poisoned(x), poisoned(x), per_row()

        def residual(a, b, w):
            s = a + b
            return s, rms(s, w)
        report("residual_rmsnorm", (x, d, scale, h, y2, r2),
               [(h, hd, BF16), (y2, hd * hr[:, None] * sd, BF16), (r2, hr, FP32)], 4 * whole,
               plain(residual, x, d, scale))
        del hd, hr, h, y2
    gs = gd * sd
    dx, dscale = poisoned(x), torch.randn(columns, **device)
    expected = dscale.double() + (gd * xd * rstd[:, None]).sum(0)
    report("rmsnorm_backward", (x, scale, rstd.float(), g, dscale, dx),
           [(dx, rstd[:, None] * (gs - xd * rstd[:, None] ** 2 * (gs * xd).mean(1, keepdim=True)),
             BF16), (dscale, expected, FP32)], 3 * whole, backward(rms, (x, scale), g))

    mean, rstd = xd.mean(1), (xd.var(1, unbiased=False) + 1e-5).rsqrt()
    normal = (xd - mean[:, None]) * rstd[:, None]
    layer = lambda a, w, b: F.layer_norm(a, (columns,), w, b, 1e-5)
    y, m, r = poisoned(x), per_row(), per_row()
    with torch.no_grad():
        report("layernorm", (x, scale, bias, y, m, r),
               [(y, normal * sd + bias.double(), BF16), (m, mean, 1e-4), (r, rstd, FP32)],
               2 * whole, plain(layer, x, scale, bias))
    dscale, dbias = torch.randn(columns, **device), torch.randn(columns, **device)
    expected = [dscale.double() + (normal * gd).sum(0), dbias.double() + gd.sum(0)]
    report("layernorm_backward",
           (x, scale, mean.float(), rstd.float(), g, dscale, dbias, dx.fill_(float("nan"))),
           [(dx, rstd[:, None] * (gs - gs.mean(1, keepdim=True)
                                  - normal * (gs * normal).mean(1, keepdim=True)), BF16),
            (dscale, expected[0], FP32), (dbias, expected[1], FP32)], 3 * whole,
           backward(layer, (x, scale, bias), g))
    del xd, gs, normal
    sums = torch.randn(columns, **device)
    report("bias_gradient", (g, sums), [(sums, sums.double() + gd.sum(0), FP32)], whole,
           plain(lambda a: a.sum(0, dtype=torch.float32), g))
    del gd
    large = torch.randn(4 * rows, columns, **device).bfloat16()
    report("bias_gradient_large", (large, sums), [(sums, sums.double() + large.double().sum(0), FP32)],
           4 * whole, plain(lambda a: a.sum(0, dtype=torch.float32), large))
    del large
    logits = 3 * torch.randn(4096, 32000, **device).bfloat16()
    out = poisoned(logits)
    with torch.no_grad():
        report("softmax", (logits, out), [(out, logits.double().softmax(1), BF16)],
               4 * logits.numel(), plain(lambda a: a.softmax(1), logits))
    u, v = (torch.randn(rows, 5632, **device).bfloat16() for _ in range(2))
    out = poisoned(u)
    with torch.no_grad():
        report("swiglu", (u, v, out),
               [(out, u.double() * torch.sigmoid(u.double()) * v.double(), BF16)], 6 * u.numel(),
               plain(lambda a, b: F.silu(a) * b, u, v))
        q = torch.randn(4, 2048, 32, 128, **device).bfloat16()
        out = torch.full((4, 32, 2048, 128), float("nan"), dtype=q.dtype, **device)
        report("transpose", (q, out), [(out, q.transpose(1, 2).double(), 0)], 4 * q.numel(),
               plain(lambda a: a.transpose(1, 2).contiguous(), q))
        q = torch.randn(8, 4096, 16, 128, **device).bfloat16()
        angles = torch.randn(4096, 64, **device).repeat(1, 2)
        cos, sin = angles.cos(), angles.sin()
        out = torch.full((8, 16, 4096, 128), float("nan"), dtype=q.dtype, **device)
        report("rotary", (q, cos, sin, out), [(out, rotary(q, cos.double(), sin.double()), BF16)],
               4 * q.numel(), plain(lambda *a: rotary(*a).bfloat16().contiguous(), q, cos, sin))


if __name__ == "__main__":
    main()
