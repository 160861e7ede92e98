// The passes together: what one leaves the next one sees.
// RUN: bigmac-opt --nn-raise %s | FileCheck %s

nn.parameter trained @w : tensor<6x8xf32> = dense<0.5> : tensor<6x8xf32>
nn.parameter trained @g : tensor<8xf32> = dense<0.5> : tensor<8xf32>

// CHECK-LABEL: func @mlp
// CHECK-NEXT: %[[G:.*]] = nn.get_parameter @g
// CHECK-NEXT: %[[N:.*]], %{{.*}} = nn.rms_norm %arg0 scale %[[G]]
// CHECK-NEXT: %[[W:.*]] = nn.get_parameter @w
// CHECK-NEXT: %[[M:.*]] = nn.matmul %[[N]], %[[W]] transposed
// CHECK-NEXT: %[[S:.*]] = nn.silu %[[M]]
// CHECK-NEXT: return %[[S]]
func.func @mlp(%x: tensor<4x8xf32>) -> tensor<4x6xf32> {
  // Computed at compile time, and twice the same squares.
  %four = arith.constant dense<4.0> : tensor<4x1xf32>
  %eight = arith.addf %four, %four : tensor<4x1xf32>
  %eps = arith.constant dense<1.0e-5> : tensor<4x1xf32>
  %one = arith.constant dense<1.0> : tensor<4x6xf32>
  %a = arith.mulf %x, %x : tensor<4x8xf32>
  %s = nn.reduce_sum %a [1] : tensor<4x8xf32>
  %s1 = tensor.expand_shape %s [[0, 1]] output_shape [4, 1] : tensor<4xf32> into tensor<4x1xf32>
  %m = arith.divf %s1, %eight : tensor<4x1xf32>
  %e = arith.addf %m, %eps : tensor<4x1xf32>
  %r = math.rsqrt %e : tensor<4x1xf32>
  %b = nn.broadcast %r : tensor<4x1xf32> -> tensor<4x8xf32>
  %n = arith.mulf %x, %b : tensor<4x8xf32>
  %g = nn.get_parameter @g : tensor<8xf32>
  %gb = nn.broadcast %g : tensor<8xf32> -> tensor<4x8xf32>
  %ng = arith.mulf %gb, %n : tensor<4x8xf32>
  %w = nn.get_parameter @w : tensor<6x8xf32>
  %wt = nn.transpose %w [1, 0] : tensor<6x8xf32>
  %y = nn.matmul %ng, %wt : tensor<4x8xf32>, tensor<8x6xf32>
  %neg = arith.negf %y : tensor<4x6xf32>
  %exp = math.exp %neg : tensor<4x6xf32>
  %d = arith.addf %one, %exp : tensor<4x6xf32>
  %sig = arith.divf %one, %d : tensor<4x6xf32>
  %z = arith.mulf %y, %sig : tensor<4x6xf32>
  return %z : tensor<4x6xf32>
}
