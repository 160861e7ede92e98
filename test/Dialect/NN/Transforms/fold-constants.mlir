// RUN: bigmac-opt --nn-fold-constants %s | FileCheck %s
// RUN: bigmac-opt --nn-fold-constants=max-bytes=8 %s | FileCheck %s --check-prefix=SMALL

// CHECK-LABEL: func @chain
// CHECK: %[[C:.*]] = arith.constant dense<[7, 5]> : tensor<2xi64>
// CHECK: return %[[C]]
// SMALL-LABEL: func @chain
// SMALL: nn.embedding
func.func @chain() -> tensor<2xi64> {
  %table = arith.constant dense<[1, 3, 5]> : tensor<3xi64>
  %two = arith.constant dense<2> : tensor<3xi64>
  %ids = arith.constant dense<[2, 1]> : tensor<2xi64>
  %0 = arith.addi %table, %two : tensor<3xi64>
  %1 = nn.embedding %0, %ids : tensor<3xi64>, tensor<2xi64>
  return %1 : tensor<2xi64>
}

// A broadcast of a constant stays small, and ops on it fold.
// CHECK-LABEL: func @broadcast
// CHECK-DAG: %[[C:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK-DAG: %[[B:.*]] = nn.broadcast %[[C]] : tensor<2xf32> -> tensor<3x2xf32>
// CHECK-DAG: %[[S:.*]] = arith.constant dense<[3.000000e+00, 6.000000e+00]> : tensor<2xf32>
// CHECK: return %[[B]], %[[S]]
func.func @broadcast() -> (tensor<3x2xf32>, tensor<2xf32>) {
  %c = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = nn.broadcast %c : tensor<2xf32> -> tensor<3x2xf32>
  %s = nn.reduce_sum %b [0] : tensor<3x2xf32>
  return %b, %s : tensor<3x2xf32>, tensor<2xf32>
}

// Splats fold whatever their size.
// CHECK-LABEL: func @splat
// CHECK: arith.constant dense<3.000000e+00> : tensor<1000000x1000xf32>
// SMALL-LABEL: func @splat
// SMALL: arith.constant dense<3.000000e+00> : tensor<1000000x1000xf32>
func.func @splat() -> tensor<1000000x1000xf32> {
  %one = arith.constant dense<1.0> : tensor<1000xf32>
  %two = arith.constant dense<2.0> : tensor<1000000x1000xf32>
  %0 = nn.broadcast %one : tensor<1000xf32> -> tensor<1000000x1000xf32>
  %1 = arith.addf %0, %two : tensor<1000000x1000xf32>
  return %1 : tensor<1000000x1000xf32>
}

// Parameters are no constants.
nn.parameter @p : tensor<2xf32> = dense<1.0> : tensor<2xf32>
// CHECK-LABEL: func @parameter
// CHECK: nn.get_parameter
// CHECK: arith.negf
func.func @parameter() -> tensor<2xf32> {
  %p = nn.get_parameter @p : tensor<2xf32>
  %0 = arith.negf %p : tensor<2xf32>
  return %0 : tensor<2xf32>
}
