// RUN: bigmac-opt %s --pass-pipeline='builtin.module(func.func(task-widen-arithmetic,canonicalize))' | FileCheck %s

#map = affine_map<(d0) -> (d0)>

// Each operand is widened once, nothing is rounded in between, the result once.
// CHECK-LABEL: func @body
// CHECK: ^bb0(%[[A:.*]]: bf16, %[[B:.*]]: bf16, %{{.*}}: bf16):
// CHECK-DAG: %[[AW:.*]] = arith.extf %[[A]] : bf16 to f32
// CHECK-DAG: %[[BW:.*]] = arith.extf %[[B]] : bf16 to f32
// CHECK: %[[S:.*]] = arith.addf %[[AW]], %[[BW]] : f32
// CHECK: %[[E:.*]] = math.exp %[[S]] : f32
// CHECK: %[[P:.*]] = arith.mulf %[[E]], %{{.*}} : f32
// CHECK: %[[C:.*]] = arith.cmpf ogt, %[[P]], %{{.*}} : f32
// CHECK: %[[R:.*]] = arith.select %[[C]], %[[P]], %{{.*}} : f32
// CHECK: %[[N:.*]] = arith.truncf %[[R]] : f32 to bf16
// CHECK-NOT: arith
// CHECK: linalg.yield %[[N]] : bf16
func.func @body(%a: tensor<4xbf16>, %b: tensor<4xbf16>) -> tensor<4xbf16> {
  %two = arith.constant 2.0 : bf16
  %zero = arith.constant 0.0 : bf16
  %e = tensor.empty() : tensor<4xbf16>
  %0 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel"]}
      ins(%a, %b : tensor<4xbf16>, tensor<4xbf16>) outs(%e : tensor<4xbf16>) {
  ^bb0(%x: bf16, %y: bf16, %o: bf16):
    %1 = arith.addf %x, %y : bf16
    %2 = math.exp %1 : bf16
    %3 = arith.mulf %2, %two : bf16
    %4 = arith.cmpf ogt, %3, %zero : bf16
    %5 = arith.select %4, %3, %zero : bf16
    linalg.yield %5 : bf16
  } -> tensor<4xbf16>
  return %0 : tensor<4xbf16>
}

// What is only moved or chosen stays as it is.
// CHECK-LABEL: func @moved
// CHECK-NOT: arith.extf
// CHECK: arith.select %{{.*}}, %{{.*}}, %{{.*}} : bf16
func.func @moved(%a: tensor<4xbf16>, %m: tensor<4xi1>) -> tensor<4xbf16> {
  %zero = arith.constant 0.0 : bf16
  %e = tensor.empty() : tensor<4xbf16>
  %0 = linalg.generic {indexing_maps = [#map, #map, #map], iterator_types = ["parallel"]}
      ins(%a, %m : tensor<4xbf16>, tensor<4xi1>) outs(%e : tensor<4xbf16>) {
  ^bb0(%x: bf16, %c: i1, %o: bf16):
    %1 = arith.select %c, %x, %zero : bf16
    linalg.yield %1 : bf16
  } -> tensor<4xbf16>
  return %0 : tensor<4xbf16>
}
