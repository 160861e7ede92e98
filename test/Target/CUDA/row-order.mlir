// RUN: bigmac-opt %s --cuda-task-pipeline | FileCheck %s

// Rows that share the row of a rotary embedding's table, those of a position's heads, are neighbours; the table is
// read by position, the fastest of the two to change otherwise.
// CHECK-LABEL: gpu.func @rotary_0(
// CHECK: %[[GROUP:.*]] = arith.addi
// CHECK: %[[HEAD:.*]] = arith.remui %[[GROUP]], %c4
// CHECK: %[[POSITION:.*]] = arith.divui %[[GROUP]], %c4
// CHECK: vector.load %arg0[%[[POSITION]], %[[HEAD]], %{{.*}}]
// CHECK: vector.load %arg1[%[[POSITION]], %{{.*}}]
// CHECK: vector.store {{.*}}%arg2[%[[HEAD]], %[[POSITION]], %{{.*}}]
func.func @rotary(%x: tensor<512x4x128xbf16>, %c: tensor<512x128xf32>) -> tensor<4x512x128xbf16> {
  %t = nn.transpose %x [1, 0, 2] : tensor<512x4x128xbf16>
  %f = arith.extf %t : tensor<4x512x128xbf16> to tensor<4x512x128xf32>
  %b = nn.broadcast %c : tensor<512x128xf32> -> tensor<4x512x128xf32>
  %p = arith.mulf %f, %b : tensor<4x512x128xf32>
  %y = arith.truncf %p : tensor<4x512x128xf32> to tensor<4x512x128xbf16>
  return %y : tensor<4x512x128xbf16>
}

// Rows shorter than a line of the caches stay next to those that they share lines with.
// CHECK-LABEL: gpu.func @short_0(
// CHECK: %[[POSITION:.*]] = arith.remui %{{.*}}, %c512
// CHECK: vector.load %arg1[%[[POSITION]], %{{.*}}]
func.func @short(%x: tensor<512x4x16xbf16>, %c: tensor<512x16xf32>) -> tensor<4x512x16xbf16> {
  %t = nn.transpose %x [1, 0, 2] : tensor<512x4x16xbf16>
  %f = arith.extf %t : tensor<4x512x16xbf16> to tensor<4x512x16xf32>
  %b = nn.broadcast %c : tensor<512x16xf32> -> tensor<4x512x16xf32>
  %p = arith.mulf %f, %b : tensor<4x512x16xf32>
  %y = arith.truncf %p : tensor<4x512x16xf32> to tensor<4x512x16xbf16>
  return %y : tensor<4x512x16xbf16>
}

// So do rows that do not lie together in memory: those of neighbouring positions are in the same lines.
// CHECK-LABEL: gpu.func @patches_0(
// CHECK: %[[POSITION:.*]] = arith.remui %{{.*}}, %c512
// CHECK: %[[IMAGE:.*]] = arith.divui %{{.*}}, %c512
// CHECK: memref.load %arg0[%[[IMAGE]], %{{.*}}, %[[POSITION]]]
func.func @patches(%x: tensor<8x128x512xbf16>, %p: tensor<512x128xf32>) -> tensor<8x512x128xbf16> {
  %t = nn.transpose %x [0, 2, 1] : tensor<8x128x512xbf16>
  %f = arith.extf %t : tensor<8x512x128xbf16> to tensor<8x512x128xf32>
  %b = nn.broadcast %p : tensor<512x128xf32> -> tensor<8x512x128xf32>
  %a = arith.addf %f, %b : tensor<8x512x128xf32>
  %y = arith.truncf %a : tensor<8x512x128xf32> to tensor<8x512x128xbf16>
  return %y : tensor<8x512x128xbf16>
}

// Of several loops the one that shares the most in a block of 16 rows: 2 samples share all tables by twos, 16 heads
// share two of them all. The others stay in their order.
// CHECK-LABEL: gpu.func @most_0(
// CHECK: %[[ROW:.*]] = arith.addi
// CHECK: %[[HEAD:.*]] = arith.remui %[[ROW]], %c16
// CHECK: %[[REST:.*]] = arith.divui %[[ROW]], %c16
// CHECK: %[[POSITION:.*]] = arith.remui %[[REST]], %c512
// CHECK: %[[SAMPLE:.*]] = arith.divui %[[REST]], %c512
// CHECK: vector.load %arg0[%[[SAMPLE]], %[[HEAD]], %[[POSITION]], %{{.*}}]
func.func @most(%x: tensor<2x16x512x128xbf16>, %c: tensor<16x512x128xbf16>, %e: tensor<512x128xf32>, %h: tensor<512x128xf32>) -> tensor<2x16x512x128xbf16> {
  %f = arith.extf %x : tensor<2x16x512x128xbf16> to tensor<2x16x512x128xf32>
  %cf = arith.extf %c : tensor<16x512x128xbf16> to tensor<16x512x128xf32>
  %b = nn.broadcast %cf : tensor<16x512x128xf32> -> tensor<2x16x512x128xf32>
  %d = nn.broadcast %e : tensor<512x128xf32> -> tensor<2x16x512x128xf32>
  %p = arith.mulf %f, %b : tensor<2x16x512x128xf32>
  %q = arith.mulf %p, %d : tensor<2x16x512x128xf32>
  %g = nn.broadcast %h : tensor<512x128xf32> -> tensor<2x16x512x128xf32>
  %r = arith.addf %q, %g : tensor<2x16x512x128xf32>
  %y = arith.truncf %r : tensor<2x16x512x128xf32> to tensor<2x16x512x128xbf16>
  return %y : tensor<2x16x512x128xbf16>
}

// Where the inner loops share nearly as much as any, all stays as it is: 4 of 8 times 4 rows of a position are 16 rows.
// CHECK-LABEL: gpu.func @inner_0(
// CHECK: %[[ROW:.*]] = arith.addi
// CHECK: arith.remui %[[ROW]], %c4
// CHECK: arith.remui %{{.*}}, %c8
func.func @inner(%x: tensor<512x8x4x128xbf16>, %y: tensor<512x8x4x128xbf16>, %e: tensor<512x128xf32>) -> tensor<512x8x4x128xbf16> {
  %f = arith.extf %x : tensor<512x8x4x128xbf16> to tensor<512x8x4x128xf32>
  %g = arith.extf %y : tensor<512x8x4x128xbf16> to tensor<512x8x4x128xf32>
  %r = tensor.expand_shape %e [[0, 1, 2], [3]] output_shape [512, 1, 1, 128] : tensor<512x128xf32> into tensor<512x1x1x128xf32>
  %d = nn.broadcast %r : tensor<512x1x1x128xf32> -> tensor<512x8x4x128xf32>
  %p = arith.mulf %f, %d : tensor<512x8x4x128xf32>
  %q = arith.mulf %p, %g : tensor<512x8x4x128xf32>
  %o = arith.truncf %q : tensor<512x8x4x128xf32> to tensor<512x8x4x128xbf16>
  return %o : tensor<512x8x4x128xbf16>
}

// So it does where nothing is shared, where a block has one row, and in sums over rows.
// CHECK-LABEL: gpu.func @alike_0(
// CHECK: arith.remui %{{.*}}, %c512
// CHECK-LABEL: gpu.func @long_0(
// CHECK: arith.remui %{{.*}}, %c512
// CHECK-LABEL: gpu.func @summed_0(
// CHECK: scf.for
// CHECK: arith.remui %{{.*}}, %c512
func.func @alike(%x: tensor<512x8x128xbf16>) -> tensor<8x512x128xbf16> {
  %0 = nn.transpose %x [1, 0, 2] : tensor<512x8x128xbf16>
  return %0 : tensor<8x512x128xbf16>
}
func.func @long(%x: tensor<8x512x4096xbf16>, %p: tensor<512x4096xbf16>) -> tensor<8x512x4096xbf16> {
  %f = arith.extf %x : tensor<8x512x4096xbf16> to tensor<8x512x4096xf32>
  %pf = arith.extf %p : tensor<512x4096xbf16> to tensor<512x4096xf32>
  %b = nn.broadcast %pf : tensor<512x4096xf32> -> tensor<8x512x4096xf32>
  %a = arith.addf %f, %b : tensor<8x512x4096xf32>
  %y = arith.truncf %a : tensor<8x512x4096xf32> to tensor<8x512x4096xbf16>
  return %y : tensor<8x512x4096xbf16>
}
func.func @summed(%x: tensor<8x512x128xbf16>, %p: tensor<512x128xf32>) -> (tensor<8x512x128xbf16>, tensor<128xf32>) {
  %f = arith.extf %x : tensor<8x512x128xbf16> to tensor<8x512x128xf32>
  %b = nn.broadcast %p : tensor<512x128xf32> -> tensor<8x512x128xf32>
  %a = arith.addf %f, %b : tensor<8x512x128xf32>
  %y = arith.truncf %a : tensor<8x512x128xf32> to tensor<8x512x128xbf16>
  %s = nn.reduce_sum %a [0, 1] : tensor<8x512x128xf32>
  return %y, %s : tensor<8x512x128xbf16>, tensor<128xf32>
}
