// Normalizations, forward and backward. Expected values are PyTorch's.
// RUN: bigmac-interpret %s --all --digits=6 | FileCheck %s

// CHECK-LABEL: @layer_norm
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[1.8551, -3.15965, 2.20794], [-0.280069, 0.504763, 2.22787]]
// CHECK-NEXT{LITERAL}: result1: tensor<2xf64> = [0.0633333, -0.253333]
// CHECK-NEXT{LITERAL}: result2: tensor<2xf64> = [0.893824, 0.988491]
// CHECK-NEXT{LITERAL}: result3: tensor<2x3xf64> = [[-1.38841, 0.899782, 0.488624], [0.883052, -1.39048, 0.507425]]
// CHECK-NEXT{LITERAL}: result4: tensor<2x3xf64> = [[-0.838406, -0.820218, 2.17862], [1.43305, -3.11048, 2.19743]]
func.func @layer_norm() -> (tensor<2x3xf64>, tensor<2xf64>, tensor<2xf64>, tensor<2x3xf64>, tensor<2x3xf64>) {
  %x = arith.constant dense<[[-1.49, 1.07, 0.61], [0.64, -1.66, 0.26]]> : tensor<2x3xf64>
  %scale = arith.constant dense<[-0.94, -1.6, 1.06]> : tensor<3xf64>
  %bias = arith.constant dense<[0.55, -1.72, 1.69]> : tensor<3xf64>
  %y, %mean, %rstd = nn.layer_norm %x scale %scale : tensor<3xf64> bias %bias : tensor<3xf64> epsilon 1.0e-2 : tensor<2x3xf64>
  %z, %m, %r = nn.layer_norm %x epsilon 1.0e-2 : tensor<2x3xf64>
  %b, %m2, %r2 = nn.layer_norm %x bias %bias : tensor<3xf64> epsilon 1.0e-2 : tensor<2x3xf64>
  return %y, %mean, %rstd, %z, %b : tensor<2x3xf64>, tensor<2xf64>, tensor<2xf64>, tensor<2x3xf64>, tensor<2x3xf64>
}

// CHECK-LABEL: @layer_norm_backward
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[-0.135034, -0.604152, 0.739186], [-0.31513, -0.053862, 0.368992]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x3xf64> = [[0.041963, 0.177195, -0.219158], [0.287377, 0.0496276, -0.337004]]
func.func @layer_norm_backward() -> (tensor<2x3xf64>, tensor<2x3xf64>) {
  %x = arith.constant dense<[[-1.49, 1.07, 0.61], [0.64, -1.66, 0.26]]> : tensor<2x3xf64>
  %scale = arith.constant dense<[-0.94, -1.6, 1.06]> : tensor<3xf64>
  %grad = arith.constant dense<[[1.14, 0.66, 0.33], [0.88, -0.44, 0.07]]> : tensor<2x3xf64>
  %y, %mean, %rstd = nn.layer_norm %x epsilon 1.0e-2 : tensor<2x3xf64>
  %a = nn.layer_norm_backward %x, %mean, %rstd, %grad scale %scale : tensor<3xf64> : tensor<2x3xf64>, tensor<2xf64>, tensor<2xf64>, tensor<2x3xf64>
  %b = nn.layer_norm_backward %x, %mean, %rstd, %grad : tensor<2x3xf64>, tensor<2xf64>, tensor<2xf64>, tensor<2x3xf64>
  return %a, %b : tensor<2x3xf64>, tensor<2x3xf64>
}

// CHECK-LABEL: @rms_norm
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[1.24989, -1.52778, 0.577023], [-0.576864, 2.54679, 0.264268]]
// CHECK-NEXT{LITERAL}: result1: tensor<2xf64> = [0.892395, 0.958883]
// CHECK-NEXT{LITERAL}: result2: tensor<2x3xf64> = [[-1.32967, 0.954862, 0.544361], [0.613685, -1.59174, 0.249309]]
func.func @rms_norm() -> (tensor<2x3xf64>, tensor<2xf64>, tensor<2x3xf64>) {
  %x = arith.constant dense<[[-1.49, 1.07, 0.61], [0.64, -1.66, 0.26]]> : tensor<2x3xf64>
  %scale = arith.constant dense<[-0.94, -1.6, 1.06]> : tensor<3xf64>
  %y, %rstd = nn.rms_norm %x scale %scale : tensor<3xf64> epsilon 1.0e-2 : tensor<2x3xf64>
  %z, %r = nn.rms_norm %x epsilon 1.0e-2 : tensor<2x3xf64>
  return %y, %rstd, %z : tensor<2x3xf64>, tensor<2xf64>, tensor<2x3xf64>
}

// CHECK-LABEL: @rms_norm_backward
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[-0.716221, -1.11477, 0.213877], [-0.477438, -0.143922, 0.199422]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x3xf64> = [[0.738097, 0.789504, 0.408807], [0.597086, 0.218048, -0.0331124]]
func.func @rms_norm_backward() -> (tensor<2x3xf64>, tensor<2x3xf64>) {
  %x = arith.constant dense<[[-1.49, 1.07, 0.61], [0.64, -1.66, 0.26]]> : tensor<2x3xf64>
  %scale = arith.constant dense<[-0.94, -1.6, 1.06]> : tensor<3xf64>
  %grad = arith.constant dense<[[1.14, 0.66, 0.33], [0.88, -0.44, 0.07]]> : tensor<2x3xf64>
  %y, %rstd = nn.rms_norm %x epsilon 1.0e-2 : tensor<2x3xf64>
  %a = nn.rms_norm_backward %x, %rstd, %grad scale %scale : tensor<3xf64> : tensor<2x3xf64>, tensor<2xf64>, tensor<2x3xf64>
  %b = nn.rms_norm_backward %x, %rstd, %grad : tensor<2x3xf64>, tensor<2xf64>, tensor<2x3xf64>
  return %a, %b : tensor<2x3xf64>, tensor<2x3xf64>
}
