// Arguments come from a safetensors file by name; results are compared with one.
// RUN: rm -rf %t && mkdir %t
// RUN: %python %S/Inputs/make_safetensors.py %t/in.safetensors x:F32:2=0.5,2.0 b:F64:=0.1 ids:U8:2=1,200 mask:BOOL:2=1,0 h:BF16:2=1.5,-2.0 other:F32:1=0
// RUN: bigmac-interpret %s --inputs=%t/in.safetensors | FileCheck %s
// CHECK: x: tensor<2xf32> = [0.5, 2]
// CHECK-NEXT: result1: tensor<f32> = 0.1
// CHECK-NEXT: result2: tensor<2xi64> = [1, 200]
// CHECK-NEXT: result3: tensor<2xi1> = [1, 0]
// CHECK-NEXT: result4: tensor<2xf32> = [1.5, -2]

// With --float64 the product is not rounded to f32; the argument is.
// RUN: bigmac-interpret %s --entry=scaled --inputs=%t/in.safetensors --float64 | FileCheck %s --check-prefix=DOUBLE
// DOUBLE: result0: tensor<f32> = 0.010000000298023226

// RUN: %python %S/Inputs/make_safetensors.py %t/same.safetensors x:F64:2=0.5,2.0 result2:I32:2=1,200
// RUN: bigmac-interpret %s --inputs=%t/in.safetensors --compare=%t/same.safetensors | FileCheck %s --check-prefix=SAME
// SAME-NOT: tensor<
// SAME: result2: 0 of 2 elements differ
// SAME-NEXT: x: relative error 0
// SAME-NOT: tensor<
// RUN: bigmac-interpret %s --inputs=%t/in.safetensors --compare=%t/same.safetensors --print | FileCheck %s

// The norm of the difference is 0.1, that of the golden 2.
// RUN: %python %S/Inputs/make_safetensors.py %t/near.safetensors x:F64:2=0.6,2.0
// RUN: bigmac-interpret %s --inputs=%t/in.safetensors --compare=%t/near.safetensors --tolerance=0.05 | FileCheck %s --check-prefix=NEAR
// RUN: not bigmac-interpret %s --inputs=%t/in.safetensors --compare=%t/near.safetensors --tolerance=0.04 2>&1 | FileCheck %s --check-prefix=FAR
// NEAR: x: relative error 0.0479
// FAR: error: function 'main' result 'x' differs from its golden by 4.789{{.*}} in relative L2 norm, expected 4.0{{.*}} or less

// RUN: %python %S/Inputs/make_safetensors.py %t/nan.safetensors x:F64:2=nan,2.0
// RUN: not bigmac-interpret %s --inputs=%t/in.safetensors --compare=%t/nan.safetensors 2>&1 | FileCheck %s --check-prefix=NAN
// NAN: error: function 'main' result 'x' differs from its golden by INF

// RUN: %python %S/Inputs/make_safetensors.py %t/wrong.safetensors x:F64:3=1.0 y:F32:1=0 result2:I64:2=1,2
// RUN: not bigmac-interpret %s --inputs=%t/in.safetensors --compare=%t/wrong.safetensors 2>&1 | FileCheck %s --check-prefix=WRONG
// WRONG: error: function 'main' result 'result2' differs from its golden in 1 elements
// WRONG: error: function 'main' gives 'x' as 'tensor<2xf64>', the file has F64 [3]
// WRONG: error: function 'main' has no result 'y', which '{{.*}}wrong.safetensors' has

// RUN: %python %S/Inputs/make_safetensors.py %t/empty.safetensors
// RUN: not bigmac-interpret %s --inputs=%t/in.safetensors --compare=%t/empty.safetensors 2>&1 | FileCheck %s --check-prefix=EMPTY
// EMPTY: error: function 'main' has nothing to compare with: '{{.*}}empty.safetensors' holds no tensor

// RUN: not bigmac-interpret %s --inputs=%t/empty.safetensors 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: function 'main' takes inputs that '{{.*}}empty.safetensors' does not have: 'x', 'b', 'ids', 'mask', 'h'

// RUN: %python %S/Inputs/make_safetensors.py %t/kind.safetensors x:I32:2=1,2 b:F64:=0.1 ids:U8:2=1,200 mask:BOOL:2=1,0 h:F16:2=1.5,-2.0
// RUN: not bigmac-interpret %s --inputs=%t/kind.safetensors 2>&1 | FileCheck %s --check-prefix=KIND
// KIND: error: function 'main' takes 'x' as 'tensor<2xf32>', the file has I32 [2]

// RUN: %python %S/Inputs/make_safetensors.py %t/range.safetensors small:I64:2=127,128
// RUN: not bigmac-interpret %s --entry=small --inputs=%t/range.safetensors 2>&1 | FileCheck %s --check-prefix=RANGE
// RANGE: error: function 'small' takes 'small' as 'tensor<2xi8>', the file's value 128 does not fit

// Samples along the first dimension.
// RUN: %python %S/Inputs/make_safetensors.py %t/data.safetensors small:I8:5=1,2,3,4,5
// RUN: bigmac-interpret %s --entry=small --inputs=%t/data.safetensors --sample=3 | FileCheck %s --check-prefix=SAMPLE
// RUN: not bigmac-interpret %s --entry=small --inputs=%t/data.safetensors --sample=4 2>&1 | FileCheck %s --check-prefix=FEW
// RUN: not bigmac-interpret %s --entry=small --inputs=%t/data.safetensors --sample=-1 2>&1 | FileCheck %s --check-prefix=NEGATIVE
// RUN: not bigmac-interpret %s --entry=small --inputs=%t/data.safetensors 2>&1 | FileCheck %s --check-prefix=SHAPE
// SAMPLE: result0: tensor<2xi8> = [4, 5]
// FEW: error: function 'small' takes 'small' as 'tensor<2xi8>', the file has 5 samples, too few to take 2 from 4 on
// NEGATIVE: error: function 'small' takes 'small' as 'tensor<2xi8>', the file has 5 samples, too few to take 2 from -1 on
// SHAPE: error: function 'small' takes 'small' as 'tensor<2xi8>', the file has I8 [5]

// RUN: not bigmac-interpret %s --entry=none 2>&1 | FileCheck %s --check-prefix=ENTRY
// RUN: not bigmac-interpret %t/none.mlir 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not bigmac-interpret %s --inputs=%t/none.safetensors 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: not bigmac-interpret %s --inputs=%s 2>&1 | FileCheck %s --check-prefix=FORMAT
// ENTRY: error: '{{.*}}inputs.mlir' has no function 'none'; name one with --entry
// FILE: error: {{.*}}No such file or directory
// FORMAT: error: '{{.*}}inputs.mlir': is no safetensors file, or truncated

func.func @main(%x: tensor<2xf32> {nn.name = "x"}, %b: tensor<f32> {nn.name = "b"}, %ids: tensor<2xi64> {nn.name = "ids"},
                %m: tensor<2xi1> {nn.name = "mask"}, %h: tensor<2xf32> {nn.name = "h"})
    -> (tensor<2xf32> {nn.name = "x"}, tensor<f32>, tensor<2xi64>, tensor<2xi1>, tensor<2xf32>) {
  return %x, %b, %ids, %m, %h : tensor<2xf32>, tensor<f32>, tensor<2xi64>, tensor<2xi1>, tensor<2xf32>
}

func.func @scaled(%b: tensor<f32> {nn.name = "b"}) -> tensor<f32> {
  %0 = arith.mulf %b, %b : tensor<f32>
  return %0 : tensor<f32>
}

func.func @small(%x: tensor<2xi8> {nn.name = "small"}) -> tensor<2xi8> {
  return %x : tensor<2xi8>
}
