// RUN: bigmac-opt %s | bigmac-opt | FileCheck %s

// CHECK: cuda.attention causal %{{.*}} scale 5.000000e-01 rows_first [true, false, false, true]
func.func @tensors(%q: tensor<1x8x2x4xbf16>, %k: tensor<1x2x8x4xbf16>, %o: tensor<1x8x2x4xbf16>, %l: tensor<1x2x8xf32>) -> (tensor<1x8x2x4xbf16>, tensor<1x2x8xf32>) {
  %0:2 = cuda.attention causal %q, %k, %k, %o, %l scale 5.0e-01 rows_first [true, false, false, true] : (tensor<1x8x2x4xbf16>, tensor<1x2x8x4xbf16>, tensor<1x2x8x4xbf16>, tensor<1x8x2x4xbf16>, tensor<1x2x8xf32>) -> (tensor<1x8x2x4xbf16>, tensor<1x2x8xf32>)
  return %0#0, %0#1 : tensor<1x8x2x4xbf16>, tensor<1x2x8xf32>
}

// CHECK: cuda.matmul_gelu %{{.*}}, %{{.*}} transposed bias %{{.*}} : tensor<32xbf16> into %{{.*}} saving %{{.*}} : tensor<2x8x32xbf16>
// CHECK: cuda.matmul_gelu_backward %{{.*}} transposed, %{{.*}} at %{{.*}} into %{{.*}} : tensor<2x16x8xbf16>, tensor<16x32xbf16>, tensor<2x8x32xbf16>, tensor<2x8x32xbf16> -> tensor<2x8x32xbf16>
func.func @products(%x: tensor<2x8x16xbf16>, %w: tensor<32x16xbf16>, %b: tensor<32xbf16>, %o: tensor<2x8x32xbf16>, %y: tensor<2x16x8xbf16>, %v: tensor<16x32xbf16>) -> tensor<2x8x32xbf16> {
  %0:2 = cuda.matmul_gelu %x, %w transposed bias %b : tensor<32xbf16> into %o saving %o : tensor<2x8x32xbf16> : tensor<2x8x16xbf16>, tensor<32x16xbf16>, tensor<2x8x32xbf16> -> tensor<2x8x32xbf16>, tensor<2x8x32xbf16>
  %1 = cuda.matmul_gelu_backward %y transposed, %v at %0#1 into %o : tensor<2x16x8xbf16>, tensor<16x32xbf16>, tensor<2x8x32xbf16>, tensor<2x8x32xbf16> -> tensor<2x8x32xbf16>
  return %1 : tensor<2x8x32xbf16>
}

// CHECK: cuda.matmul %{{.*}}, %{{.*}} into %{{.*}} bias %{{.*}} : memref<32xbf16> then gelu aux %{{.*}} : memref<6x32xbf16> sizes
// CHECK: cuda.matmul_gelu %{{.*}}, %{{.*}} into %{{.*}} : memref<6x16xbf16>, memref<16x32xbf16>, memref<6x32xbf16>
// CHECK: cuda.matmul_sums %{{.*}} transposed, %{{.*}} into %{{.*}} summing b into %{{.*}} : memref<16x8xbf16>, memref<16x32xbf16>, memref<8x32xbf16>, memref<32xbf16>
// CHECK: cuda.matmul %{{.*}} transposed, %{{.*}} accumulate into %{{.*}} summing b into %{{.*}} : memref<32xbf16> sizes
func.func @product_buffers(%x: memref<6x16xbf16>, %w: memref<16x32xbf16>, %b: memref<32xbf16>, %o: memref<6x32xbf16>, %h: memref<6x32xbf16>, %t: memref<16x8xbf16>, %q: memref<8x32xbf16>) {
  cuda.matmul %x, %w into %o bias %b : memref<32xbf16> then gelu aux %h : memref<6x32xbf16> sizes [6, 32, 16, 1] leading [16, 32, 32, 32] strides [0, 0, 0, 0] offsets [0, 0, 0, 0] : memref<6x16xbf16>, memref<16x32xbf16>, memref<6x32xbf16>
  cuda.matmul_gelu %x, %w into %o : memref<6x16xbf16>, memref<16x32xbf16>, memref<6x32xbf16>
  cuda.matmul_sums %t transposed, %w into %q summing b into %b : memref<16x8xbf16>, memref<16x32xbf16>, memref<8x32xbf16>, memref<32xbf16>
  cuda.matmul %t transposed, %w accumulate into %q summing b into %b : memref<32xbf16> sizes [8, 32, 16, 1] leading [8, 32, 32] strides [0, 0, 0] offsets [0, 0, 0] : memref<16x8xbf16>, memref<16x32xbf16>, memref<8x32xbf16>
  return
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
