// RUN: bigmac-opt %s --cuda-task-pipeline | FileCheck %s

// A sum alone takes two rows a round: nothing else hides how long loads take. What is loaded ahead is
// not marked as read only, or ptxas would load it where it is used.
// CHECK-LABEL: gpu.func @sum_0(
// CHECK-SAME: memref<16384x4096xbf16>, %{{[^{]*}} {llvm.noalias}
// CHECK: scf.for {{.*}} step %c1024{{.*}} iter_args
// CHECK-COUNT-4: vector.load
// CHECK-NOT: vector.load
// CHECK: scf.yield

// CHECK-LABEL: func.func @sum(
// CHECK: gpu.launch_func @kernels::@sum_0 blocks in (%c512, %c1, %c1) threads in (%c256, %c1, %c1)
func.func @sum(%x: tensor<16384x4096xbf16>) -> tensor<4096xf32> {
  %0 = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %1 = nn.reduce_sum %0 [0] : tensor<16384x4096xf32>
  return %1 : tensor<4096xf32>
}
