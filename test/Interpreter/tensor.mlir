// tensor ops: one case each.
// RUN: bigmac-interpret %s --all | FileCheck %s

// CHECK-LABEL: @reshapes
// CHECK-NEXT{LITERAL}: result0: tensor<6xi64> = [1, 2, 3, 4, 5, 6]
// CHECK-NEXT{LITERAL}: result1: tensor<2x1x3xi64> = [[[1, 2, 3]], [[4, 5, 6]]]
func.func @reshapes() -> (tensor<6xi64>, tensor<2x1x3xi64>) {
  %x = arith.constant dense<[[1, 2, 3], [4, 5, 6]]> : tensor<2x3xi64>
  %0 = tensor.collapse_shape %x [[0, 1]] : tensor<2x3xi64> into tensor<6xi64>
  %1 = tensor.expand_shape %x [[0], [1, 2]] output_shape [2, 1, 3] : tensor<2x3xi64> into tensor<2x1x3xi64>
  return %0, %1 : tensor<6xi64>, tensor<2x1x3xi64>
}

// With strides, with a dimension dropped, with an offset that is an operand, and of nothing.
// CHECK-LABEL: @extract_slice
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xi64> = [[1, 3], [7, 9]]
// CHECK-NEXT{LITERAL}: result1: tensor<2xi64> = [5, 6]
// CHECK-NEXT{LITERAL}: result2: tensor<1x1xi64> = [[8]]
// CHECK-NEXT{LITERAL}: result3: tensor<0x3xi64> = []
func.func @extract_slice() -> (tensor<2x2xi64>, tensor<2xi64>, tensor<1x1xi64>, tensor<0x3xi64>) {
  %x = arith.constant dense<[[1, 2, 3], [4, 5, 6], [7, 8, 9]]> : tensor<3x3xi64>
  %i = arith.constant 2 : index
  %0 = tensor.extract_slice %x[0, 0] [2, 2] [2, 2] : tensor<3x3xi64> to tensor<2x2xi64>
  %1 = tensor.extract_slice %x[1, 1] [1, 2] [1, 1] : tensor<3x3xi64> to tensor<2xi64>
  %2 = tensor.extract_slice %x[%i, 1] [1, 1] [1, 1] : tensor<3x3xi64> to tensor<1x1xi64>
  %3 = tensor.extract_slice %x[2, 0] [0, 3] [1, 1] : tensor<3x3xi64> to tensor<0x3xi64>
  return %0, %1, %2, %3 : tensor<2x2xi64>, tensor<2xi64>, tensor<1x1xi64>, tensor<0x3xi64>
}

// The destination itself does not change.
// CHECK-LABEL: @insert_slice
// CHECK-NEXT{LITERAL}: result0: tensor<2x3xf32> = [[0, 1, 0], [0, 2, 0]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x3xf32> = [[1, 0, 2], [0, 0, 0]]
// CHECK-NEXT{LITERAL}: result2: tensor<2x3xf32> = [[0, 0, 0], [0, 0, 0]]
func.func @insert_slice() -> (tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>) {
  %zeros = arith.constant dense<0.0> : tensor<2x3xf32>
  %x = arith.constant dense<[[1.0], [2.0]]> : tensor<2x1xf32>
  %y = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %0 = tensor.insert_slice %x into %zeros[0, 1] [2, 1] [1, 1] : tensor<2x1xf32> into tensor<2x3xf32>
  %1 = tensor.insert_slice %y into %zeros[0, 0] [1, 2] [1, 2] : tensor<2xf32> into tensor<2x3xf32>
  return %0, %1, %zeros : tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3xf32>
}

// CHECK-LABEL: @concat
// CHECK-NEXT{LITERAL}: result0: tensor<3x2xi32> = [[1, 2], [3, 4], [5, 6]]
// CHECK-NEXT{LITERAL}: result1: tensor<2x3xi32> = [[7, 1, 2], [8, 3, 4]]
func.func @concat() -> (tensor<3x2xi32>, tensor<2x3xi32>) {
  %x = arith.constant dense<[[1, 2], [3, 4]]> : tensor<2x2xi32>
  %y = arith.constant dense<[[5, 6]]> : tensor<1x2xi32>
  %z = arith.constant dense<[[7], [8]]> : tensor<2x1xi32>
  %0 = tensor.concat dim(0) %x, %y : (tensor<2x2xi32>, tensor<1x2xi32>) -> tensor<3x2xi32>
  %1 = tensor.concat dim(1) %z, %x : (tensor<2x1xi32>, tensor<2x2xi32>) -> tensor<2x3xi32>
  return %0, %1 : tensor<3x2xi32>, tensor<2x3xi32>
}

// CHECK-LABEL: @pad
// CHECK-NEXT{LITERAL}: result0: tensor<2x4xf32> = [[9, 1, 2, 9], [9, 9, 9, 9]]
func.func @pad() -> tensor<2x4xf32> {
  %x = arith.constant dense<[[1.0, 2.0]]> : tensor<1x2xf32>
  %0 = tensor.pad %x low[0, 1] high[1, 1] {
  ^bb0(%i: index, %j: index):
    %c = arith.constant 9.0 : f32
    tensor.yield %c : f32
  } : tensor<1x2xf32> to tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// What nobody wrote is NaN.
// CHECK-LABEL: @empty
// CHECK-NEXT{LITERAL}: result0: tensor<2xf32> = [nan, nan]
// CHECK-NEXT{LITERAL}: result1: tensor<2xi8> = [-128, -128]
func.func @empty() -> (tensor<2xf32>, tensor<2xi8>) {
  %0 = tensor.empty() : tensor<2xf32>
  %1 = tensor.empty() : tensor<2xi8>
  return %0, %1 : tensor<2xf32>, tensor<2xi8>
}

// CHECK-LABEL: @scalars
// CHECK-NEXT{LITERAL}: result0: tensor<2x2xf32> = [[3, 3], [3, 3]]
// CHECK-NEXT{LITERAL}: result1: tensor<2xf32> = [3, 4]
// CHECK-NEXT{LITERAL}: result2: tensor<f32> = 4
// CHECK-NEXT{LITERAL}: result3: tensor<2xf32> = [3, 4]
func.func @scalars() -> (tensor<2x2xf32>, tensor<2xf32>, f32, tensor<2xf32>) {
  %a = arith.constant 3.0 : f32
  %b = arith.constant 4.0 : f32
  %i = arith.constant 1 : index
  %0 = tensor.splat %a : tensor<2x2xf32>
  %1 = tensor.from_elements %a, %b : tensor<2xf32>
  %2 = tensor.extract %1[%i] : tensor<2xf32>
  %3 = tensor.cast %1 : tensor<2xf32> to tensor<2xf32>
  return %0, %1, %2, %3 : tensor<2x2xf32>, tensor<2xf32>, f32, tensor<2xf32>
}
