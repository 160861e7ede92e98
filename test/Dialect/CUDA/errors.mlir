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

// -----

func.func @activation(%a: memref<8x8xbf16>) {
  // expected-error @+1 {{expects gelu, which saves to aux or not, or gelu_backward with aux and without bias}}
  cuda.matmul %a, %a into %a then gelu_backward sizes [8, 8, 8, 1] leading [8, 8, 8] strides [0, 0, 0] offsets [0, 0, 0] : memref<8x8xbf16>, memref<8x8xbf16>, memref<8x8xbf16>
  return
}

// -----

func.func @aux(%a: memref<8x8xbf16>) {
  // expected-error @+1 {{expects 4 sizes and 4 leading dimensions, strides and offsets}}
  cuda.matmul %a, %a into %a then gelu aux %a : memref<8x8xbf16> sizes [8, 8, 8, 1] leading [8, 8, 8] strides [0, 0, 0] offsets [0, 0, 0] : memref<8x8xbf16>, memref<8x8xbf16>, memref<8x8xbf16>
  return
}

// -----

func.func @types(%x: memref<8x8xf32>) {
  // expected-error @+1 {{expects bf16 operands, found 'memref<8x8xf32>'}}
  cuda.matmul_gelu %x, %x into %x : memref<8x8xf32>, memref<8x8xf32>, memref<8x8xf32>
  return
}

// -----

func.func @depth(%x: memref<8x16xbf16>, %o: memref<8x16xbf16>) {
  // expected-error @+1 {{cannot multiply 'memref<8x16xbf16>' and 'memref<8x16xbf16>'}}
  cuda.matmul_gelu %x, %x into %o : memref<8x16xbf16>, memref<8x16xbf16>, memref<8x16xbf16>
  return
}

// -----

func.func @result(%x: memref<2x8x16xbf16>, %w: memref<16x24xbf16>, %o: memref<16x24xbf16>) {
  // expected-error @+1 {{expects 'memref<16x24xbf16>' to have the product's shape, [2, 8, 24]}}
  cuda.matmul_gelu_backward %x, %w at %o into %o : memref<2x8x16xbf16>, memref<16x24xbf16>, memref<16x24xbf16>, memref<16x24xbf16>
  return
}

// -----

func.func @bias(%x: memref<8x16xbf16>, %w: memref<16x24xbf16>, %b: memref<16xbf16>, %o: memref<8x24xbf16>) {
  // expected-error @+1 {{expects a bias for each column, found 'memref<16xbf16>'}}
  cuda.matmul_gelu %x, %w bias %b : memref<16xbf16> into %o : memref<8x16xbf16>, memref<16x24xbf16>, memref<8x24xbf16>
  return
}

// -----

func.func @sums(%x: memref<16x8xbf16>, %w: memref<16x24xbf16>, %o: memref<8x24xbf16>, %s: memref<8xbf16>) {
  // expected-error @+1 {{expects two dimensions, and a sum for each column, found 'memref<8xbf16>'}}
  cuda.matmul_sums %x transposed, %w into %o summing b into %s : memref<16x8xbf16>, memref<16x24xbf16>, memref<8x24xbf16>, memref<8xbf16>
  return
}

// -----

func.func @sums_of_others(%x: memref<8x16xbf16>, %w: memref<16x24xbf16>, %o: memref<8x24xbf16>, %s: memref<24xbf16>) {
  // expected-error @+1 {{expects a product of lhs transposed and rhs not}}
  cuda.matmul_sums %x, %w into %o summing b into %s : memref<8x16xbf16>, memref<16x24xbf16>, memref<8x24xbf16>, memref<24xbf16>
  return
}

// -----

func.func @odd_rows(%x: memref<5x16xbf16>, %w: memref<16x9xbf16>, %o: memref<5x9xbf16>) {
  // expected-error @+1 {{expects rows of multiples of 8 elements, found 9}}
  cuda.matmul_gelu %x, %w into %o : memref<5x16xbf16>, memref<16x9xbf16>, memref<5x9xbf16>
  return
}

// -----

func.func @sums_and_gelu(%a: memref<8x8xbf16>, %s: memref<8xbf16>) {
  // expected-error @+1 {{expects sums without bias and activation, of one product}}
  cuda.matmul %a transposed, %a into %a then gelu summing a into %s : memref<8xbf16> sizes [8, 8, 8, 1] leading [8, 8, 8] strides [0, 0, 0] offsets [0, 0, 0] : memref<8x8xbf16>, memref<8x8xbf16>, memref<8x8xbf16>
  return
}
