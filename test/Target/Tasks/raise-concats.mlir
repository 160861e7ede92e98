// RUN: bigmac-opt %s --task-raise-concats | FileCheck %s

// The gradient of a split in two.
// CHECK-LABEL: func @rotary
// CHECK-SAME: (%[[A:.*]]: tensor<2x3xf32>, %[[B:.*]]: tensor<2x5xf32>)
func.func @rotary(%a: tensor<2x3xf32>, %b: tensor<2x5xf32>) -> tensor<2x8xf32> {
  // CHECK: %[[C:.*]] = tensor.concat dim(1) %[[B]], %[[A]]
  // CHECK: return %[[C]]
  %zero = arith.constant dense<0.0> : tensor<2x8xf32>
  %0 = tensor.insert_slice %a into %zero[0, 5] [2, 3] [1, 1] : tensor<2x3xf32> into tensor<2x8xf32>
  %1 = tensor.insert_slice %b into %zero[0, 0] [2, 5] [1, 1] : tensor<2x5xf32> into tensor<2x8xf32>
  %2 = arith.addf %0, %1 : tensor<2x8xf32>
  return %2 : tensor<2x8xf32>
}

// Three parts are joined at once.
// CHECK-LABEL: func @three
func.func @three(%a: tensor<2xf32>, %b: tensor<2xf32>, %c: tensor<2xf32>) -> tensor<6xf32> {
  // CHECK: tensor.concat dim(0) %arg0, %arg1, %arg2
  // CHECK-NOT: tensor.concat
  // CHECK-NOT: arith.addf
  %zero = arith.constant dense<0.0> : tensor<6xf32>
  %0 = tensor.insert_slice %a into %zero[0] [2] [1] : tensor<2xf32> into tensor<6xf32>
  %1 = tensor.insert_slice %b into %zero[2] [2] [1] : tensor<2xf32> into tensor<6xf32>
  %2 = tensor.insert_slice %c into %zero[4] [2] [1] : tensor<2xf32> into tensor<6xf32>
  %3 = arith.addf %0, %1 : tensor<6xf32>
  %4 = arith.addf %3, %2 : tensor<6xf32>
  return %4 : tensor<6xf32>
}

// Parts that overlap are added, and so are parts of what is not zero.
// CHECK-LABEL: func @overlap
func.func @overlap(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<6xf32> {
  // CHECK: arith.addf
  %zero = arith.constant dense<0.0> : tensor<6xf32>
  %0 = tensor.insert_slice %a into %zero[0] [4] [1] : tensor<4xf32> into tensor<6xf32>
  %1 = tensor.insert_slice %b into %zero[2] [4] [1] : tensor<4xf32> into tensor<6xf32>
  %2 = arith.addf %0, %1 : tensor<6xf32>
  return %2 : tensor<6xf32>
}

// CHECK-LABEL: func @not_zero
func.func @not_zero(%a: tensor<3xf32>, %b: tensor<3xf32>) -> tensor<6xf32> {
  // CHECK: arith.addf
  %one = arith.constant dense<1.0> : tensor<6xf32>
  %0 = tensor.insert_slice %a into %one[0] [3] [1] : tensor<3xf32> into tensor<6xf32>
  %1 = tensor.insert_slice %b into %one[3] [3] [1] : tensor<3xf32> into tensor<6xf32>
  %2 = arith.addf %0, %1 : tensor<6xf32>
  return %2 : tensor<6xf32>
}

// What the pieces are reshaped from is joined.
// CHECK-LABEL: func @heads
func.func @heads(%a: tensor<2x3x4xf32>, %b: tensor<2x5x4xf32>) -> tensor<2x32xf32> {
  // CHECK: %[[JOINED:.*]] = tensor.concat dim(1) %arg0, %arg1 : (tensor<2x3x4xf32>, tensor<2x5x4xf32>) -> tensor<2x8x4xf32>
  // CHECK: tensor.collapse_shape %[[JOINED]] {{.*}} into tensor<2x32xf32>
  %0 = tensor.collapse_shape %a [[0], [1, 2]] : tensor<2x3x4xf32> into tensor<2x12xf32>
  %1 = tensor.collapse_shape %b [[0], [1, 2]] : tensor<2x5x4xf32> into tensor<2x20xf32>
  %2 = tensor.concat dim(1) %0, %1 : (tensor<2x12xf32>, tensor<2x20xf32>) -> tensor<2x32xf32>
  return %2 : tensor<2x32xf32>
}

// Pieces of different widths are not.
// CHECK-LABEL: func @widths
func.func @widths(%a: tensor<2x3x4xf32>, %b: tensor<2x3x5xf32>) -> tensor<2x27xf32> {
  // CHECK: tensor.concat dim(1) {{.*}} : (tensor<2x12xf32>, tensor<2x15xf32>) -> tensor<2x27xf32>
  %0 = tensor.collapse_shape %a [[0], [1, 2]] : tensor<2x3x4xf32> into tensor<2x12xf32>
  %1 = tensor.collapse_shape %b [[0], [1, 2]] : tensor<2x3x5xf32> into tensor<2x15xf32>
  %2 = tensor.concat dim(1) %0, %1 : (tensor<2x12xf32>, tensor<2x15xf32>) -> tensor<2x27xf32>
  return %2 : tensor<2x27xf32>
}
