// Every error of a run names the op and its place, and what was expected.
// RUN: not bigmac-interpret %s --all 2>&1 | FileCheck %s

// CHECK: errors.mlir:[[@LINE+3]]:8: error: 'tensor.rank' op has no interpreter rule
func.func @no_rule() -> index {
  %0 = arith.constant dense<0.0> : tensor<2xf32>
  %1 = tensor.rank %0 : tensor<2xf32>
  return %1 : index
}

// CHECK: [[@LINE+1]]:1: error: function 'arguments' takes arguments; give them with --inputs
func.func @arguments(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}

// CHECK: [[@LINE+1]]:1: error: function 'recursive' calls itself
func.func @recursive() {
  call @recursive() : () -> ()
  return
}

// CHECK: [[@LINE+1]]:1: error: function 'declared' expects a body of one block
func.func private @declared()
func.func @calls_declared() {
  call @declared() : () -> ()
  return
}

// CHECK: [[@LINE+2]]:8: error: 'tensor.empty' op result has type 'tensor<1000000x1000000xf32>', expected a scalar or a tensor of static shape, of floats or integers of up to 64 bits, with at most 268435456 elements
func.func @huge() -> tensor<1000000x1000000xf32> {
  %0 = tensor.empty() : tensor<1000000x1000000xf32>
  return %0 : tensor<1000000x1000000xf32>
}

// CHECK: [[@LINE+2]]:8: error: 'tensor.empty' op result has type 'tensor<9223372036854775807x3xf32>', expected
func.func @overflowing() -> tensor<9223372036854775807x3xf32> {
  %0 = tensor.empty() : tensor<9223372036854775807x3xf32>
  return %0 : tensor<9223372036854775807x3xf32>
}

// CHECK: [[@LINE+3]]:8: error: 'tensor.empty' op result has type 'tensor<?xf32>', expected a scalar or a tensor of static shape
func.func @dynamic() {
  %n = arith.constant 2 : index
  %0 = tensor.empty(%n) : tensor<?xf32>
  return
}

// CHECK: [[@LINE+2]]:8: error: 'tensor.empty' op result has type 'tensor<2xi128>', expected a scalar or a tensor of static shape, of floats or integers of up to 64 bits
func.func @wide() {
  %0 = tensor.empty() : tensor<2xi128>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'arith.divsi' op divides by zero at element 1
func.func @zero_division() {
  %a = arith.constant dense<[1, 2]> : tensor<2xi32>
  %b = arith.constant dense<[1, 0]> : tensor<2xi32>
  %0 = arith.divsi %a, %b : tensor<2xi32>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'arith.remsi' op overflows at element 0
func.func @overflowing_division() {
  %a = arith.constant dense<[-9223372036854775808]> : tensor<1xi64>
  %b = arith.constant dense<[-1]> : tensor<1xi64>
  %0 = arith.remsi %a, %b : tensor<1xi64>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'arith.shli' op shifts element 1 by 8, expected less than its 8 bits
func.func @shift() {
  %a = arith.constant dense<[1, 2]> : tensor<2xi8>
  %b = arith.constant dense<[1, 8]> : tensor<2xi8>
  %0 = arith.shli %a, %b : tensor<2xi8>
  return
}

// CHECK: [[@LINE+3]]:8: error: 'arith.fptosi' op cannot represent element 1, 1.28{{.*}}, as 'i8'
func.func @float_to_int() {
  %a = arith.constant dense<[-128.9, 128.0]> : tensor<2xf32>
  %0 = arith.fptosi %a : tensor<2xf32> to tensor<2xi8>
  return
}

// CHECK: [[@LINE+3]]:8: error: 'arith.fptoui' op cannot represent element 0, {{.*}}nan{{.*}}, as 'i8'
func.func @nan_to_int() {
  %a = arith.constant dense<[0x7FC00000]> : tensor<1xf32>
  %0 = arith.fptoui %a : tensor<1xf32> to tensor<1xi8>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'math.ipowi' op raises zero to a negative power at element 0
func.func @power() {
  %a = arith.constant dense<[0]> : tensor<1xi32>
  %b = arith.constant dense<[-1]> : tensor<1xi32>
  %0 = math.ipowi %a, %b : tensor<1xi32>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'nn.embedding' op looks up index 4 (element 1 of its indices), expected -4 to 3
func.func @lookup() {
  %t = arith.constant dense<0.0> : tensor<4x2xf32>
  %i = arith.constant dense<[-4, 4]> : tensor<2xi64>
  %0 = nn.embedding %t, %i : tensor<4x2xf32>, tensor<2xi64>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'nn.embedding_backward' op looks up index -5 (element 0 of its indices), expected -4 to 3
func.func @lookup_backward() {
  %g = arith.constant dense<0.0> : tensor<1x2xf32>
  %i = arith.constant dense<[-5]> : tensor<1xi64>
  %0 = nn.embedding_backward %i, %g : tensor<1xi64>, tensor<1x2xf32> -> tensor<4x2xf32>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'nn.gather_elements' op looks up index 3 (element 1 of its indices), expected -3 to 2
func.func @gather() {
  %x = arith.constant dense<0.0> : tensor<2x3xf32>
  %i = arith.constant dense<[[0], [3]]> : tensor<2x1xi64>
  %0 = nn.gather_elements %x, %i : tensor<2x3xf32>, tensor<2x1xi64>
  return
}

// CHECK: [[@LINE+4]]:15: error: 'nn.cross_entropy' op has label 4 in row 1, expected 0 to 3 or -100, the ignored
func.func @label() {
  %x = arith.constant dense<0.0> : tensor<2x4xf32>
  %l = arith.constant dense<[-100, 4]> : tensor<2xi64>
  %loss, %s = nn.cross_entropy %x, %l : tensor<2x4xf32>, tensor<2xi64>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'tensor.extract' op reads index 2 of dimension 0, which has 2
func.func @extract() {
  %x = arith.constant dense<0.0> : tensor<2xf32>
  %i = arith.constant 2 : index
  %0 = tensor.extract %x[%i] : tensor<2xf32>
  return
}

// CHECK: [[@LINE+4]]:8: error: 'tensor.extract_slice' op takes 2 elements from 1 with stride 1 in dimension 0, which has 2
func.func @slice() {
  %x = arith.constant dense<0.0> : tensor<2xf32>
  %i = arith.constant 1 : index
  %0 = tensor.extract_slice %x[%i] [2] [1] : tensor<2xf32> to tensor<2xf32>
  return
}

// CHECK: [[@LINE+3]]:8: error: 'tensor.pad' op pads with a value that is no constant
func.func @pad() {
  %x = arith.constant dense<0.0> : tensor<2xf32>
  %0 = tensor.pad %x low[1] high[1] {
  ^bb0(%j: index):
    %p = arith.index_cast %j : index to i32
    %f = arith.sitofp %p : i32 to f32
    tensor.yield %f : f32
  } : tensor<2xf32> to tensor<4xf32>
  return
}
