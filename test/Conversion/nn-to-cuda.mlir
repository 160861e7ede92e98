// Lookups, losses and attention on whole tensors: no loops over ids or heads, and calls where writes collide.
// RUN: bigmac-opt %s --convert-nn-to-cuda | FileCheck %s
// RUN: bigmac-opt %s --convert-nn-to-cuda=attention-library=false | FileCheck %s --check-prefix=PRODUCTS

// A row's id is clamped into the table; the check reports those outside.
// CHECK-LABEL: func.func @embedding
// CHECK: cuda.check_indices %{{.*}} in -7 to 7 : tensor<6xi64>
// CHECK: linalg.generic
// CHECK: arith.maxsi
// CHECK: arith.minsi
// CHECK: tensor.extract %arg0
// CHECK-NOT: scf.for
func.func @embedding(%table: tensor<7x4xf32>, %ids: tensor<2x3xi64>) -> tensor<2x3x4xf32> {
  %0 = nn.embedding %table, %ids : tensor<7x4xf32>, tensor<2x3xi64>
  return %0 : tensor<2x3x4xf32>
}

// The gradient is added to what it is a term of.
// CHECK-LABEL: func.func @embedding_backward
// CHECK: cuda.scatter_rows %{{.*}}, %{{.*}}, %arg2 : (tensor<6xi64>, tensor<6x4xf32>, tensor<7x4xf32>) -> tensor<7x4xf32>
// CHECK-NOT: arith.addf
func.func @embedding_backward(%ids: tensor<2x3xi64>, %grad: tensor<2x3x4xf32>, %sum: tensor<7x4xf32>) -> tensor<7x4xf32> {
  %0 = nn.embedding_backward %ids, %grad : tensor<2x3xi64>, tensor<2x3x4xf32> -> tensor<7x4xf32>
  %1 = arith.addf %sum, %0 : tensor<7x4xf32>
  return %1 : tensor<7x4xf32>
}

// An ignored label is no error.
// CHECK-LABEL: func.func @cross_entropy
// CHECK: cuda.check_indices %arg1 in 0 to 10 ignored -100 : tensor<5xi64>
// CHECK-NOT: scf.for
func.func @cross_entropy(%logits: tensor<5x10xf32>, %labels: tensor<5xi64>) -> (tensor<f32>, tensor<5xf32>) {
  %0:2 = nn.cross_entropy %logits, %labels : tensor<5x10xf32>, tensor<5xi64>
  return %0#0, %0#1 : tensor<f32>, tensor<5xf32>
}

// Operands are read in the layout that they were transposed from.
// CHECK-LABEL: func.func @attention
// CHECK: cuda.attention causal %arg0, %arg1, %arg2, %{{.*}}, %{{.*}} scale {{.*}} rows_first [true, false, false, true]
// PRODUCTS-LABEL: func.func @attention
// PRODUCTS-COUNT-2: linalg.contract
// PRODUCTS-NOT: cuda.attention
func.func @attention(%q: tensor<2x16x4x8xbf16>, %k: tensor<2x2x16x8xbf16>, %v: tensor<2x2x16x8xbf16>) -> tensor<2x4x16x8xbf16> {
  %0 = nn.transpose %q [0, 2, 1, 3] : tensor<2x16x4x8xbf16>
  %1:2 = nn.attention causal %0, %k, %v scale 0.5 : tensor<2x4x16x8xbf16>, tensor<2x2x16x8xbf16>, tensor<2x2x16x8xbf16>
  return %1#0 : tensor<2x4x16x8xbf16>
}

// cuDNN has no fp32 attention; the four heads that read two kv heads are rows of two products.
// CHECK-LABEL: func.func @attention_fp32
// CHECK-COUNT-2: linalg.contract
// CHECK-NOT: cuda.attention
func.func @attention_fp32(%q: tensor<2x4x16x8xf32>, %k: tensor<2x2x16x8xf32>, %v: tensor<2x2x16x8xf32>) -> tensor<2x4x16x8xf32> {
  %1:2 = nn.attention %q, %k, %v scale 0.5 : tensor<2x4x16x8xf32>, tensor<2x2x16x8xf32>, tensor<2x2x16x8xf32>
  return %1#0 : tensor<2x4x16x8xf32>
}
