// Transposes, broadcasts and reductions. Expected values are PyTorch's.
// RUN: bigmac-interpret %s --all --digits=6 | FileCheck %s

// CHECK-LABEL: @transpose
// CHECK-NEXT{LITERAL}: result0: tensor<3x1x2xf64> = [[[0, 3]], [[1, 4]], [[2, 5]]]
func.func @transpose() -> tensor<3x1x2xf64> {
  %x = arith.constant dense<[[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]> : tensor<1x2x3xf64>
  %y = nn.transpose %x [2, 0, 1] : tensor<1x2x3xf64>
  return %y : tensor<3x1x2xf64>
}

// CHECK-LABEL: @transpose_integers
// CHECK-NEXT{LITERAL}: result0: tensor<3x2xi64> = [[1, 4], [2, 5], [3, 6]]
func.func @transpose_integers() -> tensor<3x2xi64> {
  %x = arith.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %y = nn.transpose %x [1, 0] : tensor<2x3xi64>
  return %y : tensor<3x2xi64>
}

// CHECK-LABEL: @broadcast
// CHECK-NEXT{LITERAL}: result0: tensor<2x2x3xf64> = [[[1, 1, 1], [2, 2, 2]], [[1, 1, 1], [2, 2, 2]]]
func.func @broadcast() -> tensor<2x2x3xf64> {
  %x = arith.constant dense<[[1.0], [2.0]]> : tensor<2x1xf64>
  %y = nn.broadcast %x : tensor<2x1xf64> -> tensor<2x2x3xf64>
  return %y : tensor<2x2x3xf64>
}

// CHECK-LABEL: @broadcast_scalar
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xf64> = [[3, 3], [3, 3]]
func.func @broadcast_scalar() -> tensor<2x2xf64> {
  %x = arith.constant dense<3.0> : tensor<f64>
  %y = nn.broadcast %x : tensor<f64> -> tensor<2x2xf64>
  return %y : tensor<2x2xf64>
}

// CHECK-LABEL: @reduce_sum
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xf64> = [[2.3, 3.67], [-1.15, -2.74]]
// CHECK-NEXT{LITERAL}: result1: tensor<3xf64> = [0.82, 1, 0.26]
// CHECK-NEXT{LITERAL}: result2: tensor<f64> = 2.08
// CHECK-NEXT{LITERAL}: result3: tensor<2x3x2xf64> = [[[1.88, 0.83], [-0.16, 1.68], [0.58, 1.16]], [[-1.29, -0.6], [0.33, -0.85], [-0.19, -1.29]]]
func.func @reduce_sum() -> (tensor<2x2xf64>, tensor<3xf64>, tensor<f64>, tensor<2x3x2xf64>) {
  %x = arith.constant dense<[[[1.88, 0.83], [-0.16, 1.68], [0.58, 1.16]], [[-1.29, -0.6], [0.33, -0.85], [-0.19, -1.29]]]> : tensor<2x3x2xf64>
  %a = nn.reduce_sum %x [1] : tensor<2x3x2xf64>
  %b = nn.reduce_sum %x [0, 2] : tensor<2x3x2xf64>
  %c = nn.reduce_sum %x [0, 1, 2] : tensor<2x3x2xf64>
  %d = nn.reduce_sum %x [] : tensor<2x3x2xf64>
  return %a, %b, %c, %d : tensor<2x2xf64>, tensor<3xf64>, tensor<f64>, tensor<2x3x2xf64>
}

// CHECK-LABEL: @reduce_sum_integers
// CHECK-NEXT{LITERAL}: result0: tensor<3xi64> = [5, 7, 9]
func.func @reduce_sum_integers() -> tensor<3xi64> {
  %x = arith.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %y = nn.reduce_sum %x [0] : tensor<2x3xi64>
  return %y : tensor<3xi64>
}

// CHECK-LABEL: @reduce_sum_nothing
// CHECK-NEXT{LITERAL}: result0: tensor<2xf64> = [0, 0]
func.func @reduce_sum_nothing() -> tensor<2xf64> {
  %x = arith.constant dense<0.0> : tensor<0x2xf64>
  %y = nn.reduce_sum %x [0] : tensor<0x2xf64>
  return %y : tensor<2xf64>
}

// CHECK-LABEL: @reduce_max
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xf64> = [[1.88, 1.68], [0.33, -0.6]]
// CHECK-NEXT{LITERAL}: result1: tensor<3xf64> = [1.88, 1.68, 1.16]
func.func @reduce_max() -> (tensor<2x2xf64>, tensor<3xf64>) {
  %x = arith.constant dense<[[[1.88, 0.83], [-0.16, 1.68], [0.58, 1.16]], [[-1.29, -0.6], [0.33, -0.85], [-0.19, -1.29]]]> : tensor<2x3x2xf64>
  %a = nn.reduce_max %x [1] : tensor<2x3x2xf64>
  %b = nn.reduce_max %x [0, 2] : tensor<2x3x2xf64>
  return %a, %b : tensor<2x2xf64>, tensor<3xf64>
}

// CHECK-LABEL: @reduce_max_nan
// CHECK-NEXT{LITERAL}: result0: tensor<2xf64> = [nan, 4]
func.func @reduce_max_nan() -> tensor<2xf64> {
  %x = arith.constant dense<[[1.0, 0x7FF8000000000000, 2.0], [3.0, 4.0, 0xFFF0000000000000]]> : tensor<2x3xf64>
  %y = nn.reduce_max %x [1] : tensor<2x3xf64>
  return %y : tensor<2xf64>
}

// The first of equal maxima; a NaN is one.
// CHECK-LABEL: @argmax
// CHECK-NEXT{LITERAL}: result0: tensor<2xi64> = [1, 0]
// CHECK-NEXT{LITERAL}: result1: tensor<1xi64> = [1]
func.func @argmax() -> (tensor<2xi64>, tensor<1xi64>) {
  %x = arith.constant dense<[[1.0, 5.0, 5.0], [-3.0, -4.0, -3.0]]> : tensor<2x3xf64>
  %n = arith.constant dense<[[1.0, 0x7FF8000000000000, 7.0]]> : tensor<1x3xf64>
  %y = nn.argmax %x : tensor<2x3xf64>
  %z = nn.argmax %n : tensor<1x3xf64>
  return %y, %z : tensor<2xi64>, tensor<1xi64>
}
