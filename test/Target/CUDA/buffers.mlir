// A task for a GPU is launches and library calls: products in cuBLASLt, with the bias that starts them, and the gradient
// added to its accumulator by the product itself.
// RUN: bigmac-opt %s --cuda-task-pipeline --cuda-buffer-pipeline | FileCheck %s
// RUN: bigmac-opt %s --cuda-task-pipeline --cuda-buffer-pipeline --cuda-kernel-pipeline=format=isa --cuda-emit-host-code | FileCheck %s --check-prefix=HOST

// CHECK-LABEL: func.func @linear(
// CHECK-NOT: linalg
// CHECK: cuda.matmul %arg0, %arg1 transposed into %arg3 bias %arg2 : memref<8xf32> sizes [16, 8, 4, 1]
// CHECK-NEXT: return
// HOST: llvm.mlir.global {{.*}}@bm_cuda(
// HOST-LABEL: func.func @linear(
// HOST: call @bm_cuda_matmul_run(%{{.*}}) : (i32, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> ()
func.func @linear(%x: tensor<16x4xf32>, %w: tensor<8x4xf32>, %b: tensor<8xf32>) -> tensor<16x8xf32> {
  %0 = nn.matmul %x, %w transposed : tensor<16x4xf32>, tensor<8x4xf32>
  %1 = nn.broadcast %b : tensor<8xf32> -> tensor<16x8xf32>
  %2 = arith.addf %0, %1 : tensor<16x8xf32>
  return %2 : tensor<16x8xf32>
}

// CHECK-LABEL: func.func @weight_gradient(
// CHECK: cuda.matmul %arg1 transposed, %arg0 accumulate into %arg2 sizes [8, 4, 16, 1]
// CHECK-NEXT: return
func.func @weight_gradient(%x: tensor<16x4xf32>, %g: tensor<16x8xf32>, %sum: memref<8x4xf32>) {
  %0 = nn.transpose %g [1, 0] : tensor<16x8xf32>
  %1 = nn.matmul %0, %x : tensor<8x16xf32>, tensor<16x4xf32>
  %2 = bufferization.to_tensor %sum restrict writable : memref<8x4xf32> to tensor<8x4xf32>
  %3 = arith.addf %2, %1 : tensor<8x4xf32>
  bufferization.materialize_in_destination %3 in restrict writable %sum : (tensor<8x4xf32>, memref<8x4xf32>) -> ()
  return
}

// Rows of a table are read by a kernel with a thread an element, and checked before.
// CHECK-LABEL: func.func @lookup(
// CHECK: cuda.check_indices %arg1 in -7 to 7
// CHECK: gpu.launch_func @kernels::@lookup_element_0
// HOST-LABEL: func.func @lookup(
// HOST: call @bm_cuda_check_indices
// HOST: call @bm_cuda_launch
func.func @lookup(%table: tensor<7x4xf32>, %ids: tensor<6xi64>) -> tensor<6x4xf32> {
  %0 = nn.embedding %table, %ids : tensor<7x4xf32>, tensor<6xi64>
  return %0 : tensor<6x4xf32>
}

// The gradient of a table goes where it is accumulated.
// CHECK-LABEL: func.func @lookup_gradient(
// CHECK-NEXT: cuda.scatter_rows %arg0, %arg1, %arg2
// CHECK-NEXT: return
func.func @lookup_gradient(%ids: tensor<6xi64>, %g: tensor<6x4xf32>, %sum: memref<7x4xf32>) {
  %0 = nn.embedding_backward %ids, %g : tensor<6xi64>, tensor<6x4xf32> -> tensor<7x4xf32>
  %1 = bufferization.to_tensor %sum restrict writable : memref<7x4xf32> to tensor<7x4xf32>
  %2 = arith.addf %1, %0 : tensor<7x4xf32>
  bufferization.materialize_in_destination %2 in restrict writable %sum : (tensor<7x4xf32>, memref<7x4xf32>) -> ()
  return
}

// A constant is in the device's code, and copied from there.
// CHECK-LABEL: func.func @constant(
// CHECK: gpu.launch_func @kernels::@constant_constant_0
func.func @constant(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %0 = arith.constant dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>
  %1 = arith.mulf %x, %0 : tensor<2x3xf32>
  return %1 : tensor<2x3xf32>
}
