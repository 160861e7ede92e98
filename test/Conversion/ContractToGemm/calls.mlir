// RUN: bigmac-opt %s --convert-contract-to-gemm --cse | FileCheck %s

#mk = affine_map<(m, n, k) -> (m, k)>
#km = affine_map<(m, n, k) -> (k, m)>
#kn = affine_map<(m, n, k) -> (k, n)>
#nk = affine_map<(m, n, k) -> (n, k)>
#mn = affine_map<(m, n, k) -> (m, n)>
#nm = affine_map<(m, n, k) -> (n, m)>

// CHECK: func.func private @bm_sgemm(i32, i32, i64, i64, i64, f32, !llvm.ptr, i64, i64, !llvm.ptr, i64, i64, f32, !llvm.ptr, i64, i64, i64)

// Zeroing before becomes beta = 0.
// CHECK-LABEL: func @plain
func.func @plain(%a: memref<5x3xf32>, %b: memref<3x7xf32>, %c: memref<5x7xf32>) {
  // CHECK-NOT: linalg.fill
  // CHECK: %[[ZERO:.*]] = arith.constant 0.000000e+00 : f32
  // CHECK: call @bm_sgemm({{(%[^,]*, ){12}( )?}}%[[ZERO]],
  %z = arith.constant 0.0 : f32
  linalg.fill ins(%z : f32) outs(%c : memref<5x7xf32>)
  linalg.contract indexing_maps = [#mk, #kn, #mn] ins(%a, %b : memref<5x3xf32>, memref<3x7xf32>) outs(%c : memref<5x7xf32>)
  return
}

// A read in between keeps the zeros.
// CHECK-LABEL: func @read_between
func.func @read_between(%a: memref<5x3xf32>, %b: memref<3x7xf32>, %c: memref<5x7xf32>, %d: memref<5x7xf32>) {
  // CHECK: linalg.fill
  // CHECK: memref.copy
  // CHECK: %[[ONE:.*]] = arith.constant 1.000000e+00 : f32
  // CHECK: call @bm_sgemm({{(%[^,]*, ){12}( )?}}%[[ONE]],
  %z = arith.constant 0.0 : f32
  linalg.fill ins(%z : f32) outs(%c : memref<5x7xf32>)
  memref.copy %c, %d : memref<5x7xf32> to memref<5x7xf32>
  linalg.contract indexing_maps = [#mk, #kn, #mn] ins(%a, %b : memref<5x3xf32>, memref<3x7xf32>) outs(%c : memref<5x7xf32>)
  return
}

// Batch dimensions that are rows of the left-hand side are more rows.
// CHECK-LABEL: func @merged
func.func @merged(%a: memref<2x5x3xf32>, %b: memref<7x3xf32>, %c: memref<2x5x7xf32>) {
  // CHECK-NOT: scf.for
  // CHECK-DAG: %[[M:.*]] = arith.constant 10 : i64
  // CHECK: call @bm_sgemm({{(%[^,]*, ){2}( )?}}%[[M]],
  linalg.contract indexing_maps = [affine_map<(b, m, n, k) -> (b, m, k)>, affine_map<(b, m, n, k) -> (n, k)>, affine_map<(b, m, n, k) -> (b, m, n)>]
    ins(%a, %b : memref<2x5x3xf32>, memref<7x3xf32>) outs(%c : memref<2x5x7xf32>)
  return
}

// Two batch dimensions that no stride steps over: one is the call's, one a loop.
// CHECK-LABEL: func @heads
func.func @heads(%a: memref<2x5x4x3xf32>, %b: memref<2x7x4x3xf32>, %c: memref<2x4x5x7xf32>) {
  // CHECK: scf.for
  // CHECK-COUNT-1: call @bm_sgemm
  linalg.contract indexing_maps = [affine_map<(b, h, m, n, k) -> (b, m, h, k)>, affine_map<(b, h, m, n, k) -> (b, n, h, k)>, affine_map<(b, h, m, n, k) -> (b, h, m, n)>]
    ins(%a, %b : memref<2x5x4x3xf32>, memref<2x7x4x3xf32>) outs(%c : memref<2x4x5x7xf32>)
  return
}

// A transposed result is the product of transposes, the operands exchanged.
// CHECK-LABEL: func @transposed_result
func.func @transposed_result(%a: memref<5x3xf32>, %b: memref<3x7xf32>, %c: memref<7x5xf32>) {
  // CHECK-DAG: %[[M:.*]] = arith.constant 7 : i64
  // CHECK-DAG: %[[N:.*]] = arith.constant 5 : i64
  // CHECK: call @bm_sgemm({{(%[^,]*, ){2}( )?}}%[[M]], %[[N]],
  linalg.contract indexing_maps = [#mk, #kn, #nm] ins(%a, %b : memref<5x3xf32>, memref<3x7xf32>) outs(%c : memref<7x5xf32>)
  return
}

// No f64 product in the runtime: loops.
// CHECK-LABEL: func @double
func.func @double(%a: memref<5x3xf64>, %b: memref<3x7xf64>, %c: memref<5x7xf64>) {
  // CHECK-COUNT-3: scf.for
  // CHECK-NOT: call
  linalg.contract indexing_maps = [#mk, #kn, #mn] ins(%a, %b : memref<5x3xf64>, memref<3x7xf64>) outs(%c : memref<5x7xf64>)
  return
}
