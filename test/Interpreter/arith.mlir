// arith ops on tensors and scalars: one case each, values by hand.
// RUN: bigmac-interpret %s --all | FileCheck %s

// Each op is rounded to its type: 0.1 + 0.2 differs from 0.3 in f64 and not in f32, and 256 + 1 is
// 256 in bf16, 2048 + 1 is 2048 in f16, ties to even.
// CHECK-LABEL: @rounding
// CHECK-NEXT{LITERAL}: result0: tensor<f64> = 0.30000000000000004
// CHECK-NEXT{LITERAL}: result1: tensor<f32> = 0.3
// CHECK-NEXT{LITERAL}: result2: tensor<3xbf16> = [256, 260, inf]
// CHECK-NEXT{LITERAL}: result3: tensor<3xf16> = [2048, 2052, inf]
func.func @rounding() -> (f64, f32, tensor<3xbf16>, tensor<3xf16>) {
  %a = arith.constant 0.1 : f64
  %b = arith.constant 0.2 : f64
  %ab = arith.addf %a, %b : f64
  %c = arith.constant 0.1 : f32
  %d = arith.constant 0.2 : f32
  %cd = arith.addf %c, %d : f32
  %e = arith.constant dense<[256.0, 258.0, 3.0e38]> : tensor<3xbf16>
  %e1 = arith.constant dense<[1.0, 1.0, 3.0e38]> : tensor<3xbf16>
  %ee = arith.addf %e, %e1 : tensor<3xbf16>
  %f = arith.constant dense<[2048.0, 2050.0, 65504.0]> : tensor<3xf16>
  %f1 = arith.constant dense<[1.0, 1.0, 65504.0]> : tensor<3xf16>
  %ff = arith.addf %f, %f1 : tensor<3xf16>
  return %ab, %cd, %ee, %ff : f64, f32, tensor<3xbf16>, tensor<3xf16>
}

// CHECK-LABEL: @floats
// CHECK-NEXT{LITERAL}: result0: tensor<3xf32> = [3.5, 0, -4]
// CHECK-NEXT{LITERAL}: result1: tensor<3xf32> = [-0.5, 2, -2]
// CHECK-NEXT{LITERAL}: result2: tensor<3xf32> = [3, -1, 3]
// CHECK-NEXT{LITERAL}: result3: tensor<3xf32> = [0.75, -1, 3]
// CHECK-NEXT{LITERAL}: result4: tensor<3xf32> = [1.5, 0, -0]
// CHECK-NEXT{LITERAL}: result5: tensor<3xf32> = [-1.5, -1, 3]
func.func @floats() -> (tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) {
  %a = arith.constant dense<[1.5, 1.0, -3.0]> : tensor<3xf32>
  %b = arith.constant dense<[2.0, -1.0, -1.0]> : tensor<3xf32>
  %add = arith.addf %a, %b : tensor<3xf32>
  %sub = arith.subf %a, %b : tensor<3xf32>
  %mul = arith.mulf %a, %b : tensor<3xf32>
  %div = arith.divf %a, %b : tensor<3xf32>
  %rem = arith.remf %a, %b : tensor<3xf32>
  %neg = arith.negf %a : tensor<3xf32>
  return %add, %sub, %mul, %div, %rem, %neg : tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>
}

// maximumf and minimumf give NaN where there is one, maxnumf and minnumf the other operand.
// CHECK-LABEL: @extrema
// CHECK-NEXT{LITERAL}: result0: tensor<4xf32> = [2, 1, nan, 0]
// CHECK-NEXT{LITERAL}: result1: tensor<4xf32> = [1.5, -1, nan, -0]
// CHECK-NEXT{LITERAL}: result2: tensor<4xf32> = [2, 1, 4,
// CHECK-NEXT{LITERAL}: result3: tensor<4xf32> = [1.5, -1, 4,
func.func @extrema() -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %a = arith.constant dense<[1.5, 1.0, 0x7FC00000, -0.0]> : tensor<4xf32>
  %b = arith.constant dense<[2.0, -1.0, 4.0, 0.0]> : tensor<4xf32>
  %0 = arith.maximumf %a, %b : tensor<4xf32>
  %1 = arith.minimumf %a, %b : tensor<4xf32>
  %2 = arith.maxnumf %a, %b : tensor<4xf32>
  %3 = arith.minnumf %a, %b : tensor<4xf32>
  return %0, %1, %2, %3 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: @compare_floats
// CHECK-NEXT{LITERAL}: result0: tensor<4xi1> = [1, 0, 0, 0]
// CHECK-NEXT{LITERAL}: result1: tensor<4xi1> = [0, 1, 0, 0]
// CHECK-NEXT{LITERAL}: result2: tensor<4xi1> = [0, 1, 1, 0]
// CHECK-NEXT{LITERAL}: result3: tensor<4xi1> = [1, 1, 0, 0]
// CHECK-NEXT{LITERAL}: result4: tensor<4xi1> = [1, 0, 0, 1]
// CHECK-NEXT{LITERAL}: result5: tensor<4xi1> = [1, 0, 1, 1]
// CHECK-NEXT{LITERAL}: result6: tensor<4xi1> = [0, 0, 0, 1]
// CHECK-NEXT{LITERAL}: result7: tensor<4xi1> = [1, 1, 1, 0]
func.func @compare_floats() -> (tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>) {
  %a = arith.constant dense<[1.0, 2.0, 3.0, 0x7FC00000]> : tensor<4xf32>
  %b = arith.constant dense<[2.0, 2.0, 1.0, 1.0]> : tensor<4xf32>
  %0 = arith.cmpf olt, %a, %b : tensor<4xf32>
  %1 = arith.cmpf oeq, %a, %b : tensor<4xf32>
  %2 = arith.cmpf oge, %a, %b : tensor<4xf32>
  %3 = arith.cmpf ole, %a, %b : tensor<4xf32>
  %4 = arith.cmpf ult, %a, %b : tensor<4xf32>
  %5 = arith.cmpf une, %a, %b : tensor<4xf32>
  %6 = arith.cmpf uno, %a, %b : tensor<4xf32>
  %7 = arith.cmpf ord, %a, %b : tensor<4xf32>
  return %0, %1, %2, %3, %4, %5, %6, %7 : tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>, tensor<4xi1>
}

// Integers wrap.
// CHECK-LABEL: @integers
// CHECK-NEXT{LITERAL}: result0: tensor<3xi8> = [-128, 4, -10]
// CHECK-NEXT{LITERAL}: result1: tensor<3xi8> = [126, 10, -4]
// CHECK-NEXT{LITERAL}: result2: tensor<3xi8> = [127, -21, 21]
// CHECK-NEXT{LITERAL}: result3: tensor<3xi8> = [1, 5, -7]
// CHECK-NEXT{LITERAL}: result4: tensor<3xi8> = [127, -1, -3]
// CHECK-NEXT{LITERAL}: result5: tensor<3xi8> = [126, -6, 4]
// CHECK-NEXT{LITERAL}: result6: tensor<3xi8> = [127, 7, -3]
// CHECK-NEXT{LITERAL}: result7: tensor<3xi8> = [1, -3, -7]
// CHECK-NEXT{LITERAL}: result8: tensor<3xi8> = [127, -3, -3]
// CHECK-NEXT{LITERAL}: result9: tensor<3xi8> = [1, 7, -7]
func.func @integers() -> (tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>) {
  %a = arith.constant dense<[127, 7, -7]> : tensor<3xi8>
  %b = arith.constant dense<[1, -3, -3]> : tensor<3xi8>
  %0 = arith.addi %a, %b : tensor<3xi8>
  %1 = arith.subi %a, %b : tensor<3xi8>
  %2 = arith.muli %a, %b : tensor<3xi8>
  %3 = arith.andi %a, %b : tensor<3xi8>
  %4 = arith.ori %a, %b : tensor<3xi8>
  %5 = arith.xori %a, %b : tensor<3xi8>
  %6 = arith.maxsi %a, %b : tensor<3xi8>
  %7 = arith.minsi %a, %b : tensor<3xi8>
  %8 = arith.maxui %a, %b : tensor<3xi8>
  %9 = arith.minui %a, %b : tensor<3xi8>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9 : tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>, tensor<3xi8>
}

// Division rounds to zero, down or up; unsigned ones read -7 as 249.
// CHECK-LABEL: @division
// CHECK-NEXT{LITERAL}: result0: tensor<4xi8> = [3, -3, -3, 3]
// CHECK-NEXT{LITERAL}: result1: tensor<4xi8> = [1, 1, -1, -1]
// CHECK-NEXT{LITERAL}: result2: tensor<4xi8> = [3, -4, -4, 3]
// CHECK-NEXT{LITERAL}: result3: tensor<4xi8> = [4, -3, -3, 4]
// CHECK-NEXT{LITERAL}: result4: tensor<4xi8> = [3, 0, 124, 0]
// CHECK-NEXT{LITERAL}: result5: tensor<4xi8> = [1, 7, 1, -7]
func.func @division() -> (tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>) {
  %a = arith.constant dense<[7, 7, -7, -7]> : tensor<4xi8>
  %b = arith.constant dense<[2, -2, 2, -2]> : tensor<4xi8>
  %0 = arith.divsi %a, %b : tensor<4xi8>
  %1 = arith.remsi %a, %b : tensor<4xi8>
  %2 = arith.floordivsi %a, %b : tensor<4xi8>
  %3 = arith.ceildivsi %a, %b : tensor<4xi8>
  %4 = arith.divui %a, %b : tensor<4xi8>
  %5 = arith.remui %a, %b : tensor<4xi8>
  return %0, %1, %2, %3, %4, %5 : tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>, tensor<4xi8>
}

// CHECK-LABEL: @shifts
// CHECK-NEXT{LITERAL}: result0: tensor<2xi8> = [-4, -128]
// CHECK-NEXT{LITERAL}: result1: tensor<2xi8> = [-1, 0]
// CHECK-NEXT{LITERAL}: result2: tensor<2xi8> = [63, 0]
func.func @shifts() -> (tensor<2xi8>, tensor<2xi8>, tensor<2xi8>) {
  %a = arith.constant dense<[-1, 1]> : tensor<2xi8>
  %b = arith.constant dense<[2, 7]> : tensor<2xi8>
  %0 = arith.shli %a, %b : tensor<2xi8>
  %1 = arith.shrsi %a, %b : tensor<2xi8>
  %2 = arith.shrui %a, %b : tensor<2xi8>
  return %0, %1, %2 : tensor<2xi8>, tensor<2xi8>, tensor<2xi8>
}

// CHECK-LABEL: @compare_integers
// CHECK-NEXT{LITERAL}: result0: tensor<3xi1> = [0, 0, 1]
// CHECK-NEXT{LITERAL}: result1: tensor<3xi1> = [0, 1, 0]
// CHECK-NEXT{LITERAL}: result2: tensor<3xi1> = [1, 1, 0]
// CHECK-NEXT{LITERAL}: result3: tensor<3xi1> = [0, 1, 1]
// CHECK-NEXT{LITERAL}: result4: tensor<3xi1> = [1, 0, 1]
func.func @compare_integers() -> (tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>) {
  %a = arith.constant dense<[3, 2, -1]> : tensor<3xi64>
  %b = arith.constant dense<[1, 2, 1]> : tensor<3xi64>
  %0 = arith.cmpi slt, %a, %b : tensor<3xi64>
  %1 = arith.cmpi eq, %a, %b : tensor<3xi64>
  %2 = arith.cmpi sge, %a, %b : tensor<3xi64>
  %3 = arith.cmpi sle, %a, %b : tensor<3xi64>
  %4 = arith.cmpi ugt, %a, %b : tensor<3xi64>
  return %0, %1, %2, %3, %4 : tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>, tensor<3xi1>
}

// One condition for each element, and one for all.
// CHECK-LABEL: @select
// CHECK-NEXT{LITERAL}: result0: tensor<2xf32> = [1, 4]
// CHECK-NEXT{LITERAL}: result1: tensor<2xf32> = [3, 4]
func.func @select() -> (tensor<2xf32>, tensor<2xf32>) {
  %a = arith.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = arith.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %c = arith.constant dense<[true, false]> : tensor<2xi1>
  %d = arith.constant false
  %0 = arith.select %c, %a, %b : tensor<2xi1>, tensor<2xf32>
  %1 = arith.select %d, %a, %b : tensor<2xf32>
  return %0, %1 : tensor<2xf32>, tensor<2xf32>
}

// A true i1 is 1 unsigned and -1 signed.
// CHECK-LABEL: @casts
// CHECK-NEXT{LITERAL}: result0: tensor<2xf32> = [-1, 0]
// CHECK-NEXT{LITERAL}: result1: tensor<2xf32> = [1, 0]
// CHECK-NEXT{LITERAL}: result2: tensor<2xi64> = [-1, 0]
// CHECK-NEXT{LITERAL}: result3: tensor<2xi64> = [1, 0]
// CHECK-NEXT{LITERAL}: result4: tensor<3xi8> = [44, -1, -128]
// CHECK-NEXT{LITERAL}: result5: tensor<2xi32> = [2, -2]
// CHECK-NEXT{LITERAL}: result6: tensor<2xf64> = [2.700000047683716, -2.700000047683716]
// CHECK-NEXT{LITERAL}: result7: tensor<2xbf16> = [2.703125, -2.703125]
// CHECK-NEXT{LITERAL}: result8: tensor<2xi32> = [1076677837, -1070805811]
// CHECK-NEXT{LITERAL}: result9: tensor<2xf32> = [2.7, -2.7]
// CHECK-NEXT{LITERAL}: result10: tensor<3xindex> = [300, -1, 128]
func.func @casts() -> (tensor<2xf32>, tensor<2xf32>, tensor<2xi64>, tensor<2xi64>, tensor<3xi8>, tensor<2xi32>, tensor<2xf64>, tensor<2xbf16>, tensor<2xi32>, tensor<2xf32>, tensor<3xindex>) {
  %c = arith.constant dense<[true, false]> : tensor<2xi1>
  %i = arith.constant dense<[300, -1, 128]> : tensor<3xi32>
  %f = arith.constant dense<[2.7, -2.7]> : tensor<2xf32>
  %0 = arith.sitofp %c : tensor<2xi1> to tensor<2xf32>
  %1 = arith.uitofp %c : tensor<2xi1> to tensor<2xf32>
  %2 = arith.extsi %c : tensor<2xi1> to tensor<2xi64>
  %3 = arith.extui %c : tensor<2xi1> to tensor<2xi64>
  %4 = arith.trunci %i : tensor<3xi32> to tensor<3xi8>
  %5 = arith.fptosi %f : tensor<2xf32> to tensor<2xi32>
  %6 = arith.extf %f : tensor<2xf32> to tensor<2xf64>
  %7 = arith.truncf %f : tensor<2xf32> to tensor<2xbf16>
  %8 = arith.bitcast %f : tensor<2xf32> to tensor<2xi32>
  %9 = arith.bitcast %8 : tensor<2xi32> to tensor<2xf32>
  %10 = arith.index_cast %i : tensor<3xi32> to tensor<3xindex>
  return %0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10 : tensor<2xf32>, tensor<2xf32>, tensor<2xi64>, tensor<2xi64>, tensor<3xi8>, tensor<2xi32>, tensor<2xf64>, tensor<2xbf16>, tensor<2xi32>, tensor<2xf32>, tensor<3xindex>
}
