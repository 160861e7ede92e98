// Every op of the dialect prints what it parses.
// RUN: bigmac-opt %s | bigmac-opt | FileCheck %s

nn.parameter trained @w : tensor<4xf32> = dense<1.0> : tensor<4xf32>

// CHECK: rt.program @train ranks 2 chunks 1 replicas 1 microbatches 1 samples 2 {
rt.program @train ranks 2 chunks 1 replicas 1 microbatches 1 samples 2 {
  // CHECK: rt.input "x" : tensor<2x4xf32>
  rt.input "x" : tensor<2x4xf32>
  // CHECK: rt.scalar loss "loss" terms [1]
  rt.scalar loss "loss" terms [1]
  // CHECK: rt.scalar weight "tokens" terms [1]
  rt.scalar weight "tokens" terms [1]
  // CHECK: rt.class 0 trained bytes 64 members [0] params [0] grads [64] first [128] second [192]
  rt.class 0 trained bytes 64 members [0] params [0] grads [64] first [128] second [192]
  // CHECK: rt.parameter @w class 0 position 0
  rt.parameter @w class 0 position 0
  // CHECK: rt.task @f llm forward stage 0 reads ["x", 2] parameters [@w] gradients [] makes [1] bytes [32, 4, 16, 4, 0]
  rt.task @f llm forward stage 0 reads ["x", 2] parameters [@w] gradients [] makes [1] bytes [32, 4, 16, 4, 0]
  // CHECK: rt.rank 0 arena 512 scratch 256, 256 memory [64, 64, 128, 4, 0, 0, 0, 0, 32] live 36 {
  rt.rank 0 arena 512 scratch 256, 256 memory [64, 64, 128, 4, 0, 0, 0, 0, 32] live 36 {
    // CHECK: rt.zero at 64 bytes 64
    rt.zero at 64 bytes 64
    // CHECK: rt.load "x" microbatch 0 at 256
    rt.load "x" microbatch 0 at 256
    // CHECK: rt.recv from 1 channel 2 microbatch 0 at 384 bytes 4 slot 0
    rt.recv from 1 channel 2 microbatch 0 at 384 bytes 4 slot 0
    // CHECK: rt.wait 0 for @f microbatch 0
    rt.wait 0 for @f microbatch 0
    // CHECK: rt.run @f microbatch 0 at [256, 384, 0, 320, 0]
    rt.run @f microbatch 0 at [256, 384, 0, 320, 0]
    // CHECK: rt.record "loss" microbatch 0 at 320
    rt.record "loss" microbatch 0 at 320
    // CHECK: rt.send to 1 channel 1 microbatch 0 at 320 bytes 4 slot 0
    rt.send to 1 channel 1 microbatch 0 at 320 bytes 4 slot 0
  }
}

// CHECK: rt.program @placed ranks 2 chunks 1 replicas 1 microbatches 1 samples 2 placement <encoder 0 to 0, llm 1 to 1> {
rt.program @placed ranks 2 chunks 1 replicas 1 microbatches 1 samples 2 placement <encoder 0 to 0, llm 1 to 1> {
}

// CHECK: rt.program @away ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
rt.program @away ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [4, 0]
  // CHECK: rt.rank 0 arena 512 host_arena 64 scratch 256, 256 memory [0, 0, 0, 4, 0, 0, 0, 0, 0] {
  rt.rank 0 arena 512 host_arena 64 scratch 256, 256 memory [0, 0, 0, 4, 0, 0, 0, 0, 0] {
    // CHECK: rt.offload value 1 microbatch 0 at 320 to 0 bytes 4 slot 0
    rt.offload value 1 microbatch 0 at 320 to 0 bytes 4 slot 0
    rt.wait 0 for @b microbatch 0
    // CHECK: rt.fetch value 1 microbatch 0 from 0 at 384 bytes 4 slot 0
    rt.fetch value 1 microbatch 0 from 0 at 384 bytes 4 slot 0
    rt.wait 0 for @b microbatch 0
  }
}
