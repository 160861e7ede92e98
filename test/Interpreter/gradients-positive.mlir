// Derivative rules of ops on positive numbers against central differences.
// RUN: bigmac-interpret %s --all --check-gradient --low=0.5 --high=2 | FileCheck %s

// CHECK-LABEL: @log
// CHECK-NEXT: argument 0: 6 derivatives
func.func @log(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.log %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @sqrt
// CHECK-NEXT: argument 0: 6 derivatives
func.func @sqrt(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.sqrt %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @rsqrt
// CHECK-NEXT: argument 0: 6 derivatives
func.func @rsqrt(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.rsqrt %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @divf
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @divf(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = arith.divf %x, %y : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @powf
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 6 derivatives
func.func @powf(%x: tensor<2x3xf64>, %y: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.powf %x, %y : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @log1p
// CHECK-NEXT: argument 0: 6 derivatives
func.func @log1p(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.log1p %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @expm1
// CHECK-NEXT: argument 0: 6 derivatives
func.func @expm1(%x: tensor<2x3xf64>) -> tensor<2x3xf64> {
  %z = math.expm1 %x : tensor<2x3xf64>
  return %z : tensor<2x3xf64>
}

// CHECK-LABEL: @scalar_maximum
// CHECK-NEXT: argument 0: 1 derivatives
// CHECK-NEXT: argument 1: 1 derivatives
func.func @scalar_maximum(%x: f64, %y: f64) -> f64 {
  %z = arith.maximumf %x, %y : f64
  return %z : f64
}
