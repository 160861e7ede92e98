// Each verifier's error.
// RUN: bigmac-opt %s --split-input-file --verify-diagnostics

func.func @f(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error @+1 {{contracts dimensions of 3 and 4, which must be equal}}
  %0 = nn.matmul %a, %b : tensor<2x3xf32>, tensor<4x5xf32>
  return
}

// -----

func.func @f(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{expects a permutation of 2 dimensions, found 1}}
  %0 = nn.transpose %a [0] : tensor<2x3xf32>
  return
}

// -----

func.func @f(%a: tensor<2x3xf32>) {
  // expected-error @+1 {{cannot repeat 'tensor<2x3xf32>' to 'tensor<4x3xf32>'}}
  %0 = nn.broadcast %a : tensor<2x3xf32> -> tensor<4x3xf32>
  return
}

// -----

func.func @f(%q: tensor<1x3x4x8xf32>, %k: tensor<1x2x4x8xf32>) {
  // expected-error @+1 {{has 3 query heads for 2 key and 2 value heads}}
  %0, %1 = nn.attention %q, %k, %k scale 1.0 : tensor<1x3x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>
  return
}

// -----

// expected-error @+1 {{needs 32 bytes, its external value has 16}}
nn.parameter trained @w : tensor<8xf32> = #nn.external<"w.bin", 0, 16>

// -----

// expected-error @+1 {{has type 'tensor<4x2xf32>' but its parts have 3 rows}}
nn.parameter trained @ab : tensor<4x2xf32> = [#nn.part<"a", 1, dense<1.0> : tensor<1x2xf32>>, #nn.part<"b", 2, dense<1.0> : tensor<2x2xf32>>]

// -----

// expected-error @+1 {{packs 'a' twice}}
nn.parameter trained @ab : tensor<2x2xf32> = [#nn.part<"a", 1, dense<1.0> : tensor<1x2xf32>>, #nn.part<"a", 1, dense<1.0> : tensor<1x2xf32>>]

// -----

// expected-error @+1 {{packs no parameter}}
nn.parameter trained @ab : tensor<0x2xf32> = []

// -----

// expected-error @+1 {{expects #nn.part of each parameter that it packs, found dense<1.000000e+00>}}
nn.parameter trained @ab : tensor<4x2xf32> = [dense<1.0> : tensor<4x2xf32>]

// -----

// expected-error @+1 {{needs 16 bytes, its external value has 8}}
nn.parameter trained @ab : tensor<3x2xf32> = [#nn.part<"a", 1, dense<1.0> : tensor<1x2xf32>>, #nn.part<"b", 2, #nn.external<"w.bin", 0, 8>>]

// -----

// expected-error @+1 {{packs initial values of several types: 'bf16' and, of 'b', 'f32'}}
nn.parameter trained @ab : tensor<2x2xbf16> = [#nn.part<"a", 1, dense<1.0> : tensor<1x2xbf16>>, #nn.part<"b", 1, dense<1.0> : tensor<1x2xf32>>]

// -----

// expected-error @+1 {{is trained, so its element type must be floating-point, found 'i64'}}
nn.parameter trained @w : tensor<2xi64> = dense<1> : tensor<2xi64>

// -----

func.func @f() {
  // expected-error @+1 {{names 'nowhere', which is no nn.parameter}}
  %0 = nn.get_parameter @nowhere : tensor<2xf32>
  return
}

// -----

func.func @gelu_backward(%x: tensor<2x3xf32>, %g: tensor<3x2xf32>) {
  // expected-error @+1 {{expects grad like input}}
  %0 = nn.gelu_backward tanh %x, %g : tensor<2x3xf32>, tensor<3x2xf32>
  return
}
