// RUN: bigmac-opt %s --split-input-file --verify-diagnostics

func.func @shapes(%ids: tensor<5xi64>, %rows: tensor<4x3xf32>, %table: tensor<7x3xf32>) -> tensor<7x3xf32> {
  // expected-error @+1 {{expects ids [n], rows [n, width] and a table [size, width]}}
  %0 = cuda.scatter_rows %ids, %rows, %table : (tensor<5xi64>, tensor<4x3xf32>, tensor<7x3xf32>) -> tensor<7x3xf32>
  return %0 : tensor<7x3xf32>
}

// -----

func.func @mixed(%ids: tensor<5xi64>, %rows: tensor<5x3xf32>, %table: memref<7x3xf32>) {
  // expected-error @+1 {{mixes tensors and buffers}}
  cuda.scatter_rows %ids, %rows, %table : (tensor<5xi64>, tensor<5x3xf32>, memref<7x3xf32>) -> ()
  return
}

// -----

func.func @results(%ids: tensor<5xi64>, %rows: tensor<5x3xf32>, %table: tensor<7x3xf32>) {
  // expected-error @+1 {{expects a result of the type of each destination, and none on buffers}}
  cuda.scatter_rows %ids, %rows, %table : (tensor<5xi64>, tensor<5x3xf32>, tensor<7x3xf32>) -> ()
  return
}

// -----

func.func @layouts(%q: memref<1x8x2x4xbf16>, %l: memref<1x2x8xf32>) {
  // expected-error @+1 {{expects the layouts of 4 operands in rows_first}}
  cuda.attention %q, %q, %q, %q, %l scale 1.0 rows_first [true] : (memref<1x8x2x4xbf16>, memref<1x8x2x4xbf16>, memref<1x8x2x4xbf16>, memref<1x8x2x4xbf16>, memref<1x2x8xf32>) -> ()
  return
}

// -----

func.func @matmul(%a: memref<2x4xf32>) {
  // expected-error @+1 {{expects 4 sizes and 3 leading dimensions, strides and offsets}}
  cuda.matmul %a, %a into %a sizes [2, 4] leading [4, 4, 4] strides [0, 0, 0] offsets [0, 0, 0] : memref<2x4xf32>, memref<2x4xf32>, memref<2x4xf32>
  return
}
