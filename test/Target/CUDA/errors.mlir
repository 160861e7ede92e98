// RUN: bigmac-opt %s --cuda-generate-kernels --verify-diagnostics

// A loop that is not over rows is no kernel, and says why.
func.func @carried(%x: tensor<4x8xf32>) -> tensor<8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %init = tensor.empty() : tensor<8xf32>
  // expected-error @+1 {{cannot become a GPU kernel: a result is neither written by rows nor summed over them}}
  %0 = scf.for %i = %c0 to %c4 step %c1 iter_args(%old = %init) -> tensor<8xf32> {
    %row = tensor.extract_slice %x[%i, 0] [1, 8] [1, 1] : tensor<4x8xf32> to tensor<8xf32>
    scf.yield %row : tensor<8xf32>
  }
  return %0 : tensor<8xf32>
}
