// RUN: bigmac-opt %s --task-accumulate-first | FileCheck %s

// CHECK-LABEL: func @tied
func.func @tied(%acc: memref<4x3xf32>, %a: tensor<7x4xf32>, %b: tensor<7x3xf32>, %ids: tensor<7xi64>) {
  // CHECK: %[[OLD:.*]] = bufferization.to_tensor
  // CHECK: %[[PRODUCT:.*]] = nn.matmul
  // CHECK: %[[SCATTER:.*]] = nn.embedding_backward
  // CHECK: %[[PARTIAL:.*]] = arith.addf %[[OLD]], %[[PRODUCT]]
  // CHECK: arith.addf %[[PARTIAL]], %[[SCATTER]]
  %old = bufferization.to_tensor %acc restrict writable : memref<4x3xf32> to tensor<4x3xf32>
  %0 = nn.matmul %a transposed, %b : tensor<7x4xf32>, tensor<7x3xf32>
  %1 = nn.embedding_backward %ids, %b : tensor<7xi64>, tensor<7x3xf32> -> tensor<4x3xf32>
  %2 = arith.addf %0, %1 : tensor<4x3xf32>
  %3 = arith.addf %2, %old : tensor<4x3xf32>
  bufferization.materialize_in_destination %3 in restrict writable %acc : (tensor<4x3xf32>, memref<4x3xf32>) -> ()
  return
}

// No accumulator: the sum stays.
// CHECK-LABEL: func @plain
func.func @plain(%a: tensor<4xf32>, %b: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[INNER:.*]] = arith.addf %arg0, %arg1
  // CHECK: arith.addf %arg0, %[[INNER]]
  %0 = arith.addf %a, %b : tensor<4xf32>
  %1 = arith.addf %a, %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}
