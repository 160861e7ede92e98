// RUN: bigmac-opt %s --convert-nn-to-linalg | FileCheck %s

// CHECK: func.func private @bm_index_error(i64, i64)

// A negative id counts from the end; one outside is reported before anything is read.
// CHECK-LABEL: func @embedding
func.func @embedding(%t: tensor<7x3xf32>, %ids: tensor<2xi64>) -> tensor<2x3xf32> {
  // CHECK: scf.for
  // CHECK: %[[ID:.*]] = tensor.extract
  // CHECK: arith.cmpi slt, %[[ID]]
  // CHECK: %[[OUTSIDE:.*]] = arith.cmpi uge
  // CHECK: scf.if %[[OUTSIDE]] {
  // CHECK-NEXT: func.call @bm_index_error(%[[ID]], %{{.*}})
  // CHECK: tensor.extract_slice
  // CHECK: tensor.insert_slice
  %0 = nn.embedding %t, %ids : tensor<7x3xf32>, tensor<2xi64>
  return %0 : tensor<2x3xf32>
}

// Rows are added to what is there already.
// CHECK-LABEL: func @accumulate
// CHECK-SAME: (%[[TABLE:.*]]: tensor<7x3xf32>,
func.func @accumulate(%t: tensor<7x3xf32>, %ids: tensor<2xi64>, %g: tensor<2x3xf32>) -> tensor<7x3xf32> {
  // CHECK-NOT: linalg.fill
  // CHECK: scf.for {{.*}} iter_args(%{{.*}} = %[[TABLE]])
  %0 = nn.embedding_backward %ids, %g : tensor<2xi64>, tensor<2x3xf32> -> tensor<7x3xf32>
  %1 = arith.addf %t, %0 : tensor<7x3xf32>
  return %1 : tensor<7x3xf32>
}

// Labels are not wrapped.
// CHECK-LABEL: func @cross_entropy
func.func @cross_entropy(%x: tensor<4x8xf32>, %l: tensor<4xi64>) -> tensor<f32> {
  // CHECK: %[[LABEL:.*]] = tensor.extract
  // CHECK-NOT: arith.cmpi slt
  // CHECK: arith.cmpi ne, %[[LABEL]]
  // CHECK: arith.cmpi uge, %[[LABEL]]
  %0, %1 = nn.cross_entropy %x, %l : tensor<4x8xf32>, tensor<4xi64>
  return %0 : tensor<f32>
}
