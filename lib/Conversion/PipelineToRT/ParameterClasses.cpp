//===- ParameterClasses.cpp - Which ranks hold which parameters ------------===//

#include "ParameterClasses.h"

#include "bigmac-rt/PlanWriter.h"
#include "bigmac/Support/ByteSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

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
  uint64_t position =
      place.position * cls.gradient.getIntOrFloatBitWidth() / cls.element.getIntOrFloatBitWidth();
  return cls.grads[llvm::find(cls.members, rank) - cls.members.begin()] + position;
}

static bm_dtype dtypeOf(Type type) { return type.isBF16() ? BM_BF16 : BM_F32; }

namespace {
/// Which tasks use a parameter: component, and of the LLM the stage.
using Users = std::set<std::pair<Component, int64_t>>;

/// What parameters of one class have in common. Types compare by their dtype, so that the order of
/// classes is that of the program.
struct ClassKey {
  bool trained, master;
  bm_dtype element, gradient;
  std::set<int64_t> ranks;
  /// Of trained ones: their gradients are complete at the same time, and are summed over ranks
  /// while others are still computed.
  Users users;
  auto operator<=>(const ClassKey &) const = default;
};
} // namespace

ParameterLayout bigmac::layoutParameters(const Program &program, ModuleOp module,
                                         int64_t replicas) {
  std::map<StringRef, std::set<int64_t>> holders;
  std::map<StringRef, Users> users;
  // Tasks say in their functions what type they accumulate a gradient in.
  llvm::DenseMap<StringRef, Type> gradients;
  SymbolTable symbols(module);
  for (TaskOp task : program.tasks()) {
    auto arguments = symbols.lookup<func::FuncOp>(task.getCallee()).getArgumentTypes();
    auto accumulators = arguments.take_back(task.getGradients().size());
    for (auto [name, type] :
         llvm::zip_equal(task.getGradients().getAsRange<FlatSymbolRefAttr>(), accumulators))
      gradients[name.getValue()] = getElementTypeOrSelf(type);
  }
  for (TaskOp task : program.tasks())
    for (ArrayAttr names : {task.getParameters(), task.getGradients()})
      for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
        std::set<int64_t> &ranks = holders[name.getValue()];
        users[name.getValue()].insert({task.getComponent(), task.getStage()});
        planning::RankRange range = program.ranksOf(task.getComponent());
        if (task.getComponent() == Component::llm)
          ranks.insert(range.rankOf(task.getStage()));
        else
          for (uint32_t rank = range.first; rank < range.end(); ++rank)
            ranks.insert(rank);
      }

  ParameterLayout layout;
  std::map<ClassKey, unsigned> classOf;
  for (auto parameter : module.getOps<nn::ParameterOp>()) {
    auto it = holders.find(parameter.getSymName());
    if (it == holders.end())
      continue;
    layout.parameters.push_back(parameter);
    ClassKey key{parameter.getTrained(), parameter.getMaster(), BM_F32, BM_F32, it->second, {}};
    Type element = getElementTypeOrSelf(parameter.getType());
    Type gradient = gradients.lookup(parameter.getSymName());
    if (key.trained) {
      if (!gradient)
        gradient = element;
      key.element = dtypeOf(element);
      key.gradient = dtypeOf(gradient);
      key.users = users[parameter.getSymName()];
    }
    auto [entry, inserted] = classOf.try_emplace(std::move(key), layout.classes.size());
    if (inserted) {
      ParameterClass &cls = layout.classes.emplace_back();
      cls.trained = parameter.getTrained();
      if (cls.trained) {
        cls.master = parameter.getMaster();
        cls.element = element;
        cls.gradient = gradient;
        // As torch.optim.AdamW has them: in the type of what is updated.
        cls.moment = cls.master ? Type(Float32Type::get(module.getContext())) : element;
      }
      cls.members.assign(it->second.begin(), it->second.end());
    }
    layout.places[parameter.getSymName()] = {entry->second, 0};
  }

  // Those that decay lie together: AdamW takes neighbours with the same weight decay at once.
  for (bool decay : {true, false})
    for (nn::ParameterOp parameter : layout.parameters) {
      if (rt::decays(cast<ShapedType>(parameter.getType()).getRank()) != decay)
        continue;
      ParameterLayout::Place &place = layout.places[parameter.getSymName()];
      ParameterClass &cls = layout.classes[place.classIndex];
      place.position = cls.bytes;
      cls.bytes = aligned(cls.bytes + byteSize(parameter.getType()));
    }

  layout.end.assign(program.ranks(), 0);
  for (ParameterClass &cls : layout.classes) {
    if (cls.trained) {
      bm_dtype type = dtypeOf(cls.element);
      cls.bytes = rt::paddedClassBytes(cls.bytes, cls.members.size(), replicas, type);
      uint64_t elements = cls.bytes / rt::elementBytes(type);
      uint64_t shard = elements / (cls.members.size() * replicas);
      cls.gradientBytes = elements * rt::elementBytes(dtypeOf(cls.gradient));
      cls.momentBytes = shard * rt::elementBytes(dtypeOf(cls.moment));
      cls.masterBytes = cls.master ? shard * sizeof(float) : 0;
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
      take(cls.grads, cls.gradientBytes);
      take(cls.first, cls.momentBytes);
      take(cls.second, cls.momentBytes);
      if (cls.master)
        take(cls.masters, cls.masterBytes);
    }
  }
  return layout;
}
