// RUN: bigmac-opt %s --cuda-task-pipeline | FileCheck %s

// A norm's backward and its scale's gradient are one kernel of resident blocks, which carry sums
// over their rows and load the next row before they compute one. A second kernel adds the blocks'
// sums to the accumulator, in place and in a fixed order.
// CHECK-LABEL: gpu.func @backward_0(
// CHECK: scf.for {{.*}} step %c256{{.*}} iter_args
// CHECK: vector.load
// CHECK: gpu.shuffle
// CHECK: vector.store {{.*}}vector<8xbf16>
// CHECK: scf.yield
// CHECK: vector.store {{.*}} : memref<256x4096xf32>, vector<8xf32>
// CHECK: gpu.return
// CHECK-LABEL: gpu.func @backward_1(
// CHECK-SAME: memref<256x4096xf32>
// CHECK-LABEL: func.func @backward(
// CHECK: %[[PARTIAL:.*]] = memref.alloc() : memref<256x4096xf32>
// CHECK: gpu.launch_func @kernels::@backward_0
// CHECK: gpu.launch_func @kernels::@backward_1
// CHECK-SAME: args(%[[PARTIAL]] : memref<256x4096xf32>, %arg4 : memref<4096xf32>, %arg4 : memref<4096xf32>)
// CHECK-NEXT: return
func.func @backward(%x: tensor<8192x4096xbf16>, %s: tensor<4096xbf16>, %r: tensor<8192xf32>, %g: tensor<8192x4096xbf16>, %acc: memref<4096xf32>) -> tensor<8192x4096xbf16> {
  %xf = arith.extf %x : tensor<8192x4096xbf16> to tensor<8192x4096xf32>
  %gf = arith.extf %g : tensor<8192x4096xbf16> to tensor<8192x4096xf32>
  %sf = arith.extf %s : tensor<4096xbf16> to tensor<4096xf32>
  %0 = nn.rms_norm_backward %xf, %r, %gf scale %sf : tensor<4096xf32> : tensor<8192x4096xf32>, tensor<8192xf32>, tensor<8192x4096xf32>
  %re = tensor.expand_shape %r [[0, 1]] output_shape [8192, 1] : tensor<8192xf32> into tensor<8192x1xf32>
  %rb = nn.broadcast %re : tensor<8192x1xf32> -> tensor<8192x4096xf32>
  %n = arith.mulf %xf, %rb : tensor<8192x4096xf32>
  %p = arith.mulf %n, %gf : tensor<8192x4096xf32>
  %d = nn.reduce_sum %p [0] : tensor<8192x4096xf32>
  %old = bufferization.to_tensor %acc restrict writable : memref<4096xf32> to tensor<4096xf32>
  %new = arith.addf %old, %d : tensor<4096xf32>
  bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<4096xf32>, memref<4096xf32>) -> ()
  %y = arith.truncf %0 : tensor<8192x4096xf32> to tensor<8192x4096xbf16>
  return %y : tensor<8192x4096xbf16>
}

// A sum alone begins from its accumulator too.
// CHECK-LABEL: func.func @bias(
// CHECK: gpu.launch_func @kernels::@bias_0
// CHECK: gpu.launch_func @kernels::@bias_1 {{.*}}args(%{{.*}}, %arg1 : memref<512xf32>, %arg1 : memref<512xf32>)
// CHECK-NEXT: return
func.func @bias(%g: tensor<1024x512xf32>, %acc: memref<512xf32>) {
  %d = nn.reduce_sum %g [0] : tensor<1024x512xf32>
  %old = bufferization.to_tensor %acc restrict writable : memref<512xf32> to tensor<512xf32>
  %new = arith.addf %old, %d : tensor<512xf32>
  bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<512xf32>, memref<512xf32>) -> ()
  return
}

// A sum of everything is a kernel as well, of one row.
// CHECK-LABEL: func.func @loss(
// CHECK-COUNT-3: gpu.launch_func
// CHECK-NOT: iterator_types = ["reduction"]
func.func @loss(%logits: tensor<4096x512xbf16>, %targets: tensor<4096xi64>) -> tensor<f32> {
  %loss, %logsumexp = nn.cross_entropy %logits, %targets : tensor<4096x512xbf16>, tensor<4096xi64>
  return %loss : tensor<f32>
}
