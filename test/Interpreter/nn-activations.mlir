// Softmax and activations. Expected values are PyTorch's.
// RUN: bigmac-interpret %s --all --digits=6 | FileCheck %s

// Large numbers do not overflow; a row of -inf alone is NaN.
// CHECK-LABEL: @softmax
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[0.445924, 0.217054, 0.337022], [0.554543, 0.206055, 0.239402]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x2xf64> = [[0.268941, 0.731059], [0.731059, 0.268941]]
// CHECK-NEXT{LITERAL}: result2: tensor<2x2xf64> = [[0, 1], [nan, nan]]
func.func @softmax() -> (tensor<2x3xf64>, tensor<2x2xf64>, tensor<2x2xf64>) {
  %x = arith.constant dense<[[-0.85, -1.57, -1.13], [1.02, 0.03, 0.18]]> : tensor<2x3xf64>
  %big = arith.constant dense<[[1000.0, 1001.0], [-1000.0, -1001.0]]> : tensor<2x2xf64>
  %inf = arith.constant dense<[[0xFFF0000000000000, 0.0], [0xFFF0000000000000, 0xFFF0000000000000]]> : tensor<2x2xf64>
  %a = nn.softmax %x : tensor<2x3xf64>
  %b = nn.softmax %big : tensor<2x2xf64>
  %c = nn.softmax %inf : tensor<2x2xf64>
  return %a, %b, %c : tensor<2x3xf64>, tensor<2x2xf64>, tensor<2x2xf64>
}

// CHECK-LABEL: @log_softmax
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[-0.807607, -1.52761, -1.08761], [-0.589611, -1.57961, -1.42961]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x2xf64> = [[-1.31326, -0.313262], [-0.313262, -1.31326]]
func.func @log_softmax() -> (tensor<2x3xf64>, tensor<2x2xf64>) {
  %x = arith.constant dense<[[-0.85, -1.57, -1.13], [1.02, 0.03, 0.18]]> : tensor<2x3xf64>
  %big = arith.constant dense<[[1000.0, 1001.0], [-1000.0, -1001.0]]> : tensor<2x2xf64>
  %a = nn.log_softmax %x : tensor<2x3xf64>
  %b = nn.log_softmax %big : tensor<2x2xf64>
  return %a, %b : tensor<2x3xf64>, tensor<2x2xf64>
}

// CHECK-LABEL: @sigmoid
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[0.299433, 0.172216, 0.244161], [0.734973, 0.507499, 0.544879]]
// CHECK-NEXT{LITERAL}: result1: tensor<4xf64> = [0, 1, 0, 0.5]
func.func @sigmoid() -> (tensor<2x3xf64>, tensor<4xf64>) {
  %x = arith.constant dense<[[-0.85, -1.57, -1.13], [1.02, 0.03, 0.18]]> : tensor<2x3xf64>
  %far = arith.constant dense<[-1000.0, 1000.0, 0xFFF0000000000000, 0.0]> : tensor<4xf64>
  %y = nn.sigmoid %x : tensor<2x3xf64>
  %z = nn.sigmoid %far : tensor<4xf64>
  return %y, %z : tensor<2x3xf64>, tensor<4xf64>
}

// CHECK-LABEL: @silu
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[-0.254518, -0.27038, -0.275902], [0.749672, 0.015225, 0.0980782]]
func.func @silu() -> tensor<2x3xf64> {
  %x = arith.constant dense<[[-0.85, -1.57, -1.13], [1.02, 0.03, 0.18]]> : tensor<2x3xf64>
  %y = nn.silu %x : tensor<2x3xf64>
  return %y : tensor<2x3xf64>
}

// CHECK-LABEL: @gelu
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[-0.168013, -0.0913859, -0.146039], [0.863058, 0.015359, 0.102856]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x3xf64> = [[-0.168113, -0.091582, -0.146234], [0.862899, 0.015359, 0.102856]]
func.func @gelu() -> (tensor<2x3xf64>, tensor<2x3xf64>) {
  %x = arith.constant dense<[[-0.85, -1.57, -1.13], [1.02, 0.03, 0.18]]> : tensor<2x3xf64>
  %a = nn.gelu %x : tensor<2x3xf64>
  %b = nn.gelu tanh %x : tensor<2x3xf64>
  return %a, %b : tensor<2x3xf64>, tensor<2x3xf64>
}

// CHECK-LABEL: @gelu_backward
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf64> = [[-0.0386246, 0.248838, -0.0544183], [3.26403, 0.523929, -0.642079]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x3xf64> = [[-0.0382894, 0.249581, -0.0542726], [3.26299, 0.523929, -0.642072]]
func.func @gelu_backward() -> (tensor<2x3xf64>, tensor<2x3xf64>) {
  %x = arith.constant dense<[[-0.85, -1.57, -1.13], [1.02, 0.03, 0.18]]> : tensor<2x3xf64>
  %g = arith.constant dense<[[1.0, -2.0, 0.5], [3.0, 1.0, -1.0]]> : tensor<2x3xf64>
  %a = nn.gelu_backward %x, %g : tensor<2x3xf64>, tensor<2x3xf64>
  %b = nn.gelu_backward tanh %x, %g : tensor<2x3xf64>, tensor<2x3xf64>
  return %a, %b : tensor<2x3xf64>, tensor<2x3xf64>
}
