//===- Pipelines.cpp - The order of the raising passes ---------------------===//

#include "dialects/NN/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void bigmac::nn::buildRaisePipeline(OpPassManager &pm) {
  // What a formula uses twice is one value to the patterns.
  pm.addPass(createNNFoldConstants());
  pm.addPass(createCSEPass());
  pm.addPass(createNNDecomposeConv());
  pm.addPass(createNNRaiseActivations());
  pm.addPass(createNNRaiseNorms());
  pm.addPass(createNNRaiseLoss());
  // Sees keys that are transposed by themselves, so before transposes move into products.
  pm.addPass(createNNRaiseAttention());
  pm.addPass(createNNFoldMatmulTransposes());
  pm.addPass(createCanonicalizerPass());
  pm.addPass(createCSEPass());
}

void bigmac::nn::registerNNPipelines() {
  PassPipelineRegistration<>("nn-raise", "Raise decomposed forms to fused ops of the nn dialect",
                             buildRaisePipeline);
}
