// gelu in the product before it, on buffers: forward with what it is of, forward alone, and backward.
// RUN: bigmac-opt %s --cuda-task-pipeline --cuda-buffer-pipeline | FileCheck %s
// RUN: bigmac-opt %s --cuda-task-pipeline --cuda-buffer-pipeline --cuda-kernel-pipeline=format=isa --cuda-emit-host-code | FileCheck %s --check-prefix=HOST

// CHECK-LABEL: func.func @saved(
// CHECK-NEXT: cuda.matmul %arg0, %arg1 transposed into %arg4 bias %arg2 : memref<32xbf16> then gelu aux %arg3 : memref<2x3x32xbf16> sizes [6, 32, 16, 1] leading [16, 16, 32, 32] strides [0, 0, 0, 0] offsets [0, 0, 0, 0]
// CHECK-NEXT: return
// HOST-LABEL: func.func @saved(
// HOST: call @bm_cuda_matmul_run(%{{.*}}) : (i32, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr, !llvm.ptr) -> ()
func.func @saved(%x: tensor<2x3x16xbf16>, %w: tensor<32x16xbf16>, %b: tensor<32xbf16>) -> (tensor<2x3x32xbf16>, tensor<2x3x32xbf16>) {
  %0 = nn.matmul %x, %w transposed : tensor<2x3x16xbf16>, tensor<32x16xbf16>
  %1 = nn.broadcast %b : tensor<32xbf16> -> tensor<2x3x32xbf16>
  %2 = arith.addf %0, %1 : tensor<2x3x32xbf16>
  %3 = nn.gelu tanh %2 : tensor<2x3x32xbf16>
  return %2, %3 : tensor<2x3x32xbf16>, tensor<2x3x32xbf16>
}

// CHECK-LABEL: func.func @not_saved(
// CHECK-NEXT: cuda.matmul %arg0, %arg1 into %arg2 then gelu sizes [3, 32, 16, 2] leading [16, 32, 32] strides [48, 512, 96] offsets [0, 0, 0]
// CHECK-NEXT: return
func.func @not_saved(%x: tensor<2x3x16xbf16>, %w: tensor<2x16x32xbf16>) -> tensor<2x3x32xbf16> {
  %0 = nn.matmul %x, %w : tensor<2x3x16xbf16>, tensor<2x16x32xbf16>
  %1 = nn.gelu tanh %0 : tensor<2x3x32xbf16>
  return %1 : tensor<2x3x32xbf16>
}

// The bias's gradient is a kernel of its own.
// CHECK-LABEL: func.func @backward(
// CHECK: cuda.matmul %arg0, %arg1 into %arg3 then gelu_backward aux %arg2 : memref<2x3x32xbf16> sizes [6, 32, 16, 1]
// CHECK-NEXT: gpu.launch_func
func.func @backward(%g: tensor<2x3x16xbf16>, %w: tensor<16x32xbf16>, %h: tensor<2x3x32xbf16>) -> (tensor<2x3x32xbf16>, tensor<32xbf16>) {
  %0 = nn.matmul %g, %w : tensor<2x3x16xbf16>, tensor<16x32xbf16>
  %1 = nn.gelu_backward tanh %h, %0 : tensor<2x3x32xbf16>, tensor<2x3x32xbf16>
  %2 = nn.reduce_sum %1 [0, 1] : tensor<2x3x32xbf16>
  return %1, %2 : tensor<2x3x32xbf16>, tensor<32xbf16>
}

// Parts of wider tensors are read and written where they are as long as cuBLASLt can.
// CHECK-LABEL: func.func @parts(
// CHECK: cuda.matmul %{{.*}}, %arg1 into %{{.*}} then gelu sizes [3, 32, 16, 1] leading [24, 32, 40] strides [0, 0, 0] offsets [8, 0, 0]
func.func @parts(%x: tensor<3x24xbf16>, %w: tensor<16x32xbf16>, %t: tensor<3x8xbf16>) -> tensor<3x40xbf16> {
  %0 = tensor.extract_slice %x[0, 8] [3, 16] [1, 1] : tensor<3x24xbf16> to tensor<3x16xbf16>
  %1 = nn.matmul %0, %w : tensor<3x16xbf16>, tensor<16x32xbf16>
  %2 = nn.gelu tanh %1 : tensor<3x32xbf16>
  %3 = tensor.concat dim(1) %2, %t : (tensor<3x32xbf16>, tensor<3x8xbf16>) -> tensor<3x40xbf16>
  return %3 : tensor<3x40xbf16>
}

// And copied where it cannot.
// CHECK-LABEL: func.func @odd_parts(
// CHECK: gpu.launch_func
// CHECK: cuda.matmul %{{.*}}, %arg1 into %{{.*}} then gelu sizes [3, 32, 16, 1] leading [16, 32, 32] strides [0, 0, 0] offsets [0, 0, 0]
// CHECK: gpu.launch_func
func.func @odd_parts(%x: tensor<3x24xbf16>, %w: tensor<16x32xbf16>, %t: tensor<3x3xbf16>) -> tensor<3x35xbf16> {
  %0 = tensor.extract_slice %x[0, 5] [3, 16] [1, 1] : tensor<3x24xbf16> to tensor<3x16xbf16>
  %1 = nn.matmul %0, %w : tensor<3x16xbf16>, tensor<16x32xbf16>
  %2 = nn.gelu tanh %1 : tensor<3x32xbf16>
  %3 = tensor.concat dim(1) %2, %t : (tensor<3x32xbf16>, tensor<3x3xbf16>) -> tensor<3x35xbf16>
  return %3 : tensor<3x35xbf16>
}

// A matrix of one row or column is transposed as the op says, whatever its strides allow.
// CHECK-LABEL: func.func @one_row(
// CHECK: cuda.matmul %arg0 transposed, %arg1 into %arg2 then gelu sizes [16, 24, 1, 1] leading [16, 24, 24]
func.func @one_row(%x: tensor<1x16xbf16>, %w: tensor<1x24xbf16>) -> tensor<16x24xbf16> {
  %0 = nn.matmul %x transposed, %w : tensor<1x16xbf16>, tensor<1x24xbf16>
  %1 = nn.gelu tanh %0 : tensor<16x24xbf16>
  return %1 : tensor<16x24xbf16>
}

// CHECK-LABEL: func.func @one_sample(
// CHECK: cuda.matmul %{{.*}} transposed, %arg1 accumulate into %arg3 summing a into %{{.*}} : memref<32xbf16> sizes [32, 24, 1, 1] leading [32, 24, 24]
func.func @one_sample(%g: tensor<1x32xbf16>, %x: tensor<1x24xbf16>, %w: tensor<32x32xbf16>, %dw: memref<32x24xbf16>, %db: memref<32xbf16>) {
  %0 = nn.matmul %g, %w : tensor<1x32xbf16>, tensor<32x32xbf16>
  %1 = nn.reduce_sum %0 [0] : tensor<1x32xbf16>
  %2 = nn.matmul %0 transposed, %x : tensor<1x32xbf16>, tensor<1x24xbf16>
  %3 = bufferization.to_tensor %dw restrict writable : memref<32x24xbf16> to tensor<32x24xbf16>
  %4 = arith.addf %3, %2 : tensor<32x24xbf16>
  bufferization.materialize_in_destination %4 in restrict writable %dw : (tensor<32x24xbf16>, memref<32x24xbf16>) -> ()
  %5 = bufferization.to_tensor %db restrict writable : memref<32xbf16> to tensor<32xbf16>
  %6 = arith.addf %5, %1 : tensor<32xbf16>
  bufferization.materialize_in_destination %6 in restrict writable %db : (tensor<32xbf16>, memref<32xbf16>) -> ()
  return
}
