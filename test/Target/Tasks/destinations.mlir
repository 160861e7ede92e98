// RUN: bigmac-opt %s --task-destinations --split-input-file --verify-diagnostics | FileCheck %s

// Arguments, then results.
// CHECK-LABEL: func @task
// CHECK-SAME: (%[[X:.*]]: memref<4xf32>, %[[UNUSED:.*]]: memref<2xi64>, %[[OUT:.*]]: memref<4xf32>) {
func.func @task(%x: tensor<4xf32>, %unused: tensor<2xi64>) -> tensor<4xf32> {
  // CHECK: %[[READ:.*]] = bufferization.to_tensor %[[X]] restrict :
  // CHECK: %[[Y:.*]] = math.exp %[[READ]]
  // CHECK: bufferization.materialize_in_destination %[[Y]] in restrict writable %[[OUT]]
  %y = math.exp %x : tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-NOT: @helper
func.func private @helper() {
  return
}

// -----

// An update is written over what was read, after the results.
// CHECK-LABEL: func @accumulate
// CHECK-SAME: (%[[ACC:.*]]: memref<4xf32>, %[[X:.*]]: memref<4xf32>, %[[OUT:.*]]: memref<4xf32>)
func.func @accumulate(%acc: memref<4xf32>, %x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[OLD:.*]] = bufferization.to_tensor %[[ACC]] restrict writable
  // CHECK: %[[NEW:.*]] = arith.addf %[[OLD]]
  // CHECK: materialize_in_destination %{{.*}} in restrict writable %[[OUT]]
  // CHECK: %[[OVER:.*]] = bufferization.materialize_in_destination %[[NEW]] in %[[OLD]]
  // CHECK: materialize_in_destination %[[OVER]] in restrict writable %[[ACC]]
  %old = bufferization.to_tensor %acc restrict writable : memref<4xf32> to tensor<4xf32>
  %new = arith.addf %old, %x : tensor<4xf32>
  bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<4xf32>, memref<4xf32>) -> ()
  %y = math.exp %x : tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// What else reads the old value gets a copy.
// CHECK-LABEL: func @read_beside
func.func @read_beside(%acc: memref<4xf32>, %x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: %[[OLD:.*]] = bufferization.to_tensor %{{.*}} restrict writable
  // CHECK: %[[COPY:.*]] = bufferization.alloc_tensor() copy(%[[OLD]])
  // CHECK: arith.addf %[[OLD]]
  // CHECK: math.exp %[[COPY]]
  %old = bufferization.to_tensor %acc restrict writable : memref<4xf32> to tensor<4xf32>
  %new = arith.addf %old, %x : tensor<4xf32>
  bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<4xf32>, memref<4xf32>) -> ()
  %y = math.exp %old : tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

// expected-error @below {{has argument 0 of type 'tensor<?xf32>'; expected a static tensor or memref with at least one element}}
func.func @dynamic(%x: tensor<?xf32>) {
  return
}

// -----

func.func @foreign(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = tensor.empty() : tensor<4xf32>
  // expected-error @below {{'linalg.copy' op is in task 'foreign'; the CPU target compiles ops of nn, arith, math and tensor}}
  %1 = linalg.copy ins(%x : tensor<4xf32>) outs(%0 : tensor<4xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// -----

func.func @partial_use(%acc: memref<4xf32>) -> tensor<4xf32> {
  // expected-error @below {{uses buffer argument 0; expected only bufferization.to_tensor and bufferization.materialize_in_destination, both restrict and writable}}
  %0 = bufferization.to_tensor %acc restrict : memref<4xf32> to tensor<4xf32>
  return %0 : tensor<4xf32>
}
