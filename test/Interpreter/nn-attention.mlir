// Attention, forward and backward. Expected values are PyTorch's.
// RUN: bigmac-interpret %s --all --digits=6 | FileCheck %s

// Three keys for two queries, values of another width.
// CHECK-LABEL: @plain
// CHECK-NEXT{LITERAL}: result0: tensor<1x1x2x1xf64> = [[[[-1.01058], [-0.7452]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<1x1x2xf64> = [[[2.29057, 0.556855]]]
func.func @plain() -> (tensor<1x1x2x1xf64>, tensor<1x1x2xf64>) {
  %q = arith.constant dense<[[[[1.65, 0.62], [-0.66, 1.42]]]]> : tensor<1x1x2x2xf64>
  %k = arith.constant dense<[[[[1.08, -0.6], [1.47, 0.74], [1.96, -1.06]]]]> : tensor<1x1x3x2xf64>
  %v = arith.constant dense<[[[[-1.92], [-0.01], [-1.67]]]]> : tensor<1x1x3x1xf64>
  %o, %l = nn.attention %q, %k, %v scale 0.5 : tensor<1x1x2x2xf64>, tensor<1x1x3x2xf64>, tensor<1x1x3x1xf64>
  return %o, %l : tensor<1x1x2x1xf64>, tensor<1x1x2xf64>
}

// CHECK-LABEL: @plain_backward
// CHECK-NEXT{LITERAL}: result0: tensor<1x1x2x2xf64> = [[[[0.0197635, -0.294687], [0.0103581, 0.119856]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<1x1x3x2xf64> = [[[[0.169751, -0.0312096], [-0.357458, 0.00102553], [0.187707, 0.0301841]]]]
// CHECK-NEXT{LITERAL}: result2: tensor<1x1x3x1xf64> = [[[[-0.0791989], [-0.147425], [-0.263376]]]]
func.func @plain_backward() -> (tensor<1x1x2x2xf64>, tensor<1x1x3x2xf64>, tensor<1x1x3x1xf64>) {
  %q = arith.constant dense<[[[[1.65, 0.62], [-0.66, 1.42]]]]> : tensor<1x1x2x2xf64>
  %k = arith.constant dense<[[[[1.08, -0.6], [1.47, 0.74], [1.96, -1.06]]]]> : tensor<1x1x3x2xf64>
  %v = arith.constant dense<[[[[-1.92], [-0.01], [-1.67]]]]> : tensor<1x1x3x1xf64>
  %grad = arith.constant dense<[[[[-0.86], [0.37]]]]> : tensor<1x1x2x1xf64>
  %o, %l = nn.attention %q, %k, %v scale 0.5 : tensor<1x1x2x2xf64>, tensor<1x1x3x2xf64>, tensor<1x1x3x1xf64>
  %dq, %dk, %dv = nn.attention_backward %q, %k, %v, %o, %l, %grad scale 0.5 : tensor<1x1x2x2xf64>, tensor<1x1x3x2xf64>, tensor<1x1x3x1xf64>, tensor<1x1x2x1xf64>, tensor<1x1x2xf64>, tensor<1x1x2x1xf64>
  return %dq, %dk, %dv : tensor<1x1x2x2xf64>, tensor<1x1x3x2xf64>, tensor<1x1x3x1xf64>
}

// Four query heads read two key and value heads.
// CHECK-LABEL: @grouped
// CHECK-NEXT{LITERAL}: result0: tensor<1x4x1x1xf64> = [[[[1.30734]], [[1.02856]], [[0.640063]], [[-0.454953]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<1x4x1xf64> = [[[1.13921], [1.23764], [0.627664], [1.36752]]]
func.func @grouped() -> (tensor<1x4x1x1xf64>, tensor<1x4x1xf64>) {
  %q = arith.constant dense<[[[[1.73, -0.03]], [[0.39, -0.88]], [[0.84, 0.56]], [[-1.18, -0.83]]]]> : tensor<1x4x1x2xf64>
  %k = arith.constant dense<[[[[1.15, -1.34], [-1.18, -0.92]], [[-0.39, 1.9], [-1.46, -0.84]]]]> : tensor<1x2x2x2xf64>
  %v = arith.constant dense<[[[[1.45], [0.23]], [[1.04], [-0.71]]]]> : tensor<1x2x2x1xf64>
  %o, %l = nn.attention %q, %k, %v scale 0.5 : tensor<1x4x1x2xf64>, tensor<1x2x2x2xf64>, tensor<1x2x2x1xf64>
  return %o, %l : tensor<1x4x1x1xf64>, tensor<1x4x1xf64>
}

// CHECK-LABEL: @grouped_backward
// CHECK-NEXT{LITERAL}: result0: tensor<1x4x1x2xf64> = [[[[-0.249507, 0.0449754]], [[0.128549, -0.0231718]], [[-0.0264108, -0.0676313]], [[0.114233, 0.292521]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<1x2x2x2xf64> = [[[[-0.163739, -0.045338], [0.163739, 0.045338]], [[-0.14671, -0.102433], [0.14671, 0.102433]]]]
// CHECK-NEXT{LITERAL}: result2: tensor<1x2x2x1xf64> = [[[[-1.23938], [-0.0606194]], [[0.0193922], [0.800608]]]]
func.func @grouped_backward() -> (tensor<1x4x1x2xf64>, tensor<1x2x2x2xf64>, tensor<1x2x2x1xf64>) {
  %q = arith.constant dense<[[[[1.73, -0.03]], [[0.39, -0.88]], [[0.84, 0.56]], [[-1.18, -0.83]]]]> : tensor<1x4x1x2xf64>
  %k = arith.constant dense<[[[[1.15, -1.34], [-1.18, -0.92]], [[-0.39, 1.9], [-1.46, -0.84]]]]> : tensor<1x2x2x2xf64>
  %v = arith.constant dense<[[[[1.45], [0.23]], [[1.04], [-0.71]]]]> : tensor<1x2x2x1xf64>
  %grad = arith.constant dense<[[[[-1.7]], [[0.4]], [[-0.16]], [[0.98]]]]> : tensor<1x4x1x1xf64>
  %o, %l = nn.attention %q, %k, %v scale 0.5 : tensor<1x4x1x2xf64>, tensor<1x2x2x2xf64>, tensor<1x2x2x1xf64>
  %dq, %dk, %dv = nn.attention_backward %q, %k, %v, %o, %l, %grad scale 0.5 : tensor<1x4x1x2xf64>, tensor<1x2x2x2xf64>, tensor<1x2x2x1xf64>, tensor<1x4x1x1xf64>, tensor<1x4x1xf64>, tensor<1x4x1x1xf64>
  return %dq, %dk, %dv : tensor<1x4x1x2xf64>, tensor<1x2x2x2xf64>, tensor<1x2x2x1xf64>
}

// Query i sees keys up to i + 1, as there is one more of them.
// CHECK-LABEL: @causal
// CHECK-NEXT{LITERAL}: result0: tensor<1x1x2x2xf64> = [[[[0.430131, 1.19122], [0.393823, 1.10681]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<1x1x2xf64> = [[[1.60292, 1.44599]]]
func.func @causal() -> (tensor<1x1x2x2xf64>, tensor<1x1x2xf64>) {
  %q = arith.constant dense<[[[[1.69], [1.37]]]]> : tensor<1x1x2x1xf64>
  %k = arith.constant dense<[[[[0.74], [0.23], [-1.55]]]]> : tensor<1x1x3x1xf64>
  %v = arith.constant dense<[[[[0.54, 1.31], [0.17, 0.91], [-0.41, -1.32]]]]> : tensor<1x1x3x2xf64>
  %o, %l = nn.attention causal %q, %k, %v scale 1.0 : tensor<1x1x2x1xf64>, tensor<1x1x3x1xf64>, tensor<1x1x3x2xf64>
  return %o, %l : tensor<1x1x2x2xf64>, tensor<1x1x2xf64>
}

// CHECK-LABEL: @causal_backward
// CHECK-NEXT{LITERAL}: result0: tensor<1x1x2x1xf64> = [[[[0.0453782], [-0.324072]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<1x1x3x1xf64> = [[[[-0.21102], [0.0651379], [0.145882]]]]
// CHECK-NEXT{LITERAL}: result2: tensor<1x1x3x2xf64> = [[[[0.427119, -1.09636], [0.124995, -0.520402], [-0.032114, -0.0332408]]]]
func.func @causal_backward() -> (tensor<1x1x2x1xf64>, tensor<1x1x3x1xf64>, tensor<1x1x3x2xf64>) {
  %q = arith.constant dense<[[[[1.69], [1.37]]]]> : tensor<1x1x2x1xf64>
  %k = arith.constant dense<[[[[0.74], [0.23], [-1.55]]]]> : tensor<1x1x3x1xf64>
  %v = arith.constant dense<[[[[0.54, 1.31], [0.17, 0.91], [-0.41, -1.32]]]]> : tensor<1x1x3x2xf64>
  %grad = arith.constant dense<[[[[1.66, -0.47], [-1.14, -1.18]]]]> : tensor<1x1x2x2xf64>
  %o, %l = nn.attention causal %q, %k, %v scale 1.0 : tensor<1x1x2x1xf64>, tensor<1x1x3x1xf64>, tensor<1x1x3x2xf64>
  %dq, %dk, %dv = nn.attention_backward causal %q, %k, %v, %o, %l, %grad scale 1.0 : tensor<1x1x2x1xf64>, tensor<1x1x3x1xf64>, tensor<1x1x3x2xf64>, tensor<1x1x2x2xf64>, tensor<1x1x2xf64>, tensor<1x1x2x2xf64>
  return %dq, %dk, %dv : tensor<1x1x2x1xf64>, tensor<1x1x3x1xf64>, tensor<1x1x3x2xf64>
}

// A mask shared by the batch.
// CHECK-LABEL: @masked
// CHECK-NEXT{LITERAL}: result0: tensor<2x1x2x1xf64> = [[[[-1.38], [-1.32447]]], [[[-1.14], [-0.958719]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x1x2xf64> = [[[-0.8148, 1.91828]], [[-1.2367, -0.745397]]]
func.func @masked() -> (tensor<2x1x2x1xf64>, tensor<2x1x2xf64>) {
  %q = arith.constant dense<[[[[1.94], [-0.86]]], [[[-0.83], [-1.36]]]]> : tensor<2x1x2x1xf64>
  %k = arith.constant dense<[[[[-0.42], [-0.66]]], [[[1.49], [1.95]]]]> : tensor<2x1x2x1xf64>
  %v = arith.constant dense<[[[[-1.38], [-1.25]]], [[[-1.14], [-0.4]]]]> : tensor<2x1x2x1xf64>
  %mask = arith.constant dense<[[[[0.0, 0xFFF0000000000000], [1.0, 0.5]]]]> : tensor<1x1x2x2xf64>
  %o, %l = nn.attention %q, %k, %v mask %mask : tensor<1x1x2x2xf64> scale 1.0 : tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>
  return %o, %l : tensor<2x1x2x1xf64>, tensor<2x1x2xf64>
}

// CHECK-LABEL: @masked_backward
// CHECK-NEXT{LITERAL}: result0: tensor<2x1x2x1xf64> = [[[[0], [0.00557303]]], [[[0], [-0.0352581]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x1x2x1xf64> = [[[[-0.01997], [0.01997]]], [[[-0.104241], [0.104241]]]]
// CHECK-NEXT{LITERAL}: result2: tensor<2x1x2x1xf64> = [[[[-1.6882], [-0.3118]]], [[[1.47719], [-0.137185]]]]
func.func @masked_backward() -> (tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>) {
  %q = arith.constant dense<[[[[1.94], [-0.86]]], [[[-0.83], [-1.36]]]]> : tensor<2x1x2x1xf64>
  %k = arith.constant dense<[[[[-0.42], [-0.66]]], [[[1.49], [1.95]]]]> : tensor<2x1x2x1xf64>
  %v = arith.constant dense<[[[[-1.38], [-1.25]]], [[[-1.14], [-0.4]]]]> : tensor<2x1x2x1xf64>
  %mask = arith.constant dense<[[[[0.0, 0xFFF0000000000000], [1.0, 0.5]]]]> : tensor<1x1x2x2xf64>
  %grad = arith.constant dense<[[[[-1.27], [-0.73]]], [[[1.9], [-0.56]]]]> : tensor<2x1x2x1xf64>
  %o, %l = nn.attention %q, %k, %v mask %mask : tensor<1x1x2x2xf64> scale 1.0 : tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>
  %dq, %dk, %dv = nn.attention_backward %q, %k, %v, %o, %l, %grad mask %mask : tensor<1x1x2x2xf64> scale 1.0 : tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2xf64>, tensor<2x1x2x1xf64>
  return %dq, %dk, %dv : tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>
}

// Queries of the first sample see no key: their output is zero, and so are the cotangents.
// CHECK-LABEL: @masked_row
// CHECK-NEXT{LITERAL}: result0: tensor<2x1x2x1xf64> = [[[[0], [0]]], [[[0.33], [0.33]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x1x2xf64> = [[[inf, inf]], [[-2.7189, 2.3055]]]
func.func @masked_row() -> (tensor<2x1x2x1xf64>, tensor<2x1x2xf64>) {
  %q = arith.constant dense<[[[[-1.14], [1.17]]], [[[-1.71], [1.45]]]]> : tensor<2x1x2x1xf64>
  %k = arith.constant dense<[[[[-0.9], [0.23]]], [[[1.59], [1.02]]]]> : tensor<2x1x2x1xf64>
  %v = arith.constant dense<[[[[-0.8], [-0.39]]], [[[0.33], [0.94]]]]> : tensor<2x1x2x1xf64>
  %mask = arith.constant dense<[[[[0xFFF0000000000000, 0xFFF0000000000000]]], [[[0.0, 0xFFF0000000000000]]]]> : tensor<2x1x1x2xf64>
  %o, %l = nn.attention %q, %k, %v mask %mask : tensor<2x1x1x2xf64> scale 1.0 : tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>
  return %o, %l : tensor<2x1x2x1xf64>, tensor<2x1x2xf64>
}

// CHECK-LABEL: @masked_row_backward
// CHECK-NEXT{LITERAL}: result0: tensor<2x1x2x1xf64> = [[[[0], [0]]], [[[0], [0]]]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x1x2x1xf64> = [[[[0], [0]]], [[[0], [0]]]]
// CHECK-NEXT{LITERAL}: result2: tensor<2x1x2x1xf64> = [[[[0], [0]]], [[[0.27], [0]]]]
func.func @masked_row_backward() -> (tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>) {
  %q = arith.constant dense<[[[[-1.14], [1.17]]], [[[-1.71], [1.45]]]]> : tensor<2x1x2x1xf64>
  %k = arith.constant dense<[[[[-0.9], [0.23]]], [[[1.59], [1.02]]]]> : tensor<2x1x2x1xf64>
  %v = arith.constant dense<[[[[-0.8], [-0.39]]], [[[0.33], [0.94]]]]> : tensor<2x1x2x1xf64>
  %mask = arith.constant dense<[[[[0xFFF0000000000000, 0xFFF0000000000000]]], [[[0.0, 0xFFF0000000000000]]]]> : tensor<2x1x1x2xf64>
  %grad = arith.constant dense<[[[[-1.29], [0.82]]], [[[0.37], [-0.1]]]]> : tensor<2x1x2x1xf64>
  %o, %l = nn.attention %q, %k, %v mask %mask : tensor<2x1x1x2xf64> scale 1.0 : tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>
  %dq, %dk, %dv = nn.attention_backward %q, %k, %v, %o, %l, %grad mask %mask : tensor<2x1x1x2xf64> scale 1.0 : tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2xf64>, tensor<2x1x2x1xf64>
  return %dq, %dk, %dv : tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>, tensor<2x1x2x1xf64>
}
