// RUN: bigmac-opt --nn-decompose-conv --canonicalize %s | FileCheck %s

// With the bias, the reshape and the transpose that follow a patch embedding, nothing is left to
// undo; only a view of the filter is reshaped.
// CHECK-LABEL: func @patches
// CHECK-SAME: (%[[X:.*]]: tensor<2x3x8x8xf32>, %[[W:.*]]: tensor<5x3x4x2xf32>, %[[B:.*]]: tensor<5xf32>)
// CHECK: %[[SPLIT:.*]] = tensor.expand_shape %[[X]] {{\[}}[0], [1], [2, 3], [4, 5]] output_shape [2, 3, 2, 4, 4, 2]
// CHECK: %[[T:.*]] = nn.transpose %[[SPLIT]] [0, 2, 4, 1, 3, 5]
// CHECK: %[[P:.*]] = tensor.collapse_shape %[[T]] {{\[}}[0], [1, 2], [3, 4, 5]]
// CHECK: %[[F:.*]] = tensor.collapse_shape %[[W]] {{\[}}[0], [1, 2, 3]]
// CHECK: %[[M:.*]] = nn.matmul %[[P]], %[[F]] transposed : tensor<2x8x24xf32>, tensor<5x24xf32>
// CHECK: %[[V:.*]] = nn.broadcast %[[B]] : tensor<5xf32> -> tensor<2x8x5xf32>
// CHECK: %[[R:.*]] = arith.addf %[[M]], %[[V]]
// CHECK-NEXT: return %[[R]]
func.func @patches(%x: tensor<2x3x8x8xf32>, %w: tensor<5x3x4x2xf32>, %b: tensor<5xf32>) -> tensor<2x8x5xf32> {
  %c = nn.conv %x, %w strides [4, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : tensor<2x3x8x8xf32>, tensor<5x3x4x2xf32>
  %b1 = tensor.expand_shape %b [[0, 1, 2]] output_shape [5, 1, 1] : tensor<5xf32> into tensor<5x1x1xf32>
  %b2 = nn.broadcast %b1 : tensor<5x1x1xf32> -> tensor<2x5x2x4xf32>
  %s = arith.addf %c, %b2 : tensor<2x5x2x4xf32>
  %f = tensor.collapse_shape %s [[0], [1], [2, 3]] : tensor<2x5x2x4xf32> into tensor<2x5x8xf32>
  %t = nn.transpose %f [0, 2, 1] : tensor<2x5x8xf32>
  return %t : tensor<2x8x5xf32>
}

// The last row and column belong to no whole patch.
// CHECK-LABEL: func @cut
// CHECK: tensor.extract_slice %arg0[0, 0, 0, 0] [1, 1, 4, 4] [1, 1, 1, 1]
// CHECK: nn.matmul
// CHECK-NOT: nn.conv
func.func @cut(%x: tensor<1x1x5x5xf32>, %w: tensor<3x1x2x2xf32>) -> tensor<1x3x2x2xf32> {
  %c = nn.conv %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : tensor<1x1x5x5xf32>, tensor<3x1x2x2xf32>
  return %c : tensor<1x3x2x2xf32>
}

// Overlap, padding, groups and dilation stay convolutions.
// CHECK-LABEL: func @others
// CHECK-COUNT-4: nn.conv
func.func @others(%x: tensor<1x2x8x8xf32>, %w: tensor<4x2x2x2xf32>, %g: tensor<4x1x2x2xf32>) -> (tensor<1x4x7x7xf32>, tensor<1x4x5x5xf32>, tensor<1x4x4x4xf32>, tensor<1x4x3x3xf32>) {
  %0 = nn.conv %x, %w strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : tensor<1x2x8x8xf32>, tensor<4x2x2x2xf32>
  %1 = nn.conv %x, %w strides [2, 2] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : tensor<1x2x8x8xf32>, tensor<4x2x2x2xf32>
  %2 = nn.conv %x, %g strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 2 : tensor<1x2x8x8xf32>, tensor<4x1x2x2xf32>
  %3 = nn.conv %x, %w strides [2, 2] pads [0, 0, 0, 0] dilations [3, 3] groups 1 : tensor<1x2x8x8xf32>, tensor<4x2x2x2xf32>
  return %0, %1, %2, %3 : tensor<1x4x7x7xf32>, tensor<1x4x5x5xf32>, tensor<1x4x4x4xf32>, tensor<1x4x3x3xf32>
}
