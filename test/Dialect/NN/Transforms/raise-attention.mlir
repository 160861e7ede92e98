// RUN: bigmac-opt --nn-raise-attention --canonicalize %s | FileCheck %s

// Eager attention: keys transposed, scores scaled.
// CHECK-LABEL: func @eager
// CHECK-NEXT: %[[O:.*]], %{{.*}} = nn.attention %arg0, %arg1, %arg2 scale 0.35355339059327373 : tensor<2x4x3x8xf32>, tensor<2x4x5x8xf32>, tensor<2x4x5x6xf32>
// CHECK-NEXT: return %[[O]]
func.func @eager(%q: tensor<2x4x3x8xf32>, %k: tensor<2x4x5x8xf32>, %v: tensor<2x4x5x6xf32>) -> tensor<2x4x3x6xf32> {
  %scale = arith.constant dense<0.353553385> : tensor<2x4x3x5xf32>
  %kt = nn.transpose %k [0, 1, 3, 2] : tensor<2x4x5x8xf32>
  %s = nn.matmul %q, %kt : tensor<2x4x3x8xf32>, tensor<2x4x8x5xf32>
  %ss = arith.mulf %s, %scale : tensor<2x4x3x5xf32>
  %p = nn.softmax %ss : tensor<2x4x3x5xf32>
  %o = nn.matmul %p, %v : tensor<2x4x3x5xf32>, tensor<2x4x5x6xf32>
  return %o : tensor<2x4x3x6xf32>
}

// The scale as a divisor, another one than usual; three dimensions.
// CHECK-LABEL: func @three_dimensions
// CHECK: nn.attention %{{.*}}, %{{.*}}, %{{.*}} scale 2.500000e-01 : tensor<6x1x3x8xf32>, tensor<6x1x5x8xf32>, tensor<6x1x5x8xf32>
// CHECK: tensor.collapse_shape
func.func @three_dimensions(%q: tensor<6x3x8xf32>, %k: tensor<6x5x8xf32>, %v: tensor<6x5x8xf32>) -> tensor<6x3x8xf32> {
  %four = arith.constant dense<4.0> : tensor<6x3x5xf32>
  %s = nn.matmul %q, %k transposed : tensor<6x3x8xf32>, tensor<6x5x8xf32>
  %ss = arith.divf %s, %four : tensor<6x3x5xf32>
  %p = nn.softmax %ss : tensor<6x3x5xf32>
  %o = nn.matmul %p, %v : tensor<6x3x5xf32>, tensor<6x5x8xf32>
  return %o : tensor<6x3x8xf32>
}

// What PyTorch's exporter writes for scaled_dot_product_attention: the root of the scale on query
// and key, the key transposed in three dimensions, repeated heads, a causal mask and a guard.
// CHECK-LABEL: func @sdpa
// CHECK-NEXT: %[[O:.*]], %{{.*}} = nn.attention causal %arg0, %arg1, %arg2 scale 5.000000e-01 : tensor<1x4x3x4xf32>, tensor<1x2x3x4xf32>, tensor<1x2x3x4xf32>
// CHECK-NEXT: return %[[O]]
func.func @sdpa(%q: tensor<1x4x3x4xf32>, %k: tensor<1x2x3x4xf32>, %v: tensor<1x2x3x4xf32>) -> tensor<1x4x3x4xf32> {
  %mask = arith.constant dense<[[[[0.0, 0xFF800000, 0xFF800000], [0.0, 0.0, 0xFF800000], [0.0, 0.0, 0.0]]]]> : tensor<1x1x3x3xf32>
  %zero = arith.constant dense<0.0> : tensor<1x4x3x3xf32>
  %rq = arith.constant dense<0.707106769> : tensor<1x4x3x4xf32>
  %rk = arith.constant dense<0.707106769> : tensor<1x4x4x3xf32>
  %k1 = tensor.expand_shape %k [[0], [1, 2], [3], [4]] output_shape [1, 2, 1, 3, 4] : tensor<1x2x3x4xf32> into tensor<1x2x1x3x4xf32>
  %k2 = nn.broadcast %k1 : tensor<1x2x1x3x4xf32> -> tensor<1x2x2x3x4xf32>
  %k3 = tensor.collapse_shape %k2 [[0, 1, 2], [3], [4]] : tensor<1x2x2x3x4xf32> into tensor<4x3x4xf32>
  %kt = nn.transpose %k3 [0, 2, 1] : tensor<4x3x4xf32>
  %k4 = tensor.expand_shape %kt [[0, 1], [2], [3]] output_shape [1, 4, 4, 3] : tensor<4x4x3xf32> into tensor<1x4x4x3xf32>
  %v1 = tensor.expand_shape %v [[0], [1, 2], [3], [4]] output_shape [1, 2, 1, 3, 4] : tensor<1x2x3x4xf32> into tensor<1x2x1x3x4xf32>
  %v2 = nn.broadcast %v1 : tensor<1x2x1x3x4xf32> -> tensor<1x2x2x3x4xf32>
  %v3 = tensor.collapse_shape %v2 [[0], [1, 2], [3], [4]] : tensor<1x2x2x3x4xf32> into tensor<1x4x3x4xf32>
  %qs = arith.mulf %q, %rq : tensor<1x4x3x4xf32>
  %ks = arith.mulf %k4, %rk : tensor<1x4x4x3xf32>
  %s = nn.matmul %qs, %ks : tensor<1x4x3x4xf32>, tensor<1x4x4x3xf32>
  %m = nn.broadcast %mask : tensor<1x1x3x3xf32> -> tensor<1x4x3x3xf32>
  %sm = arith.addf %s, %m : tensor<1x4x3x3xf32>
  %p = nn.softmax %sm : tensor<1x4x3x3xf32>
  %nan = arith.cmpf uno, %p, %p : tensor<1x4x3x3xf32>
  %pg = arith.select %nan, %zero, %p : tensor<1x4x3x3xi1>, tensor<1x4x3x3xf32>
  %o = nn.matmul %pg, %v3 : tensor<1x4x3x3xf32>, tensor<1x4x3x4xf32>
  return %o : tensor<1x4x3x4xf32>
}

// A mask from an input, finite: no query can lose all its keys to it.
// CHECK-LABEL: func @finite_mask
// CHECK: %[[M:.*]] = arith.select
// CHECK: nn.attention %arg0, %arg1, %arg1 mask %[[M]] : tensor<2x1x1x3xf32> scale 1.000000e+00
func.func @finite_mask(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>, %seen: tensor<2x1x1x3xi1>) -> tensor<2x4x3x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x1x1x3xf32>
  %low = arith.constant dense<-3.40282347E+38> : tensor<2x1x1x3xf32>
  %m = arith.select %seen, %zero, %low : tensor<2x1x1x3xi1>, tensor<2x1x1x3xf32>
  %mb = nn.broadcast %m : tensor<2x1x1x3xf32> -> tensor<2x4x3x3xf32>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %sm = arith.addf %mb, %s : tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %o = nn.matmul %p, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// With -inf and no guard a query that sees nothing gives NaN, which nn.attention does not.
// CHECK-LABEL: func @infinite_mask
// CHECK-NOT: nn.attention
// CHECK: return
func.func @infinite_mask(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>, %seen: tensor<2x1x1x3xi1>) -> tensor<2x4x3x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x1x1x3xf32>
  %low = arith.constant dense<0xFF800000> : tensor<2x1x1x3xf32>
  %m = arith.select %seen, %zero, %low : tensor<2x1x1x3xi1>, tensor<2x1x1x3xf32>
  %mb = nn.broadcast %m : tensor<2x1x1x3xf32> -> tensor<2x4x3x3xf32>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %sm = arith.addf %mb, %s : tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %o = nn.matmul %p, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// With the guard it does.
// CHECK-LABEL: func @guarded_mask
// CHECK: nn.attention %arg0, %arg1, %arg1 mask
func.func @guarded_mask(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>, %seen: tensor<2x1x1x3xi1>) -> tensor<2x4x3x4xf32> {
  %none = arith.constant dense<0.0> : tensor<2x4x3x3xf32>
  %zero = arith.constant dense<0.0> : tensor<2x1x1x3xf32>
  %low = arith.constant dense<0xFF800000> : tensor<2x1x1x3xf32>
  %m = arith.select %seen, %zero, %low : tensor<2x1x1x3xi1>, tensor<2x1x1x3xf32>
  %mb = nn.broadcast %m : tensor<2x1x1x3xf32> -> tensor<2x4x3x3xf32>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %sm = arith.addf %mb, %s : tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %nan = arith.cmpf uno, %p, %p : tensor<2x4x3x3xf32>
  %pg = arith.select %nan, %none, %p : tensor<2x4x3x3xi1>, tensor<2x4x3x3xf32>
  %o = nn.matmul %pg, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// A position bias that is trained needs its gradient.
nn.parameter trained @bias : tensor<4x3x3xf32> = dense<0.0> : tensor<4x3x3xf32>
nn.parameter @fixed : tensor<4x3x3xf32> = dense<0.0> : tensor<4x3x3xf32>
// CHECK-LABEL: func @trained_bias
// CHECK-NOT: nn.attention
// CHECK: return
func.func @trained_bias(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>) -> tensor<2x4x3x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x4x3x3xf32>
  %b = nn.get_parameter @bias : tensor<4x3x3xf32>
  %mb = nn.broadcast %b : tensor<4x3x3xf32> -> tensor<2x4x3x3xf32>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %sm = arith.addf %s, %mb : tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %nan = arith.cmpf uno, %p, %p : tensor<2x4x3x3xf32>
  %pg = arith.select %nan, %zero, %p : tensor<2x4x3x3xi1>, tensor<2x4x3x3xf32>
  %o = nn.matmul %pg, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// CHECK-LABEL: func @frozen_bias
// CHECK: nn.attention %{{.*}} mask %{{.*}} : tensor<1x4x3x3xf32>
func.func @frozen_bias(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>) -> tensor<2x4x3x4xf32> {
  %zero = arith.constant dense<0.0> : tensor<2x4x3x3xf32>
  %b = nn.get_parameter @fixed : tensor<4x3x3xf32>
  %mb = nn.broadcast %b : tensor<4x3x3xf32> -> tensor<2x4x3x3xf32>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %sm = arith.addf %s, %mb : tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %nan = arith.cmpf uno, %p, %p : tensor<2x4x3x3xf32>
  %pg = arith.select %nan, %zero, %p : tensor<2x4x3x3xi1>, tensor<2x4x3x3xf32>
  %o = nn.matmul %pg, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// Probabilities that are an output too.
// CHECK-LABEL: func @probabilities
// CHECK-NOT: nn.attention
// CHECK: return
func.func @probabilities(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>) -> (tensor<2x4x3x4xf32>, tensor<2x4x3x3xf32>) {
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %p = nn.softmax %s : tensor<2x4x3x3xf32>
  %o = nn.matmul %p, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o, %p : tensor<2x4x3x4xf32>, tensor<2x4x3x3xf32>
}

// A cap on the scores.
// CHECK-LABEL: func @softcap
// CHECK-NOT: nn.attention
// CHECK: return
func.func @softcap(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>) -> tensor<2x4x3x4xf32> {
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %t = math.tanh %s : tensor<2x4x3x3xf32>
  %p = nn.softmax %t : tensor<2x4x3x3xf32>
  %o = nn.matmul %p, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// masked_fill with a constant: causal.
// CHECK-LABEL: func @masked_fill
// CHECK-NEXT: nn.attention causal %arg0, %arg1, %arg1 scale 5.000000e-01
func.func @masked_fill(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>) -> tensor<2x4x3x4xf32> {
  %hidden = arith.constant dense<[[false, true, true], [false, false, true], [false, false, false]]> : tensor<3x3xi1>
  %low = arith.constant dense<-1.0e30> : tensor<2x4x3x3xf32>
  %scale = arith.constant dense<0.5> : tensor<2x4x3x3xf32>
  %h = nn.broadcast %hidden : tensor<3x3xi1> -> tensor<2x4x3x3xi1>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %ss = arith.mulf %s, %scale : tensor<2x4x3x3xf32>
  %sm = arith.select %h, %low, %ss : tensor<2x4x3x3xi1>, tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %o = nn.matmul %p, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// The second query sees nothing: the mean of all values, not zeros.
// CHECK-LABEL: func @masked_fill_blind
// CHECK-NOT: nn.attention
// CHECK: return
func.func @masked_fill_blind(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>) -> tensor<2x4x3x4xf32> {
  %hidden = arith.constant dense<[[false, true, true], [true, true, true], [false, false, false]]> : tensor<3x3xi1>
  %low = arith.constant dense<-1.0e30> : tensor<2x4x3x3xf32>
  %h = nn.broadcast %hidden : tensor<3x3xi1> -> tensor<2x4x3x3xi1>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %sm = arith.select %h, %low, %s : tensor<2x4x3x3xi1>, tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %o = nn.matmul %p, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// From an input with -inf and a guard.
// CHECK-LABEL: func @masked_fill_guarded
// CHECK: %[[M:.*]] = arith.select %arg2, %{{.*}}, %{{.*}} : tensor<2x1x1x3xi1>, tensor<2x1x1x3xf32>
// CHECK-NEXT: nn.attention %arg0, %arg1, %arg1 mask %[[M]]
func.func @masked_fill_guarded(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>, %seen: tensor<2x1x1x3xi1>) -> tensor<2x4x3x4xf32> {
  %low = arith.constant dense<0xFF800000> : tensor<2x4x3x3xf32>
  %none = arith.constant dense<0.0> : tensor<2x4x3x3xf32>
  %h = nn.broadcast %seen : tensor<2x1x1x3xi1> -> tensor<2x4x3x3xi1>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %sm = arith.select %h, %s, %low : tensor<2x4x3x3xi1>, tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %nan = arith.cmpf uno, %p, %p : tensor<2x4x3x3xf32>
  %pg = arith.select %nan, %none, %p : tensor<2x4x3x3xi1>, tensor<2x4x3x3xf32>
  %o = nn.matmul %pg, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}

// -10 is a score like others.
// CHECK-LABEL: func @masked_fill_soft
// CHECK-NOT: nn.attention
// CHECK: return
func.func @masked_fill_soft(%q: tensor<2x4x3x4xf32>, %k: tensor<2x4x3x4xf32>) -> tensor<2x4x3x4xf32> {
  %hidden = arith.constant dense<[[false, true, true], [false, false, true], [false, false, false]]> : tensor<3x3xi1>
  %low = arith.constant dense<-10.0> : tensor<2x4x3x3xf32>
  %h = nn.broadcast %hidden : tensor<3x3xi1> -> tensor<2x4x3x3xi1>
  %s = nn.matmul %q, %k transposed : tensor<2x4x3x4xf32>, tensor<2x4x3x4xf32>
  %sm = arith.select %h, %low, %s : tensor<2x4x3x3xi1>, tensor<2x4x3x3xf32>
  %p = nn.softmax %sm : tensor<2x4x3x3xf32>
  %o = nn.matmul %p, %k : tensor<2x4x3x3xf32>, tensor<2x4x3x4xf32>
  return %o : tensor<2x4x3x4xf32>
}
