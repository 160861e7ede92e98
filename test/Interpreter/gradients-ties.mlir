// Where two values tie, the rules give both half; central differences do so as well.
// RUN: bigmac-interpret %s --all --check-gradient --low=0 --high=0 | FileCheck %s

// CHECK-LABEL: @maximumf
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @maximumf(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = arith.maximumf %x, %y : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @minimumf
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @minimumf(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = arith.minimumf %x, %y : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @absf
// CHECK-NEXT: argument 0: 6 derivatives
func.func @absf(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.absf %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @reduce_max
// CHECK-NEXT: argument 0: 6 derivatives
func.func @reduce_max(%x: tensor<3x2xf64>) -> tensor<3xf64> {
  %z = nn.reduce_max %x [1] : tensor<3x2xf64>
  return %z : tensor<3xf64>
}

// CHECK-LABEL: @square
// CHECK-NEXT: argument 0: 6 derivatives
func.func @square(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %two = arith.constant dense<2.0> : tensor<2x3xf64>
  %z = math.powf %x, %two : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// The zeroth power is flat, also at zero.
// CHECK-LABEL: @zeroth_power
// CHECK-NEXT: argument 0: 6 derivatives
func.func @zeroth_power(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %zero = arith.constant dense<0.0> : tensor<2x3xf64>
  %z = math.powf %x, %zero : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}
