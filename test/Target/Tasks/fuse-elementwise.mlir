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
