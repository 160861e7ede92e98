// RUN: bigmac-opt --nn-fold-matmul-transposes %s | FileCheck %s

// CHECK-LABEL: func @both
// CHECK-NEXT: nn.matmul %arg0 transposed, %arg1 transposed : tensor<2x4x3xf32>, tensor<5x4xf32>
func.func @both(%x: tensor<2x4x3xf32>, %w: tensor<5x4xf32>) -> tensor<2x3x5xf32> {
  %0 = nn.transpose %x [0, 2, 1] : tensor<2x4x3xf32>
  %1 = nn.transpose %w [1, 0] : tensor<5x4xf32>
  %2 = nn.matmul %0, %1 : tensor<2x3x4xf32>, tensor<4x5xf32>
  return %2 : tensor<2x3x5xf32>
}

// CHECK-LABEL: func @twice
// CHECK-NEXT: nn.matmul %arg0, %arg1 : tensor<3x4xf32>, tensor<4x5xf32>
func.func @twice(%x: tensor<3x4xf32>, %w: tensor<4x5xf32>) -> tensor<3x5xf32> {
  %0 = nn.transpose %w [1, 0] : tensor<4x5xf32>
  %1 = nn.matmul %x, %0 transposed : tensor<3x4xf32>, tensor<5x4xf32>
  return %1 : tensor<3x5xf32>
}

// Batch dimensions change places too.
// CHECK-LABEL: func @batch
// CHECK: nn.transpose
// CHECK: nn.matmul %arg0, %{{.*}} : tensor<2x6x3x4xf32>, tensor<2x6x4x5xf32>
func.func @batch(%x: tensor<2x6x3x4xf32>, %y: tensor<2x5x6x4xf32>) -> tensor<2x6x3x5xf32> {
  %0 = nn.transpose %y [0, 2, 3, 1] : tensor<2x5x6x4xf32>
  %1 = nn.matmul %x, %0 : tensor<2x6x3x4xf32>, tensor<2x6x4x5xf32>
  return %1 : tensor<2x6x3x5xf32>
}
