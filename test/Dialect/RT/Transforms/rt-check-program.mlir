// What instructions do is compared with what tasks ask for; a deadlock is shown as its cycle.
// RUN: bigmac-opt %s --split-input-file --verify-diagnostics --rt-check-program

// Each rank waits until its own send is received before it posts its receive.
rt.program @crossed ranks 2 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [3]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1] bytes [32, 32, 0]
  rt.task @g llm forward stage 1 reads ["x"] parameters [] gradients [] makes [2] bytes [32, 32, 0]
  rt.task @h llm backward stage 1 reads [1] parameters [] gradients [] makes [3] bytes [32, 4, 0]
  rt.task @i llm backward stage 0 reads [2] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 256 scratch 0, 0 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 0]
    rt.send to 1 channel 1 microbatch 0 at 64 bytes 32 slot 0
    // expected-error @+1 {{is part of a deadlock: rank 0, before F(chunk 0, microbatch 0), waits until rank 1 posts its receive of value 1 of F(chunk 0, microbatch 0); rank 1, before F(chunk 0, microbatch 0), waits until rank 0 posts its receive of value 2 of F(chunk 0, microbatch 0)}}
    rt.wait 0 for @f microbatch 0
    rt.recv from 1 channel 2 microbatch 0 at 128 bytes 32 slot 0
    rt.wait 0 for @i microbatch 0
    rt.run @i microbatch 0 at [128, 0]
  }
  rt.rank 1 arena 256 scratch 0, 0 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @g microbatch 0 at [0, 64, 0]
    rt.send to 0 channel 2 microbatch 0 at 64 bytes 32 slot 0
    rt.wait 0 for @g microbatch 0
    rt.recv from 0 channel 1 microbatch 0 at 128 bytes 32 slot 0
    rt.wait 0 for @h microbatch 0
    rt.run @h microbatch 0 at [128, 192, 0]
    rt.record "loss" microbatch 0 at 192
  }
}

// -----

// Two microbatches arrive in one buffer before the first is used.
rt.program @buffers ranks 2 chunks 1 replicas 1 microbatches 2 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1] bytes [32, 32, 0]
  rt.task @g llm forward stage 1 reads [1] parameters [] gradients [] makes [2] bytes [32, 4, 0]
  rt.rank 0 arena 256 scratch 0, 0 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 0]
    rt.send to 1 channel 1 microbatch 0 at 64 bytes 32 slot 0
    rt.load "x" microbatch 1 at 0
    rt.run @f microbatch 1 at [0, 128, 0]
    rt.send to 1 channel 1 microbatch 1 at 128 bytes 32 slot 1
    rt.wait 0 for @f microbatch 0
    rt.wait 1 for @f microbatch 1
  }
  rt.rank 1 arena 256 scratch 0, 0 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.recv from 0 channel 1 microbatch 0 at 0 bytes 32 slot 0
    rt.wait 0 for @g microbatch 0
    // expected-note @+1 {{put there here}}
    rt.recv from 0 channel 1 microbatch 1 at 0 bytes 32 slot 0
    rt.wait 0 for @g microbatch 1
    // expected-error @+1 {{F(chunk 0, microbatch 0) on rank 1 expects value 1 of F(chunk 0, microbatch 0) at 0, bytes 32; there is value 1 of F(chunk 0, microbatch 1)}}
    rt.run @g microbatch 0 at [0, 64, 0]
    rt.record "loss" microbatch 0 at 64
    rt.run @g microbatch 1 at [0, 64, 0]
    rt.record "loss" microbatch 1 at 64
  }
}

// -----

// A value is overwritten while it is being sent.
rt.program @overwritten ranks 2 chunks 1 replicas 1 microbatches 2 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [1]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1] bytes [32, 32, 0]
  rt.rank 0 arena 256 scratch 0, 0 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    // expected-note @+1 {{since here}}
    rt.run @f microbatch 0 at [0, 64, 0]
    rt.send to 1 channel 1 microbatch 0 at 64 bytes 32 slot 0
    rt.load "x" microbatch 1 at 0
    // expected-error @+1 {{writes at 64, but value 1 of F(chunk 0, microbatch 0) is being sent from there}}
    rt.run @f microbatch 1 at [0, 64, 0]
    rt.wait 0 for @f microbatch 0
  }
  rt.rank 1 arena 256 scratch 0, 0 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
  }
}

// -----

// expected-error @+1 {{has instructions for 0 ranks, expected 1000000000000}}
rt.program @empty ranks 1000000000000 chunks 1 replicas 1 microbatches 1 samples 2 {
}

// -----

// A receive that nothing answers.
rt.program @unanswered ranks 2 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1] bytes [32, 32, 0]
  rt.task @g llm forward stage 1 reads [1] parameters [] gradients [] makes [2] bytes [32, 4, 0]
  rt.rank 0 arena 256 scratch 0, 0 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 0]
  }
  rt.rank 1 arena 256 scratch 0, 0 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    // expected-error @+1 {{on rank 1 waits for value 1 of F(chunk 0, microbatch 0), which rank 0 does not send}}
    rt.recv from 0 channel 1 microbatch 0 at 0 bytes 32 slot 0
    rt.wait 0 for @g microbatch 0
    rt.run @g microbatch 0 at [0, 64, 0]
    rt.record "loss" microbatch 0 at 64
  }
}

// -----

// Values lie in the arena beside parameters, not in them.
nn.parameter trained @w : tensor<4xf32> = dense<1.0> : tensor<4xf32>
rt.program @regions ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [1]
  rt.class 0 trained bytes 64 members [0] params [0] grads [64] first [128] second [192]
  rt.parameter @w class 0 position 0
  rt.task @f llm forward stage 0 reads ["x"] parameters [@w] gradients [@w] makes [1] bytes [32, 16, 16, 4, 0]
  rt.rank 0 arena 512 scratch 256, 256 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.zero at 64 bytes 64
    // expected-error @+1 {{writes at 192 into the second moments of class 0}}
    rt.load "x" microbatch 0 at 192
    rt.run @f microbatch 0 at [192, 0, 64, 320, 0]
    rt.record "loss" microbatch 0 at 320
  }
}

// -----

// Gradients may not lie on the parameters.
rt.program @overlap ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [1]
  rt.class 0 trained bytes 64 members [0] params [0] grads [32] first [128] second [192]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1] bytes [32, 4, 0]
  // expected-error @+1 {{has gradients at 32 inside the parameters that end at 64}}
  rt.rank 0 arena 512 scratch 256, 256 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 256
    rt.run @f microbatch 0 at [256, 320, 0]
    rt.record "loss" microbatch 0 at 320
  }
}

// -----

// Nor may anything lie past the arena's end.
rt.program @past ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [1]
  rt.class 0 trained bytes 64 members [0] params [0] grads [64] first [128] second [192]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1] bytes [32, 4, 0]
  // expected-error @+1 {{uses 512 bytes of an arena of 448}}
  rt.rank 0 arena 448 scratch 256, 256 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 256
    rt.run @f microbatch 0 at [256, 320, 0]
    rt.record "loss" microbatch 0 at 320
  }
}

// -----

// A value comes back from the host's memory as what it was.
rt.program @away ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1, 2] bytes [32, 32, 4, 0]
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 512 host_arena 64 scratch 0, 512 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 128, 0]
    rt.record "loss" microbatch 0 at 128
    rt.offload value 1 microbatch 0 at 64 to 0 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    rt.fetch value 1 microbatch 0 from 0 at 256 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    rt.run @b microbatch 0 at [256, 0]
  }
}

// -----

// It is used before it is back.
rt.program @early_use ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1, 2] bytes [32, 32, 4, 0]
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 512 host_arena 64 scratch 0, 512 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 128, 0]
    rt.record "loss" microbatch 0 at 128
    rt.offload value 1 microbatch 0 at 64 to 0 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    // expected-note @+1 {{put there here}}
    rt.fetch value 1 microbatch 0 from 0 at 256 bytes 32 slot 0
    // expected-error @+1 {{B(chunk 0, microbatch 0) on rank 0 expects value 1 of F(chunk 0, microbatch 0) at 256, bytes 32; there is value 1 of F(chunk 0, microbatch 0), still on its way}}
    rt.run @b microbatch 0 at [256, 0]
    rt.wait 0 for @b microbatch 0
  }
}

// -----

// It is fetched before it has arrived.
rt.program @early_fetch ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1, 2] bytes [32, 32, 4, 0]
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 512 host_arena 64 scratch 0, 512 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 128, 0]
    rt.record "loss" microbatch 0 at 128
    // expected-note @+1 {{offloaded here}}
    rt.offload value 1 microbatch 0 at 64 to 0 bytes 32 slot 0
    // expected-error @+1 {{expects value 1 of F(chunk 0, microbatch 0) at 0, bytes 32, of the host's memory; there is value 1 of F(chunk 0, microbatch 0), still on its way}}
    rt.fetch value 1 microbatch 0 from 0 at 256 bytes 32 slot 1
    rt.wait 0 for @b microbatch 0
    rt.run @b microbatch 0 at [256, 0]
  }
}

// -----

// Nothing was offloaded to where it is fetched from.
rt.program @elsewhere ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1, 2] bytes [32, 32, 4, 0]
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 512 host_arena 64 scratch 0, 512 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 128, 0]
    rt.record "loss" microbatch 0 at 128
    rt.offload value 1 microbatch 0 at 64 to 0 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    // expected-error @+1 {{expects value 1 of F(chunk 0, microbatch 0) at 32, bytes 32, of the host's memory; nothing was offloaded to there}}
    rt.fetch value 1 microbatch 0 from 32 at 256 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    rt.run @b microbatch 0 at [256, 0]
  }
}

// -----

// Its bytes are used again before it has left.
rt.program @reused ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1, 2] bytes [32, 32, 4, 0]
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 512 host_arena 64 scratch 0, 512 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    // expected-note @+1 {{since here}}
    rt.run @f microbatch 0 at [0, 64, 128, 0]
    rt.record "loss" microbatch 0 at 128
    rt.offload value 1 microbatch 0 at 64 to 0 bytes 32 slot 0
    // expected-error @+1 {{writes at 64, but value 1 of F(chunk 0, microbatch 0) is being offloaded from there}}
    rt.load "x" microbatch 0 at 64
    rt.wait 0 for @b microbatch 0
    rt.run @b microbatch 0 at [256, 0]
  }
}

// -----

// What still waits in the host's memory is overwritten.
rt.program @overwritten_away ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1, 2] bytes [32, 32, 4, 0]
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 512 host_arena 64 scratch 0, 512 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 128, 0]
    rt.record "loss" microbatch 0 at 128
    // expected-note @+1 {{since here}}
    rt.offload value 1 microbatch 0 at 64 to 0 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    // expected-error @+1 {{writes at 28 of the host's memory, but value 1 of F(chunk 0, microbatch 0) was offloaded to there and not fetched}}
    rt.offload value 2 microbatch 0 at 128 to 28 bytes 4 slot 0
    rt.wait 0 for @b microbatch 0
    rt.fetch value 1 microbatch 0 from 0 at 256 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    rt.run @b microbatch 0 at [256, 0]
  }
}

// -----

// It never comes back.
rt.program @forgotten ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1, 2] bytes [32, 32, 4, 0]
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 512 host_arena 64 scratch 0, 512 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 128, 0]
    rt.record "loss" microbatch 0 at 128
    // expected-error @+1 {{offloads value 1 of F(chunk 0, microbatch 0), which nothing fetches}}
    rt.offload value 1 microbatch 0 at 64 to 0 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    rt.run @b microbatch 0 at [64, 0]
  }
}

// -----

// The host's memory ends too.
rt.program @past_host ranks 1 chunks 1 replicas 1 microbatches 1 samples 2 {
  rt.input "x" : tensor<2x4xf32>
  rt.scalar loss "loss" terms [2]
  rt.task @f llm forward stage 0 reads ["x"] parameters [] gradients [] makes [1, 2] bytes [32, 32, 4, 0]
  rt.task @b llm backward stage 0 reads [1] parameters [] gradients [] makes [] bytes [32, 0]
  rt.rank 0 arena 512 host_arena 16 scratch 0, 512 memory [0, 0, 0, 0, 0, 0, 0, 0, 0] {
    rt.load "x" microbatch 0 at 0
    rt.run @f microbatch 0 at [0, 64, 128, 0]
    rt.record "loss" microbatch 0 at 128
    // expected-error @+1 {{uses 32 bytes at 0 of the host's memory, outside its 16 bytes}}
    rt.offload value 1 microbatch 0 at 64 to 0 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    rt.fetch value 1 microbatch 0 from 0 at 256 bytes 32 slot 0
    rt.wait 0 for @b microbatch 0
    rt.run @b microbatch 0 at [256, 0]
  }
}
