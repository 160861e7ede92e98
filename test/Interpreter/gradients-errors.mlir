// The gradient check finds a derivative that differences contradict, and says what it cannot check.
// RUN: not bigmac-interpret %s --all --check-gradient --low=0 --high=0 2>&1 | FileCheck %s
// RUN: not bigmac-interpret %s --check-gradient --samples=0 2>&1 | FileCheck %s --check-prefix=SAMPLES
// SAMPLES: error: --samples=0 checks nothing; expected 1 or more

// The rule says zero, and at a jump that is not what differences give.
// CHECK: [[@LINE+1]]:1: error: function 'jump' has a wrong gradient of argument 0 at element 0: the derivative rules give 0.{{.*}}, differences give
func.func @jump(%x: tensor<2xf64>) -> tensor<2xf64> {
  %0 = math.floor %x : tensor<2xf64>
  return %0 : tensor<2xf64>
}

// 0 / 0 has no derivative: a NaN never passes.
// CHECK: [[@LINE+1]]:1: error: function 'not_a_number' has a wrong gradient of argument 0 at element 0: the derivative rules give {{.*}}nan
func.func @not_a_number(%x: tensor<2xf64>) -> tensor<2xf64> {
  %0 = arith.divf %x, %x : tensor<2xf64>
  return %0 : tensor<2xf64>
}

// CHECK: [[@LINE+1]]:1: error: function 'integers' has no floating-point result
func.func @integers(%x: tensor<2xf64>) -> tensor<i64> {
  %0 = nn.argmax %x : tensor<2xf64>
  return %0 : tensor<i64>
}

// CHECK: [[@LINE+1]]:1: error: function 'no_arguments' has no floating-point result, or no floating-point argument
func.func @no_arguments(%x: tensor<2xi64>) -> tensor<2xf64> {
  %0 = arith.sitofp %x : tensor<2xi64> to tensor<2xf64>
  return %0 : tensor<2xf64>
}

// CHECK: [[@LINE+2]]:8: error: 'arith.remf' has no derivative rule
func.func @no_rule(%x: tensor<2xf64>) -> tensor<2xf64> {
  %0 = arith.remf %x, %x : tensor<2xf64>
  return %0 : tensor<2xf64>
}

// CHECK: [[@LINE+2]]:8: error: 'nn.conv' op with overlapping windows, padding, dilation or groups has no derivative rule
func.func @conv(%x: tensor<1x1x3xf64>, %k: tensor<1x1x2xf64>) -> tensor<1x1x2xf64> {
  %0 = nn.conv %x, %k strides [1] pads [0, 0] dilations [1] groups 1 : tensor<1x1x3xf64>, tensor<1x1x2xf64>
  return %0 : tensor<1x1x2xf64>
}

// CHECK: [[@LINE+2]]:15: error: 'nn.rms_norm' op has no derivative of its statistics, only of its first result
func.func @statistic(%x: tensor<2xf64>) -> tensor<f64> {
  %y, %rstd = nn.rms_norm %x epsilon 1.0 : tensor<2xf64>
  return %rstd : tensor<f64>
}

// CHECK: [[@LINE+2]]:14: error: 'nn.attention' op has no derivative of its mask
func.func @mask(%x: tensor<1x1x2x2xf64>) -> tensor<1x1x2x2xf64> {
  %y, %lse = nn.attention %x, %x, %x mask %x : tensor<1x1x2x2xf64> scale 1.0 : tensor<1x1x2x2xf64>, tensor<1x1x2x2xf64>, tensor<1x1x2x2xf64>
  return %y : tensor<1x1x2x2xf64>
}

// CHECK: [[@LINE+1]]:1: error: function 'huge' takes argument 0 of type 'tensor<1000000x1000000xf64>', for which there are no random values
func.func @huge(%x: tensor<1000000x1000000xf64>) -> tensor<1000000x1000000xf64> {
  return %x : tensor<1000000x1000000xf64>
}
