// Programs that cannot be run are rejected, with the reason.
// RUN: bigmac-opt %s --split-input-file --verify-diagnostics

func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
pipeline.unscheduled @twice ranks 1 chunks 1 samples 2 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  // expected-note @+1 {{first used here}}
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  // expected-error @+1 {{repeats a component, phase and stage}}
  %b = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
}

// -----

func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
// expected-error @+1 {{has no output that is the loss}}
pipeline.unscheduled @lossless ranks 1 chunks 1 samples 2 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output "loss" %a : tensor<f32>
}

// -----

func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
// expected-error @+1 {{has no valid schedule: }}
pipeline.scheduled @incomplete ranks 1 chunks 1 samples 2 schedule "1f1b" microbatches 2 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
  pipeline.order rank 0 ["F0.0"]
}

// -----

func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
// expected-error @+1 {{has no valid schedule: }}
pipeline.scheduled @doubled ranks 1 chunks 1 samples 2 schedule "1f1b" microbatches 2 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
  pipeline.order rank 0 ["F0.0", "F0.0", "F0.1"]
}

// -----

// expected-note @+1 {{callee 'f' is here}}
func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
pipeline.unscheduled @mistyped ranks 1 chunks 1 samples 2 {
  %x = pipeline.input "x" : tensor<2x5xf32>
  // expected-error @+1 {{does not fit its callee's type}}
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x5xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
}

// -----

pipeline.scheduled @word ranks 1 chunks 1 samples 2 schedule "1f1b" microbatches 2 window 0 warmup_extra 0 {
  // expected-error @+1 {{expected an action such as "F0.3" or "EF5", found "X0.1"}}
  pipeline.order rank 0 ["X0.1"]
}
