// Without patterns dataflow decides: what the cross-entropy needs beside tokens is the encoder, what
// only the other loss term needs is the generator. Loss terms carry their coefficients.
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-partition{ranks=2})' | FileCheck %s

nn.parameter trained @vision : tensor<6x4xf32> = dense<0.5> : tensor<6x4xf32>
nn.parameter trained @embed : tensor<8x4xf32> = dense<0.5> : tensor<8x4xf32>
nn.parameter trained @layer : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @head : tensor<8x4xf32> = dense<0.5> : tensor<8x4xf32>
nn.parameter trained @draw : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>

// CHECK-LABEL: func.func @encoder.forward
// CHECK: nn.matmul
// CHECK-LABEL: func.func @llm.0.forward
// CHECK: nn.embedding
// CHECK-LABEL: func.func @llm.1.forward
// CHECK: nn.cross_entropy
// CHECK-LABEL: func.func @generator.forward
// CHECK: %[[HALF:.*]] = arith.constant dense<5.000000e-01> : tensor<f32>
// CHECK: arith.mulf %{{.*}}, %[[HALF]] : tensor<f32>

// CHECK-LABEL: pipeline.unscheduled @train ranks 2 chunks 1 samples 2
// CHECK-DAG: %[[IMAGE:.*]] = pipeline.input "image"
// CHECK-DAG: %[[IDS:.*]] = pipeline.input "ids"
// CHECK-DAG: %[[LABELS:.*]] = pipeline.input "labels"
// CHECK: %[[FEATURES:.*]] = pipeline.task @encoder.forward encoder forward stage 0 (%[[IMAGE]]) parameters [@vision]
// CHECK: %[[H:.*]] = pipeline.task @llm.0.forward llm forward stage 0 ({{.*}}%[[FEATURES]]{{.*}}) parameters [@embed, @layer]
// CHECK: pipeline.task @llm.1.forward llm forward stage 1 (%[[H]], %[[LABELS]]) parameters [@head]
// CHECK: pipeline.task @generator.forward generator forward stage 0 (%[[H]]) parameters [@draw]
// CHECK-COUNT-2: pipeline.output loss "loss"
// CHECK-COUNT-2: pipeline.objective
func.func @main(%image: tensor<2x6xf32> {nn.name = "image"}, %ids: tensor<2xi64> {nn.name = "ids"},
                %labels: tensor<2xi64> {nn.name = "labels"}) -> (tensor<f32> {nn.name = "loss", nn.loss}) {
  %vision = nn.get_parameter @vision : tensor<6x4xf32>
  %embed = nn.get_parameter @embed : tensor<8x4xf32>
  %layer = nn.get_parameter @layer : tensor<4x4xf32>
  %head = nn.get_parameter @head : tensor<8x4xf32>
  %draw = nn.get_parameter @draw : tensor<4x4xf32>
  %half = arith.constant dense<0.5> : tensor<f32>
  %features = nn.matmul %image, %vision : tensor<2x6xf32>, tensor<6x4xf32>
  %tokens = nn.embedding %embed, %ids : tensor<8x4xf32>, tensor<2xi64>
  %h0 = arith.addf %tokens, %features : tensor<2x4xf32>
  %h1 = nn.matmul %h0, %layer : tensor<2x4xf32>, tensor<4x4xf32>
  %logits = nn.matmul %h1, %head transposed : tensor<2x4xf32>, tensor<8x4xf32>
  %ce, %lse = nn.cross_entropy %logits, %labels : tensor<2x8xf32>, tensor<2xi64>
  %drawn = nn.matmul %h1, %draw : tensor<2x4xf32>, tensor<4x4xf32>
  %flow = nn.reduce_sum %drawn [0, 1] : tensor<2x4xf32>
  %scaled = arith.mulf %flow, %half : tensor<f32>
  %loss = arith.addf %ce, %scaled : tensor<f32>
  return %loss : tensor<f32>
}
