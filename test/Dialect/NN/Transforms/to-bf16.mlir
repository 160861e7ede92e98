// RUN: bigmac-opt %s --nn-to-bf16 --canonicalize --cse --split-input-file | FileCheck %s
// RUN: bigmac-opt %s --nn-to-bf16=master=false --split-input-file | FileCheck %s --check-prefix=NONE
// RUN: bigmac-opt %s --nn-to-bf16 --canonicalize --cse --nn-to-bf16 --canonicalize --cse --split-input-file | FileCheck %s

// Products are on bf16; a norm reads widened values and is rounded; the loss is f32.
// CHECK: nn.parameter trained master @table : tensor<8x4xbf16> = dense<1.000000e+00> : tensor<8x4xf32>
// CHECK: nn.parameter trained master @scale : tensor<4xbf16>
// CHECK: nn.parameter @frozen : tensor<4x4xbf16>
// NONE: nn.parameter trained @table : tensor<8x4xbf16> = dense<1.000000e+00> : tensor<8x4xf32>
// CHECK-LABEL: func @tied(
// CHECK-SAME: %[[LABELS:[a-z0-9]+]]: tensor<6xi64> {{.*}} -> (tensor<f32>
// CHECK-DAG: %[[TABLE:.*]] = nn.get_parameter @table : tensor<8x4xbf16>
// CHECK-DAG: %[[SCALE:.*]] = nn.get_parameter @scale : tensor<4xbf16>
// CHECK-DAG: %[[FROZEN:.*]] = nn.get_parameter @frozen : tensor<4x4xbf16>
// CHECK: %[[X:.*]] = nn.embedding %[[TABLE]], %{{.*}} : tensor<8x4xbf16>, tensor<2x3xi64>
// CHECK: %[[XW:.*]] = arith.extf %[[X]] : tensor<2x3x4xbf16> to tensor<2x3x4xf32>
// CHECK: %[[Y:.*]], %{{.*}} = nn.rms_norm %[[XW]] scale %{{.*}} : tensor<4xf32> epsilon {{.*}} : tensor<2x3x4xf32>
// CHECK: %[[YN:.*]] = arith.truncf %[[Y]] : tensor<2x3x4xf32> to tensor<2x3x4xbf16>
// CHECK: %[[H:.*]] = nn.matmul %[[YN]], %[[FROZEN]] : tensor<2x3x4xbf16>, tensor<4x4xbf16>
// CHECK: %[[R:.*]] = arith.addf %[[X]], %[[H]] : tensor<2x3x4xbf16>
// CHECK: %[[LOGITS:.*]] = nn.matmul %{{.*}}, %[[TABLE]] transposed : tensor<6x4xbf16>, tensor<8x4xbf16>
// CHECK: %[[LOSS:.*]], %{{.*}} = nn.cross_entropy %[[LOGITS]], %[[LABELS]] : tensor<6x8xbf16>, tensor<6xi64>
// CHECK: return %[[LOSS]] : tensor<f32>
nn.parameter trained @table : tensor<8x4xf32> = dense<1.0> : tensor<8x4xf32>
nn.parameter trained @scale : tensor<4xf32> = dense<1.0> : tensor<4xf32>
nn.parameter @frozen : tensor<4x4xf32> = dense<0.5> : tensor<4x4xf32>
func.func @tied(%ids: tensor<2x3xi64> {nn.name = "ids"}, %labels: tensor<6xi64> {nn.name = "labels"})
    -> (tensor<f32> {nn.loss, nn.name = "loss"}) {
  %table = nn.get_parameter @table : tensor<8x4xf32>
  %scale = nn.get_parameter @scale : tensor<4xf32>
  %frozen = nn.get_parameter @frozen : tensor<4x4xf32>
  %x = nn.embedding %table, %ids : tensor<8x4xf32>, tensor<2x3xi64>
  %y, %rstd = nn.rms_norm %x scale %scale : tensor<4xf32> epsilon 1.0e-6 : tensor<2x3x4xf32>
  %h = nn.matmul %y, %frozen : tensor<2x3x4xf32>, tensor<4x4xf32>
  %r = arith.addf %x, %h : tensor<2x3x4xf32>
  %rows = tensor.collapse_shape %r [[0, 1], [2]] : tensor<2x3x4xf32> into tensor<6x4xf32>
  %logits = nn.matmul %rows, %table transposed : tensor<6x4xf32>, tensor<8x4xf32>
  %loss, %lse = nn.cross_entropy %logits, %labels : tensor<6x8xf32>, tensor<6xi64>
  return %loss : tensor<f32>
}

// -----

// What depends on inputs alone is f32, and rounded before it is repeated. The mask stays f32.
// CHECK-LABEL: func @attention(
// CHECK-SAME: %[[P:.*]]: tensor<1x3x2xf32> {{.*}}, %[[M:.*]]: tensor<1x1x3x3xf32>
// CHECK: %[[COS:.*]] = math.cos %[[P]] : tensor<1x3x2xf32>
// CHECK: %[[NARROW:.*]] = arith.truncf %{{.*}} : tensor<1x{{.*}}3x2xf32> to tensor<1x{{.*}}3x2xbf16>
// CHECK: %[[C:.*]] = nn.broadcast %{{.*}} : tensor<1x1x3x2xbf16> -> tensor<1x2x3x2xbf16>
// CHECK: %[[Q:.*]] = arith.mulf %{{.*}}, %[[C]] : tensor<1x2x3x2xbf16>
// CHECK: nn.attention %[[Q]], %[[Q]], %[[Q]] mask %[[M]] : tensor<1x1x3x3xf32> {{.*}} : tensor<1x2x3x2xbf16>
nn.parameter trained @q : tensor<1x2x3x2xf32> = dense<1.0> : tensor<1x2x3x2xf32>
func.func @attention(%p: tensor<1x3x2xf32> {nn.name = "p"}, %m: tensor<1x1x3x3xf32> {nn.name = "m"})
    -> tensor<1x2x3x2xf32> {
  %q = nn.get_parameter @q : tensor<1x2x3x2xf32>
  %cos = math.cos %p : tensor<1x3x2xf32>
  %e = tensor.expand_shape %cos [[0, 1], [2], [3]] output_shape [1, 1, 3, 2] : tensor<1x3x2xf32> into tensor<1x1x3x2xf32>
  %b = nn.broadcast %e : tensor<1x1x3x2xf32> -> tensor<1x2x3x2xf32>
  %r = arith.mulf %q, %b : tensor<1x2x3x2xf32>
  %o, %lse = nn.attention %r, %r, %r mask %m : tensor<1x1x3x3xf32> scale 0.5
    : tensor<1x2x3x2xf32>, tensor<1x2x3x2xf32>, tensor<1x2x3x2xf32>
  return %o : tensor<1x2x3x2xf32>
}

// -----

// All that leads to the loss alone is f32. A constant that bf16 does not hold is not rounded; one
// that it holds is bf16.
// CHECK-LABEL: func @mean_square(
// CHECK-SAME: %[[X:.*]]: tensor<2x4xf32> {{.*}}, %[[T:.*]]: tensor<2x4xf32>
// CHECK-DAG: %[[TENTH:.*]] = arith.constant dense<1.000000e-01> : tensor<2x4xf32>
// CHECK-DAG: %[[TWO:.*]] = arith.constant dense<2.000000e+00> : tensor<2x4xbf16>
// CHECK: %[[W:.*]] = arith.mulf %{{.*}}, %[[TENTH]] : tensor<2x4xf32>
// CHECK: %[[N:.*]] = arith.truncf %[[W]] : tensor<2x4xf32> to tensor<2x4xbf16>
// CHECK: %[[M:.*]] = arith.mulf %[[N]], %[[TWO]] : tensor<2x4xbf16>
// CHECK: %[[D:.*]] = nn.matmul %[[M]], %{{.*}} : tensor<2x4xbf16>, tensor<4x4xbf16>
// CHECK: %[[DW:.*]] = arith.extf %[[D]] : tensor<2x4xbf16> to tensor<2x4xf32>
// CHECK: %[[E:.*]] = arith.subf %[[DW]], %[[T]] : tensor<2x4xf32>
// CHECK: %[[S:.*]] = arith.mulf %[[E]], %[[E]] : tensor<2x4xf32>
// CHECK: nn.reduce_sum %[[S]] [0, 1] : tensor<2x4xf32>
nn.parameter trained @w : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
func.func @mean_square(%x: tensor<2x4xf32> {nn.name = "x"}, %t: tensor<2x4xf32> {nn.name = "t"})
    -> (tensor<f32> {nn.loss, nn.name = "loss"}) {
  %tenth = arith.constant dense<0.1> : tensor<2x4xf32>
  %two = arith.constant dense<2.0> : tensor<2x4xf32>
  %eighth = arith.constant dense<0.125> : tensor<f32>
  %w = nn.get_parameter @w : tensor<4x4xf32>
  %h = nn.matmul %x, %w : tensor<2x4xf32>, tensor<4x4xf32>
  %a = arith.mulf %h, %tenth : tensor<2x4xf32>
  %b = arith.mulf %a, %two : tensor<2x4xf32>
  %d = nn.matmul %b, %w : tensor<2x4xf32>, tensor<4x4xf32>
  %e = arith.subf %d, %t : tensor<2x4xf32>
  %s = arith.mulf %e, %e : tensor<2x4xf32>
  %sum = nn.reduce_sum %s [0, 1] : tensor<2x4xf32>
  %loss = arith.mulf %sum, %eighth : tensor<f32>
  return %loss : tensor<f32>
}

// -----

// A metric: the comparison is on the types of what is compared, the count is f32.
// CHECK-LABEL: func @accuracy(
// CHECK: %[[BEST:.*]] = nn.argmax %{{.*}} : tensor<3x4xbf16>
// CHECK: %[[HIT:.*]] = arith.cmpi eq, %[[BEST]], %{{.*}} : tensor<3xi64>
// CHECK: %[[COUNT:.*]] = arith.uitofp %[[HIT]] : tensor<3xi1> to tensor<3xf32>
// CHECK: nn.reduce_sum %[[COUNT]] [0] : tensor<3xf32>
nn.parameter trained @w : tensor<4x4xf32> = dense<1.0> : tensor<4x4xf32>
func.func @accuracy(%x: tensor<3x4xf32> {nn.name = "x"}, %labels: tensor<3xi64> {nn.name = "labels"})
    -> tensor<f32> {
  %w = nn.get_parameter @w : tensor<4x4xf32>
  %logits = nn.matmul %x, %w : tensor<3x4xf32>, tensor<4x4xf32>
  %best = nn.argmax %logits : tensor<3x4xf32>
  %hit = arith.cmpi eq, %best, %labels : tensor<3xi64>
  %count = arith.uitofp %hit : tensor<3xi1> to tensor<3xf32>
  %sum = nn.reduce_sum %count [0] : tensor<3xf32>
  return %sum : tensor<f32>
}
