// FLOPs and bytes of each op, by the shapes; seconds are the larger of FLOPs and bytes over the device's rates, and a launch.
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-report-costs)' --verify-diagnostics -o /dev/null
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-report-costs{device=h100})' 2>&1 | FileCheck %s

// 2mnk: 2 batches of [8, 16] x [16, 4].
// On an H100 so small a product takes a launch of 2.4 us and the ramp of 3e8 FLOPs at 0.72 of 67 TFLOP/s.
// CHECK: remark: 2048 flops, 1536 bytes, 8.619e-06 s
func.func @matmul(%a: tensor<2x8x16xf32>, %b: tensor<16x4xf32>, %c: tensor<16x8xf32>, %d: tensor<4x16xf32>) {
  // expected-remark @+1 {{2048 flops, 1536 bytes, 1.192e-06 s}}
  %0 = nn.matmul %a, %b : tensor<2x8x16xf32>, tensor<16x4xf32>
  // expected-remark @+1 {{1024 flops, 896 bytes}}
  %1 = nn.matmul %c transposed, %d transposed : tensor<16x8xf32>, tensor<4x16xf32>
  return
}

// Each of 2 x 6 x 4 x 4 results sums 3 x 2 x 2 products.
func.func @conv(%x: tensor<2x6x8x8xf32>, %f: tensor<6x3x2x2xf32>) {
  // expected-remark @+1 {{4608 flops, 4128 bytes}}
  %0 = nn.conv %x, %f strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 2 : tensor<2x6x8x8xf32>, tensor<6x3x2x2xf32>
  return
}

// 2 heads x 8 queries x 8 keys, 2 FLOPs for each of 16 + 16 numbers. A causal mask leaves 36 of 64 pairs.
// The backward has 5 products where the forward has 2.
func.func @attention(%q: tensor<1x2x8x16xf32>, %k: tensor<1x2x8x16xf32>, %v: tensor<1x2x8x16xf32>, %l: tensor<1x2x8xf32>) {
  // expected-remark @+1 {{8192 flops, 4160 bytes}}
  %0:2 = nn.attention %q, %k, %v scale 0.25 : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>
  // expected-remark @+1 {{4608 flops, 4160 bytes}}
  %1:2 = nn.attention causal %q, %k, %v scale 0.25 : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>
  // expected-remark @+1 {{11520 flops, 6208 bytes}}
  %2:3 = nn.attention_backward causal %q, %k, %v, %q, %l, %q scale 0.25 : tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8x16xf32>, tensor<1x2x8xf32>, tensor<1x2x8x16xf32>
  return
}

// More keys than queries, as in decoding: query i sees i + 1 + 6 of 8 keys. More queries than keys: the first see none.
func.func @uneven_attention(%q: tensor<1x1x2x4xf32>, %k: tensor<1x1x8x4xf32>) {
  // expected-remark @+1 {{240 flops}}
  %0:2 = nn.attention causal %q, %k, %k scale 0.5 : tensor<1x1x2x4xf32>, tensor<1x1x8x4xf32>, tensor<1x1x8x4xf32>
  // expected-remark @+1 {{48 flops}}
  %1:2 = nn.attention causal %k, %q, %q scale 0.5 : tensor<1x1x8x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>
  return
}

func.func @norms(%x: tensor<4x8xf32>, %s: tensor<8xf32>, %r: tensor<4xf32>) {
  // expected-remark @+1 {{224 flops, 320 bytes}}
  %0:3 = nn.layer_norm %x scale %s : tensor<8xf32> bias %s : tensor<8xf32> epsilon 1.0e-5 : tensor<4x8xf32>
  // expected-remark @+1 {{160 flops, 288 bytes}}
  %1:3 = nn.layer_norm %x epsilon 1.0e-5 : tensor<4x8xf32>
  // expected-remark @+1 {{320 flops, 304 bytes}}
  %2 = nn.layer_norm_backward %x, %r, %r, %x scale %s : tensor<8xf32> : tensor<4x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4x8xf32>
  // expected-remark @+1 {{128 flops, 304 bytes}}
  %3:2 = nn.rms_norm %x scale %s : tensor<8xf32> epsilon 1.0e-5 : tensor<4x8xf32>
  // expected-remark @+1 {{192 flops, 304 bytes}}
  %4 = nn.rms_norm_backward %x, %r, %x scale %s : tensor<8xf32> : tensor<4x8xf32>, tensor<4xf32>, tensor<4x8xf32>
  return
}

// A transcendental function counts 10.
func.func @activations(%x: tensor<4x8xf32>) {
  // expected-remark @+1 {{448 flops, 256 bytes}}
  %0 = nn.softmax %x : tensor<4x8xf32>
  // expected-remark @+1 {{448 flops, 256 bytes}}
  %1 = nn.log_softmax %x : tensor<4x8xf32>
  // expected-remark @+1 {{416 flops, 256 bytes}}
  %2 = nn.sigmoid %x : tensor<4x8xf32>
  // expected-remark @+1 {{448 flops, 256 bytes}}
  %3 = nn.silu %x : tensor<4x8xf32>
  // expected-remark @+1 {{448 flops, 256 bytes}}
  %4 = nn.gelu %x : tensor<4x8xf32>
  // expected-remark @+1 {{576 flops, 256 bytes}}
  %5 = nn.gelu tanh %x : tensor<4x8xf32>
  // expected-remark @+1 {{896 flops, 256 bytes}}
  %g = nn.gelu_backward %x, %x : tensor<4x8xf32>, tensor<4x8xf32>
  // expected-remark @+1 {{864 flops, 256 bytes}}
  %h = nn.gelu_backward tanh %x, %x : tensor<4x8xf32>, tensor<4x8xf32>
  // expected-remark @+1 {{320 flops, 256 bytes}}
  %6 = math.exp %x : tensor<4x8xf32>
  // expected-remark @+1 {{32 flops, 256 bytes}}
  %7 = math.sqrt %x : tensor<4x8xf32>
  return
}

// A lookup reads 6 rows of 8 numbers, not the table; its backward writes the table and adds to rows.
func.func @lookups(%t: tensor<100x8xf32>, %i: tensor<6xi64>, %g: tensor<6x8xf32>, %x: tensor<4x8xf32>, %j: tensor<4x2xi64>, %h: tensor<4x2xf32>) {
  // expected-remark @+1 {{0 flops, 432 bytes}}
  %0 = nn.embedding %t, %i : tensor<100x8xf32>, tensor<6xi64>
  // expected-remark @+1 {{48 flops, 3824 bytes}}
  %1 = nn.embedding_backward %i, %g : tensor<6xi64>, tensor<6x8xf32> -> tensor<100x8xf32>
  // expected-remark @+1 {{0 flops, 128 bytes}}
  %2 = nn.gather_elements %x, %j : tensor<4x8xf32>, tensor<4x2xi64>
  // expected-remark @+1 {{8 flops, 288 bytes}}
  %3 = nn.gather_elements_backward %j, %h : tensor<4x2xi64>, tensor<4x2xf32> -> tensor<4x8xf32>
  return
}

func.func @losses(%x: tensor<4x8xf32>, %y: tensor<4xi64>, %l: tensor<4xf32>, %g: tensor<f32>) {
  // expected-remark @+1 {{416 flops, 180 bytes}}
  %0:2 = nn.cross_entropy %x, %y : tensor<4x8xf32>, tensor<4xi64>
  // expected-remark @+1 {{416 flops, 308 bytes}}
  %1 = nn.cross_entropy_backward %x, %y, %l, %g : tensor<4x8xf32>, tensor<4xi64>, tensor<4xf32>, tensor<f32>
  return
}

// Views, constants and what only names memory take no time. A slice is copied alone.
func.func @movement(%x: tensor<4x8xf32>) {
  // expected-remark @+1 {{0 flops, 256 bytes}}
  %0 = nn.transpose %x [1, 0] : tensor<4x8xf32>
  %1 = tensor.collapse_shape %x [[0, 1]] : tensor<4x8xf32> into tensor<32xf32>
  // expected-remark @+1 {{0 flops, 64 bytes}}
  %2 = tensor.extract_slice %x[0, 0] [2, 4] [1, 1] : tensor<4x8xf32> to tensor<2x4xf32>
  // expected-remark @+1 {{0 flops, 64 bytes}}
  %3 = tensor.insert_slice %2 into %x[0, 0] [2, 4] [1, 1] : tensor<2x4xf32> into tensor<4x8xf32>
  // expected-remark @+1 {{0 flops, 384 bytes}}
  %4 = tensor.concat dim(0) %x, %x : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<8x8xf32>
  // expected-remark @+1 {{0 flops, 640 bytes}}
  %5 = nn.broadcast %x : tensor<4x8xf32> -> tensor<4x4x8xf32>
  // expected-remark @+1 {{32 flops, 160 bytes}}
  %6 = nn.argmax %x : tensor<4x8xf32>
  return
}

// What one elementwise op makes for another is in no memory: x is read, the sum written. A launch is
// counted once.
func.func @fused(%x: tensor<4x8xf32>) {
  %c = arith.constant dense<2.0> : tensor<4x8xf32>
  // expected-remark @+1 {{32 flops, 128 bytes, 1.600e-08 s}}
  %0 = arith.mulf %x, %c : tensor<4x8xf32>
  // expected-remark @+1 {{320 flops, 0 bytes, 4.000e-08 s}}
  %1 = math.exp %0 : tensor<4x8xf32>
  // expected-remark @+1 {{32 flops, 16 bytes, 1.004e-06 s}}
  %2 = nn.reduce_sum %1 [1] : tensor<4x8xf32>
  return
}

// Used twice, a value is written.
func.func @not_fused(%x: tensor<4x8xf32>) {
  // expected-remark @+1 {{32 flops, 256 bytes}}
  %0 = arith.negf %x : tensor<4x8xf32>
  // expected-remark @+1 {{32 flops, 256 bytes}}
  %1 = arith.mulf %0, %0 : tensor<4x8xf32>
  return
}
