// RUN: bigmac-opt --nn-raise-activations %s | FileCheck %s

// CHECK-LABEL: func @silu
// CHECK-NEXT: %[[Y:.*]] = nn.silu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @silu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = nn.sigmoid %x : tensor<4xf32>
  %1 = arith.mulf %x, %0 : tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: func @silu_written_out
// CHECK-NEXT: %[[Y:.*]] = nn.silu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @silu_written_out(%x: tensor<4xf32>) -> tensor<4xf32> {
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %0 = arith.negf %x : tensor<4xf32>
  %1 = math.exp %0 : tensor<4xf32>
  %2 = arith.addf %1, %one : tensor<4xf32>
  %3 = arith.divf %x, %2 : tensor<4xf32>
  return %3 : tensor<4xf32>
}

// CHECK-LABEL: func @sigmoid
// CHECK-NEXT: %[[Y:.*]] = nn.sigmoid %arg0
// CHECK-NEXT: return %[[Y]]
func.func @sigmoid(%x: tensor<4xf32>) -> tensor<4xf32> {
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %0 = arith.negf %x : tensor<4xf32>
  %1 = math.exp %0 : tensor<4xf32>
  %2 = arith.addf %one, %1 : tensor<4xf32>
  %3 = arith.divf %one, %2 : tensor<4xf32>
  return %3 : tensor<4xf32>
}

// CLIP's quick GELU is no SiLU.
// CHECK-LABEL: func @quick_gelu
// CHECK-NOT: nn.silu
// CHECK: return
func.func @quick_gelu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c = arith.constant dense<1.702> : tensor<4xf32>
  %0 = arith.mulf %x, %c : tensor<4xf32>
  %1 = nn.sigmoid %0 : tensor<4xf32>
  %2 = arith.mulf %x, %1 : tensor<4xf32>
  return %2 : tensor<4xf32>
}

// CHECK-LABEL: func @gelu
// CHECK-NEXT: %[[Y:.*]] = nn.gelu %arg0
// CHECK-NEXT: return %[[Y]]
func.func @gelu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %root = arith.constant dense<1.41421354> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %half = arith.constant dense<0.5> : tensor<4xf32>
  %0 = arith.divf %x, %root : tensor<4xf32>
  %1 = math.erf %0 : tensor<4xf32>
  %2 = arith.addf %1, %one : tensor<4xf32>
  %3 = arith.mulf %half, %2 : tensor<4xf32>
  %4 = arith.mulf %x, %3 : tensor<4xf32>
  return %4 : tensor<4xf32>
}

// CHECK-LABEL: func @gelu_other_order
// CHECK-NEXT: nn.gelu %arg0
func.func @gelu_other_order(%x: tensor<4xf32>) -> tensor<4xf32> {
  %root = arith.constant dense<0.707106769> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %half = arith.constant dense<0.5> : tensor<4xf32>
  %0 = arith.mulf %x, %root : tensor<4xf32>
  %1 = math.erf %0 : tensor<4xf32>
  %2 = arith.addf %one, %1 : tensor<4xf32>
  %3 = arith.mulf %x, %half : tensor<4xf32>
  %4 = arith.mulf %3, %2 : tensor<4xf32>
  return %4 : tensor<4xf32>
}

// Three digits of sqrt(2) are not enough.
// CHECK-LABEL: func @almost_gelu
// CHECK-NOT: nn.gelu
// CHECK: return
func.func @almost_gelu(%x: tensor<4xf32>) -> tensor<4xf32> {
  %root = arith.constant dense<1.414> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %half = arith.constant dense<0.5> : tensor<4xf32>
  %0 = arith.divf %x, %root : tensor<4xf32>
  %1 = math.erf %0 : tensor<4xf32>
  %2 = arith.addf %1, %one : tensor<4xf32>
  %3 = arith.mulf %half, %2 : tensor<4xf32>
  %4 = arith.mulf %x, %3 : tensor<4xf32>
  return %4 : tensor<4xf32>
}

// CHECK-LABEL: func @gelu_tanh
// CHECK-NEXT: %[[Y:.*]] = nn.gelu tanh %arg0
// CHECK-NEXT: return %[[Y]]
func.func @gelu_tanh(%x: tensor<4xf32>) -> tensor<4xf32> {
  %cubic = arith.constant dense<0.044715> : tensor<4xf32>
  %outer = arith.constant dense<0.7978845608> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %half = arith.constant dense<0.5> : tensor<4xf32>
  %x2 = arith.mulf %x, %x : tensor<4xf32>
  %x3 = arith.mulf %x2, %x : tensor<4xf32>
  %0 = arith.mulf %x3, %cubic : tensor<4xf32>
  %1 = arith.addf %x, %0 : tensor<4xf32>
  %2 = arith.mulf %1, %outer : tensor<4xf32>
  %3 = math.tanh %2 : tensor<4xf32>
  %4 = arith.addf %3, %one : tensor<4xf32>
  %5 = arith.mulf %half, %4 : tensor<4xf32>
  %6 = arith.mulf %x, %5 : tensor<4xf32>
  return %6 : tensor<4xf32>
}

// CHECK-LABEL: func @gelu_tanh_factored
// CHECK-NEXT: nn.gelu tanh %arg0
func.func @gelu_tanh_factored(%x: tensor<4xf32>) -> tensor<4xf32> {
  %cubic = arith.constant dense<0.044715> : tensor<4xf32>
  %outer = arith.constant dense<0.7978845608> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %half = arith.constant dense<0.5> : tensor<4xf32>
  %x2 = arith.mulf %x, %x : tensor<4xf32>
  %0 = arith.mulf %x2, %cubic : tensor<4xf32>
  %1 = arith.addf %0, %one : tensor<4xf32>
  %2 = arith.mulf %x, %outer : tensor<4xf32>
  %3 = arith.mulf %2, %1 : tensor<4xf32>
  %4 = math.tanh %3 : tensor<4xf32>
  %5 = arith.addf %4, %one : tensor<4xf32>
  %6 = arith.mulf %x, %half : tensor<4xf32>
  %7 = arith.mulf %6, %5 : tensor<4xf32>
  return %7 : tensor<4xf32>
}

// A square where the cube should be.
// CHECK-LABEL: func @almost_gelu_tanh
// CHECK-NOT: nn.gelu
// CHECK: return
func.func @almost_gelu_tanh(%x: tensor<4xf32>) -> tensor<4xf32> {
  %cubic = arith.constant dense<0.044715> : tensor<4xf32>
  %outer = arith.constant dense<0.7978845608> : tensor<4xf32>
  %one = arith.constant dense<1.0> : tensor<4xf32>
  %half = arith.constant dense<0.5> : tensor<4xf32>
  %x2 = arith.mulf %x, %x : tensor<4xf32>
  %0 = arith.mulf %x2, %cubic : tensor<4xf32>
  %1 = arith.addf %x, %0 : tensor<4xf32>
  %2 = arith.mulf %1, %outer : tensor<4xf32>
  %3 = math.tanh %2 : tensor<4xf32>
  %4 = arith.addf %3, %one : tensor<4xf32>
  %5 = arith.mulf %half, %4 : tensor<4xf32>
  %6 = arith.mulf %x, %5 : tensor<4xf32>
  return %6 : tensor<4xf32>
}
