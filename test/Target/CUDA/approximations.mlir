// RUN: bigmac-opt %s --cuda-task-pipeline | FileCheck %s

// Between rows of bf16 exponentials and quotients are the device's own; where a row of f32 goes in or out
// they are precise.
// CHECK-LABEL: gpu.func @narrow_0(
// CHECK: math.exp %{{.*}} fastmath<afn> : vector<8xf32>
// CHECK: arith.divf %{{.*}} fastmath<afn> : f32
// CHECK: gpu.return
// CHECK-LABEL: gpu.func @precise_0(
// CHECK: math.exp
// CHECK-NOT: afn
// CHECK: gpu.return
func.func @narrow(%x: tensor<64x2048xbf16>) -> tensor<64x2048xbf16> {
  %xf = arith.extf %x : tensor<64x2048xbf16> to tensor<64x2048xf32>
  %0 = nn.softmax %xf : tensor<64x2048xf32>
  %y = arith.truncf %0 : tensor<64x2048xf32> to tensor<64x2048xbf16>
  return %y : tensor<64x2048xbf16>
}
func.func @precise(%x: tensor<64x2048xbf16>) -> tensor<64x2048xf32> {
  %xf = arith.extf %x : tensor<64x2048xbf16> to tensor<64x2048xf32>
  %0 = nn.softmax %xf : tensor<64x2048xf32>
  return %0 : tensor<64x2048xf32>
}

// The complementary error function is a polynomial of one such quotient and one such exponential, which gelu's
// derivative shares.
// CHECK-LABEL: gpu.func @gelu_0(
// CHECK: math.exp %{{.*}} fastmath<afn> : vector<8xf32>
// CHECK: arith.divf %{{.*}} fastmath<afn> : vector<8xf32>
// CHECK-NOT: math.erf
// CHECK: gpu.return
// CHECK-LABEL: gpu.func @slope_0(
// CHECK: math.exp %{{.*}} fastmath<afn> : vector<8xf32>
// CHECK-NOT: math.e
// CHECK: gpu.return
// The error function is arithmetic with one such quotient.
// CHECK-LABEL: gpu.func @erf_0(
// CHECK-NOT: math.
// CHECK: arith.divf %{{.*}} fastmath<afn> : vector<8xf32>
// CHECK-NOT: math.
// CHECK: gpu.return
// CHECK-LABEL: gpu.func @precise_gelu_0(
// CHECK: math.erfc
// CHECK: gpu.return
func.func @gelu(%x: tensor<64x2048xbf16>) -> tensor<64x2048xbf16> {
  %xf = arith.extf %x : tensor<64x2048xbf16> to tensor<64x2048xf32>
  %0 = nn.gelu %xf : tensor<64x2048xf32>
  %y = arith.truncf %0 : tensor<64x2048xf32> to tensor<64x2048xbf16>
  return %y : tensor<64x2048xbf16>
}
func.func @slope(%x: tensor<64x2048xbf16>, %g: tensor<64x2048xbf16>) -> tensor<64x2048xbf16> {
  %0 = nn.gelu_backward %x, %g : tensor<64x2048xbf16>, tensor<64x2048xbf16>
  return %0 : tensor<64x2048xbf16>
}
func.func @erf(%x: tensor<64x2048xbf16>) -> tensor<64x2048xbf16> {
  %xf = arith.extf %x : tensor<64x2048xbf16> to tensor<64x2048xf32>
  %0 = math.erf %xf : tensor<64x2048xf32>
  %y = arith.truncf %0 : tensor<64x2048xf32> to tensor<64x2048xbf16>
  return %y : tensor<64x2048xbf16>
}
func.func @precise_gelu(%x: tensor<64x2048xf32>) -> tensor<64x2048xf32> {
  %0 = nn.gelu %x : tensor<64x2048xf32>
  return %0 : tensor<64x2048xf32>
}
