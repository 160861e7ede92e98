// RUN: bigmac-opt %s --cuda-task-pipeline | FileCheck %s

// However many sums, groups combine them in one buffer, and so does the kernel that adds up the blocks' sums.
// CHECK-LABEL: gpu.func @many_0(
// CHECK-SAME: workgroup(%{{[a-z0-9]*}} : memref<8x256xf32, #gpu.address_space<workgroup>> {llvm.align = 16 : i64}) kernel
// CHECK-LABEL: gpu.func @many_1(
// CHECK-SAME: workgroup(%{{[a-z0-9]*}} : memref<{{[0-9]*}}xf32, #gpu.address_space<workgroup>> {llvm.align = 16 : i64}) kernel
func.func @many(%x: tensor<16384x4096xbf16>, %g: tensor<16384x4096xbf16>) -> (tensor<4096xf32>, tensor<4096xf32>, tensor<4096xf32>) {
  %xf = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %gf = arith.extf %g : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %p = arith.mulf %xf, %gf : tensor<16384x4096xf32>
  %0 = nn.reduce_sum %xf [0] : tensor<16384x4096xf32>
  %1 = nn.reduce_sum %gf [0] : tensor<16384x4096xf32>
  %2 = nn.reduce_sum %p [0] : tensor<16384x4096xf32>
  return %0, %1, %2 : tensor<4096xf32>, tensor<4096xf32>, tensor<4096xf32>
}
