// RUN: bigmac-opt %s --task-destinations --convert-nn-to-linalg --task-fuse-elementwise --canonicalize | FileCheck %s

// A chain with broadcasts and constants is one op.
// CHECK-LABEL: func @chain
func.func @chain(%a: tensor<4x8xf32>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  // CHECK-COUNT-1: linalg.generic
  // CHECK: arith.mulf
  // CHECK: math.exp
  // CHECK-NOT: linalg.generic
  %two = arith.constant dense<2.0> : tensor<4x8xf32>
  %0 = nn.broadcast %b : tensor<8xf32> -> tensor<4x8xf32>
  %1 = arith.mulf %a, %0 : tensor<4x8xf32>
  %2 = arith.addf %1, %two : tensor<4x8xf32>
  %3 = math.exp %2 : tensor<4x8xf32>
  return %3 : tensor<4x8xf32>
}

// What two ops need is computed once.
// CHECK-LABEL: func @shared
func.func @shared(%a: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-COUNT-1: math.exp
  // CHECK-NOT: math.exp
  // CHECK: return
  %0 = math.exp %a : tensor<4xf32>
  %1 = arith.addf %0, %a : tensor<4xf32>
  %2 = arith.mulf %0, %a : tensor<4xf32>
  return %1, %2 : tensor<4xf32>, tensor<4xf32>
}

// Nor is a small tensor computed anew for each of its repetitions.
// CHECK-LABEL: func @repeated
func.func @repeated(%a: tensor<8xf32>, %b: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]
  // CHECK: math.cos
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]
  %0 = math.cos %a : tensor<8xf32>
  %1 = nn.broadcast %0 : tensor<8xf32> -> tensor<4x8xf32>
  %2 = arith.mulf %b, %1 : tensor<4x8xf32>
  return %2 : tensor<4x8xf32>
}

// A slice that is reshaped is a slice of the reshaped whole, which loops read in place; not where it begins
// inside what becomes a row.
// CHECK-LABEL: func @heads
func.func @heads(%a: tensor<4x48xf32>) -> (tensor<4x2x8xf32>, tensor<4x2x8xf32>) {
  // CHECK: %[[A:.*]] = bufferization.to_tensor
  // CHECK: %[[WHOLE:.*]] = tensor.expand_shape %[[A]] {{.*}} output_shape [4, 6, 8]
  // CHECK: tensor.extract_slice %[[WHOLE]][0, 4, 0] [4, 2, 8] [1, 1, 1]
  // CHECK: tensor.extract_slice %[[A]][0, 12] [4, 16] [1, 1]
  %0 = tensor.extract_slice %a[0, 32] [4, 16] [1, 1] : tensor<4x48xf32> to tensor<4x16xf32>
  %1 = tensor.expand_shape %0 [[0], [1, 2]] output_shape [4, 2, 8] : tensor<4x16xf32> into tensor<4x2x8xf32>
  %2 = arith.negf %1 : tensor<4x2x8xf32>
  %3 = tensor.extract_slice %a[0, 12] [4, 16] [1, 1] : tensor<4x48xf32> to tensor<4x16xf32>
  %4 = tensor.expand_shape %3 [[0], [1, 2]] output_shape [4, 2, 8] : tensor<4x16xf32> into tensor<4x2x8xf32>
  %5 = arith.negf %4 : tensor<4x2x8xf32>
  return %2, %5 : tensor<4x2x8xf32>, tensor<4x2x8xf32>
}

// So is one whose dimensions of one element are left out, such as a part of a modulation.
// CHECK-LABEL: func @modulation
func.func @modulation(%a: tensor<4x1x48xf32>, %b: tensor<4x3x48xf32>) -> (tensor<4x16xf32>, tensor<12x16xf32>) {
  // CHECK: %[[A:.*]] = bufferization.to_tensor %arg0
  // CHECK: %[[B:.*]] = bufferization.to_tensor %arg1
  // CHECK-DAG: %[[WHOLE:.*]] = tensor.collapse_shape %[[A]] {{.*}} into tensor<4x48xf32>
  // CHECK-DAG: tensor.extract_slice %[[WHOLE]][0, 16] [4, 16] [1, 1]
  // CHECK-DAG: %[[ROWS:.*]] = tensor.collapse_shape %[[B]] {{.*}} into tensor<12x48xf32>
  // CHECK-DAG: tensor.extract_slice %[[ROWS]][0, 32] [12, 16] [1, 1]
  %0 = tensor.extract_slice %a[0, 0, 16] [4, 1, 16] [1, 1, 1] : tensor<4x1x48xf32> to tensor<4x1x16xf32>
  %1 = tensor.collapse_shape %0 [[0], [1, 2]] : tensor<4x1x16xf32> into tensor<4x16xf32>
  %2 = arith.negf %1 : tensor<4x16xf32>
  %3 = tensor.extract_slice %b[0, 0, 32] [4, 3, 16] [1, 1, 1] : tensor<4x3x48xf32> to tensor<4x3x16xf32>
  %4 = tensor.collapse_shape %3 [[0, 1], [2]] : tensor<4x3x16xf32> into tensor<12x16xf32>
  %5 = arith.negf %4 : tensor<12x16xf32>
  return %2, %5 : tensor<4x16xf32>, tensor<12x16xf32>
}

// But not where two dimensions become one that is sliced in part.
// CHECK-LABEL: func @within
func.func @within(%a: tensor<4x3x48xf32>) -> tensor<4x48xf32> {
  // CHECK: tensor.extract_slice %{{.*}}[0, 0, 32] [4, 3, 16] [1, 1, 1]
  // CHECK: return
  %0 = tensor.extract_slice %a[0, 0, 32] [4, 3, 16] [1, 1, 1] : tensor<4x3x48xf32> to tensor<4x3x16xf32>
  %1 = tensor.collapse_shape %0 [[0], [1, 2]] : tensor<4x3x16xf32> into tensor<4x48xf32>
  %2 = arith.negf %1 : tensor<4x48xf32>
  return %2 : tensor<4x48xf32>
}
