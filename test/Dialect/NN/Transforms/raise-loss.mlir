// RUN: bigmac-opt --nn-raise-loss %s | FileCheck %s

// What ONNX's NegativeLogLikelihoodLoss is imported as.
// CHECK-LABEL: func @ignored
// CHECK-SAME: (%[[X:.*]]: tensor<5x9xf32>, %[[L:.*]]: tensor<5xi64>)
// CHECK-NEXT: %[[LOSS:.*]], %{{.*}} = nn.cross_entropy %[[X]], %[[L]] : tensor<5x9xf32>, tensor<5xi64>
// CHECK-NEXT: return %[[LOSS]]
func.func @ignored(%x: tensor<5x9xf32>, %labels: tensor<5xi64>) -> tensor<f32> {
  %ignored = arith.constant dense<-100> : tensor<5xi64>
  %zero = arith.constant dense<0> : tensor<5xi64>
  %none = arith.constant dense<0.0> : tensor<5xf32>
  %p = nn.log_softmax %x : tensor<5x9xf32>
  %valid = arith.cmpi ne, %labels, %ignored : tensor<5xi64>
  %safe = arith.select %valid, %labels, %zero : tensor<5xi1>, tensor<5xi64>
  %i = tensor.expand_shape %safe [[0, 1]] output_shape [5, 1] : tensor<5xi64> into tensor<5x1xi64>
  %g = nn.gather_elements %p, %i : tensor<5x9xf32>, tensor<5x1xi64>
  %r = tensor.collapse_shape %g [[0, 1]] : tensor<5x1xf32> into tensor<5xf32>
  %n = arith.negf %r : tensor<5xf32>
  %l = arith.select %valid, %n, %none : tensor<5xi1>, tensor<5xf32>
  %sum = nn.reduce_sum %l [0] : tensor<5xf32>
  %ones = arith.uitofp %valid : tensor<5xi1> to tensor<5xf32>
  %count = nn.reduce_sum %ones [0] : tensor<5xf32>
  %mean = arith.divf %sum, %count : tensor<f32>
  return %mean : tensor<f32>
}

// -(log_softmax(x).gather(-1, labels)).mean(): no label is ignored.
// CHECK-LABEL: func @plain
// CHECK: nn.cross_entropy %{{.*}}, %{{.*}} {ignore_index = -9223372036854775808 : i64} : tensor<6x9xf32>, tensor<6xi64>
// CHECK-NOT: arith.negf
func.func @plain(%x: tensor<2x3x9xf32>, %labels: tensor<2x3xi64>) -> tensor<f32> {
  %n = arith.constant dense<6.0> : tensor<f32>
  %p = nn.log_softmax %x : tensor<2x3x9xf32>
  %i = tensor.expand_shape %labels [[0], [1, 2]] output_shape [2, 3, 1] : tensor<2x3xi64> into tensor<2x3x1xi64>
  %g = nn.gather_elements %p, %i : tensor<2x3x9xf32>, tensor<2x3x1xi64>
  %sum = nn.reduce_sum %g [0, 1, 2] : tensor<2x3x1xf32>
  %mean = arith.divf %sum, %n : tensor<f32>
  %loss = arith.negf %mean : tensor<f32>
  return %loss : tensor<f32>
}

// CHECK-LABEL: func @sum
// CHECK: nn.cross_entropy sum
func.func @sum(%x: tensor<5x9xf32>, %labels: tensor<5x1xi64>) -> tensor<f32> {
  %p = nn.log_softmax %x : tensor<5x9xf32>
  %g = nn.gather_elements %p, %labels : tensor<5x9xf32>, tensor<5x1xi64>
  %n = arith.negf %g : tensor<5x1xf32>
  %sum = nn.reduce_sum %n [0, 1] : tensor<5x1xf32>
  return %sum : tensor<f32>
}

// The mean over all rows, ignored ones included: their number is another one.
// CHECK-LABEL: func @other_count
// CHECK: nn.cross_entropy sum
// CHECK: arith.divf
func.func @other_count(%x: tensor<5x9xf32>, %labels: tensor<5xi64>) -> tensor<f32> {
  %ignored = arith.constant dense<-100> : tensor<5xi64>
  %zero = arith.constant dense<0> : tensor<5xi64>
  %none = arith.constant dense<0.0> : tensor<5xf32>
  %count = arith.constant dense<5.0> : tensor<f32>
  %p = nn.log_softmax %x : tensor<5x9xf32>
  %valid = arith.cmpi ne, %labels, %ignored : tensor<5xi64>
  %safe = arith.select %valid, %labels, %zero : tensor<5xi1>, tensor<5xi64>
  %i = tensor.expand_shape %safe [[0, 1]] output_shape [5, 1] : tensor<5xi64> into tensor<5x1xi64>
  %g = nn.gather_elements %p, %i : tensor<5x9xf32>, tensor<5x1xi64>
  %r = tensor.collapse_shape %g [[0, 1]] : tensor<5x1xf32> into tensor<5xf32>
  %n = arith.negf %r : tensor<5xf32>
  %l = arith.select %valid, %n, %none : tensor<5xi1>, tensor<5xf32>
  %sum = nn.reduce_sum %l [0] : tensor<5xf32>
  %mean = arith.divf %sum, %count : tensor<f32>
  return %mean : tensor<f32>
}

// The label looked up and the label that is ignored differ.
// CHECK-LABEL: func @other_labels
// CHECK-NOT: nn.cross_entropy
// CHECK: return
func.func @other_labels(%x: tensor<5x9xf32>, %labels: tensor<5xi64>, %others: tensor<5xi64>) -> tensor<f32> {
  %ignored = arith.constant dense<-100> : tensor<5xi64>
  %none = arith.constant dense<0.0> : tensor<5xf32>
  %p = nn.log_softmax %x : tensor<5x9xf32>
  %valid = arith.cmpi ne, %others, %ignored : tensor<5xi64>
  %i = tensor.expand_shape %labels [[0, 1]] output_shape [5, 1] : tensor<5xi64> into tensor<5x1xi64>
  %g = nn.gather_elements %p, %i : tensor<5x9xf32>, tensor<5x1xi64>
  %r = tensor.collapse_shape %g [[0, 1]] : tensor<5x1xf32> into tensor<5xf32>
  %n = arith.negf %r : tensor<5xf32>
  %l = arith.select %valid, %n, %none : tensor<5xi1>, tensor<5xf32>
  %sum = nn.reduce_sum %l [0] : tensor<5xf32>
  return %sum : tensor<f32>
}

// The sign is missing.
// CHECK-LABEL: func @positive
// CHECK-NOT: nn.cross_entropy
// CHECK: return
func.func @positive(%x: tensor<5x9xf32>, %labels: tensor<5x1xi64>) -> tensor<f32> {
  %count = arith.constant dense<5.0> : tensor<f32>
  %p = nn.log_softmax %x : tensor<5x9xf32>
  %g = nn.gather_elements %p, %labels : tensor<5x9xf32>, tensor<5x1xi64>
  %sum = nn.reduce_sum %g [0, 1] : tensor<5x1xf32>
  %mean = arith.divf %sum, %count : tensor<f32>
  return %mean : tensor<f32>
}

// Probabilities of several classes a row.
// CHECK-LABEL: func @several
// CHECK-NOT: nn.cross_entropy
// CHECK: return
func.func @several(%x: tensor<5x9xf32>, %labels: tensor<5x2xi64>) -> tensor<f32> {
  %p = nn.log_softmax %x : tensor<5x9xf32>
  %g = nn.gather_elements %p, %labels : tensor<5x9xf32>, tensor<5x2xi64>
  %n = arith.negf %g : tensor<5x2xf32>
  %sum = nn.reduce_sum %n [0, 1] : tensor<5x2xf32>
  return %sum : tensor<f32>
}
