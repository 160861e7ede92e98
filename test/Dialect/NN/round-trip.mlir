// Every op of the dialect prints what it parses.
// RUN: bigmac-opt %s | bigmac-opt | FileCheck %s

// CHECK: nn.parameter trained @w : tensor<8x4xf32> = #nn.external<"model.onnx", 128, 128>
nn.parameter trained @w : tensor<8x4xf32> = #nn.external<"model.onnx", 128, 128>
// CHECK: nn.parameter @a.b : tensor<2xf32> = dense<1.000000e+00> : tensor<2xf32>
nn.parameter @"a.b" : tensor<2xf32> = dense<1.0> : tensor<2xf32>

// CHECK-LABEL: func @shape
// CHECK-SAME: %{{.*}}: tensor<2x3x4xf32> {nn.name = "x"}
func.func @shape(%x: tensor<2x3x4xf32> {nn.name = "x"}, %ids: tensor<5xi64>) -> (tensor<4xf32> {nn.name = "y"}) {
  // CHECK: nn.get_parameter @w : tensor<8x4xf32>
  %w = nn.get_parameter @w : tensor<8x4xf32>
  // CHECK: nn.transpose %{{.*}} [0, 2, 1] : tensor<2x3x4xf32>
  %t = nn.transpose %x [0, 2, 1] : tensor<2x3x4xf32>
  // CHECK: nn.reduce_sum %{{.*}} [0, 2] : tensor<2x4x3xf32>
  %s = nn.reduce_sum %t [0, 2] : tensor<2x4x3xf32>
  // CHECK: nn.reduce_max %{{.*}} [1] : tensor<2x4x3xf32>
  %m = nn.reduce_max %t [1] : tensor<2x4x3xf32>
  // CHECK: nn.broadcast %{{.*}} : tensor<4xf32> -> tensor<3x4xf32>
  %b = nn.broadcast %s : tensor<4xf32> -> tensor<3x4xf32>
  // CHECK: nn.argmax %{{.*}} : tensor<3x4xf32>
  %a = nn.argmax %b : tensor<3x4xf32>
  // CHECK: nn.embedding %{{.*}}, %{{.*}} : tensor<8x4xf32>, tensor<5xi64>
  %e = nn.embedding %w, %ids : tensor<8x4xf32>, tensor<5xi64>
  // CHECK: nn.embedding_backward %{{.*}}, %{{.*}} : tensor<5xi64>, tensor<5x4xf32> -> tensor<8x4xf32>
  %eb = nn.embedding_backward %ids, %e : tensor<5xi64>, tensor<5x4xf32> -> tensor<8x4xf32>
  return %s : tensor<4xf32>
}

// CHECK-LABEL: func @compute
func.func @compute(%x: tensor<2x3x4xf32>, %w: tensor<5x4xf32>, %v: tensor<4xf32>) {
  // CHECK: nn.matmul %{{.*}}, %{{.*}} transposed : tensor<2x3x4xf32>, tensor<5x4xf32>
  %0 = nn.matmul %x, %w transposed : tensor<2x3x4xf32>, tensor<5x4xf32>
  // CHECK: nn.matmul %{{.*}} transposed, %{{.*}} : tensor<2x3x4xf32>, tensor<2x3x5xf32>
  %1 = nn.matmul %x transposed, %0 : tensor<2x3x4xf32>, tensor<2x3x5xf32>
  // CHECK: nn.layer_norm %{{.*}} scale %{{.*}} : tensor<4xf32> bias %{{.*}} : tensor<4xf32> epsilon 1.000000e-05 : tensor<2x3x4xf32>
  %y, %mean, %rstd = nn.layer_norm %x scale %v : tensor<4xf32> bias %v : tensor<4xf32> epsilon 1.0e-05 : tensor<2x3x4xf32>
  // CHECK: nn.layer_norm_backward %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} scale %{{.*}} : tensor<4xf32> : tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3x4xf32>
  %2 = nn.layer_norm_backward %x, %mean, %rstd, %y scale %v : tensor<4xf32> : tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<2x3xf32>, tensor<2x3x4xf32>
  // CHECK: nn.rms_norm %{{.*}} epsilon 1.000000e-03 : tensor<2x3x4xf32>
  %z, %r = nn.rms_norm %x epsilon 1.0e-03 : tensor<2x3x4xf32>
  // CHECK: nn.rms_norm_backward %{{.*}}, %{{.*}}, %{{.*}} : tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<2x3x4xf32>
  %3 = nn.rms_norm_backward %x, %r, %z : tensor<2x3x4xf32>, tensor<2x3xf32>, tensor<2x3x4xf32>
  // CHECK: nn.softmax %{{.*}} : tensor<2x3x4xf32>
  %4 = nn.softmax %x : tensor<2x3x4xf32>
  // CHECK: nn.log_softmax %{{.*}} : tensor<2x3x4xf32>
  %5 = nn.log_softmax %x : tensor<2x3x4xf32>
  // CHECK: nn.silu %{{.*}} : tensor<2x3x4xf32>
  %6 = nn.silu %x : tensor<2x3x4xf32>
  // CHECK: nn.gelu tanh %{{.*}} : tensor<2x3x4xf32>
  %7 = nn.gelu tanh %x : tensor<2x3x4xf32>
  // CHECK: nn.gelu_backward tanh %{{.*}}, %{{.*}} : tensor<2x3x4xf32>, tensor<2x3x4xf32>
  %gelu_grad = nn.gelu_backward tanh %x, %7 : tensor<2x3x4xf32>, tensor<2x3x4xf32>
  return
}

// CHECK-LABEL: func @attention
func.func @attention(%q: tensor<2x4x6x8xf32>, %k: tensor<2x2x6x8xf32>, %m: tensor<1x1x6x6xf32>) {
  // CHECK: nn.attention causal %{{.*}}, %{{.*}}, %{{.*}} scale 2.500000e-01 : tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>
  %o, %l = nn.attention causal %q, %k, %k scale 0.25 : tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>
  // CHECK: nn.attention_backward %{{.*}} mask %{{.*}} : tensor<1x1x6x6xf32> scale 2.500000e-01 :
  %dq, %dk, %dv = nn.attention_backward %q, %k, %k, %o, %l, %o mask %m : tensor<1x1x6x6xf32> scale 0.25 : tensor<2x4x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x2x6x8xf32>, tensor<2x4x6x8xf32>, tensor<2x4x6xf32>, tensor<2x4x6x8xf32>
  return
}

// CHECK-LABEL: func @loss
func.func @loss(%x: tensor<6x9xf32>, %labels: tensor<6xi64>, %j: tensor<6x1xi64>, %f: tensor<1x3x4x4xf32>, %k: tensor<5x3x2x2xf32>) {
  // CHECK: nn.cross_entropy %{{.*}}, %{{.*}} {ignore_index = 0 : i64} : tensor<6x9xf32>, tensor<6xi64>
  %loss, %lse = nn.cross_entropy %x, %labels {ignore_index = 0 : i64} : tensor<6x9xf32>, tensor<6xi64>
  // CHECK: nn.cross_entropy_backward sum %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<6x9xf32>, tensor<6xi64>, tensor<6xf32>, tensor<f32>
  %g = nn.cross_entropy_backward sum %x, %labels, %lse, %loss : tensor<6x9xf32>, tensor<6xi64>, tensor<6xf32>, tensor<f32>
  // CHECK: nn.gather_elements %{{.*}}, %{{.*}} : tensor<6x9xf32>, tensor<6x1xi64>
  %ge = nn.gather_elements %x, %j : tensor<6x9xf32>, tensor<6x1xi64>
  // CHECK: nn.gather_elements_backward %{{.*}}, %{{.*}} : tensor<6x1xi64>, tensor<6x1xf32> -> tensor<6x9xf32>
  %gb = nn.gather_elements_backward %j, %ge : tensor<6x1xi64>, tensor<6x1xf32> -> tensor<6x9xf32>
  // CHECK: nn.conv %{{.*}}, %{{.*}} strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : tensor<1x3x4x4xf32>, tensor<5x3x2x2xf32>
  %c = nn.conv %f, %k strides [2, 2] pads [0, 0, 0, 0] dilations [1, 1] groups 1 : tensor<1x3x4x4xf32>, tensor<5x3x2x2xf32>
  return
}
