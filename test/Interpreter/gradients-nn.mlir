// Derivative rules of nn's compute ops against central differences.
// RUN: bigmac-interpret %s --all --check-gradient | FileCheck %s

// CHECK-LABEL: @matmul_2d
// CHECK-NEXT: argument 0: 12 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_2d(%a: tensor<3x4xf64>, %b: tensor<4x2xf64>) -> tensor<3x2xf64> {
  %z = nn.matmul %a, %b : tensor<3x4xf64>, tensor<4x2xf64>
  return %z : tensor<3x2xf64>
}

// CHECK-LABEL: @matmul_2d_tr
// CHECK-NEXT: argument 0: 12 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_2d_tr(%a: tensor<3x4xf64>, %b: tensor<2x4xf64>) -> tensor<3x2xf64> {
  %z = nn.matmul %a, %b transposed : tensor<3x4xf64>, tensor<2x4xf64>
  return %z : tensor<3x2xf64>
}

// CHECK-LABEL: @matmul_2d_tl
// CHECK-NEXT: argument 0: 12 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_2d_tl(%a: tensor<4x3xf64>, %b: tensor<4x2xf64>) -> tensor<3x2xf64> {
  %z = nn.matmul %a transposed, %b : tensor<4x3xf64>, tensor<4x2xf64>
  return %z : tensor<3x2xf64>
}

// CHECK-LABEL: @matmul_2d_tl_tr
// CHECK-NEXT: argument 0: 12 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_2d_tl_tr(%a: tensor<4x3xf64>, %b: tensor<2x4xf64>) -> tensor<3x2xf64> {
  %z = nn.matmul %a transposed, %b transposed : tensor<4x3xf64>, tensor<2x4xf64>
  return %z : tensor<3x2xf64>
}

// CHECK-LABEL: @matmul_3d
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 16 derivatives
func.func @matmul_3d(%a: tensor<2x3x4xf64>, %b: tensor<2x4x2xf64>) -> tensor<2x3x2xf64> {
  %z = nn.matmul %a, %b : tensor<2x3x4xf64>, tensor<2x4x2xf64>
  return %z : tensor<2x3x2xf64>
}

// CHECK-LABEL: @matmul_3d_tr
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 16 derivatives
func.func @matmul_3d_tr(%a: tensor<2x3x4xf64>, %b: tensor<2x2x4xf64>) -> tensor<2x3x2xf64> {
  %z = nn.matmul %a, %b transposed : tensor<2x3x4xf64>, tensor<2x2x4xf64>
  return %z : tensor<2x3x2xf64>
}

// CHECK-LABEL: @matmul_3d_tl
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 16 derivatives
func.func @matmul_3d_tl(%a: tensor<2x4x3xf64>, %b: tensor<2x4x2xf64>) -> tensor<2x3x2xf64> {
  %z = nn.matmul %a transposed, %b : tensor<2x4x3xf64>, tensor<2x4x2xf64>
  return %z : tensor<2x3x2xf64>
}

// CHECK-LABEL: @matmul_3d_tl_tr
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 16 derivatives
func.func @matmul_3d_tl_tr(%a: tensor<2x4x3xf64>, %b: tensor<2x2x4xf64>) -> tensor<2x3x2xf64> {
  %z = nn.matmul %a transposed, %b transposed : tensor<2x4x3xf64>, tensor<2x2x4xf64>
  return %z : tensor<2x3x2xf64>
}

// CHECK-LABEL: @matmul_4d
// CHECK-NEXT: argument 0: 48 derivatives
// CHECK-NEXT: argument 1: 32 derivatives
func.func @matmul_4d(%a: tensor<2x2x3x4xf64>, %b: tensor<2x2x4x2xf64>) -> tensor<2x2x3x2xf64> {
  %z = nn.matmul %a, %b : tensor<2x2x3x4xf64>, tensor<2x2x4x2xf64>
  return %z : tensor<2x2x3x2xf64>
}

// CHECK-LABEL: @matmul_4d_tr
// CHECK-NEXT: argument 0: 48 derivatives
// CHECK-NEXT: argument 1: 32 derivatives
func.func @matmul_4d_tr(%a: tensor<2x2x3x4xf64>, %b: tensor<2x2x2x4xf64>) -> tensor<2x2x3x2xf64> {
  %z = nn.matmul %a, %b transposed : tensor<2x2x3x4xf64>, tensor<2x2x2x4xf64>
  return %z : tensor<2x2x3x2xf64>
}

// CHECK-LABEL: @matmul_4d_tl
// CHECK-NEXT: argument 0: 48 derivatives
// CHECK-NEXT: argument 1: 32 derivatives
func.func @matmul_4d_tl(%a: tensor<2x2x4x3xf64>, %b: tensor<2x2x4x2xf64>) -> tensor<2x2x3x2xf64> {
  %z = nn.matmul %a transposed, %b : tensor<2x2x4x3xf64>, tensor<2x2x4x2xf64>
  return %z : tensor<2x2x3x2xf64>
}

// CHECK-LABEL: @matmul_4d_tl_tr
// CHECK-NEXT: argument 0: 48 derivatives
// CHECK-NEXT: argument 1: 32 derivatives
func.func @matmul_4d_tl_tr(%a: tensor<2x2x4x3xf64>, %b: tensor<2x2x2x4xf64>) -> tensor<2x2x3x2xf64> {
  %z = nn.matmul %a transposed, %b transposed : tensor<2x2x4x3xf64>, tensor<2x2x2x4xf64>
  return %z : tensor<2x2x3x2xf64>
}

// CHECK-LABEL: @matmul_shared_3d
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_shared_3d(%a: tensor<2x3x4xf64>, %b: tensor<4x2xf64>) -> tensor<2x3x2xf64> {
  %z = nn.matmul %a, %b : tensor<2x3x4xf64>, tensor<4x2xf64>
  return %z : tensor<2x3x2xf64>
}

// CHECK-LABEL: @matmul_shared_3d_tr
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_shared_3d_tr(%a: tensor<2x3x4xf64>, %b: tensor<2x4xf64>) -> tensor<2x3x2xf64> {
  %z = nn.matmul %a, %b transposed : tensor<2x3x4xf64>, tensor<2x4xf64>
  return %z : tensor<2x3x2xf64>
}

// CHECK-LABEL: @matmul_shared_3d_tl
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_shared_3d_tl(%a: tensor<2x4x3xf64>, %b: tensor<4x2xf64>) -> tensor<2x3x2xf64> {
  %z = nn.matmul %a transposed, %b : tensor<2x4x3xf64>, tensor<4x2xf64>
  return %z : tensor<2x3x2xf64>
}

// CHECK-LABEL: @matmul_shared_3d_tl_tr
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_shared_3d_tl_tr(%a: tensor<2x4x3xf64>, %b: tensor<2x4xf64>) -> tensor<2x3x2xf64> {
  %z = nn.matmul %a transposed, %b transposed : tensor<2x4x3xf64>, tensor<2x4xf64>
  return %z : tensor<2x3x2xf64>
}

// CHECK-LABEL: @matmul_shared_4d
// CHECK-NEXT: argument 0: 48 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_shared_4d(%a: tensor<2x2x3x4xf64>, %b: tensor<4x2xf64>) -> tensor<2x2x3x2xf64> {
  %z = nn.matmul %a, %b : tensor<2x2x3x4xf64>, tensor<4x2xf64>
  return %z : tensor<2x2x3x2xf64>
}

// CHECK-LABEL: @matmul_shared_4d_tr
// CHECK-NEXT: argument 0: 48 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_shared_4d_tr(%a: tensor<2x2x3x4xf64>, %b: tensor<2x4xf64>) -> tensor<2x2x3x2xf64> {
  %z = nn.matmul %a, %b transposed : tensor<2x2x3x4xf64>, tensor<2x4xf64>
  return %z : tensor<2x2x3x2xf64>
}

// CHECK-LABEL: @matmul_shared_4d_tl
// CHECK-NEXT: argument 0: 48 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_shared_4d_tl(%a: tensor<2x2x4x3xf64>, %b: tensor<4x2xf64>) -> tensor<2x2x3x2xf64> {
  %z = nn.matmul %a transposed, %b : tensor<2x2x4x3xf64>, tensor<4x2xf64>
  return %z : tensor<2x2x3x2xf64>
}

// CHECK-LABEL: @matmul_shared_4d_tl_tr
// CHECK-NEXT: argument 0: 48 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
func.func @matmul_shared_4d_tl_tr(%a: tensor<2x2x4x3xf64>, %b: tensor<2x4xf64>) -> tensor<2x2x3x2xf64> {
  %z = nn.matmul %a transposed, %b transposed : tensor<2x2x4x3xf64>, tensor<2x4xf64>
  return %z : tensor<2x2x3x2xf64>
}

// CHECK-LABEL: @softmax
// CHECK-NEXT: argument 0: 8 derivatives
func.func @softmax(%x: tensor<2x4xf64>) -> tensor<2x4xf64> {
  %z = nn.softmax %x : tensor<2x4xf64>
  return %z : tensor<2x4xf64>
}

// CHECK-LABEL: @log_softmax
// CHECK-NEXT: argument 0: 8 derivatives
func.func @log_softmax(%x: tensor<2x4xf64>) -> tensor<2x4xf64> {
  %z = nn.log_softmax %x : tensor<2x4xf64>
  return %z : tensor<2x4xf64>
}

// CHECK-LABEL: @sigmoid
// CHECK-NEXT: argument 0: 8 derivatives
func.func @sigmoid(%x: tensor<2x4xf64>) -> tensor<2x4xf64> {
  %z = nn.sigmoid %x : tensor<2x4xf64>
  return %z : tensor<2x4xf64>
}

// CHECK-LABEL: @silu
// CHECK-NEXT: argument 0: 8 derivatives
func.func @silu(%x: tensor<2x4xf64>) -> tensor<2x4xf64> {
  %z = nn.silu %x : tensor<2x4xf64>
  return %z : tensor<2x4xf64>
}

// CHECK-LABEL: @gelu
// CHECK-NEXT: argument 0: 8 derivatives
func.func @gelu(%x: tensor<2x4xf64>) -> tensor<2x4xf64> {
  %z = nn.gelu %x : tensor<2x4xf64>
  return %z : tensor<2x4xf64>
}

// CHECK-LABEL: @gelu_tanh
// CHECK-NEXT: argument 0: 8 derivatives
func.func @gelu_tanh(%x: tensor<2x4xf64>) -> tensor<2x4xf64> {
  %z = nn.gelu tanh %x : tensor<2x4xf64>
  return %z : tensor<2x4xf64>
}

// CHECK-LABEL: @layer_norm
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 4 derivatives
// CHECK-NEXT: argument 2: 4 derivatives
func.func @layer_norm(%x: tensor<2x3x4xf64>, %s: tensor<4xf64>, %b: tensor<4xf64>) -> tensor<2x3x4xf64> {
  %z, %m, %r = nn.layer_norm %x scale %s : tensor<4xf64> bias %b : tensor<4xf64> epsilon 1.0e-3 : tensor<2x3x4xf64>
  return %z : tensor<2x3x4xf64>
}

// CHECK-LABEL: @layer_norm_scale
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 4 derivatives
func.func @layer_norm_scale(%x: tensor<2x3x4xf64>, %s: tensor<4xf64>) -> tensor<2x3x4xf64> {
  %z, %m, %r = nn.layer_norm %x scale %s : tensor<4xf64> epsilon 1.0e-3 : tensor<2x3x4xf64>
  return %z : tensor<2x3x4xf64>
}

// CHECK-LABEL: @layer_norm_bias
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 4 derivatives
func.func @layer_norm_bias(%x: tensor<2x3x4xf64>, %b: tensor<4xf64>) -> tensor<2x3x4xf64> {
  %z, %m, %r = nn.layer_norm %x bias %b : tensor<4xf64> epsilon 1.0e-3 : tensor<2x3x4xf64>
  return %z : tensor<2x3x4xf64>
}

// Of one row.
// CHECK-LABEL: @layer_norm_plain
// CHECK-NEXT: argument 0: 4 derivatives
func.func @layer_norm_plain(%x: tensor<4xf64>) -> tensor<4xf64> {
  %z, %m, %r = nn.layer_norm %x epsilon 1.0e-3 : tensor<4xf64>
  return %z : tensor<4xf64>
}

// CHECK-LABEL: @rms_norm
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 4 derivatives
func.func @rms_norm(%x: tensor<2x3x4xf64>, %s: tensor<4xf64>) -> tensor<2x3x4xf64> {
  %z, %r = nn.rms_norm %x scale %s : tensor<4xf64> epsilon 1.0e-3 : tensor<2x3x4xf64>
  return %z : tensor<2x3x4xf64>
}

// CHECK-LABEL: @rms_norm_plain
// CHECK-NEXT: argument 0: 4 derivatives
func.func @rms_norm_plain(%x: tensor<4xf64>) -> tensor<4xf64> {
  %z, %r = nn.rms_norm %x epsilon 1.0e-3 : tensor<4xf64>
  return %z : tensor<4xf64>
}

// CHECK-LABEL: @attention
// CHECK-NEXT: argument 0: 24 derivatives
// CHECK-NEXT: argument 1: 32 derivatives
// CHECK-NEXT: argument 2: 48 derivatives
func.func @attention(%q: tensor<2x2x3x2xf64>, %k: tensor<2x2x4x2xf64>, %v: tensor<2x2x4x3xf64>) -> tensor<2x2x3x3xf64> {
  %z, %l = nn.attention %q, %k, %v scale 0.7 : tensor<2x2x3x2xf64>, tensor<2x2x4x2xf64>, tensor<2x2x4x3xf64>
  return %z : tensor<2x2x3x3xf64>
}

// Four query heads, two key and value heads.
// CHECK-LABEL: @attention_grouped
// CHECK-NEXT: argument 0: 32 derivatives
// CHECK-NEXT: argument 1: 24 derivatives
// CHECK-NEXT: argument 2: 24 derivatives
func.func @attention_grouped(%q: tensor<2x4x2x2xf64>, %k: tensor<2x2x3x2xf64>, %v: tensor<2x2x3x2xf64>) -> tensor<2x4x2x2xf64> {
  %z, %l = nn.attention %q, %k, %v scale 0.7 : tensor<2x4x2x2xf64>, tensor<2x2x3x2xf64>, tensor<2x2x3x2xf64>
  return %z : tensor<2x4x2x2xf64>
}

// CHECK-LABEL: @attention_causal
// CHECK-NEXT: argument 0: 12 derivatives
// CHECK-NEXT: argument 1: 12 derivatives
// CHECK-NEXT: argument 2: 12 derivatives
func.func @attention_causal(%q: tensor<1x2x3x2xf64>, %k: tensor<1x2x3x2xf64>, %v: tensor<1x2x3x2xf64>) -> tensor<1x2x3x2xf64> {
  %z, %l = nn.attention causal %q, %k, %v scale 0.7 : tensor<1x2x3x2xf64>, tensor<1x2x3x2xf64>, tensor<1x2x3x2xf64>
  return %z : tensor<1x2x3x2xf64>
}

// CHECK-LABEL: @attention_causal_more_keys
// CHECK-NEXT: argument 0: 8 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
// CHECK-NEXT: argument 2: 8 derivatives
func.func @attention_causal_more_keys(%q: tensor<1x2x2x2xf64>, %k: tensor<1x1x4x2xf64>, %v: tensor<1x1x4x2xf64>) -> tensor<1x2x2x2xf64> {
  %z, %l = nn.attention causal %q, %k, %v scale 0.7 : tensor<1x2x2x2xf64>, tensor<1x1x4x2xf64>, tensor<1x1x4x2xf64>
  return %z : tensor<1x2x2x2xf64>
}

// CHECK-LABEL: @attention_mask
// CHECK-NEXT: argument 0: 16 derivatives
// CHECK-NEXT: argument 1: 24 derivatives
// CHECK-NEXT: argument 2: 24 derivatives
func.func @attention_mask(%q: tensor<2x2x2x2xf64>, %k: tensor<2x2x3x2xf64>, %v: tensor<2x2x3x2xf64>) -> tensor<2x2x2x2xf64> {
  %m = arith.constant dense<[[[[0.5, 0.0, 0xFFF0000000000000], [0.0, -1.0, 1.0]]]]> : tensor<1x1x2x3xf64>
  %z, %l = nn.attention %q, %k, %v mask %m : tensor<1x1x2x3xf64> scale 0.7 : tensor<2x2x2x2xf64>, tensor<2x2x3x2xf64>, tensor<2x2x3x2xf64>
  return %z : tensor<2x2x2x2xf64>
}

// CHECK-LABEL: @attention_mask_of_batch
// CHECK-NEXT: argument 0: 16 derivatives
// CHECK-NEXT: argument 1: 12 derivatives
// CHECK-NEXT: argument 2: 12 derivatives
func.func @attention_mask_of_batch(%q: tensor<2x2x2x2xf64>, %k: tensor<2x1x3x2xf64>, %v: tensor<2x1x3x2xf64>) -> tensor<2x2x2x2xf64> {
  %m = arith.constant dense<[[[[0.5, 0.0, 0xFFF0000000000000]]], [[[0.0, -1.0, 1.0]]]]> : tensor<2x1x1x3xf64>
  %z, %l = nn.attention %q, %k, %v mask %m : tensor<2x1x1x3xf64> scale 0.7 : tensor<2x2x2x2xf64>, tensor<2x1x3x2xf64>, tensor<2x1x3x2xf64>
  return %z : tensor<2x2x2x2xf64>
}

// CHECK-LABEL: @attention_causal_mask
// CHECK-NEXT: argument 0: 8 derivatives
// CHECK-NEXT: argument 1: 8 derivatives
// CHECK-NEXT: argument 2: 8 derivatives
func.func @attention_causal_mask(%q: tensor<1x2x2x2xf64>, %k: tensor<1x2x2x2xf64>, %v: tensor<1x2x2x2xf64>) -> tensor<1x2x2x2xf64> {
  %m = arith.constant dense<[[[[0.5, 0.0]], [[0.0, -1.0]]]]> : tensor<1x2x1x2xf64>
  %z, %l = nn.attention causal %q, %k, %v mask %m : tensor<1x2x1x2xf64> scale 0.7 : tensor<1x2x2x2xf64>, tensor<1x2x2x2xf64>, tensor<1x2x2x2xf64>
  return %z : tensor<1x2x2x2xf64>
}

// The first query sees no key.
// CHECK-LABEL: @attention_unseeing
// CHECK-NEXT: argument 0: 6 derivatives
// CHECK-NEXT: argument 1: 4 derivatives
// CHECK-NEXT: argument 2: 4 derivatives
func.func @attention_unseeing(%q: tensor<1x1x3x2xf64>, %k: tensor<1x1x2x2xf64>, %v: tensor<1x1x2x2xf64>) -> tensor<1x1x3x2xf64> {
  %z, %l = nn.attention causal %q, %k, %v scale 0.7 : tensor<1x1x3x2xf64>, tensor<1x1x2x2xf64>, tensor<1x1x2x2xf64>
  return %z : tensor<1x1x3x2xf64>
}

// Ids that repeat, one from the end, and a row that is not used.
// CHECK-LABEL: @embedding
// CHECK-NEXT: argument 0: 8 derivatives
func.func @embedding(%t: tensor<4x2xf64>) -> tensor<2x3x2xf64> {
  %i = arith.constant dense<[[3, 0, 0], [-1, 1, 3]]> : tensor<2x3xi64>
  %e = nn.embedding %t, %i : tensor<4x2xf64>, tensor<2x3xi64>
  %sq = arith.mulf %e, %e : tensor<2x3x2xf64>
  return %sq : tensor<2x3x2xf64>
}

// CHECK-LABEL: @gather_elements
// CHECK-NEXT: argument 0: 6 derivatives
func.func @gather_elements(%x: tensor<2x3xf64>) -> tensor<2x2xf64> {
  %i = arith.constant dense<[[2, 2], [0, 1]]> : tensor<2x2xi64>
  %e = nn.gather_elements %x, %i : tensor<2x3xf64>, tensor<2x2xi64>
  %sq = arith.mulf %e, %e : tensor<2x2xf64>
  return %sq : tensor<2x2xf64>
}

// CHECK-LABEL: @cross_entropy
// CHECK-NEXT: argument 0: 12 derivatives
func.func @cross_entropy(%x: tensor<3x4xf64>) -> tensor<f64> {
  %l = arith.constant dense<[2, 0, 3]> : tensor<3xi64>
  %loss, %s = nn.cross_entropy %x, %l : tensor<3x4xf64>, tensor<3xi64>
  return %loss : tensor<f64>
}

// CHECK-LABEL: @cross_entropy_ignored
// CHECK-NEXT: argument 0: 12 derivatives
func.func @cross_entropy_ignored(%x: tensor<3x4xf64>) -> tensor<f64> {
  %l = arith.constant dense<[2, -100, 3]> : tensor<3xi64>
  %loss, %s = nn.cross_entropy %x, %l : tensor<3x4xf64>, tensor<3xi64>
  return %loss : tensor<f64>
}

// CHECK-LABEL: @cross_entropy_sum
// CHECK-NEXT: argument 0: 12 derivatives
func.func @cross_entropy_sum(%x: tensor<3x4xf64>) -> tensor<f64> {
  %l = arith.constant dense<[2, -100, 3]> : tensor<3xi64>
  %loss, %s = nn.cross_entropy sum %x, %l : tensor<3x4xf64>, tensor<3xi64>
  return %loss : tensor<f64>
}

// CHECK-LABEL: @cross_entropy_sum_other_ignored
// CHECK-NEXT: argument 0: 12 derivatives
func.func @cross_entropy_sum_other_ignored(%x: tensor<3x4xf64>) -> tensor<f64> {
  %l = arith.constant dense<[0, 1, 3]> : tensor<3xi64>
  %loss, %s = nn.cross_entropy sum %x, %l {ignore_index = 0 : i64} : tensor<3x4xf64>, tensor<3xi64>
  return %loss : tensor<f64>
}

// Nothing to learn from: the sum is zero, and so is its gradient.
// CHECK-LABEL: @cross_entropy_sum_none
// CHECK-NEXT: argument 0: 12 derivatives
func.func @cross_entropy_sum_none(%x: tensor<3x4xf64>) -> tensor<f64> {
  %l = arith.constant dense<[-100, -100, -100]> : tensor<3xi64>
  %loss, %s = nn.cross_entropy sum %x, %l : tensor<3x4xf64>, tensor<3xi64>
  return %loss : tensor<f64>
}
