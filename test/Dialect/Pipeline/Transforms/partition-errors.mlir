// RUN: bigmac-opt %s --split-input-file --verify-diagnostics --pipeline-partition

// Parameters that cannot be trained.
// expected-error @+1 {{parameter 'w' is trained, but its type is 'f64'; trained parameters are f32: freeze it with --freeze=w, or export the model in float32}}
nn.parameter trained @w : tensor<4x4xf64> = dense<0.5> : tensor<4x4xf64>
func.func @main(%x: tensor<2x4xf64> {nn.name = "x"}) -> (tensor<f32> {nn.name = "loss", nn.loss}) {
  %w = nn.get_parameter @w : tensor<4x4xf64>
  %0 = nn.matmul %x, %w : tensor<2x4xf64>, tensor<4x4xf64>
  %1 = nn.reduce_sum %0 [0, 1] : tensor<2x4xf64>
  %2 = arith.truncf %1 : tensor<f64> to tensor<f32>
  return %2 : tensor<f32>
}

// -----

// A module without a model.
// expected-error @+1 {{has no public function to partition; expected the model as the module's one public function}}
module {
}
