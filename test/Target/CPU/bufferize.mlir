// RUN: bigmac-opt %s --task-destinations --task-accumulate-first --convert-nn-to-linalg --task-fold-contractions --task-fuse-elementwise --task-split-concats --canonicalize --cse --cpu-bufferize --canonicalize --cse --canonicalize | FileCheck %s

// No copies: products into accumulators, pieces into their places, results through reshapes.
// CHECK-LABEL: func @in_place
func.func @in_place(%acc: memref<4x3xf32>, %a: tensor<7x4xf32>, %b: tensor<7x3xf32>) -> (tensor<14x3xf32>, tensor<1x7x4xf32>) {
  // CHECK-NOT: memref.alloc
  // CHECK-NOT: memref.copy
  // CHECK: return
  %old = bufferization.to_tensor %acc restrict writable : memref<4x3xf32> to tensor<4x3xf32>
  %0 = nn.matmul %a transposed, %b : tensor<7x4xf32>, tensor<7x3xf32>
  %1 = arith.addf %old, %0 : tensor<4x3xf32>
  bufferization.materialize_in_destination %1 in restrict writable %acc : (tensor<4x3xf32>, memref<4x3xf32>) -> ()
  %2 = math.exp %b : tensor<7x3xf32>
  %3 = arith.negf %b : tensor<7x3xf32>
  %4 = tensor.concat dim(0) %2, %3 : (tensor<7x3xf32>, tensor<7x3xf32>) -> tensor<14x3xf32>
  %5 = math.tanh %a : tensor<7x4xf32>
  %6 = tensor.expand_shape %5 [[0, 1], [2]] output_shape [1, 7, 4] : tensor<7x4xf32> into tensor<1x7x4xf32>
  return %4, %6 : tensor<14x3xf32>, tensor<1x7x4xf32>
}

// What depends on arguments only is computed where it is first needed.
// CHECK-LABEL: func @sink
func.func @sink(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> tensor<4x4xf32> {
  // CHECK: linalg.contract
  // CHECK: math.exp
  // CHECK: linalg.contract
  %0 = math.exp %y : tensor<4x4xf32>
  %1 = nn.matmul %x, %x : tensor<4x4xf32>, tensor<4x4xf32>
  %2 = nn.matmul %1, %0 : tensor<4x4xf32>, tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}
