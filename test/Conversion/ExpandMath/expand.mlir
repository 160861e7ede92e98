// RUN: bigmac-opt %s --expand-float-math | FileCheck %s

// CHECK-LABEL: func @f32
func.func @f32(%x: f32) -> (f32, f32, f32, f32, f32, f32, f32) {
  // CHECK-NOT: math.exp
  // CHECK-NOT: math.log
  // CHECK-NOT: math.tanh
  // CHECK-NOT: math.erf
  // CHECK-NOT: math.sin
  // CHECK-NOT: math.cos
  // No step of a range reduction may be reassociated.
  // CHECK-NOT: reassoc
  // CHECK: return
  %0 = math.exp %x : f32
  %1 = math.log %x : f32
  %2 = math.tanh %x : f32
  %3 = math.erf %x : f32
  %4 = math.sin %x : f32
  %5 = math.cos %x : f32
  %6 = math.erfc %x : f32
  return %0, %1, %2, %3, %4, %5, %6 : f32, f32, f32, f32, f32, f32, f32
}

// CHECK-LABEL: func @f64
func.func @f64(%x: f64) -> (f64, f64) {
  // CHECK: math.exp
  // CHECK: math.log
  // CHECK-NOT: math.log1p
  %0 = math.exp %x : f64
  %1 = math.log1p %x : f64
  return %0, %1 : f64, f64
}
