// math ops: one case each. Expected values are PyTorch's and Python's.
// RUN: bigmac-interpret %s --all --digits=6 | FileCheck %s

// CHECK-LABEL: @exponentials
// CHECK-NEXT{LITERAL}: result0: tensor<4xf64> = [0.22313, 0.778801, 1.64872, 12.1825]
// CHECK-NEXT{LITERAL}: result1: tensor<4xf64> = [0.353553, 0.840896, 1.41421, 5.65685]
// CHECK-NEXT{LITERAL}: result2: tensor<4xf64> = [-0.77687, -0.221199, 0.648721, 11.1825]
// CHECK-NEXT{LITERAL}: result3: tensor<4xf64> = [-0.966105, -0.276326, 0.5205, 0.999593]
// CHECK-NEXT{LITERAL}: result4: tensor<4xf64> = [1.96611, 1.27633, 0.4795, 0.000406952]
func.func @exponentials() -> (tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>) {
  %x = arith.constant dense<[-1.5, -0.25, 0.5, 2.5]> : tensor<4xf64>
  %r0 = math.exp %x : tensor<4xf64>
  %r1 = math.exp2 %x : tensor<4xf64>
  %r2 = math.expm1 %x : tensor<4xf64>
  %r3 = math.erf %x : tensor<4xf64>
  %r4 = math.erfc %x : tensor<4xf64>
  return %r0, %r1, %r2, %r3, %r4 : tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>
}

// CHECK-LABEL: @logarithms
// CHECK-NEXT{LITERAL}: result0: tensor<4xf64> = [-1.38629, 0, 0.916291, 2.19722]
// CHECK-NEXT{LITERAL}: result1: tensor<4xf64> = [-2, 0, 1.32193, 3.16993]
// CHECK-NEXT{LITERAL}: result2: tensor<4xf64> = [-0.60206, 0, 0.39794, 0.954243]
// CHECK-NEXT{LITERAL}: result3: tensor<4xf64> = [0.223144, 0.693147, 1.25276, 2.30259]
func.func @logarithms() -> (tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>) {
  %x = arith.constant dense<[0.25, 1.0, 2.5, 9.0]> : tensor<4xf64>
  %r0 = math.log %x : tensor<4xf64>
  %r1 = math.log2 %x : tensor<4xf64>
  %r2 = math.log10 %x : tensor<4xf64>
  %r3 = math.log1p %x : tensor<4xf64>
  return %r0, %r1, %r2, %r3 : tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>
}

// CHECK-LABEL: @roots
// CHECK-NEXT{LITERAL}: result0: tensor<4xf64> = [0.5, 1, 1.58114, 3]
// CHECK-NEXT{LITERAL}: result1: tensor<4xf64> = [2, 1, 0.632456, 0.333333]
// CHECK-NEXT{LITERAL}: result2: tensor<4xf64> = [0.629961, 1, 1.35721, 2.08008]
func.func @roots() -> (tensor<4xf64>, tensor<4xf64>, tensor<4xf64>) {
  %x = arith.constant dense<[0.25, 1.0, 2.5, 9.0]> : tensor<4xf64>
  %r0 = math.sqrt %x : tensor<4xf64>
  %r1 = math.rsqrt %x : tensor<4xf64>
  %r2 = math.cbrt %x : tensor<4xf64>
  return %r0, %r1, %r2 : tensor<4xf64>, tensor<4xf64>, tensor<4xf64>
}

// CHECK-LABEL: @trigonometry
// CHECK-NEXT{LITERAL}: result0: tensor<4xf64> = [-0.997495, -0.247404, 0.479426, 0.598472]
// CHECK-NEXT{LITERAL}: result1: tensor<4xf64> = [0.0707372, 0.968912, 0.877583, -0.801144]
// CHECK-NEXT{LITERAL}: result2: tensor<4xf64> = [-14.1014, -0.255342, 0.546302, -0.747022]
// CHECK-NEXT{LITERAL}: result3: tensor<4xf64> = [-0.982794, -0.244979, 0.463648, 1.19029]
func.func @trigonometry() -> (tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>) {
  %x = arith.constant dense<[-1.5, -0.25, 0.5, 2.5]> : tensor<4xf64>
  %r0 = math.sin %x : tensor<4xf64>
  %r1 = math.cos %x : tensor<4xf64>
  %r2 = math.tan %x : tensor<4xf64>
  %r3 = math.atan %x : tensor<4xf64>
  return %r0, %r1, %r2, %r3 : tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>
}

// CHECK-LABEL: @hyperbolics
// CHECK-NEXT{LITERAL}: result0: tensor<4xf64> = [-2.12928, -0.252612, 0.521095, 6.0502]
// CHECK-NEXT{LITERAL}: result1: tensor<4xf64> = [2.35241, 1.03141, 1.12763, 6.13229]
// CHECK-NEXT{LITERAL}: result2: tensor<4xf64> = [-0.905148, -0.244919, 0.462117, 0.986614]
// CHECK-NEXT{LITERAL}: result3: tensor<4xf64> = [-1.19476, -0.247466, 0.481212, 1.64723]
func.func @hyperbolics() -> (tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>) {
  %x = arith.constant dense<[-1.5, -0.25, 0.5, 2.5]> : tensor<4xf64>
  %r0 = math.sinh %x : tensor<4xf64>
  %r1 = math.cosh %x : tensor<4xf64>
  %r2 = math.tanh %x : tensor<4xf64>
  %r3 = math.asinh %x : tensor<4xf64>
  return %r0, %r1, %r2, %r3 : tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>
}

// CHECK-LABEL: @inverses
// CHECK-NEXT{LITERAL}: result0: tensor<3xf64> = [-0.523599, 0, 0.25268]
// CHECK-NEXT{LITERAL}: result1: tensor<3xf64> = [2.0944, 1.5708, 1.31812]
// CHECK-NEXT{LITERAL}: result2: tensor<3xf64> = [-0.549306, 0, 0.255413]
func.func @inverses() -> (tensor<3xf64>, tensor<3xf64>, tensor<3xf64>) {
  %x = arith.constant dense<[-0.5, 0.0, 0.25]> : tensor<3xf64>
  %r0 = math.asin %x : tensor<3xf64>
  %r1 = math.acos %x : tensor<3xf64>
  %r2 = math.atanh %x : tensor<3xf64>
  return %r0, %r1, %r2 : tensor<3xf64>, tensor<3xf64>, tensor<3xf64>
}

// CHECK-LABEL: @acosh
// CHECK-NEXT{LITERAL}: result0: tensor<3xf64> = [0, 0.962424, 1.76275]
func.func @acosh() -> tensor<3xf64> {
  %x = arith.constant dense<[1.0, 1.5, 3.0]> : tensor<3xf64>
  %r0 = math.acosh %x : tensor<3xf64>
  return %r0 : tensor<3xf64>
}

// roundeven takes ties to even, round away from zero.
// CHECK-LABEL: @rounding
// CHECK-NEXT{LITERAL}: result0: tensor<5xf64> = [-3, -1, 0, 1, 2]
// CHECK-NEXT{LITERAL}: result1: tensor<5xf64> = [-2, -0, 1, 2, 3]
// CHECK-NEXT{LITERAL}: result2: tensor<5xf64> = [-2, -0, 0, 1, 2]
// CHECK-NEXT{LITERAL}: result3: tensor<5xf64> = [-2, -0, 0, 2, 3]
// CHECK-NEXT{LITERAL}: result4: tensor<5xf64> = [-3, -1, 1, 2, 3]
// CHECK-NEXT{LITERAL}: result5: tensor<5xf64> = [2.5, 0.5, 0.5, 1.5, 2.75]
func.func @rounding() -> (tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>) {
  %x = arith.constant dense<[-2.5, -0.5, 0.5, 1.5, 2.75]> : tensor<5xf64>
  %r0 = math.floor %x : tensor<5xf64>
  %r1 = math.ceil %x : tensor<5xf64>
  %r2 = math.trunc %x : tensor<5xf64>
  %r3 = math.roundeven %x : tensor<5xf64>
  %r4 = math.round %x : tensor<5xf64>
  %r5 = math.absf %x : tensor<5xf64>
  return %r0, %r1, %r2, %r3, %r4, %r5 : tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>, tensor<5xf64>
}

// CHECK-LABEL: @two_operands
// CHECK-NEXT{LITERAL}: result0: tensor<4xf64> = [1.41421, -8, 1, 0.25]
// CHECK-NEXT{LITERAL}: result1: tensor<4xf64> = [1.32582, -0.588003, 0, 1.81577]
// CHECK-NEXT{LITERAL}: result2: tensor<4xf64> = [2, 2, 0, -4]
// CHECK-NEXT{LITERAL}: result3: tensor<4xf64> = [3, -8, 0, 0]
func.func @two_operands() -> (tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>) {
  %x = arith.constant dense<[2.0, -2.0, 0.0, 4.0]> : tensor<4xf64>
  %e = arith.constant dense<[0.5, 3.0, 0.0, -1.0]> : tensor<4xf64>
  %r0 = math.powf %x, %e : tensor<4xf64>
  %r1 = math.atan2 %x, %e : tensor<4xf64>
  %r2 = math.copysign %x, %e : tensor<4xf64>
  %r3 = math.fma %x, %e, %x : tensor<4xf64>
  return %r0, %r1, %r2, %r3 : tensor<4xf64>, tensor<4xf64>, tensor<4xf64>, tensor<4xf64>
}

// CHECK-LABEL: @tests
// CHECK-NEXT{LITERAL}: result0: tensor<3xi1> = [1, 0, 0]
// CHECK-NEXT{LITERAL}: result1: tensor<3xi1> = [0, 1, 0]
// CHECK-NEXT{LITERAL}: result2: tensor<3xi1> = [0, 0, 1]
func.func @tests() -> (tensor<3xi1>, tensor<3xi1>, tensor<3xi1>) {
  %x = arith.constant dense<[1.0, 0x7FF0000000000000, 0x7FF8000000000000]> : tensor<3xf64>
  %a = math.isfinite %x : tensor<3xf64>
  %b = math.isinf %x : tensor<3xf64>
  %c = math.isnan %x : tensor<3xf64>
  return %a, %b, %c : tensor<3xi1>, tensor<3xi1>, tensor<3xi1>
}

// CHECK-LABEL: @integers
// CHECK-NEXT{LITERAL}: result0: tensor<5xi64> = [3, 2, 1, 0, 5]
// CHECK-NEXT{LITERAL}: result1: tensor<5xi64> = [81, -8, -1, 1, 0]
func.func @integers() -> (tensor<5xi64>, tensor<5xi64>) {
  %x = arith.constant dense<[3, -2, -1, 0, 5]> : tensor<5xi64>
  %y = arith.constant dense<[4, 3, -3, 0, -1]> : tensor<5xi64>
  %a = math.absi %x : tensor<5xi64>
  %b = math.ipowi %x, %y : tensor<5xi64>
  return %a, %b : tensor<5xi64>, tensor<5xi64>
}

// CHECK-LABEL: @float_to_integer_power
// CHECK-NEXT{LITERAL}: result0: tensor<2xf64> = [8, 0.0625]
func.func @float_to_integer_power() -> tensor<2xf64> {
  %x = arith.constant dense<[2.0, 4.0]> : tensor<2xf64>
  %y = arith.constant dense<[3, -2]> : tensor<2xi32>
  %a = math.fpowi %x, %y : tensor<2xf64>, tensor<2xi32>
  return %a : tensor<2xf64>
}
