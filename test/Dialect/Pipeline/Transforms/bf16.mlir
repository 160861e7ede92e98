// RUN: bigmac-opt %s --nn-to-bf16 --pipeline-partition=ranks=1 --pipeline-differentiate --canonicalize --cse | FileCheck %s
// RUN: bigmac-opt %s --nn-to-bf16=master=false --pipeline-partition=ranks=1 "--pipeline-differentiate=narrow-gradients" --canonicalize --cse | FileCheck %s --check-prefix=NARROW

// What the backward keeps is bf16, but for statistics; widenings are done again.
// CHECK-LABEL: func.func @llm.0.forward
// CHECK-SAME: -> (tensor<f32>, tensor<6xf32>, tensor<6x4xbf16>, tensor<6xf32>, tensor<6x8xbf16>) {
// CHECK-LABEL: func.func @llm.0.backward
// CHECK-SAME: memref<4xf32>
// CHECK-DAG: arith.extf %{{.*}} : tensor<6x4xbf16> to tensor<6x4xf32>
// The product of a weight gradient, and the sum of a scale's, are added to f32 unrounded.
// CHECK-DAG: nn.matmul {{.*}} wide : tensor<6x8xbf16>, tensor<6x4xbf16>
// CHECK-DAG: nn.reduce_sum %{{.*}} [0] : tensor<6x4xf32>
// CHECK-DAG: nn.embedding_backward {{.*}} : tensor<6xi64>, tensor<6x4xbf16> -> tensor<8x4xf32>
// NARROW-LABEL: func.func @llm.0.backward
// NARROW-SAME: memref<4xbf16>
// NARROW-NOT: wide
// NARROW-DAG: nn.embedding_backward {{.*}} : tensor<6xi64>, tensor<6x4xbf16> -> tensor<8x4xbf16>
nn.parameter trained @table : tensor<8x4xf32> = dense<1.0> : tensor<8x4xf32>
nn.parameter trained @scale : tensor<4xf32> = dense<1.0> : tensor<4xf32>
func.func @model(%ids: tensor<6xi64> {nn.name = "ids"}, %labels: tensor<6xi64> {nn.name = "labels"})
    -> (tensor<f32> {nn.loss, nn.name = "loss"}) {
  %table = nn.get_parameter @table : tensor<8x4xf32>
  %scale = nn.get_parameter @scale : tensor<4xf32>
  %x = nn.embedding %table, %ids : tensor<8x4xf32>, tensor<6xi64>
  %a = nn.silu %x : tensor<6x4xf32>
  %y, %rstd = nn.rms_norm %a scale %scale : tensor<4xf32> epsilon 1.0e-6 : tensor<6x4xf32>
  %logits = nn.matmul %y, %table transposed : tensor<6x4xf32>, tensor<8x4xf32>
  %loss, %lse = nn.cross_entropy %logits, %labels : tensor<6x8xf32>, tensor<6xi64>
  return %loss : tensor<f32>
}
