// Derivative rules of arith and math ops against central differences.
// RUN: bigmac-interpret %s --all --check-gradient | FileCheck %s

// CHECK-LABEL: @addf
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @addf(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = arith.addf %x, %y : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @subf
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @subf(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = arith.subf %x, %y : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @mulf
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @mulf(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = arith.mulf %x, %y : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

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

// CHECK-LABEL: @negf
// CHECK-NEXT: argument 0: 6 derivatives
func.func @negf(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = arith.negf %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @select
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @select(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %c = arith.constant dense<[[true, false, true], [false, false, true]]> : tensor<2x3xi1>
  %z = arith.select %c, %x, %y : tensor<2x3xi1>, tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// The condition has no derivative.
// CHECK-LABEL: @select_by_comparison
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @select_by_comparison(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %c = arith.cmpf olt, %x, %y : tensor<2x3xf64>
  %m = arith.mulf %x, %y : tensor<2x3xf64>
  %z = arith.select %c, %m, %y : tensor<2x3xi1>, tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @casts
// CHECK-NEXT: argument 0: 4 derivatives
// CHECK-NEXT: argument 1: 4 derivatives
func.func @casts(%x: tensor<4xf32>, %y: tensor<4xf64>) -> tensor<4xf32> {
  %a = arith.extf %x : tensor<4xf32> to tensor<4xf64>
  %b = arith.mulf %a, %y : tensor<4xf64>
  %z = arith.truncf %b : tensor<4xf64> to tensor<4xf32>
  return %z : tensor<4xf32>
}

// Contributions of all uses add up.
// CHECK-LABEL: @many_uses
// CHECK-NEXT: argument 0: 6 derivatives
func.func @many_uses(%x: tensor<2x3xf64>) -> (tensor<2x3xf64>, tensor<2x3xf64>) {
  %a = arith.mulf %x, %x : tensor<2x3xf64>
  %b = arith.addf %a, %x : tensor<2x3xf64>
  %c = arith.mulf %b, %a : tensor<2x3xf64>
  %d = arith.subf %c, %c : tensor<2x3xf64>
  %z = arith.addf %c, %d : tensor<2x3xf64>
  return %z, %a : tensor<2x3xf64>, tensor<2x3xf64>
}

// No rule gives y a cotangent, and differences give zero.
// CHECK-LABEL: @no_influence
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @no_influence(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = arith.negf %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @exp
// CHECK-NEXT: argument 0: 6 derivatives
func.func @exp(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.exp %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @sin
// CHECK-NEXT: argument 0: 6 derivatives
func.func @sin(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.sin %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @cos
// CHECK-NEXT: argument 0: 6 derivatives
func.func @cos(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.cos %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @tanh
// CHECK-NEXT: argument 0: 6 derivatives
func.func @tanh(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.tanh %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @erf
// CHECK-NEXT: argument 0: 6 derivatives
func.func @erf(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.erf %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @absf
// CHECK-NEXT: argument 0: 6 derivatives
func.func @absf(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.absf %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @floor
// CHECK-NEXT: argument 0: 6 derivatives
func.func @floor(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.floor %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @ceil
// CHECK-NEXT: argument 0: 6 derivatives
func.func @ceil(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.ceil %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @roundeven
// CHECK-NEXT: argument 0: 6 derivatives
func.func @roundeven(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.roundeven %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @round
// CHECK-NEXT: argument 0: 6 derivatives
func.func @round(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.round %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @trunc
// CHECK-NEXT: argument 0: 6 derivatives
func.func @trunc(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.trunc %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}
