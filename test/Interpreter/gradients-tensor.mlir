// Derivative rules of tensor ops and of nn's shape ops against central differences.
// Squares make the cotangents differ from element to element.
// RUN: bigmac-interpret %s --all --check-gradient | FileCheck %s

// CHECK-LABEL: @collapse_shape
// CHECK-NEXT: argument 0: 12 derivatives
func.func @collapse_shape(%x: tensor<2x3x2xf64>) -> tensor<6x2xf64> {
  %z = tensor.collapse_shape %x [[0, 1], [2]] : tensor<2x3x2xf64> into tensor<6x2xf64>
  %sq = arith.mulf %z, %z : tensor<6x2xf64>
  return %sq : tensor<6x2xf64>
}

// CHECK-LABEL: @collapse_to_scalar
// CHECK-NEXT: argument 0: 1 derivatives
func.func @collapse_to_scalar(%x: tensor<1x1xf64>) -> tensor<f64> {
  %z = tensor.collapse_shape %x [] : tensor<1x1xf64> into tensor<f64>
  %sq = arith.mulf %z, %z : tensor<f64>
  return %sq : tensor<f64>
}

// CHECK-LABEL: @expand_shape
// CHECK-NEXT: argument 0: 12 derivatives
func.func @expand_shape(%x: tensor<6x2xf64>) -> tensor<2x3x2xf64> {
  %z = tensor.expand_shape %x [[0, 1], [2]] output_shape [2, 3, 2] : tensor<6x2xf64> into tensor<2x3x2xf64>
  %sq = arith.mulf %z, %z : tensor<2x3x2xf64>
  return %sq : tensor<2x3x2xf64>
}

// CHECK-LABEL: @extract_slice
// CHECK-NEXT: argument 0: 20 derivatives
func.func @extract_slice(%x: tensor<4x5xf64>) -> tensor<2x3xf64> {
  %z = tensor.extract_slice %x[1, 0] [2, 3] [1, 2] : tensor<4x5xf64> to tensor<2x3xf64>
  %sq = arith.mulf %z, %z : tensor<2x3xf64>
  return %sq : tensor<2x3xf64>
}

// CHECK-LABEL: @extract_slice_of_less_rank
// CHECK-NEXT: argument 0: 20 derivatives
func.func @extract_slice_of_less_rank(%x: tensor<4x5xf64>) -> tensor<3xf64> {
  %z = tensor.extract_slice %x[2, 1] [1, 3] [1, 1] : tensor<4x5xf64> to tensor<3xf64>
  %sq = arith.mulf %z, %z : tensor<3xf64>
  return %sq : tensor<3xf64>
}

// CHECK-LABEL: @insert_slice
// CHECK-NEXT: argument 0: 4 derivatives
// CHECK-NEXT: argument 1: 12 derivatives
func.func @insert_slice(%x: tensor<2x2xf64>, %y: tensor<3x4xf64>) -> tensor<3x4xf64> {
  %z = tensor.insert_slice %x into %y[1, 0] [2, 2] [1, 2] : tensor<2x2xf64> into tensor<3x4xf64>
  %sq = arith.mulf %z, %z : tensor<3x4xf64>
  return %sq : tensor<3x4xf64>
}

// CHECK-LABEL: @insert_slice_of_less_rank
// CHECK-NEXT: argument 0: 2 derivatives
// CHECK-NEXT: argument 1: 12 derivatives
func.func @insert_slice_of_less_rank(%x: tensor<2xf64>, %y: tensor<3x4xf64>) -> tensor<3x4xf64> {
  %z = tensor.insert_slice %x into %y[1, 1] [1, 2] [1, 1] : tensor<2xf64> into tensor<3x4xf64>
  %sq = arith.mulf %z, %z : tensor<3x4xf64>
  return %sq : tensor<3x4xf64>
}

// An operand may occur twice.
// CHECK-LABEL: @concat
// CHECK-NEXT: argument 0: 2 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @concat(%x: tensor<2x1xf64>, %y: tensor<2x3xf64>) -> tensor<2x5xf64> {
  %z = tensor.concat dim(1) %x, %y, %x : (tensor<2x1xf64>, tensor<2x3xf64>, tensor<2x1xf64>) -> tensor<2x5xf64>
  %sq = arith.mulf %z, %z : tensor<2x5xf64>
  return %sq : tensor<2x5xf64>
}

// CHECK-LABEL: @transpose
// CHECK-NEXT: argument 0: 12 derivatives
func.func @transpose(%x: tensor<2x3x2xf64>) -> tensor<2x2x3xf64> {
  %z = nn.transpose %x [2, 0, 1] : tensor<2x3x2xf64>
  %sq = arith.mulf %z, %z : tensor<2x2x3xf64>
  return %sq : tensor<2x2x3xf64>
}

// CHECK-LABEL: @broadcast
// CHECK-NEXT: argument 0: 3 derivatives
func.func @broadcast(%x: tensor<3x1xf64>) -> tensor<2x3x4xf64> {
  %z = nn.broadcast %x : tensor<3x1xf64> -> tensor<2x3x4xf64>
  %sq = arith.mulf %z, %z : tensor<2x3x4xf64>
  return %sq : tensor<2x3x4xf64>
}

// CHECK-LABEL: @broadcast_of_ones
// CHECK-NEXT: argument 0: 3 derivatives
func.func @broadcast_of_ones(%x: tensor<1x3xf64>) -> tensor<2x1x3xf64> {
  %z = nn.broadcast %x : tensor<1x3xf64> -> tensor<2x1x3xf64>
  %sq = arith.mulf %z, %z : tensor<2x1x3xf64>
  return %sq : tensor<2x1x3xf64>
}

// CHECK-LABEL: @broadcast_scalar
// CHECK-NEXT: argument 0: 1 derivatives
func.func @broadcast_scalar(%x: tensor<f64>) -> tensor<2x3xf64> {
  %z = nn.broadcast %x : tensor<f64> -> tensor<2x3xf64>
  %sq = arith.mulf %z, %z : tensor<2x3xf64>
  return %sq : tensor<2x3xf64>
}

// CHECK-LABEL: @reduce_sum
// CHECK-NEXT: argument 0: 12 derivatives
func.func @reduce_sum(%x: tensor<2x3x2xf64>) -> tensor<2x2xf64> {
  %z = nn.reduce_sum %x [1] : tensor<2x3x2xf64>
  %sq = arith.mulf %z, %z : tensor<2x2xf64>
  return %sq : tensor<2x2xf64>
}

// CHECK-LABEL: @reduce_sum_all
// CHECK-NEXT: argument 0: 6 derivatives
func.func @reduce_sum_all(%x: tensor<2x3xf64>) -> tensor<f64> {
  %z = nn.reduce_sum %x [0, 1] : tensor<2x3xf64>
  %sq = arith.mulf %z, %z : tensor<f64>
  return %sq : tensor<f64>
}

// CHECK-LABEL: @reduce_max
// CHECK-NEXT: argument 0: 12 derivatives
func.func @reduce_max(%x: tensor<2x3x2xf64>) -> tensor<2xf64> {
  %z = nn.reduce_max %x [0, 1] : tensor<2x3x2xf64>
  %sq = arith.mulf %z, %z : tensor<2xf64>
  return %sq : tensor<2xf64>
}
