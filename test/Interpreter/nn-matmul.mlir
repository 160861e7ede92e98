// Products and convolutions. Expected values are PyTorch's.
// RUN: bigmac-interpret %s --all --digits=6 | FileCheck %s

// CHECK-LABEL: @matmul
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xf64> = [[-2.4024, -0.5614], [-0.0927, -2.5413]]
func.func @matmul() -> tensor<2x2xf64> {
  %a = arith.constant dense<[[1.18, -0.53, -0.91], [-1.83, 0.99, -0.63]]> : tensor<2x3xf64>
  %b = arith.constant dense<[[0.15, -0.13], [1.45, -1.84], [1.99, 1.52]]> : tensor<3x2xf64>
  %y = nn.matmul %a, %b : tensor<2x3xf64>, tensor<3x2xf64>
  return %y : tensor<2x2xf64>
}

// CHECK-LABEL: @matmul_transposed
// CHECK-NEXT{LITERAL}: result0: tensor<3x3xf64> = [[4.7413, -2.4371, 0.0791], [-2.4371, 1.261, -0.1414], [0.0791, -0.1414, 1.225]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x2xf64> = [[2.5014, -2.1108], [-2.1108, 4.7259]]
// CHECK-NEXT{LITERAL}: result2: tensor<3x3xf64> = [[0.4149, 5.0782, -0.4334], [-0.2082, -2.5901, 0.4501], [-0.0546, -0.1603, -2.7685]]
func.func @matmul_transposed() -> (tensor<3x3xf64>, tensor<2x2xf64>, tensor<3x3xf64>) {
  %a = arith.constant dense<[[1.18, -0.53, -0.91], [-1.83, 0.99, -0.63]]> : tensor<2x3xf64>
  %b = arith.constant dense<[[0.15, -0.13], [1.45, -1.84], [1.99, 1.52]]> : tensor<3x2xf64>
  %l = nn.matmul %a transposed, %a : tensor<2x3xf64>, tensor<2x3xf64>
  %r = nn.matmul %a, %a transposed : tensor<2x3xf64>, tensor<2x3xf64>
  %lr = nn.matmul %a transposed, %b transposed : tensor<2x3xf64>, tensor<3x2xf64>
  return %l, %r, %lr : tensor<3x3xf64>, tensor<2x2xf64>, tensor<3x3xf64>
}

// CHECK-LABEL: @matmul_batched
// CHECK-NEXT{LITERAL}: result0: tensor<2x2x2xf64> = [[[-1.2887, 1.6635], [-1.9535, 1.515]], [[1.4406, -0.2974], [0.4797, -0.8685]]]
func.func @matmul_batched() -> tensor<2x2x2xf64> {
  %a = arith.constant dense<[[[1.05, -0.98, -1.24], [1.95, 1.12, -0.55]], [[0.26, 0.96, -1.98], [0.33, 0.28, -1.81]]]> : tensor<2x2x3xf64>
  %b = arith.constant dense<[[[-1.35, 1.99], [0.4, -1.4], [-0.42, 1.45]], [[-1.56, 1.24], [1.16, 1.19], [-0.37, 0.89]]]> : tensor<2x3x2xf64>
  %y = nn.matmul %a, %b : tensor<2x2x3xf64>, tensor<2x3x2xf64>
  return %y : tensor<2x2x2xf64>
}

// CHECK-LABEL: @matmul_shared_rhs
// CHECK-NEXT{LITERAL}: result0: tensor<2x2x2xf64> = [[[-3.7311, -0.2181], [0.822, -3.1503]], [[-2.5092, -4.8098], [-3.1464, -3.3093]]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x2x2xf64> = [[[2.8868, -2.1105], [2.2079, -2.1132]], [[1.5998, 1.722], [1.8881, 0.8136]]]
func.func @matmul_shared_rhs() -> (tensor<2x2x2xf64>, tensor<2x2x2xf64>) {
  %c = arith.constant dense<[[1.18, -0.53, -0.91], [-1.83, 0.99, -0.63]]> : tensor<2x3xf64>
  %a = arith.constant dense<[[[1.05, -0.98, -1.24], [1.95, 1.12, -0.55]], [[0.26, 0.96, -1.98], [0.33, 0.28, -1.81]]]> : tensor<2x2x3xf64>
  %b = arith.constant dense<[[0.15, -0.13], [1.45, -1.84], [1.99, 1.52]]> : tensor<3x2xf64>
  %y = nn.matmul %a, %b : tensor<2x2x3xf64>, tensor<3x2xf64>
  %z = nn.matmul %a, %c transposed : tensor<2x2x3xf64>, tensor<2x3xf64>
  return %y, %z : tensor<2x2x2xf64>, tensor<2x2x2xf64>
}

// A sum of no products is zero.
// CHECK-LABEL: @matmul_nothing
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xf64> = [[0, 0], [0, 0]]
func.func @matmul_nothing() -> tensor<2x2xf64> {
  %a = arith.constant dense<0.0> : tensor<2x0xf64>
  %b = arith.constant dense<0.0> : tensor<0x2xf64>
  %y = nn.matmul %a, %b : tensor<2x0xf64>, tensor<0x2xf64>
  return %y : tensor<2x2xf64>
}

// CHECK-LABEL: @conv
// CHECK-NEXT{LITERAL}: result0: tensor<1x2x2x2xf64> = [[[[-0.319, 2.6487], [-3.623, 3.7349]], [[-1.5351, -0.9619], [-0.5625, 0.0845]]]]
func.func @conv() -> tensor<1x2x2x2xf64> {
  %x = arith.constant dense<[[[[-1.95, -0.97, -1.25], [-1.35, -0.02, -1.38], [-1.08, -0.36, -0.5]], [[-1.27, -0.4, 0.07], [0.45, -0.44, 0.15], [-1.21, -0.28, 1.43]]]]> : tensor<1x2x3x3xf64>
  %k = arith.constant dense<[[[[1.69, -1.85], [0.81, -1.3]], [[-1.29, -1.28], [0.68, 0.47]]], [[[-1.33, 1.91], [0.71, 0.25]], [[-0.21, 1.88], [0.01, 1.89]]]]> : tensor<2x2x2x2xf64>
  %y = nn.conv %x, %k strides [1, 1] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : tensor<1x2x3x3xf64>, tensor<2x2x2x2xf64>
  return %y : tensor<1x2x2x2xf64>
}

// One row above, one column to the right.
// CHECK-LABEL: @conv_padded
// CHECK-NEXT{LITERAL}: result0: tensor<1x2x2x2xf64> = [[[[-1.3701, -0.9649], [-3.623, -1.9583]], [[-2.3957, -0.8868], [-0.5625, 1.4632]]]]
func.func @conv_padded() -> tensor<1x2x2x2xf64> {
  %x = arith.constant dense<[[[[-1.95, -0.97, -1.25], [-1.35, -0.02, -1.38], [-1.08, -0.36, -0.5]], [[-1.27, -0.4, 0.07], [0.45, -0.44, 0.15], [-1.21, -0.28, 1.43]]]]> : tensor<1x2x3x3xf64>
  %k = arith.constant dense<[[[[1.69, -1.85], [0.81, -1.3]], [[-1.29, -1.28], [0.68, 0.47]]], [[[-1.33, 1.91], [0.71, 0.25]], [[-0.21, 1.88], [0.01, 1.89]]]]> : tensor<2x2x2x2xf64>
  %y = nn.conv %x, %k strides [2, 2] pads [1, 0, 0, 1] dilations [1, 1] groups 1 : tensor<1x2x3x3xf64>, tensor<2x2x2x2xf64>
  return %y : tensor<1x2x2x2xf64>
}

// CHECK-LABEL: @conv_groups
// CHECK-NEXT{LITERAL}: result0: tensor<1x4x1x2xf64> = [[[[-2.6772, -0.2816]], [[1.0793, 2.3071]], [[-1.1254, -1.4605]], [[2.2644, 3.0854]]]]
func.func @conv_groups() -> tensor<1x4x1x2xf64> {
  %x = arith.constant dense<[[[[-1.95, -0.97, -1.25], [-1.35, -0.02, -1.38], [-1.08, -0.36, -0.5]], [[-1.27, -0.4, 0.07], [0.45, -0.44, 0.15], [-1.21, -0.28, 1.43]]]]> : tensor<1x2x3x3xf64>
  %k = arith.constant dense<[[[[1.48, -1.08], [0.85, -0.22]]], [[[0.13, -1.4], [0.63, -1.82]]], [[[-0.0, -0.21], [1.18, -0.78]]], [[[-0.72, 0.85], [-1.76, 1.57]]]]> : tensor<4x1x2x2xf64>
  %y = nn.conv %x, %k strides [1, 1] pads [0, 0, 0, 0] dilations [2, 1] groups 2 : tensor<1x2x3x3xf64>, tensor<4x1x2x2xf64>
  return %y : tensor<1x4x1x2xf64>
}

// CHECK-LABEL: @conv_1d
// CHECK-NEXT{LITERAL}: result0: tensor<2x1x3xf64> = [[[-2.7234, -1.4921, -0.1]], [[-2.8458, 1.5294, 0.306]]]
func.func @conv_1d() -> tensor<2x1x3xf64> {
  %x = arith.constant dense<[[[-1.78, 1.57, -0.77, 0.5]], [[-1.86, -1.68, 0.78, -1.53]]]> : tensor<2x1x4xf64>
  %k = arith.constant dense<[[[-0.2, 1.53]]]> : tensor<1x1x2xf64>
  %y = nn.conv %x, %k strides [2] pads [1, 1] dilations [1] groups 1 : tensor<2x1x4xf64>, tensor<1x1x2xf64>
  return %y : tensor<2x1x3xf64>
}
