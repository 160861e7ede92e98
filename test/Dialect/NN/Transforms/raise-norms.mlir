// RUN: bigmac-opt --nn-raise-norms --split-input-file %s | FileCheck %s

// The form of PyTorch's exporter: mean, keepdims, reciprocal of the root, weight last.
// CHECK-LABEL: func @rms_norm
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x8xf32>, %[[W:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.*]], %{{.*}} = nn.rms_norm %[[X]] scale %[[W]] : tensor<8xf32> epsilon 9.9999999747524271E-7 : tensor<2x3x8xf32>
// CHECK-NEXT: return %[[Y]]
func.func @rms_norm(%x: tensor<2x3x8xf32>, %w: tensor<8xf32>) -> tensor<2x3x8xf32> {
  %n = arith.constant dense<8.0> : tensor<2x3xf32>
  %eps = arith.constant dense<1.0e-6> : tensor<2x3x1xf32>
  %one = arith.constant dense<1.0> : tensor<2x3x1xf32>
  %0 = arith.mulf %x, %x : tensor<2x3x8xf32>
  %1 = nn.reduce_sum %0 [2] : tensor<2x3x8xf32>
  %2 = arith.divf %1, %n : tensor<2x3xf32>
  %3 = tensor.expand_shape %2 [[0], [1, 2]] output_shape [2, 3, 1] : tensor<2x3xf32> into tensor<2x3x1xf32>
  %4 = arith.addf %3, %eps : tensor<2x3x1xf32>
  %5 = math.sqrt %4 : tensor<2x3x1xf32>
  %6 = arith.divf %one, %5 : tensor<2x3x1xf32>
  %7 = nn.broadcast %6 : tensor<2x3x1xf32> -> tensor<2x3x8xf32>
  %8 = arith.mulf %x, %7 : tensor<2x3x8xf32>
  %9 = nn.broadcast %w : tensor<8xf32> -> tensor<2x3x8xf32>
  %10 = arith.mulf %9, %8 : tensor<2x3x8xf32>
  return %10 : tensor<2x3x8xf32>
}

// -----

// A product with 1/n for the mean, rsqrt, no weight.
// CHECK-LABEL: func @rms_norm_rsqrt
// CHECK: nn.rms_norm %{{.*}} epsilon 0.0099999997764825821 : tensor<3x8xf32>
// CHECK-NOT: math.rsqrt
func.func @rms_norm_rsqrt(%x: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %inv = arith.constant dense<0.125> : tensor<3xf32>
  %eps = arith.constant dense<0.01> : tensor<3xf32>
  %0 = arith.mulf %x, %x : tensor<3x8xf32>
  %1 = nn.reduce_sum %0 [1] : tensor<3x8xf32>
  %2 = arith.mulf %inv, %1 : tensor<3xf32>
  %3 = arith.addf %2, %eps : tensor<3xf32>
  %4 = math.rsqrt %3 : tensor<3xf32>
  %5 = tensor.expand_shape %4 [[0, 1]] output_shape [3, 1] : tensor<3xf32> into tensor<3x1xf32>
  %6 = nn.broadcast %5 : tensor<3x1xf32> -> tensor<3x8xf32>
  %7 = arith.mulf %6, %x : tensor<3x8xf32>
  return %7 : tensor<3x8xf32>
}

// -----

// CHECK-LABEL: func @layer_norm
// CHECK-SAME: (%[[X:.*]]: tensor<3x8xf32>, %[[W:.*]]: tensor<8xf32>, %[[B:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.*]], %{{.*}}, %{{.*}} = nn.layer_norm %[[X]] scale %[[W]] : tensor<8xf32> bias %[[B]] : tensor<8xf32> epsilon 5.0
// CHECK-NEXT: return %[[Y]]
func.func @layer_norm(%x: tensor<3x8xf32>, %w: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<3x8xf32> {
  %n = arith.constant dense<8.0> : tensor<3x1xf32>
  %eps = arith.constant dense<0.5> : tensor<3x1xf32>
  %s = nn.reduce_sum %x [1] : tensor<3x8xf32>
  %s1 = tensor.expand_shape %s [[0, 1]] output_shape [3, 1] : tensor<3xf32> into tensor<3x1xf32>
  %mean = arith.divf %s1, %n : tensor<3x1xf32>
  %means = nn.broadcast %mean : tensor<3x1xf32> -> tensor<3x8xf32>
  %d = arith.subf %x, %means : tensor<3x8xf32>
  %d2 = arith.mulf %d, %d : tensor<3x8xf32>
  %v = nn.reduce_sum %d2 [1] : tensor<3x8xf32>
  %v1 = tensor.expand_shape %v [[0, 1]] output_shape [3, 1] : tensor<3xf32> into tensor<3x1xf32>
  %var = arith.divf %v1, %n : tensor<3x1xf32>
  %e = arith.addf %eps, %var : tensor<3x1xf32>
  %r = math.sqrt %e : tensor<3x1xf32>
  %rs = nn.broadcast %r : tensor<3x1xf32> -> tensor<3x8xf32>
  %y = arith.divf %d, %rs : tensor<3x8xf32>
  %ws = nn.broadcast %w : tensor<8xf32> -> tensor<3x8xf32>
  %yw = arith.mulf %y, %ws : tensor<3x8xf32>
  %bs = nn.broadcast %b : tensor<8xf32> -> tensor<3x8xf32>
  %yb = arith.addf %yw, %bs : tensor<3x8xf32>
  return %yb : tensor<3x8xf32>
}

// -----

// The unbiased variance divides by n - 1.
// CHECK-LABEL: func @unbiased
// CHECK-NOT: nn.layer_norm
// CHECK-NOT: nn.rms_norm
// CHECK: return
func.func @unbiased(%x: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %n = arith.constant dense<8.0> : tensor<3x1xf32>
  %n1 = arith.constant dense<7.0> : tensor<3x1xf32>
  %eps = arith.constant dense<0.5> : tensor<3x1xf32>
  %s = nn.reduce_sum %x [1] : tensor<3x8xf32>
  %s1 = tensor.expand_shape %s [[0, 1]] output_shape [3, 1] : tensor<3xf32> into tensor<3x1xf32>
  %mean = arith.divf %s1, %n : tensor<3x1xf32>
  %means = nn.broadcast %mean : tensor<3x1xf32> -> tensor<3x8xf32>
  %d = arith.subf %x, %means : tensor<3x8xf32>
  %d2 = arith.mulf %d, %d : tensor<3x8xf32>
  %v = nn.reduce_sum %d2 [1] : tensor<3x8xf32>
  %v1 = tensor.expand_shape %v [[0, 1]] output_shape [3, 1] : tensor<3xf32> into tensor<3x1xf32>
  %var = arith.divf %v1, %n1 : tensor<3x1xf32>
  %e = arith.addf %var, %eps : tensor<3x1xf32>
  %r = math.sqrt %e : tensor<3x1xf32>
  %rs = nn.broadcast %r : tensor<3x1xf32> -> tensor<3x8xf32>
  %y = arith.divf %d, %rs : tensor<3x8xf32>
  return %y : tensor<3x8xf32>
}

// -----

// Another dimension than the last.
// CHECK-LABEL: func @first_dimension
// CHECK-NOT: nn.rms_norm
// CHECK: return
func.func @first_dimension(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %n = arith.constant dense<8.0> : tensor<8xf32>
  %eps = arith.constant dense<0.5> : tensor<8xf32>
  %0 = arith.mulf %x, %x : tensor<8x8xf32>
  %1 = nn.reduce_sum %0 [0] : tensor<8x8xf32>
  %2 = arith.divf %1, %n : tensor<8xf32>
  %3 = arith.addf %2, %eps : tensor<8xf32>
  %4 = math.sqrt %3 : tensor<8xf32>
  %5 = nn.broadcast %4 : tensor<8xf32> -> tensor<8x8xf32>
  %6 = arith.divf %x, %5 : tensor<8x8xf32>
  return %6 : tensor<8x8xf32>
}

// -----

// Rows' statistics spread over columns: the shapes fit, the meaning does not.
// CHECK-LABEL: func @misaligned
// CHECK-NOT: nn.rms_norm
// CHECK: return
func.func @misaligned(%x: tensor<8x8xf32>) -> tensor<8x8xf32> {
  %n = arith.constant dense<8.0> : tensor<8xf32>
  %eps = arith.constant dense<0.5> : tensor<8xf32>
  %0 = arith.mulf %x, %x : tensor<8x8xf32>
  %1 = nn.reduce_sum %0 [1] : tensor<8x8xf32>
  %2 = arith.divf %1, %n : tensor<8xf32>
  %3 = arith.addf %2, %eps : tensor<8xf32>
  %4 = math.sqrt %3 : tensor<8xf32>
  %5 = nn.broadcast %4 : tensor<8xf32> -> tensor<8x8xf32>
  %6 = arith.divf %x, %5 : tensor<8x8xf32>
  return %6 : tensor<8x8xf32>
}

// -----

// The squares are another tensor's.
// CHECK-LABEL: func @other_tensor
// CHECK-NOT: nn.rms_norm
// CHECK: return
func.func @other_tensor(%x: tensor<3x8xf32>, %z: tensor<3x8xf32>) -> tensor<3x8xf32> {
  %n = arith.constant dense<8.0> : tensor<3xf32>
  %eps = arith.constant dense<0.5> : tensor<3xf32>
  %0 = arith.mulf %z, %z : tensor<3x8xf32>
  %1 = nn.reduce_sum %0 [1] : tensor<3x8xf32>
  %2 = arith.divf %1, %n : tensor<3xf32>
  %3 = arith.addf %2, %eps : tensor<3xf32>
  %4 = math.sqrt %3 : tensor<3xf32>
  %5 = tensor.expand_shape %4 [[0, 1]] output_shape [3, 1] : tensor<3xf32> into tensor<3x1xf32>
  %6 = nn.broadcast %5 : tensor<3x1xf32> -> tensor<3x8xf32>
  %7 = arith.divf %x, %6 : tensor<3x8xf32>
  return %7 : tensor<3x8xf32>
}

// -----

// A modulation of its own for each sample is no scale, and a result that is used elsewhere must
// stay without one.
// CHECK-LABEL: func @no_scale
// CHECK: nn.layer_norm %{{.*}} epsilon
// CHECK: nn.broadcast
// CHECK: arith.mulf
// CHECK-LABEL: func @two_uses
// CHECK: nn.rms_norm %{{.*}} epsilon
// CHECK: arith.mulf
func.func @no_scale(%x: tensor<2x3x8xf32>, %m: tensor<2x1x8xf32>) -> tensor<2x3x8xf32> {
  %y, %mean, %rstd = nn.layer_norm %x epsilon 0.5 : tensor<2x3x8xf32>
  %0 = nn.broadcast %m : tensor<2x1x8xf32> -> tensor<2x3x8xf32>
  %1 = arith.mulf %y, %0 : tensor<2x3x8xf32>
  return %1 : tensor<2x3x8xf32>
}
func.func @two_uses(%x: tensor<3x8xf32>, %w: tensor<8xf32>) -> (tensor<3x8xf32>, tensor<3x8xf32>) {
  %y, %rstd = nn.rms_norm %x epsilon 0.5 : tensor<3x8xf32>
  %0 = nn.broadcast %w : tensor<8xf32> -> tensor<3x8xf32>
  %1 = arith.mulf %y, %0 : tensor<3x8xf32>
  return %y, %1 : tensor<3x8xf32>, tensor<3x8xf32>
}
