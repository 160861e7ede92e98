// RUN: bigmac-opt %s --nn-pack-projections | FileCheck %s
// RUN: bigmac-opt %s --nn-pack-projections | bigmac-opt - | FileCheck %s

// A gate's and an up projection's weights lie one below the other; each takes its columns of one product.
// Query, key and value do so too, whether attention reads them as they are or not.
// CHECK: nn.parameter trained @"layers.0.attn.q.weight+k.weight+v.weight" : tensor<64x32xf32> = [#nn.part<"layers.0.attn.q.weight", 32, dense<1.000000e+00> : tensor<32x32xf32>>, #nn.part<"layers.0.attn.k.weight", 16, dense<2.000000e+00> : tensor<16x32xf32>>, #nn.part<"layers.0.attn.v.weight", 16, dense<3.000000e+00> : tensor<16x32xf32>>]
// CHECK: nn.parameter trained @"layers.0.mlp.gate.weight+up.weight" : tensor<96x32xf32>
// CHECK-LABEL: func.func @layer(
// CHECK-DAG: %[[QKV:.*]] = nn.get_parameter @"layers.0.attn.q.weight+k.weight+v.weight"
// CHECK-DAG: %[[ALL:.*]] = nn.matmul %arg0, %[[QKV]] transposed
// CHECK-DAG: tensor.extract_slice %[[ALL]][0, 0, 0] [2, 8, 32]
// CHECK-DAG: tensor.extract_slice %[[ALL]][0, 0, 32] [2, 8, 16]
// CHECK-DAG: tensor.extract_slice %[[ALL]][0, 0, 48] [2, 8, 16]
// CHECK: nn.matmul %{{.*}} transposed : tensor<2x8x32xf32>, tensor<96x32xf32>
// CHECK-NOT: nn.matmul
// CHECK: return
nn.parameter trained @layers.0.attn.q.weight : tensor<32x32xf32> = dense<1.0> : tensor<32x32xf32>
nn.parameter trained @layers.0.attn.k.weight : tensor<16x32xf32> = dense<2.0> : tensor<16x32xf32>
nn.parameter trained @layers.0.attn.v.weight : tensor<16x32xf32> = dense<3.0> : tensor<16x32xf32>
nn.parameter trained @layers.0.mlp.gate.weight : tensor<48x32xf32> = dense<1.0> : tensor<48x32xf32>
nn.parameter trained @layers.0.mlp.up.weight : tensor<48x32xf32> = dense<2.0> : tensor<48x32xf32>
func.func @layer(%x: tensor<2x8x32xf32>, %y: tensor<2x8x32xf32>) -> (tensor<2x4x8x8xf32>, tensor<2x8x48xf32>) {
  %wq = nn.get_parameter @layers.0.attn.q.weight : tensor<32x32xf32>
  %q = nn.matmul %x, %wq transposed : tensor<2x8x32xf32>, tensor<32x32xf32>
  %q1 = tensor.expand_shape %q [[0], [1], [2, 3]] output_shape [2, 8, 4, 8] : tensor<2x8x32xf32> into tensor<2x8x4x8xf32>
  %q2 = nn.transpose %q1 [0, 2, 1, 3] : tensor<2x8x4x8xf32>
  %q3 = arith.negf %q2 : tensor<2x4x8x8xf32>
  %wk = nn.get_parameter @layers.0.attn.k.weight : tensor<16x32xf32>
  %k = nn.matmul %x, %wk transposed : tensor<2x8x32xf32>, tensor<16x32xf32>
  %k1 = tensor.expand_shape %k [[0], [1], [2, 3]] output_shape [2, 8, 2, 8] : tensor<2x8x16xf32> into tensor<2x8x2x8xf32>
  %k2 = nn.transpose %k1 [0, 2, 1, 3] : tensor<2x8x2x8xf32>
  %k3 = arith.negf %k2 : tensor<2x2x8x8xf32>
  %wv = nn.get_parameter @layers.0.attn.v.weight : tensor<16x32xf32>
  %v = nn.matmul %x, %wv transposed : tensor<2x8x32xf32>, tensor<16x32xf32>
  %v1 = tensor.expand_shape %v [[0], [1], [2, 3]] output_shape [2, 8, 2, 8] : tensor<2x8x16xf32> into tensor<2x8x2x8xf32>
  %v2 = nn.transpose %v1 [0, 2, 1, 3] : tensor<2x8x2x8xf32>
  %o, %l = nn.attention %q3, %k3, %v2 scale 0.5 : tensor<2x4x8x8xf32>, tensor<2x2x8x8xf32>, tensor<2x2x8x8xf32>
  %wg = nn.get_parameter @layers.0.mlp.gate.weight : tensor<48x32xf32>
  %g = nn.matmul %y, %wg transposed : tensor<2x8x32xf32>, tensor<48x32xf32>
  %wu = nn.get_parameter @layers.0.mlp.up.weight : tensor<48x32xf32>
  %u = nn.matmul %y, %wu transposed : tensor<2x8x32xf32>, tensor<48x32xf32>
  %h = arith.mulf %g, %u : tensor<2x8x48xf32>
  return %o, %h : tensor<2x4x8x8xf32>, tensor<2x8x48xf32>
}

// Left alone: weights of several layers, frozen ones beside trained ones, products with a bias, weights
// that are read twice, and those whose neighbour would begin inside a cache line.
// CHECK-LABEL: func.func @apart(
// CHECK-COUNT-10: nn.matmul
// CHECK-NOT: tensor.extract_slice
nn.parameter trained @layers.1.kv.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter trained @layers.2.kv.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter trained @a.x.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter @a.y.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter trained @b.x.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter trained @b.x.bias : tensor<16xf32> = dense<1.0> : tensor<16xf32>
nn.parameter trained @b.y.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter trained @c.x.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter trained @c.y.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter trained @d.y.weight : tensor<3x5xf32> = dense<1.0> : tensor<3x5xf32>
nn.parameter trained @d.z.weight : tensor<3x5xf32> = dense<1.0> : tensor<3x5xf32>
func.func @apart(%x: tensor<8x32xf32>, %y: tensor<8x5xf32>) -> (tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<16x32xf32>, tensor<8x3xf32>, tensor<8x3xf32>) {
  %0 = nn.get_parameter @layers.1.kv.weight : tensor<16x32xf32>
  %1 = nn.get_parameter @layers.2.kv.weight : tensor<16x32xf32>
  %2 = nn.get_parameter @a.x.weight : tensor<16x32xf32>
  %3 = nn.get_parameter @a.y.weight : tensor<16x32xf32>
  %4 = nn.get_parameter @b.x.weight : tensor<16x32xf32>
  %5 = nn.get_parameter @b.y.weight : tensor<16x32xf32>
  %6 = nn.get_parameter @c.x.weight : tensor<16x32xf32>
  %7 = nn.get_parameter @c.y.weight : tensor<16x32xf32>
  %8 = nn.get_parameter @d.y.weight : tensor<3x5xf32>
  %9 = nn.get_parameter @d.z.weight : tensor<3x5xf32>
  %a = nn.matmul %x, %0 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %b = nn.matmul %x, %1 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %c = nn.matmul %x, %2 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %d = nn.matmul %x, %3 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %e = nn.matmul %x, %4 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %bias = nn.get_parameter @b.x.bias : tensor<16xf32>
  %row = nn.broadcast %bias : tensor<16xf32> -> tensor<8x16xf32>
  %biased = arith.addf %e, %row : tensor<8x16xf32>
  %f = nn.matmul %x, %5 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %g = nn.matmul %x, %6 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %h = nn.matmul %x, %7 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %twice = arith.negf %6 : tensor<16x32xf32>
  %i = nn.matmul %y, %8 transposed : tensor<8x5xf32>, tensor<3x5xf32>
  %j = nn.matmul %y, %9 transposed : tensor<8x5xf32>, tensor<3x5xf32>
  return %a, %b, %c, %d, %biased, %f, %g, %h, %twice, %i, %j : tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<8x16xf32>, tensor<16x32xf32>, tensor<8x3xf32>, tensor<8x3xf32>
}

// Nor what the loss does not depend on: its parameters are frozen, which a packed one is as a whole.
// CHECK-LABEL: func.func @without_influence(
// CHECK-COUNT-2: nn.matmul
nn.parameter trained @e.x.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
nn.parameter trained @e.y.weight : tensor<16x32xf32> = dense<1.0> : tensor<16x32xf32>
func.func @without_influence(%x: tensor<8x32xf32>) -> (tensor<f32> {nn.loss, nn.name = "loss"}, tensor<8x16xf32> {nn.name = "logits"}) {
  %0 = nn.get_parameter @e.x.weight : tensor<16x32xf32>
  %1 = nn.matmul %x, %0 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %2 = nn.get_parameter @e.y.weight : tensor<16x32xf32>
  %3 = nn.matmul %x, %2 transposed : tensor<8x32xf32>, tensor<16x32xf32>
  %4 = nn.reduce_sum %1 [0, 1] : tensor<8x16xf32>
  return %4, %3 : tensor<f32>, tensor<8x16xf32>
}
