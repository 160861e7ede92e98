// Trained parameters are checked as arguments are, also where they are read twice; frozen ones have
// no gradient.
// RUN: bigmac-interpret %s --check-gradient | FileCheck %s
// The random numbers depend on the seed, not on the machine.
// RUN: not bigmac-interpret %s --check-gradient --tolerance=1e-30 2>&1 | FileCheck %s --check-prefix=SEED0
// RUN: not bigmac-interpret %s --check-gradient --tolerance=1e-30 --seed=1 2>&1 | FileCheck %s --check-prefix=SEED1

// CHECK: argument 0: 4 derivatives, largest error
// CHECK-NEXT: parameter 'w': 6 derivatives, largest error
// CHECK-NOT: parameter
// SEED0: function 'main' has a wrong gradient of argument 0 at element 0: the derivative rules give 1.935013e+00, differences give 1.935013e+00
// SEED1: function 'main' has a wrong gradient of argument 0 at element 0: the derivative rules give 3.302990e+00, differences give 3.302990e+00
nn.parameter trained @w : tensor<3x2xf64> = dense<[[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]]> : tensor<3x2xf64>
nn.parameter @frozen : tensor<2x2xf64> = dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf64>

func.func @main(%x: tensor<2x2xf64> {nn.name = "x"}, %n: tensor<2xi64>) -> tensor<2x2xf64> {
  %w = nn.get_parameter @w : tensor<3x2xf64>
  %f = nn.get_parameter @frozen : tensor<2x2xf64>
  %0 = nn.matmul %x, %w transposed : tensor<2x2xf64>, tensor<3x2xf64>
  %again = nn.get_parameter @w : tensor<3x2xf64>
  %1 = nn.matmul %0, %again : tensor<2x3xf64>, tensor<3x2xf64>
  %2 = arith.mulf %1, %f : tensor<2x2xf64>
  return %2 : tensor<2x2xf64>
}
