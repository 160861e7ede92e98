//===- ParameterClasses.cpp - Which ranks hold which parameters ------------===//

#include "ParameterClasses.h"

#include "bigmac-rt/PlanWriter.h"
#include "bigmac/Support/ByteSize.h"

#include <map>
#include <set>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

static uint64_t aligned(uint64_t bytes) { return llvm::alignTo(bytes, BM_REGION_ALIGN); }

uint64_t ParameterLayout::valueOffset(StringRef name, int64_t rank) const {
  Place place = places.lookup(name);
  const ParameterClass &cls = classes[place.classIndex];
  return cls.params[llvm::find(cls.members, rank) - cls.members.begin()] + place.position;
}

uint64_t ParameterLayout::gradientOffset(StringRef name, int64_t rank) const {
  Place place = places.lookup(name);
  const ParameterClass &cls = classes[place.classIndex];
  return cls.grads[llvm::find(cls.members, rank) - cls.members.begin()] + place.position;
}

ParameterLayout bigmac::layoutParameters(const Program &program, ModuleOp module,
                                         int64_t replicas) {
  std::map<StringRef, std::set<int64_t>> holders;
  for (TaskOp task : program.tasks())
    for (ArrayAttr names : {task.getParameters(), task.getGradients()})
      for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
        std::set<int64_t> &ranks = holders[name.getValue()];
        planning::RankRange range = program.ranksOf(task.getComponent());
        if (task.getComponent() == Component::llm)
          ranks.insert(range.rankOf(task.getStage()));
        else
          for (uint32_t rank = range.first; rank < range.end(); ++rank)
            ranks.insert(rank);
      }

  ParameterLayout layout;
  std::map<std::pair<bool, std::set<int64_t>>, unsigned> classOf;
  for (auto parameter : module.getOps<nn::ParameterOp>()) {
    auto it = holders.find(parameter.getSymName());
    if (it == holders.end())
      continue;
    layout.parameters.push_back(parameter);
    auto [entry, inserted] =
        classOf.try_emplace({parameter.getTrained(), it->second}, layout.classes.size());
    if (inserted) {
      ParameterClass &cls = layout.classes.emplace_back();
      cls.trained = parameter.getTrained();
      cls.members.assign(it->second.begin(), it->second.end());
    }
    ParameterClass &cls = layout.classes[entry->second];
    layout.places[parameter.getSymName()] = {entry->second, cls.bytes};
    cls.bytes = aligned(cls.bytes + byteSize(parameter.getType()));
  }

  layout.end.assign(program.ranks(), 0);
  for (ParameterClass &cls : layout.classes) {
    if (cls.trained) {
      cls.bytes = rt::paddedClassBytes(cls.bytes, cls.members.size(), replicas);
      cls.shardBytes = rt::shardBytes(cls.bytes, cls.members.size(), replicas);
    }
    for (int64_t rank : cls.members) {
      uint64_t &end = layout.end[rank];
      auto take = [&](SmallVectorImpl<int64_t> &offsets, uint64_t bytes) {
        offsets.push_back(end);
        end = aligned(end + bytes);
      };
      take(cls.params, cls.bytes);
      if (!cls.trained)
        continue;
      take(cls.grads, cls.bytes);
      take(cls.first, cls.shardBytes);
      take(cls.second, cls.shardBytes);
    }
  }
  return layout;
}
