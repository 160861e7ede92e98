// Embedding and gather_elements, forward and backward. Expected values are PyTorch's.
// RUN: bigmac-interpret %s --all --digits=6 | FileCheck %s

// CHECK-LABEL: @embedding
// CHECK-NEXT{LITERAL}: result0: tensor<2x2x2xf64> = [[[0.66, 1.14], [-0.58, 0.49]], [[-0.58, 0.49], [-0.07, -0.24]]]
func.func @embedding() -> tensor<2x2x2xf64> {
  %table = arith.constant dense<[[-0.58, 0.49], [-0.07, -0.24], [-0.37, -1.18], [0.66, 1.14]]> : tensor<4x2xf64>
  %ids = arith.constant dense<[[3, 0], [0, 1]]> : tensor<2x2xi64>
  %y = nn.embedding %table, %ids : tensor<4x2xf64>, tensor<2x2xi64>
  return %y : tensor<2x2x2xf64>
}

// Negative ids count from the end.
// CHECK-LABEL: @embedding_negative
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xf64> = [[0.66, 1.14], [-0.58, 0.49]]
func.func @embedding_negative() -> tensor<2x2xf64> {
  %table = arith.constant dense<[[-0.58, 0.49], [-0.07, -0.24], [-0.37, -1.18], [0.66, 1.14]]> : tensor<4x2xf64>
  %ids = arith.constant dense<[-1, -4]> : tensor<2xi64>
  %y = nn.embedding %table, %ids : tensor<4x2xf64>, tensor<2xi64>
  return %y : tensor<2x2xf64>
}

// CHECK-LABEL: @embedding_integers
// CHECK-NEXT{LITERAL}: result0: tensor<i64> = 6
func.func @embedding_integers() -> tensor<i64> {
  %table = arith.constant dense<[5, 6, 7]> : tensor<3xi64>
  %ids = arith.constant dense<1> : tensor<i32>
  %y = nn.embedding %table, %ids : tensor<3xi64>, tensor<i32>
  return %y : tensor<i64>
}

// Row 0 is used twice: its cotangents add up. Row 2 is not used.
// CHECK-LABEL: @embedding_backward
// CHECK-NEXT{LITERAL}: result0: tensor<4x2xf64> = [[-2.66, 0.33], [0.35, 0.73], [0, 0], [-1.16, 0.71]]
func.func @embedding_backward() -> tensor<4x2xf64> {
  %ids = arith.constant dense<[[3, 0], [0, 1]]> : tensor<2x2xi64>
  %grad = arith.constant dense<[[[-1.16, 0.71], [-1.56, 0.1]], [[-1.1, 0.23], [0.35, 0.73]]]> : tensor<2x2x2xf64>
  %y = nn.embedding_backward %ids, %grad : tensor<2x2xi64>, tensor<2x2x2xf64> -> tensor<4x2xf64>
  return %y : tensor<4x2xf64>
}

// CHECK-LABEL: @gather_elements
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xf64> = [[1.24, 0.98], [-1.22, -1.22]]
func.func @gather_elements() -> tensor<2x2xf64> {
  %x = arith.constant dense<[[0.98, -1.09, 1.24], [0.52, -1.22, -1.39]]> : tensor<2x3xf64>
  %i = arith.constant dense<[[2, 0], [1, 1]]> : tensor<2x2xi64>
  %y = nn.gather_elements %x, %i : tensor<2x3xf64>, tensor<2x2xi64>
  return %y : tensor<2x2xf64>
}

// CHECK-LABEL: @gather_elements_backward
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[1.67, 0, -0.07], [0, 0.21, 0]]
func.func @gather_elements_backward() -> tensor<2x3xf64> {
  %i = arith.constant dense<[[2, 0], [1, 1]]> : tensor<2x2xi64>
  %grad = arith.constant dense<[[-0.07, 1.67], [0.29, -0.08]]> : tensor<2x2xf64>
  %y = nn.gather_elements_backward %i, %grad : tensor<2x2xi64>, tensor<2x2xf64> -> tensor<2x3xf64>
  return %y : tensor<2x3xf64>
}
