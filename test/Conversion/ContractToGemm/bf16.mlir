// RUN: bigmac-opt %s --convert-contract-to-gemm --split-input-file | FileCheck %s

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (n, k)>
#c = affine_map<(m, n, k) -> (m, n)>

// Operands and result have f32 copies; the zeros are written to none of them.
// CHECK-LABEL: func @rounded(
// CHECK-SAME: %[[A:.*]]: memref<2x4xbf16>, %[[B:.*]]: memref<3x4xbf16>, %[[C:.*]]: memref<2x3xbf16>
// CHECK: %[[AW:.*]] = memref.alloc() : memref<2x4xf32>
// CHECK: linalg.generic {{.*}} ins(%[[A]] : memref<2x4xbf16>) outs(%[[AW]] : memref<2x4xf32>)
// CHECK: arith.extf
// CHECK: %[[BW:.*]] = memref.alloc() : memref<3x4xf32>
// CHECK: linalg.generic {{.*}} ins(%[[B]] : memref<3x4xbf16>) outs(%[[BW]] : memref<3x4xf32>)
// CHECK: %[[CW:.*]] = memref.alloc() : memref<2x3xf32>
// CHECK-NOT: linalg.fill
// CHECK: call @bm_sgemm
// CHECK: linalg.generic {{.*}} ins(%[[CW]] : memref<2x3xf32>) outs(%[[C]] : memref<2x3xbf16>)
// CHECK: arith.truncf
func.func @rounded(%a: memref<2x4xbf16>, %b: memref<3x4xbf16>, %c: memref<2x3xbf16>) {
  %zero = arith.constant 0.0 : bf16
  linalg.fill ins(%zero : bf16) outs(%c : memref<2x3xbf16>)
  linalg.contract indexing_maps = [#a, #b, #c]
    ins(%a, %b : memref<2x4xbf16>, memref<3x4xbf16>) outs(%c : memref<2x3xbf16>)
  return
}

// -----

#a = affine_map<(m, n, k) -> (m, k)>
#b = affine_map<(m, n, k) -> (k, n)>
#c = affine_map<(m, n, k) -> (m, n)>

// An f32 accumulator is added to in place; a bf16 one is widened first.
// CHECK-LABEL: func @accumulated(
// CHECK-SAME: %{{.*}}, %{{.*}}, %[[C:.*]]: memref<2x3xf32>, %[[D:.*]]: memref<2x3xbf16>
// CHECK: call @bm_sgemm
// CHECK-NOT: arith.truncf
// CHECK: linalg.generic {{.*}} ins(%[[D]] : memref<2x3xbf16>) outs(%[[DW:.*]] : memref<2x3xf32>)
// CHECK: call @bm_sgemm
// CHECK: linalg.generic {{.*}} ins(%[[DW]] : memref<2x3xf32>) outs(%[[D]] : memref<2x3xbf16>)
func.func @accumulated(%a: memref<2x4xbf16>, %b: memref<4x3xbf16>, %c: memref<2x3xf32>, %d: memref<2x3xbf16>) {
  linalg.contract indexing_maps = [#a, #b, #c]
    ins(%a, %b : memref<2x4xbf16>, memref<4x3xbf16>) outs(%c : memref<2x3xf32>)
  linalg.contract indexing_maps = [#a, #b, #c]
    ins(%a, %b : memref<2x4xbf16>, memref<4x3xbf16>) outs(%d : memref<2x3xbf16>)
  return
}
