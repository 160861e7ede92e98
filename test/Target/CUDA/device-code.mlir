// RUN: bigmac-opt %s --cuda-task-pipeline --cuda-kernel-pipeline=format=isa | FileCheck %s

// Device code is made without a device: 16-byte accesses, half the rows' bytes in bf16.
// CHECK: gpu.binary @kernels
// CHECK-SAME: .target sm_90
// CHECK-SAME: .visible .entry widen_0
// CHECK-SAME: ld.global.nc.v4.b32
// CHECK-SAME: st.global.v4.b32
func.func @widen(%x: tensor<1024x4096xbf16>) -> tensor<1024x4096xbf16> {
  %0 = arith.extf %x : tensor<1024x4096xbf16> to tensor<1024x4096xf32>
  %1 = nn.silu %0 : tensor<1024x4096xf32>
  %2 = arith.truncf %1 : tensor<1024x4096xf32> to tensor<1024x4096xbf16>
  return %2 : tensor<1024x4096xbf16>
}
