// Calls and parameters. The external parameter is [1.0, 2.0] after four other bytes.
// RUN: rm -rf %t && mkdir %t && printf 'skip\000\000\200\077\000\000\000\100' > %t/w.bin
// RUN: bigmac-interpret %s --external-root=%t | FileCheck %s
// RUN: not bigmac-interpret %s --external-root=%t/none 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: bigmac-interpret %s --entry=twice,main --external-root=%t | FileCheck %s --check-prefix=BOTH

// MISSING: functions.mlir:[[@LINE+1]]:1: error: 'nn.parameter' op cannot read '{{.*}}none/w.bin': No such file
nn.parameter trained @w : tensor<2xf32> = #nn.external<"w.bin", 4, 8>
nn.parameter @"a.b" : tensor<2xf32> = dense<[10.0, 20.0]> : tensor<2xf32>

func.func private @double(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = arith.addf %x, %x : tensor<2xf32>
  return %0 : tensor<2xf32>
}

// CHECK: sum: tensor<2xf32> = [11, 22]
// CHECK: double: tensor<2xf32> = [2, 4]
// BOTH: @twice
// BOTH-NEXT: result0: tensor<2xf32> = [40, 80]
// BOTH-NEXT: @main
// BOTH-NEXT: sum:
func.func @main() -> (tensor<2xf32> {nn.name = "sum"}, tensor<2xf32> {nn.name = "double"}) {
  %w = nn.get_parameter @w : tensor<2xf32>
  %b = nn.get_parameter @"a.b" : tensor<2xf32>
  %0 = arith.addf %w, %b : tensor<2xf32>
  %1 = call @double(%w) : (tensor<2xf32>) -> tensor<2xf32>
  return %0, %1 : tensor<2xf32>, tensor<2xf32>
}

func.func @twice() -> tensor<2xf32> {
  %b = nn.get_parameter @"a.b" : tensor<2xf32>
  %0 = call @double(%b) : (tensor<2xf32>) -> tensor<2xf32>
  %1 = call @double(%0) : (tensor<2xf32>) -> tensor<2xf32>
  return %1 : tensor<2xf32>
}
