// Without patterns dataflow decides: what the cross-entropy needs beside tokens is the encoder, what
// only the other loss term needs is the generator. Loss terms carry their coefficients.
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-partition{ranks=2})' | FileCheck %s
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-partition{ranks=4 separate-stages microbatches=8})' | FileCheck %s --check-prefix=APART
// RUN: not bigmac-opt %s --pass-pipeline='builtin.module(pipeline-partition{ranks=4 separate-stages},pipeline-differentiate,pipeline-schedule{schedule=bigmac})' 2>&1 | FileCheck %s --check-prefix=PLACED
// RUN: not bigmac-opt %s --pass-pipeline='builtin.module(pipeline-partition{ranks=2},pipeline-differentiate,pipeline-schedule{schedule=separate-stages})' 2>&1 | FileCheck %s --check-prefix=EVERYWHERE

// With ranks of their own for encoder and generator, what is left cuts the LLM.
// APART-LABEL: pipeline.unscheduled @train ranks 4 chunks 1 samples 2 placement <encoder 0 to 0, llm 1 to 2, generator 3 to 3>
// APART: pipeline.task @llm.0.forward llm forward stage 0
// APART: pipeline.task @llm.1.forward llm forward stage 1
// APART-NOT: @llm.2.forward
// PLACED: has components on ranks of their own, but schedule 'bigmac' has every component on all ranks
// EVERYWHERE: has every component on all ranks, but schedule 'separate-stages' gives encoder and generator ranks of their own

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
