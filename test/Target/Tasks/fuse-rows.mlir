// RUN: bigmac-opt %s --task-destinations --convert-nn-to-linalg --task-fuse-elementwise --canonicalize --cse --task-fuse-rows --canonicalize | FileCheck %s

// A residual sum and its norm are one loop over rows; only what is needed later is a tensor.
// CHECK-LABEL: func @residual_norm
func.func @residual_norm(%x: tensor<2x6x8xf32>, %y: tensor<2x6x8xf32>, %s: tensor<8xf32>) -> (tensor<2x6x8xf32>, tensor<2x6x8xf32>) {
  // CHECK: scf.for {{.*}} -> (tensor<2x6x8xf32>, tensor<2x6x8xf32>)
  // CHECK: scf.for {{.*}} -> (tensor<2x6x8xf32>, tensor<2x6x8xf32>)
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]{{.*}}tensor<8xf32>
  // CHECK: linalg.generic {{.*}} iterator_types = ["reduction"]
  // CHECK: linalg.generic {{.*}} iterator_types = []
  // CHECK: linalg.generic {{.*}} iterator_types = ["parallel"]
  // CHECK-COUNT-2: tensor.insert_slice
  // CHECK-NOT: linalg.generic
  %0 = arith.addf %x, %y : tensor<2x6x8xf32>
  %1, %2 = nn.rms_norm %0 scale %s : tensor<8xf32> epsilon 1.0e-5 : tensor<2x6x8xf32>
  return %0, %1 : tensor<2x6x8xf32>, tensor<2x6x8xf32>
}

// A sum over the rows joins: its result is carried whole.
// CHECK-LABEL: func @scale_gradient
func.func @scale_gradient(%x: tensor<6x8xf32>, %r: tensor<6xf32>, %g: tensor<6x8xf32>) -> (tensor<6x8xf32>, tensor<8xf32>) {
  // CHECK-COUNT-1: scf.for {{.*}} -> (tensor<6x8xf32>, tensor<8xf32>)
  // CHECK-NOT: scf.for
  %0 = nn.rms_norm_backward %x, %r, %g : tensor<6x8xf32>, tensor<6xf32>, tensor<6x8xf32>
  %1 = arith.mulf %x, %g : tensor<6x8xf32>
  %2 = nn.reduce_sum %1 [0] : tensor<6x8xf32>
  return %0, %2 : tensor<6x8xf32>, tensor<8xf32>
}

// Ops of other rows, or with a product between them, stay apart.
// CHECK-LABEL: func @between
func.func @between(%x: tensor<6x8xf32>, %w: tensor<8x8xf32>) -> tensor<6x8xf32> {
  // CHECK: scf.for
  // CHECK: linalg.contract
  // CHECK: scf.for
  %0 = nn.softmax %x : tensor<6x8xf32>
  %1 = nn.matmul %0, %w : tensor<6x8xf32>, tensor<8x8xf32>
  %2 = nn.softmax %1 : tensor<6x8xf32>
  return %2 : tensor<6x8xf32>
}

// The columns of a transposed read are not rows.
// CHECK-LABEL: func @transposed
func.func @transposed(%x: tensor<8x8xf32>) -> (tensor<8x8xf32>, tensor<8x8xf32>) {
  // CHECK-NOT: scf.for
  %0 = math.exp %x : tensor<8x8xf32>
  %1 = nn.transpose %0 [1, 0] : tensor<8x8xf32>
  %2 = arith.mulf %1, %1 : tensor<8x8xf32>
  return %0, %2 : tensor<8x8xf32>, tensor<8x8xf32>
}
