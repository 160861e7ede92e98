// RUN: bigmac-opt %s | bigmac-opt | FileCheck %s

// CHECK: cuda.attention causal %{{.*}} scale 5.000000e-01 rows_first [true, false, false, true]
func.func @tensors(%q: tensor<1x8x2x4xbf16>, %k: tensor<1x2x8x4xbf16>, %o: tensor<1x8x2x4xbf16>, %l: tensor<1x2x8xf32>) -> (tensor<1x8x2x4xbf16>, tensor<1x2x8xf32>) {
  %0:2 = cuda.attention causal %q, %k, %k, %o, %l scale 5.0e-01 rows_first [true, false, false, true] : (tensor<1x8x2x4xbf16>, tensor<1x2x8x4xbf16>, tensor<1x2x8x4xbf16>, tensor<1x8x2x4xbf16>, tensor<1x2x8xf32>) -> (tensor<1x8x2x4xbf16>, tensor<1x2x8xf32>)
  return %0#0, %0#1 : tensor<1x8x2x4xbf16>, tensor<1x2x8xf32>
}

// CHECK: cuda.matmul %{{.*}}, %{{.*}} transposed accumulate into %{{.*}} sizes [2, 3, 4, 1]
// CHECK: cuda.scatter_rows %{{.*}} : (memref<5xi64>, memref<5x3xf32>, memref<7x3xf32>) -> ()
// CHECK: cuda.check_indices %{{.*}} in 0 to 7 ignored -100 : memref<5xi64>
func.func @buffers(%a: memref<2x4xf32>, %b: memref<3x4xf32>, %c: memref<2x3xf32>, %ids: memref<5xi64>, %rows: memref<5x3xf32>, %table: memref<7x3xf32>) {
  cuda.matmul %a, %b transposed accumulate into %c sizes [2, 3, 4, 1] leading [4, 4, 3] strides [0, 0, 0] offsets [0, 0, 0] : memref<2x4xf32>, memref<3x4xf32>, memref<2x3xf32>
  cuda.scatter_rows %ids, %rows, %table : (memref<5xi64>, memref<5x3xf32>, memref<7x3xf32>) -> ()
  cuda.check_indices %ids in 0 to 7 ignored -100 : memref<5xi64>
  return
}
