//===- CostModel.cpp - Where a program's seconds come from -----------------===//

#include "dialects/Pipeline/Transforms/CostModel.h"

#include "OpCost.h"

using namespace mlir;
using namespace bigmac;

pipeline::CostModel::CostModel() : device(defaultDevice()) {}

FailureOr<pipeline::CostModel> pipeline::CostModel::load(Operation *where, StringRef device,
                                                         StringRef profile) {
  CostModel model;
  auto found = planning::findDevice(device.str());
  if (!found)
    return where->emitError("--device: ") << found.message();
  model.device = std::move(*found);
  if (profile.empty())
    return model;
  auto read = planning::readProfile(profile.str());
  if (!read)
    return where->emitError("--profile: ") << read.message();
  model.profile = std::move(*read);
  return model;
}
