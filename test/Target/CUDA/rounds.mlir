// RUN: bigmac-opt %s --cuda-task-pipeline | FileCheck %s

// A sum alone takes four rows a round: nothing else hides how long loads take. What is loaded ahead is
// not marked as read only, or ptxas would load it where it is used. A block takes a part of many rows
// (here 256 columns, one of 16 parts); its eight warps add up their sums, so that 32 rows are left.
// CHECK-LABEL: gpu.func @sum_0(
// CHECK-SAME: memref<16384x4096xbf16>, %{{[^{]*}} {llvm.noalias}
// CHECK: scf.for {{.*}} step %c1024{{.*}} iter_args
// CHECK-COUNT-4: vector.load
// CHECK-NOT: vector.load
// CHECK: scf.yield
// CHECK: memref.store {{.*}}#gpu.address_space<workgroup>
// CHECK: gpu.barrier
// CHECK: vector.store {{.*}} : memref<32x4096xf32>, vector<8xf32>

// CHECK-LABEL: func.func @sum(
// CHECK: gpu.launch_func @kernels::@sum_0 blocks in (%c512, %c1, %c1) threads in (%c256, %c1, %c1)
func.func @sum(%x: tensor<16384x4096xbf16>) -> tensor<4096xf32> {
  %0 = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %1 = nn.reduce_sum %0 [0] : tensor<16384x4096xf32>
  return %1 : tensor<4096xf32>
}

// Two sums of a long row and what is computed of it take all registers of 512 threads: 256 have some
// to spare.
// CHECK-LABEL: func.func @two_sums(
// CHECK: gpu.launch_func @kernels::@two_sums_0 blocks in (%c261, %c1, %c1) threads in (%c256, %c1, %c1)
func.func @two_sums(%x: tensor<16384x4096xbf16>, %g: tensor<16384x4096xbf16>, %s: tensor<4096xbf16>)
    -> (tensor<4096xf32>, tensor<4096xf32>, tensor<16384x4096xbf16>) {
  %xf = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %gf = arith.extf %g : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %sf = arith.extf %s : tensor<4096xbf16> to tensor<4096xf32>
  %p = arith.mulf %xf, %gf : tensor<16384x4096xf32>
  %0 = nn.reduce_sum %p [0] : tensor<16384x4096xf32>
  %1 = nn.reduce_sum %gf [0] : tensor<16384x4096xf32>
  %y, %r = nn.rms_norm %p scale %sf : tensor<4096xf32> epsilon 1.0e-5 : tensor<16384x4096xf32>
  %2 = arith.truncf %y : tensor<16384x4096xf32> to tensor<16384x4096xbf16>
  return %0, %1, %2 : tensor<4096xf32>, tensor<4096xf32>, tensor<16384x4096xbf16>
}
