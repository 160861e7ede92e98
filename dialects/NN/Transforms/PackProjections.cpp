//===- PackProjections.cpp - nn-pack-projections --------------------------===//

#include "dialects/NN/Transforms/Passes.h"
#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/MapVector.h"

namespace bigmac::nn {
#define GEN_PASS_DEF_NNPACKPROJECTIONS
#include "dialects/NN/Transforms/Passes.h.inc"
} // namespace bigmac::nn

using namespace mlir;
using namespace bigmac::nn;

namespace {

/// Bytes that rows of a part are a multiple of: what libraries' kernels want of a pointer, also
/// where elements become two bytes wide.
constexpr int64_t kAlignment = 64, kNarrowestElement = 2;

/// x W^T of a parameter W that nothing else reads.
struct Projection {
  MatmulOp matmul;
  GetParameterOp get;
  ParameterOp parameter;

  RankedTensorType type() { return cast<RankedTensorType>(parameter.getType()); }
};

/// What projections of one group have in common: what they read, the module of the model that
/// their parameters belong to, and whether those are trained.
using GroupKey = std::tuple<Value, StringRef, unsigned>;

/// "layers.0.attn" of "layers.0.attn.q_proj.weight": the weights of other layers, that read the
/// same value, belong to other stages.
StringRef ownerOf(StringRef parameter) {
  size_t end = parameter.rfind('.');
  end = end == StringRef::npos ? end : parameter.rfind('.', end);
  return end == StringRef::npos ? StringRef() : parameter.take_front(end);
}

/// Ops that the loss depends on, or of a function without one all that a result does. Parameters of
/// others are frozen, which those of one packed parameter can only be together.
llvm::SetVector<Operation *> reachingLoss(func::FuncOp function) {
  SmallVector<Value> roots, results(function.getBody().back().getTerminator()->getOperands());
  for (auto [i, value] : llvm::enumerate(results))
    if (function.getResultAttr(i, kLossAttr))
      roots.push_back(value);
  llvm::SetVector<Operation *> reaching;
  BackwardSliceOptions options;
  options.inclusive = true;
  for (Value root : roots.empty() ? results : roots) {
    LogicalResult isKnown = getBackwardSlice(root, &reaching, options);
    assert(succeeded(isKnown) && "a function's body is one region");
    (void)isKnown;
  }
  return reaching;
}

/// Whether a bias is added: the product does that as its last step.
bool hasBias(MatmulOp matmul) {
  return llvm::any_of(matmul->getUsers(), [&](Operation *user) {
    auto add = dyn_cast<arith::AddFOp>(user);
    if (!add)
      return false;
    Value other = add.getLhs() == matmul.getResult() ? add.getRhs() : add.getLhs();
    auto broadcast = other.getDefiningOp<BroadcastOp>();
    if (!broadcast)
      return false;
    Value row = broadcast.getInput();
    if (auto expand = row.getDefiningOp<tensor::ExpandShapeOp>())
      row = expand.getSrc();
    return row.getDefiningOp<GetParameterOp>() != nullptr;
  });
}

class Packer {
public:
  explicit Packer(ModuleOp module) : module(module), symbols(module) {
    module.walk([&](GetParameterOp get) { ++reads[get.getParameter()]; });
  }

  void pack(func::FuncOp function) {
    const llvm::SetVector<Operation *> reaching = reachingLoss(function);
    llvm::MapVector<GroupKey, SmallVector<Projection>> groups;
    for (auto matmul : function.getBody().front().getOps<MatmulOp>())
      if (std::optional<Projection> projection =
              reaching.contains(matmul) ? match(matmul) : std::nullopt)
        groups[GroupKey{matmul.getLhs(), ownerOf(projection->get.getParameter()),
                        projection->parameter.getTrained()}]
            .push_back(*projection);
    for (auto &[key, group] : groups)
      if (group.size() > 1)
        rewrite(group);
  }

private:
  std::optional<Projection> match(MatmulOp matmul) {
    auto get = matmul.getRhs().getDefiningOp<GetParameterOp>();
    if (!get || !matmul.getTransposeRhs() || matmul.getTransposeLhs() || matmul.getWide() ||
        !get->hasOneUse() || reads.lookup(get.getParameter()) != 1 || hasBias(matmul))
      return std::nullopt;
    auto parameter = symbols.lookup<ParameterOp>(get.getParameter());
    auto type = cast<RankedTensorType>(parameter.getType());
    if (type.getRank() != 2 || parameter.getMaster() || isa<ArrayAttr>(parameter.getInit()) ||
        type.getNumElements() * kNarrowestElement % kAlignment != 0)
      return std::nullopt;
    return Projection{matmul, get, parameter};
  }

  void rewrite(MutableArrayRef<Projection> group) {
    Projection &first = group.front();
    MLIRContext *context = module.getContext();
    SmallVector<Attribute> parts;
    std::string name;
    int64_t rows = 0;
    for (Projection &each : group) {
      StringRef full = each.parameter.getSymName();
      name +=
          name.empty() ? full.str() : "+" + full.drop_front(ownerOf(full).size()).ltrim('.').str();
      parts.push_back(
          PartAttr::get(context, full, each.type().getDimSize(0), each.parameter.getInit()));
      rows += each.type().getDimSize(0);
    }
    OpBuilder b(first.parameter);
    auto type = first.type().clone({rows, first.type().getDimSize(1)});
    auto packed = ParameterOp::create(b, first.parameter.getLoc(), name, type,
                                      first.parameter.getTrained(), b.getArrayAttr(parts));
    symbols.insert(packed);

    b.setInsertionPoint(first.matmul);
    Value weights = GetParameterOp::create(b, first.get.getLoc(), type, packed.getSymName());
    Value product = MatmulOp::create(b, first.matmul.getLoc(), first.matmul.getLhs(), weights,
                                     /*transpose_lhs=*/false, /*transpose_rhs=*/true);
    int64_t column = 0;
    for (Projection &each : group) {
      auto resultType = cast<RankedTensorType>(each.matmul.getType());
      SmallVector<OpFoldResult> offsets(resultType.getRank(), b.getIndexAttr(0)), sizes,
          strides(resultType.getRank(), b.getIndexAttr(1));
      for (int64_t size : resultType.getShape())
        sizes.push_back(b.getIndexAttr(size));
      offsets.back() = b.getIndexAttr(column);
      column += resultType.getShape().back();
      Value part = tensor::ExtractSliceOp::create(b, each.matmul.getLoc(), resultType, product,
                                                  offsets, sizes, strides);
      each.matmul.replaceAllUsesWith(part);
    }
    for (Projection &each : group) {
      each.matmul.erase();
      each.get.erase();
      symbols.erase(each.parameter);
    }
  }

  ModuleOp module;
  SymbolTable symbols;
  llvm::StringMap<unsigned> reads;
};

struct PackProjections : bigmac::nn::impl::NNPackProjectionsBase<PackProjections> {
  void runOnOperation() override {
    Packer packer(getOperation());
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (llvm::hasSingleElement(function.getBody()))
        packer.pack(function);
  }
};

} // namespace
