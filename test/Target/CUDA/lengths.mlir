// RUN: bigmac-opt %s --cuda-task-pipeline | FileCheck %s

// Short rows: eight lanes each, no workgroup memory.
// CHECK-LABEL: gpu.func @short_0(
// CHECK-NOT: workgroup(
// CHECK-COUNT-6: gpu.shuffle
// CHECK-NOT: gpu.shuffle
// CHECK: gpu.return
func.func @short(%x: tensor<100x32xf32>) -> tensor<100x32xf32> {
  %0 = nn.softmax %x : tensor<100x32xf32>
  return %0 : tensor<100x32xf32>
}

// A length that no vector divides is read one by one, and threads past it read nothing and count
// as the neutral element.
// CHECK-LABEL: gpu.func @odd_0(
// CHECK: scf.if {{.*}} -> (vector<1xf32>)
// CHECK: arith.select
// CHECK: scf.if
// CHECK: vector.store
// CHECK: gpu.return
func.func @odd(%x: tensor<7x33xf32>) -> tensor<7x33xf32> {
  %0 = nn.softmax %x : tensor<7x33xf32>
  return %0 : tensor<7x33xf32>
}

// A row that registers do not hold is read again by each pass over it.
// CHECK-LABEL: gpu.func @long_0(
// CHECK-COUNT-3: scf.for
// CHECK: gpu.return
func.func @long(%x: tensor<4x200000xf32>) -> tensor<4x200000xf32> {
  %0 = nn.softmax %x : tensor<4x200000xf32>
  return %0 : tensor<4x200000xf32>
}

// Registers hold it as bf16: a block keeps its bits, from which each pass computes floats again, and
// leaves registers for another block.
// CHECK-LABEL: gpu.func @packed_0(
// CHECK-SAME: nvvm.minctasm = 2
// CHECK-COUNT-8: vector.load
// CHECK-NOT: vector.load
// CHECK: gpu.shuffle
// CHECK: llvm.inline_asm has_side_effects {{.*}}"=r,0"
// CHECK: gpu.shuffle
// CHECK: llvm.inline_asm has_side_effects {{.*}}"=r,0"
// CHECK: vector.store
func.func @packed(%x: tensor<8x32000xbf16>) -> tensor<8x32000xbf16> {
  %0 = arith.extf %x : tensor<8x32000xbf16> to tensor<8x32000xf32>
  %1 = nn.softmax %0 : tensor<8x32000xf32>
  %2 = arith.truncf %1 : tensor<8x32000xf32> to tensor<8x32000xbf16>
  return %2 : tensor<8x32000xbf16>
}

// A transposition keeps whole vectors; threads take several rows, all loaded before any is stored.
// CHECK-LABEL: gpu.func @transpose_0(
// CHECK-COUNT-4: vector.load {{.*}}vector<8xbf16>
// CHECK-COUNT-4: vector.store {{.*}}vector<8xbf16>
// CHECK: gpu.return
func.func @transpose(%x: tensor<4x2048x32x128xbf16>) -> tensor<4x32x2048x128xbf16> {
  %0 = nn.transpose %x [0, 2, 1, 3] : tensor<4x2048x32x128xbf16>
  return %0 : tensor<4x32x2048x128xbf16>
}

// CHECK-LABEL: func.func @packed(
// CHECK: gpu.launch_func @kernels::@packed_0 blocks in (%c8, %c1, %c1) threads in (%c512, %c1, %c1)
