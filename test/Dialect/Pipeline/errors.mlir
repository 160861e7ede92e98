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

// -----

nn.parameter trained @w : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
func.func @f(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> (tensor<f32>, tensor<2x4xf32>) {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0, %x : tensor<f32>, tensor<2x4xf32>
}
func.func @b(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  return %x : tensor<2x4xf32>
}
func.func @weights(%x: tensor<2x4xf32>, %g: memref<4x4xf32>) {
  return
}
// A weight gradient runs after its backward, even if it reads nothing of it.
// expected-error @+1 {{has no valid schedule: deadlock}}
pipeline.scheduled @early ranks 1 chunks 1 samples 2 schedule "zb" microbatches 1 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %loss, %r = pipeline.task @f llm forward stage 0 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  pipeline.output loss "loss" %loss : tensor<f32>
  %d = pipeline.task @b llm backward stage 0 (%r) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  pipeline.task @weights llm weight_gradient stage 0 (%r) parameters [] gradients [@w] : (tensor<2x4xf32>) -> ()
  pipeline.order rank 0 ["F0.0", "W0.0", "B0.0"]
}

// -----

func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
// expected-error @+1 {{has a placement that does not fit: }}
pipeline.unscheduled @outside ranks 2 chunks 1 samples 2 placement <llm 1 to 2> {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
}

// -----

func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
pipeline.unscheduled @homeless ranks 2 chunks 1 samples 2 placement <llm 0 to 0, generator 1 to 1> {
  %x = pipeline.input "x" : tensor<2x4xf32>
  // expected-error @+1 {{is of the encoder, which the placement gives no ranks}}
  %e = pipeline.task @f encoder forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
}

// -----

// The placement leaves one rank to the LLM, so there is one stage.
func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
pipeline.unscheduled @stages ranks 2 chunks 1 samples 2 placement <encoder 0 to 0, llm 1 to 1> {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  // expected-error @+1 {{is of stage 1, expected one below 1}}
  %b = pipeline.task @f llm forward stage 1 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
}

// -----

// expected-error @+1 {{expected llm, encoder or generator, found 'decoder'}}
pipeline.unscheduled @unknown ranks 2 chunks 1 samples 2 placement <llm 0 to 0, decoder 1 to 1> {
}

// -----

// expected-error @+1 {{gives the ranks of 'llm' a second time}}
pipeline.unscheduled @again ranks 2 chunks 1 samples 2 placement <llm 0 to 0, llm 1 to 1> {
}

// -----

// expected-error @+1 {{expected the first and the last rank, found 1 to 0}}
pipeline.unscheduled @backward ranks 2 chunks 1 samples 2 placement <llm 1 to 0> {
}

// -----

func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
// expected-error @+1 {{has 1 orders, expected one for each of its 2 ranks}}
pipeline.scheduled @orders ranks 2 chunks 1 samples 2 placement <encoder 0 to 0, llm 1 to 1> schedule "separate-stages" microbatches 1 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
  pipeline.order rank 1 ["F0.0"]
}

// -----

func.func @f(%x: tensor<2x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
// A rank runs only what the placement gives it.
// expected-error-re @+1 {{has no valid schedule: {{.*}}F(chunk 0, microbatch 0) on rank 0: the llm is not placed on this rank}}
pipeline.scheduled @elsewhere ranks 2 chunks 1 samples 2 placement <encoder 0 to 0, llm 1 to 1> schedule "separate-stages" microbatches 1 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %a = pipeline.task @f llm forward stage 0 (%x) parameters [] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %a : tensor<f32>
  pipeline.order rank 0 ["F0.0"]
  pipeline.order rank 1 []
}

// -----

nn.parameter trained @w : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
func.func @f(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> (tensor<f32>, tensor<2x4xf32>) {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0, %x : tensor<f32>, tensor<2x4xf32>
}
pipeline.scheduled @input_away ranks 1 chunks 1 samples 2 schedule "1f1b" microbatches 1 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %loss, %r = pipeline.task @f llm forward stage 0 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  pipeline.output loss "loss" %loss : tensor<f32>
  // expected-error @+1 {{expects a value that a task makes; a graph input is loaded again instead}}
  pipeline.offload %x : tensor<2x4xf32>
  pipeline.order rank 0 ["F0.0"]
}

// -----

nn.parameter trained @w : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
func.func @f(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> (tensor<f32>, tensor<2x4xf32>) {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0, %x : tensor<f32>, tensor<2x4xf32>
}
pipeline.scheduled @away_twice ranks 1 chunks 1 samples 2 schedule "1f1b" microbatches 1 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %loss, %r = pipeline.task @f llm forward stage 0 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  pipeline.output loss "loss" %loss : tensor<f32>
  pipeline.offload %r : tensor<2x4xf32>
  // expected-error @+1 {{offloads a value a second time}}
  pipeline.offload %r : tensor<2x4xf32>
  pipeline.order rank 0 ["F0.0"]
}
