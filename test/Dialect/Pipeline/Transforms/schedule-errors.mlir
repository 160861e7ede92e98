// A schedule that runs weight gradients apart takes programs that are split so.
// RUN: bigmac-opt %s --verify-diagnostics --pass-pipeline='builtin.module(pipeline-schedule{schedule=zb})'

nn.parameter trained @w : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
func.func @encode(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> tensor<2x4xf32> {
  return %x : tensor<2x4xf32>
}
func.func @forward(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> tensor<f32> {
  %0 = nn.reduce_sum %x [0, 1] : tensor<2x4xf32>
  return %0 : tensor<f32>
}
func.func @weights(%x: tensor<2x4xf32>, %g: memref<4x4xf32>) {
  return
}
func.func @both(%x: tensor<2x4xf32>, %g: memref<4x4xf32>) -> tensor<2x4xf32> {
  return %x : tensor<2x4xf32>
}
pipeline.unscheduled @whole ranks 1 chunks 1 samples 2 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %h = pipeline.task @encode encoder forward stage 0 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %loss = pipeline.task @forward llm forward stage 0 (%h) parameters [@w] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %loss : tensor<f32>
  // expected-error @+1 {{is a whole backward, but schedule 'zb' runs input gradients and weight gradients apart}}
  %d = pipeline.task @both llm backward stage 0 (%h) parameters [] gradients [@w] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  pipeline.task @weights encoder backward stage 0 (%d) parameters [] gradients [@w] : (tensor<2x4xf32>) -> ()
}
