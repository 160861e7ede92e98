// Task functions as training in bf16 has them: rows of bf16, arithmetic and sums in f32.

func.func @rmsnorm(%x: tensor<16384x4096xbf16>, %s: tensor<4096xbf16>) -> (tensor<16384x4096xbf16>, tensor<16384xf32>) {
  %xf = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %sf = arith.extf %s : tensor<4096xbf16> to tensor<4096xf32>
  %1, %2 = nn.rms_norm %xf scale %sf : tensor<4096xf32> epsilon 1.0e-5 : tensor<16384x4096xf32>
  %y = arith.truncf %1 : tensor<16384x4096xf32> to tensor<16384x4096xbf16>
  return %y, %2 : tensor<16384x4096xbf16>, tensor<16384xf32>
}
func.func @rmsnorm_backward(%x: tensor<16384x4096xbf16>, %s: tensor<4096xbf16>, %r: tensor<16384xf32>, %g: tensor<16384x4096xbf16>, %acc: memref<4096xf32>) -> (tensor<16384x4096xbf16>) {
  %xf = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %gf = arith.extf %g : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %sf = arith.extf %s : tensor<4096xbf16> to tensor<4096xf32>
  %0 = nn.rms_norm_backward %xf, %r, %gf scale %sf : tensor<4096xf32> : tensor<16384x4096xf32>, tensor<16384xf32>, tensor<16384x4096xf32>
  %re = tensor.expand_shape %r [[0, 1]] output_shape [16384, 1] : tensor<16384xf32> into tensor<16384x1xf32>
  %rb = nn.broadcast %re : tensor<16384x1xf32> -> tensor<16384x4096xf32>
  %n = arith.mulf %xf, %rb : tensor<16384x4096xf32>
  %p = arith.mulf %n, %gf : tensor<16384x4096xf32>
  %d = nn.reduce_sum %p [0] : tensor<16384x4096xf32>
  %old = bufferization.to_tensor %acc restrict writable : memref<4096xf32> to tensor<4096xf32>
  %new = arith.addf %old, %d : tensor<4096xf32>
  bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<4096xf32>, memref<4096xf32>) -> ()
  %y = arith.truncf %0 : tensor<16384x4096xf32> to tensor<16384x4096xbf16>
  return %y : tensor<16384x4096xbf16>
}
func.func @softmax(%x: tensor<4096x32000xbf16>) -> (tensor<4096x32000xbf16>) {
  %xf = arith.extf %x : tensor<4096x32000xbf16> to tensor<4096x32000xf32>
  %0 = nn.softmax %xf : tensor<4096x32000xf32>
  %y = arith.truncf %0 : tensor<4096x32000xf32> to tensor<4096x32000xbf16>
  return %y : tensor<4096x32000xbf16>
}
func.func @swiglu(%x: tensor<16384x5632xbf16>, %y: tensor<16384x5632xbf16>) -> tensor<16384x5632xbf16> {
  %xf = arith.extf %x : tensor<16384x5632xbf16> to tensor<16384x5632xf32>
  %yf = arith.extf %y : tensor<16384x5632xbf16> to tensor<16384x5632xf32>
  %0 = nn.silu %xf : tensor<16384x5632xf32>
  %1 = arith.mulf %0, %yf : tensor<16384x5632xf32>
  %2 = arith.truncf %1 : tensor<16384x5632xf32> to tensor<16384x5632xbf16>
  return %2 : tensor<16384x5632xbf16>
}
func.func @bias_gradient(%g: tensor<16384x4096xbf16>, %acc: memref<4096xf32>) {
  %gf = arith.extf %g : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %d = nn.reduce_sum %gf [0] : tensor<16384x4096xf32>
  %old = bufferization.to_tensor %acc restrict writable : memref<4096xf32> to tensor<4096xf32>
  %new = arith.addf %old, %d : tensor<4096xf32>
  bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<4096xf32>, memref<4096xf32>) -> ()
  return
}
func.func @bias_gradient_large(%g: tensor<65536x4096xbf16>, %acc: memref<4096xf32>) {
  %gf = arith.extf %g : tensor<65536x4096xbf16> to tensor<65536x4096xf32>
  %d = nn.reduce_sum %gf [0] : tensor<65536x4096xf32>
  %old = bufferization.to_tensor %acc restrict writable : memref<4096xf32> to tensor<4096xf32>
  %new = arith.addf %old, %d : tensor<4096xf32>
  bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<4096xf32>, memref<4096xf32>) -> ()
  return
}
func.func @layernorm_backward(%x: tensor<16384x4096xbf16>, %s: tensor<4096xbf16>, %m: tensor<16384xf32>, %r: tensor<16384xf32>, %g: tensor<16384x4096xbf16>, %acc: memref<4096xf32>, %accb: memref<4096xf32>) -> (tensor<16384x4096xbf16>) {
  %xf = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %gf = arith.extf %g : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %sf = arith.extf %s : tensor<4096xbf16> to tensor<4096xf32>
  %0 = nn.layer_norm_backward %xf, %m, %r, %gf scale %sf : tensor<4096xf32> : tensor<16384x4096xf32>, tensor<16384xf32>, tensor<16384xf32>, tensor<16384x4096xf32>
  %re = tensor.expand_shape %r [[0, 1]] output_shape [16384, 1] : tensor<16384xf32> into tensor<16384x1xf32>
  %rb = nn.broadcast %re : tensor<16384x1xf32> -> tensor<16384x4096xf32>
  %me = tensor.expand_shape %m [[0, 1]] output_shape [16384, 1] : tensor<16384xf32> into tensor<16384x1xf32>
  %mb = nn.broadcast %me : tensor<16384x1xf32> -> tensor<16384x4096xf32>
  %c = arith.subf %xf, %mb : tensor<16384x4096xf32>
  %n = arith.mulf %c, %rb : tensor<16384x4096xf32>
  %p = arith.mulf %n, %gf : tensor<16384x4096xf32>
  %d = nn.reduce_sum %p [0] : tensor<16384x4096xf32>
  %old = bufferization.to_tensor %acc restrict writable : memref<4096xf32> to tensor<4096xf32>
  %new = arith.addf %old, %d : tensor<4096xf32>
  bufferization.materialize_in_destination %new in restrict writable %acc : (tensor<4096xf32>, memref<4096xf32>) -> ()
  %db = nn.reduce_sum %gf [0] : tensor<16384x4096xf32>
  %oldb = bufferization.to_tensor %accb restrict writable : memref<4096xf32> to tensor<4096xf32>
  %newb = arith.addf %oldb, %db : tensor<4096xf32>
  bufferization.materialize_in_destination %newb in restrict writable %accb : (tensor<4096xf32>, memref<4096xf32>) -> ()
  %y = arith.truncf %0 : tensor<16384x4096xf32> to tensor<16384x4096xbf16>
  return %y : tensor<16384x4096xbf16>
}
func.func @transpose(%x: tensor<4x2048x32x128xbf16>) -> tensor<4x32x2048x128xbf16> {
  %0 = nn.transpose %x [0, 2, 1, 3] : tensor<4x2048x32x128xbf16>
  return %0 : tensor<4x32x2048x128xbf16>
}
func.func @layernorm(%x: tensor<16384x4096xbf16>, %s: tensor<4096xbf16>, %b: tensor<4096xbf16>) -> (tensor<16384x4096xbf16>, tensor<16384xf32>, tensor<16384xf32>) {
  %xf = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %sf = arith.extf %s : tensor<4096xbf16> to tensor<4096xf32>
  %bf = arith.extf %b : tensor<4096xbf16> to tensor<4096xf32>
  %1, %m, %r = nn.layer_norm %xf scale %sf : tensor<4096xf32> bias %bf : tensor<4096xf32> epsilon 1.0e-5 : tensor<16384x4096xf32>
  %y = arith.truncf %1 : tensor<16384x4096xf32> to tensor<16384x4096xbf16>
  return %y, %m, %r : tensor<16384x4096xbf16>, tensor<16384xf32>, tensor<16384xf32>
}
func.func @residual_rmsnorm(%x: tensor<16384x4096xbf16>, %d: tensor<16384x4096xbf16>, %s: tensor<4096xbf16>) -> (tensor<16384x4096xbf16>, tensor<16384x4096xbf16>, tensor<16384xf32>) {
  %xf = arith.extf %x : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %df = arith.extf %d : tensor<16384x4096xbf16> to tensor<16384x4096xf32>
  %sf = arith.extf %s : tensor<4096xbf16> to tensor<4096xf32>
  %h = arith.addf %xf, %df : tensor<16384x4096xf32>
  %1, %r = nn.rms_norm %h scale %sf : tensor<4096xf32> epsilon 1.0e-5 : tensor<16384x4096xf32>
  %hb = arith.truncf %h : tensor<16384x4096xf32> to tensor<16384x4096xbf16>
  %y = arith.truncf %1 : tensor<16384x4096xf32> to tensor<16384x4096xbf16>
  return %hb, %y, %r : tensor<16384x4096xbf16>, tensor<16384x4096xbf16>, tensor<16384xf32>
}
func.func @rotary(%x: tensor<8x4096x16x128xbf16>, %c: tensor<4096x128xf32>, %s: tensor<4096x128xf32>) -> tensor<8x16x4096x128xbf16> {
  %t = nn.transpose %x [0, 2, 1, 3] : tensor<8x4096x16x128xbf16>
  %f = arith.extf %t : tensor<8x16x4096x128xbf16> to tensor<8x16x4096x128xf32>
  %a = tensor.extract_slice %f[0, 0, 0, 0] [8, 16, 4096, 64] [1, 1, 1, 1] : tensor<8x16x4096x128xf32> to tensor<8x16x4096x64xf32>
  %b = tensor.extract_slice %f[0, 0, 0, 64] [8, 16, 4096, 64] [1, 1, 1, 1] : tensor<8x16x4096x128xf32> to tensor<8x16x4096x64xf32>
  %n = arith.negf %b : tensor<8x16x4096x64xf32>
  %r = tensor.concat dim(3) %n, %a : (tensor<8x16x4096x64xf32>, tensor<8x16x4096x64xf32>) -> tensor<8x16x4096x128xf32>
  %cb = nn.broadcast %c : tensor<4096x128xf32> -> tensor<8x16x4096x128xf32>
  %sb = nn.broadcast %s : tensor<4096x128xf32> -> tensor<8x16x4096x128xf32>
  %0 = arith.mulf %f, %cb : tensor<8x16x4096x128xf32>
  %1 = arith.mulf %r, %sb : tensor<8x16x4096x128xf32>
  %2 = arith.addf %0, %1 : tensor<8x16x4096x128xf32>
  %y = arith.truncf %2 : tensor<8x16x4096x128xf32> to tensor<8x16x4096x128xbf16>
  return %y : tensor<8x16x4096x128xbf16>
}
