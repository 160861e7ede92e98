// Every value between ranks is sent and received on one channel; receives are posted before the
// action that runs before their use; gradients start at zero; persistent regions come first.
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-schedule{schedule=1f1b microbatches=2},convert-pipeline-to-rt)' | FileCheck %s
// RUN: bigmac-opt %s --pass-pipeline='builtin.module(pipeline-schedule{schedule=1f1b microbatches=2},convert-pipeline-to-rt{replicas=2})' | bigmac-opt | FileCheck %s --check-prefix=SHARDS
// RUN: not bigmac-opt %s --pass-pipeline='builtin.module(pipeline-schedule{schedule=1f1b microbatches=2},convert-pipeline-to-rt{memory-limit=100})' 2>&1 | FileCheck %s --check-prefix=LIMIT

nn.parameter trained @first : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
nn.parameter trained @second : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
func.func @llm.0.forward(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> tensor<2x4xf32> {
  %0 = nn.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32>
  return %0 : tensor<2x4xf32>
}
func.func @llm.1.forward(%x: tensor<2x4xf32>, %w: tensor<4x4xf32>) -> tensor<f32> {
  %0 = nn.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32>
  %1 = nn.reduce_sum %0 [0, 1] : tensor<2x4xf32>
  return %1 : tensor<f32>
}
func.func @llm.1.backward(%h: tensor<2x4xf32>, %w: tensor<4x4xf32>, %g: memref<4x4xf32>) -> tensor<2x4xf32> {
  return %h : tensor<2x4xf32>
}
func.func @llm.0.backward(%x: tensor<2x4xf32>, %d: tensor<2x4xf32>, %g: memref<4x4xf32>) {
  return
}
// LIMIT: error: rank 0 needs {{[0-9]+}} bytes, {{[0-9]+}} more than --memory-limit allows

// CHECK: rt.program @train ranks 2 chunks 1 replicas 1 microbatches 2 samples 2
// CHECK: rt.input "x" : tensor<2x4xf32>
// CHECK: rt.scalar loss "loss" terms [2]
// CHECK: rt.class 0 trained bytes 64 members [0] params [0] grads [64] first [128] second [192]
// CHECK: rt.class 1 trained bytes 64 members [1] params [0] grads [64] first [128] second [192]
// CHECK: rt.parameter @first class 0 position 0
// CHECK: rt.task @llm.0.forward llm forward stage 0 reads ["x"] parameters [@first] gradients [] makes [1] bytes [32, 64, 32, 0]
// CHECK: rt.rank 0 arena
// CHECK-NEXT: rt.zero at 64 bytes 64
// CHECK-NEXT: rt.load "x" microbatch 0
// CHECK-NEXT: rt.run @llm.0.forward microbatch 0
// CHECK-NEXT: rt.send to 1 channel [[H:[0-9]+]] microbatch 0
// CHECK-NEXT: rt.recv from 1 channel [[D:[0-9]+]] microbatch 0
// CHECK-NEXT: rt.load "x" microbatch 1
// CHECK-NEXT: rt.run @llm.0.forward microbatch 1
// CHECK: rt.wait {{[0-9]+}} for @llm.0.backward microbatch 0
// CHECK-NEXT: rt.run @llm.0.backward microbatch 0
// CHECK: rt.rank 1 arena
// CHECK: rt.recv from 0 channel [[H]] microbatch 0
// CHECK: rt.run @llm.1.forward microbatch 0
// CHECK-NEXT: rt.record "loss" microbatch 0
// CHECK: rt.run @llm.1.backward microbatch 0
// CHECK-NEXT: rt.send to 0 channel [[D]] microbatch 0

// SHARDS: rt.class 0 trained bytes 128 members [0] params [0] grads [128] first [256] second [320]
pipeline.unscheduled @train ranks 2 chunks 1 samples 2 {
  %x = pipeline.input "x" : tensor<2x4xf32>
  %h = pipeline.task @llm.0.forward llm forward stage 0 (%x) parameters [@first] gradients [] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  %loss = pipeline.task @llm.1.forward llm forward stage 1 (%h) parameters [@second] gradients [] : (tensor<2x4xf32>) -> tensor<f32>
  %d = pipeline.task @llm.1.backward llm backward stage 1 (%h) parameters [@second] gradients [@second] : (tensor<2x4xf32>) -> tensor<2x4xf32>
  pipeline.task @llm.0.backward llm backward stage 0 (%x, %d) parameters [] gradients [@first] : (tensor<2x4xf32>, tensor<2x4xf32>) -> ()
  pipeline.output loss "loss" %loss : tensor<f32>
  pipeline.objective %loss : tensor<f32>
}
