// RUN: bigmac-opt %s --task-destinations --convert-nn-to-linalg --task-fold-contractions | FileCheck %s

// CHECK-LABEL: func @transposes
func.func @transposes(%a: tensor<2x5x3x4xf32>, %b: tensor<2x6x3x4xf32>) -> tensor<2x5x3x6xf32> {
  // CHECK-NOT: linalg.transpose
  // CHECK: linalg.contract {{.*}} ins(%{{.*}} : tensor<2x5x3x4xf32>, tensor<2x6x3x4xf32>) outs(%{{.*}} : tensor<2x5x3x6xf32>)
  // CHECK-NOT: linalg.transpose
  %q = nn.transpose %a [0, 2, 1, 3] : tensor<2x5x3x4xf32>
  %k = nn.transpose %b [0, 2, 3, 1] : tensor<2x6x3x4xf32>
  %p = nn.matmul %q, %k : tensor<2x3x5x4xf32>, tensor<2x3x4x6xf32>
  %t = nn.transpose %p [0, 2, 1, 3] : tensor<2x3x5x6xf32>
  return %t : tensor<2x5x3x6xf32>
}

// A batch dimension last would leave no contiguous matrix.
// CHECK-LABEL: func @batch_last
func.func @batch_last(%a: tensor<5x4x2xf32>, %b: tensor<2x4x6xf32>) -> tensor<2x5x6xf32> {
  // CHECK: linalg.transpose
  // CHECK: linalg.contract
  %t = nn.transpose %a [2, 0, 1] : tensor<5x4x2xf32>
  %p = nn.matmul %t, %b : tensor<2x5x4xf32>, tensor<2x4x6xf32>
  return %p : tensor<2x5x6xf32>
}

// CHECK-LABEL: func @accumulate
func.func @accumulate(%acc: memref<4x1x3xf32>, %a: tensor<7x4xf32>, %b: tensor<7x3xf32>) {
  // CHECK: %[[OLD:.*]] = bufferization.to_tensor {{.*}} restrict writable
  // CHECK: %[[INIT:.*]] = tensor.collapse_shape %[[OLD]]
  // CHECK: linalg.contract {{.*}} outs(%[[INIT]] : tensor<4x3xf32>)
  // CHECK-NOT: arith.addf %
  %old = bufferization.to_tensor %acc restrict writable : memref<4x1x3xf32> to tensor<4x1x3xf32>
  %0 = nn.matmul %a transposed, %b : tensor<7x4xf32>, tensor<7x3xf32>
  %1 = tensor.expand_shape %0 [[0], [1, 2]] output_shape [4, 1, 3] : tensor<4x3xf32> into tensor<4x1x3xf32>
  %2 = arith.addf %old, %1 : tensor<4x1x3xf32>
  bufferization.materialize_in_destination %2 in restrict writable %acc : (tensor<4x1x3xf32>, memref<4x1x3xf32>) -> ()
  return
}

// A bias is what the product starts from.
// CHECK-LABEL: func @bias
func.func @bias(%a: tensor<7x4xf32>, %b: tensor<4x3xf32>, %c: tensor<3xf32>) -> tensor<7x3xf32> {
  // CHECK-NOT: linalg.fill
  // CHECK: %[[BIAS:.*]] = linalg.generic
  // CHECK: linalg.contract {{.*}} outs(%[[BIAS]] : tensor<7x3xf32>)
  %0 = nn.matmul %a, %b : tensor<7x4xf32>, tensor<4x3xf32>
  %1 = nn.broadcast %c : tensor<3xf32> -> tensor<7x3xf32>
  %2 = arith.addf %0, %1 : tensor<7x3xf32>
  return %2 : tensor<7x3xf32>
}

// A residual that is used elsewhere would have to be copied first: it is added afterwards.
// CHECK-LABEL: func @residual
func.func @residual(%a: tensor<7x3xf32>, %b: tensor<3x3xf32>) -> tensor<7x3xf32> {
  // CHECK: linalg.fill
  // CHECK: linalg.contract
  // CHECK: arith.addf
  %0 = nn.matmul %a, %b : tensor<7x3xf32>, tensor<3x3xf32>
  %1 = arith.addf %0, %a : tensor<7x3xf32>
  return %1 : tensor<7x3xf32>
}
