// RUN: bigmac-opt --nn-raise-attention --canonicalize %s | FileCheck %s

// Zero and the lowest number, repeated for each sample: causal.
// CHECK-LABEL: func @causal
// CHECK-NEXT: nn.attention causal %arg0, %arg0, %arg0 scale
func.func @causal(%x: tensor<2x1x2x4xf32>) -> tensor<2x1x2x4xf32> {
  %m = arith.constant dense<[[[[0.0, -3.40282347E+38], [0.0, 0.0]]], [[[0.0, -3.40282347E+38], [0.0, 0.0]]]]> : tensor<2x1x2x2xf32>
  %o, %l = nn.attention %x, %x, %x mask %m : tensor<2x1x2x2xf32> scale 0.5 : tensor<2x1x2x4xf32>, tensor<2x1x2x4xf32>, tensor<2x1x2x4xf32>
  return %o : tensor<2x1x2x4xf32>
}

// More keys than queries: the last query sees the last key.
// CHECK-LABEL: func @causal_with_past
// CHECK-NEXT: nn.attention causal
func.func @causal_with_past(%q: tensor<1x1x2x4xf32>, %k: tensor<1x1x3x4xf32>) -> tensor<1x1x2x4xf32> {
  %m = arith.constant dense<[[[[0.0, 0.0, 0xFF800000], [0.0, 0.0, 0.0]]]]> : tensor<1x1x2x3xf32>
  %o, %l = nn.attention %q, %k, %k mask %m : tensor<1x1x2x3xf32> scale 0.5 : tensor<1x1x2x4xf32>, tensor<1x1x3x4xf32>, tensor<1x1x3x4xf32>
  return %o : tensor<1x1x2x4xf32>
}

// -10 still leaves a weight, and a positive diagonal is no plain mask.
// CHECK-LABEL: func @soft
// CHECK: nn.attention %{{.*}} mask %{{.*}} : tensor<1x1x2x2xf32>
// CHECK-LABEL: func @biased
// CHECK: nn.attention %{{.*}} mask %{{.*}} : tensor<1x1x2x2xf32>
// CHECK-LABEL: func @upper_left
// CHECK: nn.attention %{{.*}} mask %{{.*}} : tensor<1x1x2x3xf32>
func.func @soft(%x: tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32> {
  %m = arith.constant dense<[[[[0.0, -10.0], [0.0, 0.0]]]]> : tensor<1x1x2x2xf32>
  %o, %l = nn.attention %x, %x, %x mask %m : tensor<1x1x2x2xf32> scale 0.5 : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>
  return %o : tensor<1x1x2x4xf32>
}
func.func @biased(%x: tensor<1x1x2x4xf32>) -> tensor<1x1x2x4xf32> {
  %m = arith.constant dense<[[[[0.5, 0xFF800000], [0.0, 0.0]]]]> : tensor<1x1x2x2xf32>
  %o, %l = nn.attention %x, %x, %x mask %m : tensor<1x1x2x2xf32> scale 0.5 : tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>, tensor<1x1x2x4xf32>
  return %o : tensor<1x1x2x4xf32>
}
func.func @upper_left(%q: tensor<1x1x2x4xf32>, %k: tensor<1x1x3x4xf32>) -> tensor<1x1x2x4xf32> {
  %m = arith.constant dense<[[[[0.0, 0xFF800000, 0xFF800000], [0.0, 0.0, 0xFF800000]]]]> : tensor<1x1x2x3xf32>
  %o, %l = nn.attention %q, %k, %k mask %m : tensor<1x1x2x3xf32> scale 0.5 : tensor<1x1x2x4xf32>, tensor<1x1x3x4xf32>, tensor<1x1x3x4xf32>
  return %o : tensor<1x1x2x4xf32>
}

// A mask of zeros says nothing, also where the op is causal.
// CHECK-LABEL: func @zeros
// CHECK-NEXT: nn.attention causal %arg0, %arg0, %arg0 scale
func.func @zeros(%x: tensor<2x3x2x4xf32>) -> tensor<2x3x2x4xf32> {
  %m = arith.constant dense<0.0> : tensor<2x3x2x2xf32>
  %o, %l = nn.attention causal %x, %x, %x mask %m : tensor<2x3x2x2xf32> scale 0.5 : tensor<2x3x2x4xf32>, tensor<2x3x2x4xf32>, tensor<2x3x2x4xf32>
  return %o : tensor<2x3x2x4xf32>
}

// Equal for both samples and all queries.
// CHECK-LABEL: func @shrinks
// CHECK: %[[M:.*]] = arith.constant dense<{{\[\[\[\[}}0.000000e+00, -1.000000e+00]]]]> : tensor<1x1x1x2xf32>
// CHECK: nn.attention %{{.*}} mask %[[M]] : tensor<1x1x1x2xf32>
func.func @shrinks(%x: tensor<2x1x2x4xf32>) -> tensor<2x1x2x4xf32> {
  %m = arith.constant dense<[[[[0.0, -1.0], [0.0, -1.0]]], [[[0.0, -1.0], [0.0, -1.0]]]]> : tensor<2x1x2x2xf32>
  %o, %l = nn.attention %x, %x, %x mask %m : tensor<2x1x2x2xf32> scale 0.5 : tensor<2x1x2x4xf32>, tensor<2x1x2x4xf32>, tensor<2x1x2x4xf32>
  return %o : tensor<2x1x2x4xf32>
}

// One head for all queries' heads.
// CHECK-LABEL: func @multi_query
// CHECK-NEXT: nn.attention %arg0, %arg1, %arg1 scale {{.*}} : tensor<1x4x3x8xf32>, tensor<1x1x3x8xf32>, tensor<1x1x3x8xf32>
func.func @multi_query(%q: tensor<1x4x3x8xf32>, %k: tensor<1x1x3x8xf32>) -> tensor<1x4x3x8xf32> {
  %b = nn.broadcast %k : tensor<1x1x3x8xf32> -> tensor<1x4x3x8xf32>
  %o, %l = nn.attention %q, %b, %b scale 0.5 : tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>
  return %o : tensor<1x4x3x8xf32>
}

// Heads in the order 0 1 0 1 are not grouped.
// CHECK-LABEL: func @interleaved
// CHECK: nn.broadcast
// CHECK: nn.attention %{{.*}} : tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>
func.func @interleaved(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x3x8xf32>) -> tensor<1x4x3x8xf32> {
  %k1 = tensor.expand_shape %k [[0, 1], [2], [3], [4]] output_shape [1, 1, 2, 3, 8] : tensor<1x2x3x8xf32> into tensor<1x1x2x3x8xf32>
  %k2 = nn.broadcast %k1 : tensor<1x1x2x3x8xf32> -> tensor<1x2x2x3x8xf32>
  %k3 = tensor.collapse_shape %k2 [[0], [1, 2], [3], [4]] : tensor<1x2x2x3x8xf32> into tensor<1x4x3x8xf32>
  %o, %l = nn.attention %q, %k3, %k3 scale 0.5 : tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>, tensor<1x4x3x8xf32>
  return %o : tensor<1x4x3x8xf32>
}
