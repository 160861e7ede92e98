// Every op of the dialect prints what it parses.
// RUN: bigmac-opt %s | bigmac-opt | FileCheck %s

nn.parameter trained @w : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>

func.func @llm.0.forward(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> (tensor<f32>, tensor<2x4xf32>) {
  %0 = nn.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32>
  %1 = nn.reduce_sum %0 [0, 1] : tensor<2x4xf32>
  return %1, %0 : tensor<f32>, tensor<2x4xf32>
}
func.func @llm.0.backward(%y: tensor<2x4xf32>, %w: tensor<4x4xf32>, %g: memref<4x4xf32>) {
  return
}

// CHECK: pipeline.unscheduled @plain ranks 1 chunks 1 samples 2 {
pipeline.unscheduled @plain ranks 1 chunks 1 samples 2 {
  // CHECK: %[[X:.*]] = pipeline.input "x" : tensor<2x4xf32>
  %x = pipeline.input "x" : tensor<2x4xf32>
  // CHECK: %[[F:.*]]:2 = pipeline.task @llm.0.forward llm forward stage 0 workspace 64 (%[[X]]) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  %loss, %y = pipeline.task @llm.0.forward llm forward stage 0 workspace 64 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  // CHECK: pipeline.output loss "loss" %[[F]]#0 : tensor<f32>
  pipeline.output loss "loss" %loss : tensor<f32>
  // CHECK: pipeline.output weight "tokens" %[[F]]#0 : tensor<f32>
  pipeline.output weight "tokens" %loss : tensor<f32>
  // CHECK: pipeline.objective %[[F]]#0 : tensor<f32>
  pipeline.objective %loss : tensor<f32>
}

// CHECK: pipeline.scheduled @timed ranks 1 chunks 1 samples 2 schedule "1f1b" microbatches 2 window 0 warmup_extra 0 {
pipeline.scheduled @timed ranks 1 chunks 1 samples 2 schedule "1f1b" microbatches 2 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %loss, %y = pipeline.task @llm.0.forward llm forward stage 0 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  // CHECK: pipeline.task @llm.0.backward llm backward stage 0 ({{.*}}#1) parameters [@w] gradients [@w] : (tensor<2x4xf32>) -> ()
  pipeline.task @llm.0.backward llm backward stage 0 (%y) parameters [@w] gradients [@w] : (tensor<2x4xf32>) -> ()
  pipeline.output loss "loss" %loss : tensor<f32>
  // CHECK: pipeline.offload %{{.*}}#1 : tensor<2x4xf32>
  pipeline.offload %y : tensor<2x4xf32>
  // CHECK: pipeline.order rank 0 ["F0.0", "B0.0", "F0.1", "B0.1"]
  pipeline.order rank 0 ["F0.0", "B0.0", "F0.1", "B0.1"]
}

// CHECK: pipeline.unscheduled @apart ranks 3 chunks 1 samples 2 placement <encoder 0 to 1, llm 2 to 2> {
pipeline.unscheduled @apart ranks 3 chunks 1 samples 2 placement <llm 2 to 2, encoder 0 to 1> {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %loss, %y = pipeline.task @llm.0.forward llm forward stage 0 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  pipeline.output loss "loss" %loss : tensor<f32>
}

// CHECK: pipeline.scheduled @placed ranks 3 chunks 1 samples 2 placement <encoder 0 to 1, llm 2 to 2> schedule "separate-stages" microbatches 3 window 0 warmup_extra 0 {
pipeline.scheduled @placed ranks 3 chunks 1 samples 2 placement <encoder 0 to 1, llm 2 to 2> schedule "separate-stages" microbatches 3 window 0 warmup_extra 0 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %e, %r = pipeline.task @llm.0.forward encoder forward stage 0 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  %loss, %y = pipeline.task @llm.0.forward llm forward stage 0 (%r) parameters [@w] gradients [] : (tensor<2x4xf32>) -> (tensor<f32>, tensor<2x4xf32>)
  pipeline.output loss "loss" %loss : tensor<f32>
  // CHECK: pipeline.order rank 0 ["EF0", "EF2"]
  pipeline.order rank 0 ["EF0", "EF2"]
  // CHECK: pipeline.order rank 1 ["EF1"]
  pipeline.order rank 1 ["EF1"]
  // CHECK: pipeline.order rank 2 ["F0.0", "F0.1", "F0.2"]
  pipeline.order rank 2 ["F0.0", "F0.1", "F0.2"]
}
