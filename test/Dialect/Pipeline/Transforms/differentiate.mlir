// A backward takes residuals and cotangents and adds to accumulators; a frozen parameter costs
// nothing; split, the weight gradient is a task of its own.
// RUN: bigmac-opt %s --pipeline-differentiate | FileCheck %s
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{split-weight-gradient=true})' | FileCheck %s --check-prefix=SPLIT

nn.parameter @frozen : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @first : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @second : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>

func.func @llm.0.forward(%x: tensor<2x4xf32>, %frozen: tensor<4x4xf32>, %w: tensor<4x4xf32>) -> tensor<2x4xf32> {
  %0 = nn.matmul %x, %frozen : tensor<2x4xf32>, tensor<4x4xf32>
  %1 = nn.matmul %0, %w : tensor<2x4xf32>, tensor<4x4xf32>
  return %1 : tensor<2x4xf32>
}
func.func @llm.1.forward(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> tensor<f32> {
  %0 = nn.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32>
  %1 = nn.reduce_sum %0 [0, 1] : tensor<2x4xf32>
  return %1 : tensor<f32>
}

// CHECK-LABEL: func.func @llm.1.backward(
// CHECK-SAME: memref<4x4xf32>) -> tensor<2x4xf32>
// CHECK-LABEL: func.func @llm.0.backward(
// CHECK-SAME: memref<4x4xf32>)
// CHECK: nn.matmul {{.*}} transposed
// CHECK-NOT: nn.matmul
// CHECK: bufferization.materialize_in_destination

// CHECK-LABEL: pipeline.unscheduled
// CHECK: %[[F0:.*]]:2 = pipeline.task @llm.0.forward llm forward stage 0
// CHECK: %[[F1:.*]] = pipeline.task @llm.1.forward llm forward stage 1 (%[[F0]]#0)
// CHECK: %[[D:.*]] = pipeline.task @llm.1.backward llm backward stage 1 ({{.*}}) parameters [@second] gradients [@second]
// CHECK: pipeline.task @llm.0.backward llm backward stage 0 ({{.*}}%[[D]]{{.*}}) parameters [] gradients [@first]

// SPLIT-LABEL: pipeline.unscheduled
// SPLIT: pipeline.task @llm.1.backward llm backward stage 1 ({{.*}}) parameters [@second] gradients []
// SPLIT: pipeline.task @llm.1.weight_gradient llm weight_gradient stage 1 ({{.*}}) parameters [] gradients [@second]
pipeline.unscheduled @train ranks 2 chunks 1 samples 2 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %h = pipeline.task @llm.0.forward llm forward stage 0 (%x) parameters [@frozen, @first] gradients [] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %loss = pipeline.task @llm.1.forward llm forward stage 1 (%h) parameters [@second] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %loss : tensor<f32>
  pipeline.objective %loss : tensor<f32>
}
