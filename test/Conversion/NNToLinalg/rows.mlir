// RUN: bigmac-opt %s --convert-nn-to-linalg | FileCheck %s

// A softmax takes the maximum off before it exponentiates, and divides once a row.
// CHECK-LABEL: func @softmax
func.func @softmax(%x: tensor<4x8xf32>) -> tensor<4x8xf32> {
  // CHECK: arith.maximumf %{{.*}} fastmath<nsz>
  // CHECK: arith.subf
  // CHECK-NEXT: math.exp
  // CHECK: arith.addf %{{.*}} fastmath<reassoc,contract>
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]
  // CHECK: arith.divf
  // CHECK: arith.mulf
  // CHECK-NOT: nn.
  %0 = nn.softmax %x : tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// The variance is of centred values: two sums.
// CHECK-LABEL: func @layer_norm
func.func @layer_norm(%x: tensor<4x8xf32>, %s: tensor<8xf32>) -> tensor<4x8xf32> {
  // CHECK: iterator_types = ["parallel", "reduction"]
  // CHECK: arith.mulf %{{.*}}, %{{.*}} fastmath<contract>
  // CHECK: iterator_types = ["parallel", "reduction"]
  // CHECK: arith.subf
  // CHECK-NEXT: arith.mulf
  // CHECK-NEXT: arith.addf %{{.*}} fastmath<reassoc,contract>
  // CHECK: math.sqrt
  %0, %1, %2 = nn.layer_norm %x scale %s : tensor<8xf32> epsilon 1.0e-5 : tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// The first greatest entry: the maximum, then the least index that has it.
// CHECK-LABEL: func @argmax
func.func @argmax(%x: tensor<4x8xf32>) -> tensor<4xi64> {
  // CHECK: arith.maximumf
  // CHECK: arith.cmpf oeq
  // CHECK: arith.cmpf uno
  // CHECK: arith.minsi
  // CHECK: arith.extsi
  %0 = nn.argmax %x : tensor<4x8xf32>
  return %0 : tensor<4xi64>
}
