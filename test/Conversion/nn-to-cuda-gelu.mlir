// A gelu, or the product with its derivative, is the last step of the product before it: in bf16, of the tanh form, where
// rows are multiples of 16 bytes.
// RUN: bigmac-opt %s --convert-nn-to-cuda | FileCheck %s
// RUN: bigmac-opt %s --convert-nn-to-cuda=epilogues=false | FileCheck %s --check-prefix=NONE --implicit-check-not=cuda.matmul_
// NONE: module

// What gelu is of is needed by the backward: it is a result of the product, too.
// CHECK-LABEL: func.func @saved
// CHECK: %[[CALL:.*]]:2 = cuda.matmul_gelu %arg0, %arg1 transposed bias %arg2 : tensor<32xbf16> into %{{.*}} saving %{{.*}} : tensor<2x3x32xbf16>
// CHECK-NOT: nn.
// CHECK: return %[[CALL]]#1, %[[CALL]]#0
func.func @saved(%x: tensor<2x3x16xbf16>, %w: tensor<32x16xbf16>, %b: tensor<32xbf16>) -> (tensor<2x3x32xbf16>, tensor<2x3x32xbf16>) {
  %0 = nn.matmul %x, %w transposed : tensor<2x3x16xbf16>, tensor<32x16xbf16>
  %1 = nn.broadcast %b : tensor<32xbf16> -> tensor<2x3x32xbf16>
  %2 = arith.addf %0, %1 : tensor<2x3x32xbf16>
  %3 = nn.gelu tanh %2 : tensor<2x3x32xbf16>
  return %2, %3 : tensor<2x3x32xbf16>, tensor<2x3x32xbf16>
}

// The operands of the sum in the other order, a row with unit dimensions, and a batched product.
// CHECK-LABEL: func.func @not_saved
// CHECK: %[[BIAS:.*]] = tensor.collapse_shape %arg2
// CHECK: cuda.matmul_gelu %arg0, %arg1 bias %[[BIAS]] : tensor<32xbf16> into %{{[^ ]*}} :
// CHECK-NOT: nn.
// CHECK-NOT: arith.addf
func.func @not_saved(%x: tensor<2x3x16xbf16>, %w: tensor<2x16x32xbf16>, %b: tensor<1x1x32xbf16>) -> tensor<2x3x32xbf16> {
  %0 = nn.matmul %x, %w : tensor<2x3x16xbf16>, tensor<2x16x32xbf16>
  %1 = nn.broadcast %b : tensor<1x1x32xbf16> -> tensor<2x3x32xbf16>
  %2 = arith.addf %1, %0 : tensor<2x3x32xbf16>
  %3 = nn.gelu tanh %2 : tensor<2x3x32xbf16>
  return %3 : tensor<2x3x32xbf16>
}

// CHECK-LABEL: func.func @without_bias
// CHECK: cuda.matmul_gelu %arg0, %arg1 into %{{.*}} saving
func.func @without_bias(%x: tensor<3x16xbf16>, %w: tensor<16x32xbf16>) -> (tensor<3x32xbf16>, tensor<3x32xbf16>) {
  %0 = nn.matmul %x, %w : tensor<3x16xbf16>, tensor<16x32xbf16>
  %1 = nn.gelu tanh %0 : tensor<3x32xbf16>
  return %0, %1 : tensor<3x32xbf16>, tensor<3x32xbf16>
}

// Reshapes before and after the sum; another user comes before gelu.
// CHECK-LABEL: func.func @reshaped
// CHECK: %[[CALL:.*]]:2 = cuda.matmul_gelu {{.*}} saving %{{.*}} : tensor<6x32xbf16>
// CHECK: %[[SUM:.*]] = tensor.expand_shape %[[CALL]]#1 {{.*}} into tensor<2x3x32xbf16>
// CHECK: arith.negf %[[SUM]]
func.func @reshaped(%x: tensor<6x16xbf16>, %w: tensor<16x32xbf16>, %b: tensor<32xbf16>) -> (tensor<2x3x32xbf16>, tensor<2x3x4x8xbf16>) {
  %0 = nn.matmul %x, %w : tensor<6x16xbf16>, tensor<16x32xbf16>
  %1 = tensor.expand_shape %0 [[0, 1], [2]] output_shape [2, 3, 32] : tensor<6x32xbf16> into tensor<2x3x32xbf16>
  %2 = nn.broadcast %b : tensor<32xbf16> -> tensor<2x3x32xbf16>
  %3 = arith.addf %1, %2 : tensor<2x3x32xbf16>
  %4 = arith.negf %3 : tensor<2x3x32xbf16>
  %5 = tensor.expand_shape %3 [[0], [1], [2, 3]] output_shape [2, 3, 4, 8] : tensor<2x3x32xbf16> into tensor<2x3x4x8xbf16>
  %6 = nn.gelu tanh %5 : tensor<2x3x4x8xbf16>
  return %4, %6 : tensor<2x3x32xbf16>, tensor<2x3x4x8xbf16>
}

// CHECK-LABEL: func.func @backward
// CHECK: %[[AT:.*]] = tensor.collapse_shape %arg2
// CHECK: %[[CALL:.*]] = cuda.matmul_gelu_backward %arg0, %arg1 at %[[AT]] into
// CHECK-NOT: nn.
// CHECK: tensor.expand_shape %[[CALL]]
func.func @backward(%g: tensor<6x16xbf16>, %w: tensor<16x32xbf16>, %h: tensor<2x3x32xbf16>) -> tensor<2x3x32xbf16> {
  %0 = nn.matmul %g, %w : tensor<6x16xbf16>, tensor<16x32xbf16>
  %1 = tensor.expand_shape %0 [[0, 1], [2]] output_shape [2, 3, 32] : tensor<6x32xbf16> into tensor<2x3x32xbf16>
  %2 = nn.gelu_backward tanh %h, %1 : tensor<2x3x32xbf16>, tensor<2x3x32xbf16>
  return %2 : tensor<2x3x32xbf16>
}

// Forward and backward in one task.
// CHECK-LABEL: func.func @both
// CHECK: %[[CALL:.*]]:2 = cuda.matmul_gelu
// CHECK: cuda.matmul_gelu_backward %[[CALL]]#0, %arg2 transposed at %[[CALL]]#1 into
// CHECK-NOT: nn.
func.func @both(%x: tensor<3x16xbf16>, %w: tensor<16x32xbf16>, %v: tensor<32x32xbf16>) -> tensor<3x32xbf16> {
  %0 = nn.matmul %x, %w : tensor<3x16xbf16>, tensor<16x32xbf16>
  %1 = nn.gelu tanh %0 : tensor<3x32xbf16>
  %2 = nn.matmul %1, %v transposed : tensor<3x32xbf16>, tensor<32x32xbf16>
  %3 = nn.gelu_backward tanh %0, %2 : tensor<3x32xbf16>, tensor<3x32xbf16>
  return %3 : tensor<3x32xbf16>
}

// The exact gelu is not cuBLASLt's, and fp32 stays closer to what others compute.
// CHECK-LABEL: func.func @exact
// CHECK-NOT: cuda.
// CHECK: nn.gelu %
// CHECK: nn.gelu_backward %
func.func @exact(%x: tensor<3x16xbf16>, %w: tensor<16x32xbf16>, %h: tensor<3x32xbf16>) -> (tensor<3x32xbf16>, tensor<3x32xbf16>) {
  %0 = nn.matmul %x, %w : tensor<3x16xbf16>, tensor<16x32xbf16>
  %1 = nn.gelu %0 : tensor<3x32xbf16>
  %2 = nn.matmul %x, %w : tensor<3x16xbf16>, tensor<16x32xbf16>
  %3 = nn.gelu_backward %h, %2 : tensor<3x32xbf16>, tensor<3x32xbf16>
  return %1, %3 : tensor<3x32xbf16>, tensor<3x32xbf16>
}

// CHECK-LABEL: func.func @fp32
// CHECK-NOT: cuda.
// CHECK: return
func.func @fp32(%x: tensor<3x16xf32>, %w: tensor<16x32xf32>, %h: tensor<3x32xf32>) -> (tensor<3x32xf32>, tensor<3x32xf32>) {
  %0 = nn.matmul %x, %w : tensor<3x16xf32>, tensor<16x32xf32>
  %1 = nn.gelu tanh %0 : tensor<3x32xf32>
  %2 = nn.matmul %x, %w : tensor<3x16xf32>, tensor<16x32xf32>
  %3 = nn.gelu_backward tanh %h, %2 : tensor<3x32xf32>, tensor<3x32xf32>
  return %1, %3 : tensor<3x32xf32>, tensor<3x32xf32>
}

// Neither 12 columns nor a depth of 12 are multiples of 16 bytes.
// CHECK-LABEL: func.func @narrow
// CHECK-NOT: cuda.
// CHECK: return
func.func @narrow(%x: tensor<3x16xbf16>, %w: tensor<16x12xbf16>, %h: tensor<3x12xbf16>, %v: tensor<12x16xbf16>) -> (tensor<3x12xbf16>, tensor<3x16xbf16>) {
  %0 = nn.matmul %x, %w : tensor<3x16xbf16>, tensor<16x12xbf16>
  %1 = nn.gelu tanh %0 : tensor<3x12xbf16>
  %2 = nn.matmul %h, %v : tensor<3x12xbf16>, tensor<12x16xbf16>
  %3 = nn.gelu tanh %2 : tensor<3x16xbf16>
  return %1, %3 : tensor<3x12xbf16>, tensor<3x16xbf16>
}

// The product itself is needed, what is added is no row, the product gives f32.
// CHECK-LABEL: func.func @others
// CHECK-NOT: cuda.
// CHECK: return
func.func @others(%x: tensor<3x16xbf16>, %w: tensor<16x32xbf16>, %b: tensor<32xbf16>, %r: tensor<3x32xbf16>) -> (tensor<3x32xbf16>, tensor<3x32xbf16>, tensor<3x32xbf16>, tensor<3x32xbf16>, tensor<3x32xbf16>) {
  %0 = nn.matmul %x, %w : tensor<3x16xbf16>, tensor<16x32xbf16>
  %1 = nn.broadcast %b : tensor<32xbf16> -> tensor<3x32xbf16>
  %2 = arith.addf %0, %1 : tensor<3x32xbf16>
  %3 = nn.gelu tanh %2 : tensor<3x32xbf16>
  %4 = nn.gelu_backward tanh %r, %0 : tensor<3x32xbf16>, tensor<3x32xbf16>
  %5 = nn.matmul %x, %w : tensor<3x16xbf16>, tensor<16x32xbf16>
  %6 = arith.addf %5, %r : tensor<3x32xbf16>
  %7 = nn.gelu tanh %6 : tensor<3x32xbf16>
  %8 = nn.matmul %x, %w wide : tensor<3x16xbf16>, tensor<16x32xbf16>
  %9 = nn.gelu tanh %8 : tensor<3x32xf32>
  %10 = arith.truncf %9 : tensor<3x32xf32> to tensor<3x32xbf16>
  return %0, %3, %4, %7, %10 : tensor<3x32xbf16>, tensor<3x32xbf16>, tensor<3x32xbf16>, tensor<3x32xbf16>, tensor<3x32xbf16>
}
