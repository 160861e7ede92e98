//===- StageCuts.cpp - Where the LLM is cut into stages --------------------===//

#include "StageCuts.h"

#include "OpCost.h"
#include "bigmac/Planning/Partition.h"
#include "bigmac/Support/ByteSize.h"
#include "dialects/NN/IR/NN.h"

#include <limits>
#include <set>

using namespace mlir;
using namespace bigmac;

/// live[i]: bytes of values of ops 0..i that ops i+1.. use.
static std::vector<double> liveBytes(ArrayRef<Operation *> ops) {
  DenseMap<Operation *, size_t> position;
  for (auto [i, op] : llvm::enumerate(ops))
    position[op] = i;
  std::vector<double> delta(ops.size() + 1, 0.0);
  for (auto [i, op] : llvm::enumerate(ops))
    for (Value result : op->getResults()) {
      size_t last = i;
      for (Operation *user : result.getUsers())
        if (auto it = position.find(user); it != position.end())
          last = std::max(last, it->second);
      if (last > i) {
        delta[i] += static_cast<double>(byteSize(result.getType()));
        delta[last] -= static_cast<double>(byteSize(result.getType()));
      }
    }
  std::vector<double> live;
  double sum = 0;
  for (size_t i = 0; i + 1 < ops.size(); ++i)
    live.push_back(sum += delta[i]);
  return live;
}

static int64_t attentionBlocks(ArrayRef<Operation *> ops) {
  return llvm::count_if(ops, [](Operation *op) { return isa<nn::AttentionOp>(op); });
}

int64_t pipeline::layersOf(ArrayRef<Operation *> ops) {
  int64_t blocks = attentionBlocks(ops);
  return blocks ? blocks : std::min<int64_t>(ops.size(), 32);
}

FailureOr<SmallVector<int64_t>> pipeline::cutStages(func::FuncOp model, ArrayRef<Operation *> ops,
                                                    int64_t stages,
                                                    const planning::DeviceModel &device) {
  SmallVector<int64_t> result(ops.size(), 0);
  if (stages == 1)
    return result;
  int64_t layers = attentionBlocks(ops);
  if (layers && stages > layers)
    return model.emitError("cannot cut the LLM into ")
           << stages << " stages (ranks x chunks): it has " << layers
           << " layers; use fewer ranks or chunks";
  std::vector<double> costs;
  for (Operation *op : ops)
    costs.push_back(secondsOf(op, device));
  std::vector<double> live = liveBytes(ops);

  auto partition = [&](double limit) {
    std::vector<double> cuts(live);
    for (double &cut : cuts)
      if (cut > limit)
        cut = std::numeric_limits<double>::infinity();
    return planning::partitionBalanced(costs, cuts, stages);
  };
  auto best = partition(std::numeric_limits<double>::max());
  if (!best)
    return model.emitError("cannot cut the LLM into ") << stages << " stages: " << best.message();
  double ideal = best->maxCost;
  for (double limit : std::set<double>(live.begin(), live.end())) {
    auto candidate = partition(limit);
    if (!candidate || candidate->maxCost > 1.25 * ideal)
      continue;
    best = std::move(candidate);
    break;
  }
  for (int64_t stage = 0; stage < stages; ++stage)
    for (uint32_t i = best->boundaries[stage]; i < best->boundaries[stage + 1]; ++i)
      result[i] = stage;
  return result;
}
