// A bias's gradient is summed by the product of its weight's, where both are bf16 and no kernel of ours makes what they
// are of.
// RUN: bigmac-opt %s --convert-nn-to-cuda | FileCheck %s
// RUN: bigmac-opt %s --convert-nn-to-cuda=epilogues=false | FileCheck %s --check-prefix=NONE --implicit-check-not=cuda.matmul_
// NONE: module

// A weight [out, in]: its gradient is the cotangent, transposed, times the input.
// CHECK-LABEL: func.func @transposed
// CHECK: %[[DH:.*]] = cuda.matmul_gelu_backward
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %[[DH]]
// CHECK: %[[SUM:.*]] = bufferization.to_tensor %arg4
// CHECK: %[[CALL:.*]]:2 = cuda.matmul_sums %[[ROWS]] transposed, %arg3 into %[[SUM]] summing a into %{{.*}} : tensor<6x32xbf16>, tensor<6x24xbf16>, tensor<32x24xbf16>, tensor<32xbf16>
// CHECK: arith.addf %{{.*}}, %[[CALL]]#1 : tensor<32xbf16>
// CHECK: materialize_in_destination %[[CALL]]#0
func.func @transposed(%g: tensor<2x3x16xbf16>, %w: tensor<16x32xbf16>, %h: tensor<2x3x32xbf16>, %x: tensor<6x24xbf16>, %dw: memref<32x24xbf16>, %db: memref<32xbf16>) {
  %0 = nn.matmul %g, %w : tensor<2x3x16xbf16>, tensor<16x32xbf16>
  %1 = nn.gelu_backward tanh %h, %0 : tensor<2x3x32xbf16>, tensor<2x3x32xbf16>
  %2 = nn.reduce_sum %1 [0, 1] : tensor<2x3x32xbf16>
  %3 = tensor.collapse_shape %1 [[0, 1], [2]] : tensor<2x3x32xbf16> into tensor<6x32xbf16>
  %4 = nn.matmul %3 transposed, %x : tensor<6x32xbf16>, tensor<6x24xbf16>
  %5 = bufferization.to_tensor %dw restrict writable : memref<32x24xbf16> to tensor<32x24xbf16>
  %6 = arith.addf %5, %4 : tensor<32x24xbf16>
  %7 = bufferization.to_tensor %db restrict writable : memref<32xbf16> to tensor<32xbf16>
  %8 = arith.addf %7, %2 : tensor<32xbf16>
  bufferization.materialize_in_destination %8 in restrict writable %db : (tensor<32xbf16>, memref<32xbf16>) -> ()
  bufferization.materialize_in_destination %6 in restrict writable %dw : (tensor<32x24xbf16>, memref<32x24xbf16>) -> ()
  return
}

// A weight [in, out], and a cotangent that is put together from products.
// CHECK-LABEL: func.func @concat
// CHECK: cuda.matmul_sums %arg1 transposed, %{{.*}} into %{{.*}} summing b into
func.func @concat(%g: tensor<6x16xbf16>, %x: tensor<6x24xbf16>, %w: tensor<16x16xbf16>, %dw: memref<24x32xbf16>) -> tensor<32xbf16> {
  %0 = nn.matmul %g, %w : tensor<6x16xbf16>, tensor<16x16xbf16>
  %1 = nn.matmul %g, %w transposed : tensor<6x16xbf16>, tensor<16x16xbf16>
  %2 = tensor.concat dim(1) %0, %1 : (tensor<6x16xbf16>, tensor<6x16xbf16>) -> tensor<6x32xbf16>
  %3 = nn.matmul %x transposed, %2 : tensor<6x24xbf16>, tensor<6x32xbf16>
  %4 = bufferization.to_tensor %dw restrict writable : memref<24x32xbf16> to tensor<24x32xbf16>
  %5 = arith.addf %4, %3 : tensor<24x32xbf16>
  bufferization.materialize_in_destination %5 in restrict writable %dw : (tensor<24x32xbf16>, memref<24x32xbf16>) -> ()
  %6 = nn.reduce_sum %2 [0] : tensor<6x32xbf16>
  return %6 : tensor<32xbf16>
}

// An elementwise op makes the cotangent: its kernel begins the sum.
// CHECK-LABEL: func.func @from_kernel
// CHECK-NOT: cuda.matmul_sums
// CHECK: return
func.func @from_kernel(%g: tensor<6x32xbf16>, %x: tensor<6x24xbf16>, %dw: memref<32x24xbf16>) -> tensor<32xbf16> {
  %0 = arith.negf %g : tensor<6x32xbf16>
  %1 = nn.reduce_sum %0 [0] : tensor<6x32xbf16>
  %2 = nn.matmul %0 transposed, %x : tensor<6x32xbf16>, tensor<6x24xbf16>
  %3 = bufferization.to_tensor %dw restrict writable : memref<32x24xbf16> to tensor<32x24xbf16>
  %4 = arith.addf %3, %2 : tensor<32x24xbf16>
  bufferization.materialize_in_destination %4 in restrict writable %dw : (tensor<32x24xbf16>, memref<32x24xbf16>) -> ()
  return %1 : tensor<32xbf16>
}

// Gradients in fp32: cuBLASLt would round the sum.
// CHECK-LABEL: func.func @wide
// CHECK-NOT: cuda.matmul_sums
// CHECK: return
func.func @wide(%g: tensor<6x16xbf16>, %w: tensor<16x32xbf16>, %x: tensor<6x24xbf16>, %dw: memref<32x24xf32>) -> tensor<32xf32> {
  %0 = nn.matmul %g, %w : tensor<6x16xbf16>, tensor<16x32xbf16>
  %1 = arith.extf %0 : tensor<6x32xbf16> to tensor<6x32xf32>
  %2 = nn.reduce_sum %1 [0] : tensor<6x32xf32>
  %3 = nn.matmul %0 transposed, %x wide : tensor<6x32xbf16>, tensor<6x24xbf16>
  %4 = bufferization.to_tensor %dw restrict writable : memref<32x24xf32> to tensor<32x24xf32>
  %5 = arith.addf %4, %3 : tensor<32x24xf32>
  bufferization.materialize_in_destination %5 in restrict writable %dw : (tensor<32x24xf32>, memref<32x24xf32>) -> ()
  return %2 : tensor<32xf32>
}

// Another sum, a weight's gradient that is not accumulated, and rows that are no multiples of 16 bytes.
// CHECK-LABEL: func.func @others
// CHECK-NOT: cuda.matmul_sums
// CHECK: return
func.func @others(%g: tensor<6x16xbf16>, %w: tensor<16x32xbf16>, %x: tensor<6x24xbf16>, %y: tensor<6x20xbf16>, %dw: memref<32x20xbf16>) -> (tensor<6xbf16>, tensor<32xbf16>, tensor<32x24xbf16>) {
  %0 = nn.matmul %g, %w : tensor<6x16xbf16>, tensor<16x32xbf16>
  %1 = nn.reduce_sum %0 [1] : tensor<6x32xbf16>
  %2 = nn.reduce_sum %0 [0] : tensor<6x32xbf16>
  %3 = nn.matmul %0 transposed, %x : tensor<6x32xbf16>, tensor<6x24xbf16>
  %4 = nn.matmul %0 transposed, %y : tensor<6x32xbf16>, tensor<6x20xbf16>
  %5 = bufferization.to_tensor %dw restrict writable : memref<32x20xbf16> to tensor<32x20xbf16>
  %6 = arith.addf %5, %4 : tensor<32x20xbf16>
  bufferization.materialize_in_destination %6 in restrict writable %dw : (tensor<32x20xbf16>, memref<32x20xbf16>) -> ()
  return %1, %2, %3 : tensor<6xbf16>, tensor<32xbf16>, tensor<32x24xbf16>
}
