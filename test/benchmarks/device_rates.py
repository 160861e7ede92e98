#!/usr/bin/env python3
"""What one CUDA device achieves: products, attention, an elementwise op and copies, by PyTorch. The `fraction`,
`product_ramp_flops`, `launch_seconds` and `host` of a device description (docs/CostModel.md) are read off its output."""

import torch
import torch.nn.functional as functional


def seconds(run, repeats):
    """Of one run: the median of five timings of `repeats` runs each."""
    for _ in range(5):
        run()
    times = []
    for _ in range(5):
        begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        begin.record()
        for _ in range(repeats):
            run()
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end) / repeats * 1e-3)
    return sorted(times)[2]


def products(dtype):
    shapes = [(2**i,) * 3 for i in range(7, 14)] + [(4096, 4096, 512), (2048, 32000, 2048)]
    for m, n, k in shapes:
        a = torch.randn(m, k, device="cuda", dtype=dtype)
        b = torch.randn(k, n, device="cuda", dtype=dtype)
        c = torch.empty(m, n, device="cuda", dtype=dtype)
        torch.mm(a, b, out=c)
        torch.cuda.synchronize()
        # In a graph, as a compiled step launches them.
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            for _ in range(10):
                torch.mm(a, b, out=c)
        time = seconds(graph.replay, 3) / 10
        print(f"{dtype} product {m} x {n} x {k}: {time:.3g} s, {2 * m * n * k / time / 1e12:.4g} TFLOP/s")


def attention(positions, causal):
    q, k, v = (torch.randn(1, 16, positions, 128, device="cuda", dtype=torch.bfloat16, requires_grad=True) for _ in range(3))

    def forward():
        return functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    with torch.no_grad():
        time = seconds(forward, 20)
    output = forward()
    grad = torch.randn_like(output)
    back = seconds(lambda: torch.autograd.grad(output, (q, k, v), grad, retain_graph=True), 20)
    flops = 4 * 16 * positions**2 * 128 / (2 if causal else 1)
    print(f"bf16 attention of {positions}{', causal' if causal else ''}: {flops / time / 1e12:.4g} TFLOP/s forward, {2.5 * flops / back / 1e12:.4g} backward")


def main():
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    products(torch.bfloat16)
    products(torch.float32)
    for positions, causal in [(1024, True), (4096, True), (8192, True), (4096, False)]:
        attention(positions, causal)
    for count in (1 << 20, 1 << 26, 1 << 29):
        a = torch.randn(count, device="cuda")
        b = torch.empty_like(a)
        print(f"sum of {count} floats and 1: {8 * count / seconds(lambda: torch.add(a, 1, out=b), 20) / 1e12:.4g} TB/s")
    size = 1 << 28
    host = torch.empty(size, pin_memory=True, dtype=torch.uint8)
    device = torch.empty(size, device="cuda", dtype=torch.uint8)
    print(f"from the host: {size / seconds(lambda: device.copy_(host, True), 3) / 1e9:.4g} GB/s")
    print(f"to the host: {size / seconds(lambda: host.copy_(device, True), 3) / 1e9:.4g} GB/s")
    other_host, other = torch.empty_like(host, pin_memory=True), torch.empty_like(device)
    stream = torch.cuda.Stream()

    def both():
        stream.wait_stream(torch.cuda.current_stream())
        device.copy_(host, True)
        with torch.cuda.stream(stream):
            other_host.copy_(other, True)
        torch.cuda.current_stream().wait_stream(stream)

    print(f"both at once: {size / seconds(both, 3) / 1e9:.4g} GB/s each")


if __name__ == "__main__":
    main()
