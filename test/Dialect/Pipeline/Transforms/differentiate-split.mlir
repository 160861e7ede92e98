// Split off the backward are gradients that need a product, and sums of what only products read. The
// scale of a norm is summed where the norm's own backward reads the same rows.
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-differentiate{split-weight-gradient=true},canonicalize,cse)' | FileCheck %s

nn.parameter trained @scale : tensor<4xf32> = dense<0.5> : tensor<4xf32>
nn.parameter trained @shift : tensor<4xf32> = dense<0.5> : tensor<4xf32>
nn.parameter trained @w : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @only : tensor<4xf32> = dense<0.5> : tensor<4xf32>
nn.parameter trained @part : tensor<2x4xf32> = dense<0.5> : tensor<2x4xf32>
nn.parameter @fixed : tensor<2x4xf32> = dense<0.5> : tensor<2x4xf32>
nn.parameter trained @mixed : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @linear : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @bias : tensor<4xf32> = dense<0.5> : tensor<4xf32>

// CHECK-LABEL: func.func @llm.2.backward(
// CHECK: nn.reduce_sum {{.*}} [0]
// CHECK: nn.matmul
// CHECK: nn.reduce_sum {{.*}} [0]
// CHECK: return
// CHECK-LABEL: func.func @llm.2.weight_gradient(
// CHECK-NOT: nn.reduce_sum
// CHECK: nn.matmul
// CHECK-NOT: nn.reduce_sum
// CHECK: return
func.func @llm.2.forward(%x: tensor<2x4xf32>, %scale: tensor<4xf32>, %shift: tensor<4xf32>, %w: tensor<4x4xf32>) -> tensor<f32> {
  %0 = nn.broadcast %scale : tensor<4xf32> -> tensor<2x4xf32>
  %1 = arith.mulf %x, %0 : tensor<2x4xf32>
  %2 = nn.matmul %1, %w : tensor<2x4xf32>, tensor<4x4xf32>
  %3 = nn.broadcast %shift : tensor<4xf32> -> tensor<2x4xf32>
  %4 = arith.addf %2, %3 : tensor<2x4xf32>
  %5 = math.tanh %4 : tensor<2x4xf32>
  %6 = nn.reduce_sum %5 [0, 1] : tensor<2x4xf32>
  return %6 : tensor<f32>
}

// The cotangent of @part is summed here and read by @mixed's gradient, to which it is handed on; the
// bias is summed beside the product that reads the same.
// CHECK-LABEL: func.func @llm.1.backward(
// CHECK-SAME: %[[PART:[^:]*]]: memref<2x4xf32>) -> (tensor<2x4xf32>, tensor<2x4xf32>)
// CHECK-NOT: nn.reduce_sum
// CHECK: %[[SUM:.*]] = arith.addf %{{.*}}, %[[COTANGENT:.*]] : tensor<2x4xf32>
// CHECK: materialize_in_destination %[[SUM]] in restrict writable %[[PART]]
// CHECK: return {{.*}}%[[COTANGENT]] :
// CHECK-LABEL: func.func @llm.1.weight_gradient(
// CHECK-DAG: nn.matmul %{{.*}} transposed
// CHECK-DAG: nn.matmul %{{.*}} transposed
// CHECK-DAG: nn.reduce_sum
// CHECK: return
func.func @llm.1.forward(%x: tensor<2x4xf32>, %part: tensor<2x4xf32>, %fixed: tensor<2x4xf32>, %mixed: tensor<4x4xf32>, %linear: tensor<4x4xf32>, %bias: tensor<4xf32>) -> tensor<2x4xf32> {
  %0 = nn.matmul %fixed, %mixed : tensor<2x4xf32>, tensor<4x4xf32>
  %1 = arith.addf %part, %0 : tensor<2x4xf32>
  %2 = arith.mulf %x, %1 : tensor<2x4xf32>
  %3 = nn.matmul %2, %linear : tensor<2x4xf32>, tensor<4x4xf32>
  %4 = nn.broadcast %bias : tensor<4xf32> -> tensor<2x4xf32>
  %5 = arith.addf %3, %4 : tensor<2x4xf32>
  return %5 : tensor<2x4xf32>
}

func.func @llm.0.forward(%x: tensor<2x4xf32>, %only: tensor<4xf32>) -> tensor<2x4xf32> {
  %0 = nn.broadcast %only : tensor<4xf32> -> tensor<2x4xf32>
  %1 = arith.mulf %x, %0 : tensor<2x4xf32>
  return %1 : tensor<2x4xf32>
}
func.func @encode(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> tensor<2x4xf32> {
  %0 = nn.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32>
  return %0 : tensor<2x4xf32>
}

// A stage with no gradient that is worth it keeps the phase that was asked for.
// CHECK-LABEL: pipeline.unscheduled
// CHECK: pipeline.task @llm.2.backward llm backward stage 2 ({{.*}}) parameters [{{.*}}] gradients [@scale, @shift]
// CHECK: pipeline.task @llm.2.weight_gradient llm weight_gradient stage 2 ({{.*}}) parameters [{{.*}}] gradients [@w]
// CHECK: pipeline.task @llm.1.backward llm backward stage 1 ({{.*}}) parameters [{{.*}}] gradients [@part]
// CHECK: pipeline.task @llm.1.weight_gradient llm weight_gradient stage 1 ({{.*}}) parameters [{{.*}}] gradients [@mixed, @linear, @bias]
// CHECK: pipeline.task @llm.0.backward llm backward stage 0 ({{.*}}) parameters [{{.*}}] gradients []
// CHECK: pipeline.task @llm.0.weight_gradient llm weight_gradient stage 0 ({{.*}}) parameters [{{.*}}] gradients [@only]
pipeline.unscheduled @train ranks 3 chunks 1 samples 2 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %e = pipeline.task @encode encoder forward stage 0 (%x) parameters [@w] gradients [] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %h = pipeline.task @llm.0.forward llm forward stage 0 (%e) parameters [@only] gradients [] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %i = pipeline.task @llm.1.forward llm forward stage 1 (%h) parameters [@part, @fixed, @mixed, @linear, @bias] gradients [] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %loss = pipeline.task @llm.2.forward llm forward stage 2 (%i) parameters [@scale, @shift, @w] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  pipeline.output loss "loss" %loss : tensor<f32>
  pipeline.objective %loss : tensor<f32>
}
