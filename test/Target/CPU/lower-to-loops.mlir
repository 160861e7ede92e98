// RUN: bigmac-opt %s --cpu-lower-to-loops --canonicalize --split-input-file | FileCheck %s

// Contiguous dimensions are one loop.
// CHECK-LABEL: func @merged
func.func @merged(%a: memref<2x3x4xf32>, %b: memref<2x3x4xf32>) {
  // CHECK-COUNT-1: scf.for
  // CHECK-NOT: scf.for
  // CHECK: math.exp
  linalg.generic {indexing_maps = [affine_map<(i, j, k) -> (i, j, k)>, affine_map<(i, j, k) -> (i, j, k)>], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%a : memref<2x3x4xf32>) outs(%b : memref<2x3x4xf32>) {
    ^bb0(%in: f32, %out: f32):
      %0 = math.exp %in : f32
      linalg.yield %0 : f32
  }
  return
}

// -----

// A sum over rows steps along the row in its inner loop.
// CHECK-LABEL: func @columns
// CHECK-SAME: (%[[A:.*]]: memref<64x32xf32>, %[[B:.*]]: memref<32xf32>)
func.func @columns(%a: memref<64x32xf32>, %b: memref<32xf32>) {
  // CHECK: scf.for %[[J:.*]] = %{{.*}} to %c64
  // CHECK: scf.for %[[I:.*]] = %{{.*}} to %c32
  // CHECK: memref.load %[[A]][%[[J]], %[[I]]]
  // CHECK: memref.load %[[B]][%[[I]]]
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (j, i)>, affine_map<(i, j) -> (i)>], iterator_types = ["parallel", "reduction"]}
      ins(%a : memref<64x32xf32>) outs(%b : memref<32xf32>) {
    ^bb0(%in: f32, %out: f32):
      %0 = arith.addf %in, %out : f32
      linalg.yield %0 : f32
  }
  return
}

// -----

// A part of a tensor is not contiguous. Sums may become fused multiply-adds.
// CHECK-LABEL: func @part
func.func @part(%a: memref<4x8xf32>) {
  // CHECK-COUNT-2: scf.for
  // CHECK: arith.addf %{{.*}} fastmath<contract>
  %part = memref.subview %a[0, 0] [4, 5] [1, 1] : memref<4x8xf32> to memref<4x5xf32, strided<[8, 1]>>
  linalg.generic {indexing_maps = [affine_map<(i, j) -> (i, j)>], iterator_types = ["parallel", "parallel"]}
      outs(%part : memref<4x5xf32, strided<[8, 1]>>) {
    ^bb0(%out: f32):
      %0 = arith.addf %out, %out : f32
      linalg.yield %0 : f32
  }
  return
}
