// RUN: bigmac-opt %s --convert-nn-to-linalg | FileCheck %s

// CHECK-DAG: #[[BMK:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: #[[NK:.*]] = affine_map<(d0, d1, d2, d3) -> (d2, d3)>
// CHECK-DAG: #[[BMN:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>

// A shared right-hand side is not repeated, and a transposed one not transposed.
// CHECK-LABEL: func @shared
func.func @shared(%x: tensor<2x3x4xf32>, %w: tensor<5x4xf32>) -> tensor<2x3x5xf32> {
  // CHECK: linalg.fill
  // CHECK-NEXT: linalg.contract indexing_maps = [#[[BMK]], #[[NK]], #[[BMN]]]
  %0 = nn.matmul %x, %w transposed : tensor<2x3x4xf32>, tensor<5x4xf32>
  return %0 : tensor<2x3x5xf32>
}

// A convolution copies its windows to columns.
// CHECK-LABEL: func @conv
func.func @conv(%x: tensor<1x2x5x5xf32>, %w: tensor<3x2x3x3xf32>) -> tensor<1x3x5x5xf32> {
  // CHECK: tensor.insert_slice %{{.*}}[0, 0, 1, 1] [1, 2, 5, 5]
  // CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x1x2x3x3x5x5xf32>)
  // CHECK: linalg.contract {{.*}} tensor<1x3x18xf32>, tensor<1x1x18x25xf32>
  %0 = nn.conv %x, %w strides [1, 1] pads [1, 1, 1, 1] dilations [1, 1] groups 1 : tensor<1x2x5x5xf32>, tensor<3x2x3x3xf32>
  return %0 : tensor<1x3x5x5xf32>
}

// Heads and blocks of queries one by one; the result in the layout that a projection reads.
// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<2x4x128x8xf32>, %k: tensor<2x2x128x8xf32>) -> tensor<2x4x128x8xf32> {
  // CHECK: tensor.empty() : tensor<2x128x4x8xf32>
  // CHECK: scf.for
  // CHECK: scf.for
  // CHECK: scf.for
  // Queries 0 to 63 see 64 keys, 64 to 127 all.
  // CHECK: linalg.contract {{.*}} outs(%{{.*}} : tensor<64x64xf32>)
  // CHECK: arith.cmpi sle
  // CHECK: linalg.contract {{.*}} outs(%{{.*}} : tensor<64x128xf32>)
  // CHECK: linalg.transpose {{.*}} permutation = [0, 2, 1, 3]
  %0, %1 = nn.attention causal %q, %k, %k scale 0.5 : tensor<2x4x128x8xf32>, tensor<2x2x128x8xf32>, tensor<2x2x128x8xf32>
  return %0 : tensor<2x4x128x8xf32>
}
