// RUN: bigmac-opt %s --task-destinations --convert-nn-to-linalg --task-fuse-elementwise --task-split-concats --task-fuse-elementwise --canonicalize | FileCheck %s

// Rotary: each half is computed from halves.
// CHECK-LABEL: func @rotary
func.func @rotary(%x: tensor<6x8xf32>, %c: tensor<6x8xf32>) -> tensor<6x8xf32> {
  // CHECK-COUNT-2: linalg.generic {{.*}} outs(%{{.*}} : tensor<6x4xf32>)
  // CHECK-NOT: linalg.generic
  // CHECK: tensor.concat dim(1)
  %low = tensor.extract_slice %x[0, 0] [6, 4] [1, 1] : tensor<6x8xf32> to tensor<6x4xf32>
  %high = tensor.extract_slice %x[0, 4] [6, 4] [1, 1] : tensor<6x8xf32> to tensor<6x4xf32>
  %negated = arith.negf %high : tensor<6x4xf32>
  %rotated = tensor.concat dim(1) %negated, %low : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<6x8xf32>
  %0 = arith.mulf %x, %c : tensor<6x8xf32>
  %1 = arith.addf %0, %rotated : tensor<6x8xf32>
  return %1 : tensor<6x8xf32>
}

// Its backward: slices of a product are products of slices.
// CHECK-LABEL: func @backward
func.func @backward(%g: tensor<6x8xf32>, %s: tensor<6x8xf32>) -> tensor<6x8xf32> {
  // CHECK-COUNT-2: linalg.generic {{.*}} outs(%{{.*}} : tensor<6x4xf32>)
  // CHECK-NOT: linalg.generic
  %0 = arith.mulf %g, %s : tensor<6x8xf32>
  %low = tensor.extract_slice %0[0, 0] [6, 4] [1, 1] : tensor<6x8xf32> to tensor<6x4xf32>
  %high = tensor.extract_slice %0[0, 4] [6, 4] [1, 1] : tensor<6x8xf32> to tensor<6x4xf32>
  %negated = arith.negf %low : tensor<6x4xf32>
  %1 = tensor.concat dim(1) %high, %negated : (tensor<6x4xf32>, tensor<6x4xf32>) -> tensor<6x8xf32>
  %2 = arith.addf %1, %g : tensor<6x8xf32>
  return %2 : tensor<6x8xf32>
}
