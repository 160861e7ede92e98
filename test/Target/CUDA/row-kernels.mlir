// RUN: bigmac-opt %s --cuda-task-pipeline | FileCheck %s

// A norm is one kernel and reads its input once: a block of 256 threads takes a row, each thread two
// vectors of 16 bytes; the sum of squares goes through lanes and warps, and through workgroup memory whose
// alignment is said: LLVM's loads of it need it.
// CHECK-LABEL: gpu.func @norm_0(
// CHECK-SAME: memref<512x4096xbf16> {llvm.noalias}
// CHECK-SAME: workgroup(%{{.*}} : memref<8xf32, #gpu.address_space<workgroup>> {llvm.align = 16 : i64})
// CHECK-COUNT-2: vector.load %arg0[%{{.*}}] {alignment = 16 : i64} : memref<512x4096xbf16>, vector<8xbf16>
// CHECK-COUNT-5: gpu.shuffle
// CHECK: gpu.barrier
// CHECK-NOT: vector.load %arg0
// CHECK-COUNT-2: vector.store {{.*}}vector<8xbf16>
// CHECK: gpu.return
// CHECK: gpu.launch_func @kernels::@norm_0 blocks in (%c512, %c1, %c1) threads in (%c256, %c1, %c1)
func.func @norm(%x: tensor<512x4096xbf16>, %s: tensor<4096xbf16>) -> (tensor<512x4096xbf16>, tensor<512xf32>) {
  %xf = arith.extf %x : tensor<512x4096xbf16> to tensor<512x4096xf32>
  %sf = arith.extf %s : tensor<4096xbf16> to tensor<4096xf32>
  %n, %r = nn.rms_norm %xf scale %sf : tensor<4096xf32> epsilon 1.0e-5 : tensor<512x4096xf32>
  %y = arith.truncf %n : tensor<512x4096xf32> to tensor<512x4096xbf16>
  return %y, %r : tensor<512x4096xbf16>, tensor<512xf32>
}

// A result that the task also uses is computed where it is wanted: nothing copies it.
// CHECK-LABEL: func.func @saved(
// CHECK-NOT: alloc
// CHECK: gpu.launch_func @kernels::@saved_0 {{.*}}%arg1 : memref<64x256xf32>)
// CHECK: %[[SAVED:.*]] = bufferization.to_tensor %arg1 restrict : memref<64x256xf32>
// CHECK-NOT: materialize_in_destination {{.*}} %arg1
// CHECK: linalg.contract {{.*}} ins(%[[SAVED]], %[[SAVED]]
func.func @saved(%x: tensor<64x256xf32>) -> (tensor<64x256xf32>, tensor<64x64xf32>) {
  %y = nn.softmax %x : tensor<64x256xf32>
  %p = nn.matmul %y, %y transposed : tensor<64x256xf32>, tensor<64x256xf32>
  return %y, %p : tensor<64x256xf32>, tensor<64x64xf32>
}
