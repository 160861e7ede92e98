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
// CHECK: %[[GROUP:.*]] = arith.addi
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
