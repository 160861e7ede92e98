// What a backward computes again: by default only what costs about as much as a load, with `full` all
// that the stage's inputs suffice for, each op right before its first use. A split weight gradient
// takes what its backward has computed again from there.
// RUN: bigmac-opt %s --pipeline-differentiate | FileCheck %s --check-prefix=NONE
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{recompute=full})' | FileCheck %s --check-prefix=FULL
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{recompute=full,llm.0=none})' | FileCheck %s --check-prefix=NONE
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{recompute=llm.0=9000000000000000})' | FileCheck %s --check-prefix=NONE
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{recompute=llm.0=1})' | FileCheck %s --check-prefix=FULL
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{recompute=full split-weight-gradient=true})' | FileCheck %s --check-prefix=SPLIT
// RUN: not bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{recompute=llm.1=full})' 2>&1 | FileCheck %s --check-prefix=UNKNOWN
// RUN: not bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{recompute=llm.0=-3})' 2>&1 | FileCheck %s --check-prefix=WRONG

// UNKNOWN: error: recompute names task 'llm.1', which the program has not
// WRONG: error: recompute is 'llm.0=-3', expected none, full or a number of bytes a second

nn.parameter trained @in : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @a : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @b : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>

// The encoder only makes the stage's input one that must be held.
func.func @encoder.forward(%x: tensor<64x4xf32>, %w: tensor<4x4xf32>) -> tensor<64x4xf32> {
  %0 = nn.matmul %x, %w : tensor<64x4xf32>, tensor<4x4xf32>
  return %0 : tensor<64x4xf32>
}

// Without recomputation both products are kept, and the silu, as its exponential costs more than a
// load.
// NONE-LABEL: func.func @llm.0.forward(
// NONE-SAME: -> (tensor<f32>, tensor<64x4xf32>, tensor<64x4xf32>, tensor<64x4xf32>)
// NONE-LABEL: func.func @llm.0.backward(
// NONE-NOT: nn.silu
// NONE: return

// FULL-LABEL: func.func @llm.0.forward(
// FULL-SAME: -> tensor<f32> {
// FULL-LABEL: func.func @llm.0.backward(
// FULL-SAME: %[[X:[a-z0-9]+]]: tensor<64x4xf32>, %[[A:[a-z0-9]+]]: tensor<4x4xf32>, %[[B:[a-z0-9]+]]: tensor<4x4xf32>
// FULL: %[[FIRST:.*]] = nn.matmul %[[X]], %[[A]]
// FULL: %[[SILU:.*]] = nn.silu %[[FIRST]]
// FULL: %[[SECOND:.*]] = nn.matmul %[[SILU]], %[[B]]
// FULL: bufferization.materialize_in_destination

// SPLIT-LABEL: pipeline.unscheduled
// SPLIT: %[[E:.*]] = pipeline.task @encoder.forward
// SPLIT: pipeline.task @llm.0.forward llm forward stage 0 (%[[E]]) {{.*}} -> tensor<f32>
// SPLIT: %[[BACK:.*]]:{{[0-9]+}} = pipeline.task @llm.0.backward llm backward stage 0 (%[[E]])
// SPLIT: pipeline.task @llm.0.weight_gradient llm weight_gradient stage 0 ({{.*}}%[[BACK]]#{{.*}})
func.func @llm.0.forward(%x: tensor<64x4xf32>, %a: tensor<4x4xf32>, %b: tensor<4x4xf32>) -> tensor<f32> {
  %0 = nn.matmul %x, %a : tensor<64x4xf32>, tensor<4x4xf32>
  %1 = nn.silu %0 : tensor<64x4xf32>
  %2 = nn.matmul %1, %b : tensor<64x4xf32>, tensor<4x4xf32>
  %3 = nn.silu %2 : tensor<64x4xf32>
  %4 = nn.reduce_sum %3 [0, 1] : tensor<64x4xf32>
  return %4 : tensor<f32>
}
pipeline.unscheduled @train ranks 1 chunks 1 samples 64 {
  %x = pipeline.input "x" : tensor<64x4xf32>
  %e = pipeline.task @encoder.forward encoder forward stage 0 (%x) parameters [@in] gradients [] : (tensor<64x4xf32>) -> tensor<64x4xf32>
  %loss = pipeline.task @llm.0.forward llm forward stage 0 (%e) parameters [@a, @b] gradients [] : (tensor<64x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %loss : tensor<f32>
  pipeline.objective %loss : tensor<f32>
}
