// Instructions may only name what the program declares, and ranks exist once.
// RUN: bigmac-opt %s --split-input-file --verify-diagnostics

rt.program @train ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.rank 0 arena 512 scratch 256, 256 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    // expected-error @+1 {{names 'y', which the program does not declare}}
    rt.load "y" microbatch 0 at 256
  }
}

// -----

rt.program @train ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.rank 0 arena 512 scratch 256, 256 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    // expected-error @+1 {{names 'f', which the program does not declare}}
    rt.run @f microbatch 0 at [0]
  }
}

// -----

rt.program @train ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  // expected-error @+1 {{is of rank 7, expected each of the 1 ranks once}}
  rt.rank 7 arena 512 scratch 256, 256 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
  }
}

// -----

rt.program @train ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  // expected-error @+1 {{declares 'x' a second time}}
  rt.input "x" : tensor<2x4xf32>
}

// -----

rt.program @train ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  // expected-error @+1 {{expects one offset a member}}
  rt.class 0 trained bytes 64 members [0] params [0] grads [] first [128] second [192]
}

// -----

rt.program @train ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  // expected-error @+1 {{has the bytes of 2 buffers, expected 3}}
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1] bytes [32, 4]
}
