// Cross-entropy, forward and backward. Expected values are PyTorch's.
// RUN: bigmac-interpret %s --all --digits=6 | FileCheck %s

// CHECK-LABEL: @mean
// CHECK-NEXT{LITERAL}: result0: tensor<f64> = 1.3768
// CHECK-NEXT{LITERAL}: result1: tensor<3xf64> = [2.06788, 1.26864, 2.15572]
// CHECK-NEXT{LITERAL}: result2: tensor<3x4xf64> = [[0.00712479, 0.00719639, -0.0321994, 0.0178782], [0, 0, 0, 0], [-0.231721, 0.0111981, 0.103105, 0.117418]]
func.func @mean() -> (tensor<f64>, tensor<3xf64>, tensor<3x4xf64>) {
  %x = arith.constant dense<[[-1.49, -1.48, 1.93, -0.57], [0.59, 0.16, -0.82, -1.98], [-0.46, -0.95, 1.27, 1.4]]> : tensor<3x4xf64>
  %labels = arith.constant dense<[2, -100, 0]> : tensor<3xi64>
  %grad = arith.constant dense<0.5> : tensor<f64>
  %loss, %lse = nn.cross_entropy %x, %labels : tensor<3x4xf64>, tensor<3xi64>
  %dx = nn.cross_entropy_backward %x, %labels, %lse, %grad : tensor<3x4xf64>, tensor<3xi64>, tensor<3xf64>, tensor<f64>
  return %loss, %lse, %dx : tensor<f64>, tensor<3xf64>, tensor<3x4xf64>
}

// CHECK-LABEL: @sum
// CHECK-NEXT{LITERAL}: result0: tensor<f64> = 2.7536
// CHECK-NEXT{LITERAL}: result1: tensor<3xf64> = [2.06788, 1.26864, 2.15572]
// CHECK-NEXT{LITERAL}: result2: tensor<3x4xf64> = [[0.0142496, 0.0143928, -0.0643987, 0.0357563], [0, 0, 0, 0], [-0.463442, 0.0223962, 0.206209, 0.234837]]
func.func @sum() -> (tensor<f64>, tensor<3xf64>, tensor<3x4xf64>) {
  %x = arith.constant dense<[[-1.49, -1.48, 1.93, -0.57], [0.59, 0.16, -0.82, -1.98], [-0.46, -0.95, 1.27, 1.4]]> : tensor<3x4xf64>
  %labels = arith.constant dense<[2, -100, 0]> : tensor<3xi64>
  %grad = arith.constant dense<0.5> : tensor<f64>
  %loss, %lse = nn.cross_entropy sum %x, %labels : tensor<3x4xf64>, tensor<3xi64>
  %dx = nn.cross_entropy_backward sum %x, %labels, %lse, %grad : tensor<3x4xf64>, tensor<3xi64>, tensor<3xf64>, tensor<f64>
  return %loss, %lse, %dx : tensor<f64>, tensor<3xf64>, tensor<3x4xf64>
}

// CHECK-LABEL: @other_ignored
// CHECK-NEXT{LITERAL}: result0: tensor<f64> = 1.69326
// CHECK-NEXT{LITERAL}: result1: tensor<3xf64> = [2.06788, 1.26864, 2.15572]
// CHECK-NEXT{LITERAL}: result2: tensor<3x4xf64> = [[0.00712479, 0.00719639, -0.0321994, 0.0178782], [0.126827, 0.0825022, 0.030964, -0.240293], [0, 0, 0, 0]]
func.func @other_ignored() -> (tensor<f64>, tensor<3xf64>, tensor<3x4xf64>) {
  %x = arith.constant dense<[[-1.49, -1.48, 1.93, -0.57], [0.59, 0.16, -0.82, -1.98], [-0.46, -0.95, 1.27, 1.4]]> : tensor<3x4xf64>
  %labels = arith.constant dense<[2, 3, 0]> : tensor<3xi64>
  %grad = arith.constant dense<0.5> : tensor<f64>
  %loss, %lse = nn.cross_entropy %x, %labels {ignore_index = 0 : i64} : tensor<3x4xf64>, tensor<3xi64>
  %dx = nn.cross_entropy_backward %x, %labels, %lse, %grad {ignore_index = 0 : i64} : tensor<3x4xf64>, tensor<3xi64>, tensor<3xf64>, tensor<f64>
  return %loss, %lse, %dx : tensor<f64>, tensor<3xf64>, tensor<3x4xf64>
}

// With no label the mean is NaN and the gradient zero.
// CHECK-LABEL: @none
// CHECK-NEXT{LITERAL}: result0: tensor<f64> = nan
// CHECK-NEXT{LITERAL}: result1: tensor<3xf64> = [2.06788, 1.26864, 2.15572]
// CHECK-NEXT{LITERAL}: result2: tensor<3x4xf64> = [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
func.func @none() -> (tensor<f64>, tensor<3xf64>, tensor<3x4xf64>) {
  %x = arith.constant dense<[[-1.49, -1.48, 1.93, -0.57], [0.59, 0.16, -0.82, -1.98], [-0.46, -0.95, 1.27, 1.4]]> : tensor<3x4xf64>
  %labels = arith.constant dense<[-100, -100, -100]> : tensor<3xi64>
  %grad = arith.constant dense<0.5> : tensor<f64>
  %loss, %lse = nn.cross_entropy %x, %labels : tensor<3x4xf64>, tensor<3xi64>
  %dx = nn.cross_entropy_backward %x, %labels, %lse, %grad : tensor<3x4xf64>, tensor<3xi64>, tensor<3xf64>, tensor<f64>
  return %loss, %lse, %dx : tensor<f64>, tensor<3xf64>, tensor<3x4xf64>
}
