// A model with gelu between products, in bf16, whole: its tasks compute the same where products end in gelu and in its
// derivative as on the CPU, where these are code of their own. Two layers: with a bias, and with a frozen second product.
// REQUIRES: cuda
// RUN: %python %S/compare_targets.py %s --out=%t/narrow --tolerance=2e-2 --microbatches=2 --precision=bf16 --grads=bf16 --master=none | FileCheck %s
// RUN: %python %S/compare_targets.py %s --out=%t/master --tolerance=2e-2 --microbatches=2 --precision=bf16 | FileCheck %s
// RUN: %python %S/compare_targets.py %s --out=%t/full --tolerance=2e-2 --microbatches=2 --precision=bf16 --recompute=full | FileCheck %s
// RUN: %python %S/compare_targets.py %s --out=%t/fp32 --tolerance=1e-5 --microbatches=2 | FileCheck %s
// CHECK: {{[0-9]+}} tensors agree

// RUN: bigmac-opt %t/narrow/tasks.mlir --cuda-task-pipeline --cuda-buffer-pipeline | FileCheck %s --check-prefixes=TASKS,KEPT
// RUN: bigmac-opt %t/full/tasks.mlir --cuda-task-pipeline --cuda-buffer-pipeline | FileCheck %s --check-prefixes=TASKS,AGAIN
// RUN: bigmac-opt %t/fp32/tasks.mlir --cuda-task-pipeline --cuda-buffer-pipeline | FileCheck %s --check-prefix=FP32
// TASKS: func.func @llm.0.forward
// KEPT-COUNT-2: then gelu aux
// AGAIN-COUNT-2: then gelu sizes
// TASKS: func.func @llm.0.backward
// AGAIN-COUNT-2: then gelu aux
// TASKS-COUNT-2: then gelu_backward aux
// KEPT: summing a into
// FP32-NOT: then gelu

// Without epilogues these are kernels; the cache knows the two apart.
// RUN: bigmac-opt %s --target=cuda --microbatches=2 --precision=bf16 --grads=bf16 --master=none --cache-dir=%t/cache -o %t/auto
// RUN: bigmac-opt %s --target=cuda --microbatches=2 --precision=bf16 --grads=bf16 --master=none --cache-dir=%t/cache -o %t/none --epilogues=none
// RUN: not grep -q llm_0_backward_5 %t/auto
// RUN: grep -q llm_0_backward_5 %t/none
nn.parameter trained @table : tensor<24x16xf32> = dense<1.0> : tensor<24x16xf32>
nn.parameter trained @w0 : tensor<64x16xf32> = dense<1.0> : tensor<64x16xf32>
nn.parameter trained @b0 : tensor<64xf32> = dense<1.0> : tensor<64xf32>
nn.parameter trained @v0 : tensor<16x64xf32> = dense<1.0> : tensor<16x64xf32>
nn.parameter trained @w1 : tensor<16x40xf32> = dense<1.0> : tensor<16x40xf32>
nn.parameter @v1 : tensor<40x16xf32> = dense<1.0> : tensor<40x16xf32>
func.func @model(%ids: tensor<2x6xi64> {nn.name = "ids"}, %labels: tensor<2x6xi64> {nn.name = "labels"})
    -> (tensor<f32> {nn.loss, nn.name = "loss"}) {
  %table = nn.get_parameter @table : tensor<24x16xf32>
  %w0 = nn.get_parameter @w0 : tensor<64x16xf32>
  %b0 = nn.get_parameter @b0 : tensor<64xf32>
  %v0 = nn.get_parameter @v0 : tensor<16x64xf32>
  %w1 = nn.get_parameter @w1 : tensor<16x40xf32>
  %v1 = nn.get_parameter @v1 : tensor<40x16xf32>
  %x = nn.embedding %table, %ids : tensor<24x16xf32>, tensor<2x6xi64>
  %0 = nn.matmul %x, %w0 transposed : tensor<2x6x16xf32>, tensor<64x16xf32>
  %1 = nn.broadcast %b0 : tensor<64xf32> -> tensor<2x6x64xf32>
  %2 = arith.addf %0, %1 : tensor<2x6x64xf32>
  %3 = nn.gelu tanh %2 : tensor<2x6x64xf32>
  %4 = nn.matmul %3, %v0 transposed : tensor<2x6x64xf32>, tensor<16x64xf32>
  %5 = arith.addf %x, %4 : tensor<2x6x16xf32>
  %6 = nn.matmul %5, %w1 : tensor<2x6x16xf32>, tensor<16x40xf32>
  %7 = nn.gelu tanh %6 : tensor<2x6x40xf32>
  %8 = nn.matmul %7, %v1 : tensor<2x6x40xf32>, tensor<40x16xf32>
  %9 = arith.addf %5, %8 : tensor<2x6x16xf32>
  %logits = nn.matmul %9, %table transposed : tensor<2x6x16xf32>, tensor<24x16xf32>
  %rows = tensor.collapse_shape %logits [[0, 1], [2]] : tensor<2x6x24xf32> into tensor<12x24xf32>
  %targets = tensor.collapse_shape %labels [[0, 1]] : tensor<2x6xi64> into tensor<12xi64>
  %loss, %lse = nn.cross_entropy %rows, %targets : tensor<12x24xf32>, tensor<12xi64>
  return %loss : tensor<f32>
}
