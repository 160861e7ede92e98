// RUN: bigmac-opt %s --cpu-pipeline | FileCheck %s

// CHECK: llvm.func @bm_index_error(i64, i64) attributes {{.*}}"noreturn"
// CHECK: llvm.func @scale(%[[ARGS:.*]]: !llvm.ptr) {
// CHECK: llvm.getelementptr %[[ARGS]][0]
// CHECK: llvm.getelementptr %[[ARGS]][1]
// CHECK: llvm.getelementptr %[[ARGS]][2]
// CHECK: llvm.call @scale.body(
// CHECK: llvm.func internal @scale.body(
// CHECK: llvm.func internal @bm_kernel_0({{.*}}no_inline
func.func @scale(%x: tensor<64xf32>) -> tensor<64xf32> {
  %0 = arith.addf %x, %x : tensor<64xf32>
  return %0 : tensor<64xf32>
}
