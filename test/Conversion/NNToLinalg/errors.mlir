// RUN: bigmac-opt %s --convert-nn-to-linalg --split-input-file --verify-diagnostics

func.func @narrow(%x: tensor<4xf16>) -> tensor<4xf16> {
  // expected-error @below {{'nn.silu' op has element type 'f16', which the CPU target does not compute in; use f32 or bf16}}
  %0 = nn.silu %x : tensor<4xf16>
  return %0 : tensor<4xf16>
}

// -----

func.func @half(%x: tensor<4xf16>) -> tensor<4xf16> {
  // expected-error @below {{'arith.addf' op has element type 'f16'}}
  %0 = arith.addf %x, %x : tensor<4xf16>
  return %0 : tensor<4xf16>
}
