//===- OpCost.cpp - Analytic cost of tensor ops ----------------------------===//

#include "OpCost.h"

#include "bigmac/Support/ByteSize.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;
using planning::DataType;
using planning::Work;
using planning::WorkKind;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static double elements(Value value) {
  auto type = dyn_cast<ShapedType>(value.getType());
  return type ? static_cast<double>(type.getNumElements()) : 1.0;
}

static double bytesOf(Value value) {
  return isa<ShapedType>(value.getType()) ? static_cast<double>(byteSize(value.getType())) : 0.0;
}

static DataType dataTypeOf(Value value) {
  Type type = getElementTypeOrSelf(value.getType());
  if (type.isF64())
    return DataType::F64;
  if (type.isF16())
    return DataType::F16;
  return type.isBF16() ? DataType::BF16 : DataType::F32;
}

/// Nothing runs: views, constants, names of parameters, the ends of functions.
static bool isFree(Operation *op) {
  return isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, tensor::EmptyOp, nn::GetParameterOp,
             bufferization::ToTensorOp, bufferization::MaterializeInDestinationOp>(op) ||
         op->hasTrait<OpTrait::ConstantLike>() || op->hasTrait<OpTrait::IsTerminator>();
}

/// One result element from few operand elements: code generation fuses it with its user.
static bool isElementwise(Operation *op) {
  return op->hasTrait<OpTrait::Elementwise>() ||
         isa<nn::BroadcastOp, nn::SigmoidOp, nn::SiluOp, nn::GeluOp, nn::GeluBackwardOp>(op);
}

static bool isReduction(Operation *op) { return isa<nn::ReduceSumOp, nn::ReduceMaxOp>(op); }

/// Whether a value exists in registers only.
static bool isFusedAway(Value value) {
  Operation *producer = value.getDefiningOp();
  if (!producer || !isElementwise(producer) || !value.hasOneUse())
    return false;
  Operation *user = *value.getUsers().begin();
  return isElementwise(user) || isReduction(user);
}

static bool isSplat(Value value) {
  DenseElementsAttr constant;
  return matchPattern(value, m_Constant(&constant)) && constant.isSplat();
}

/// Operands that are in memory, and results that go there.
static double movedBytes(Operation *op) {
  double bytes = 0;
  llvm::SmallPtrSet<Value, 8> read;
  for (Value operand : op->getOperands())
    if (read.insert(operand).second && !isSplat(operand) && !isFusedAway(operand))
      bytes += bytesOf(operand);
  for (Value result : op->getResults())
    if (!isFusedAway(result))
      bytes += bytesOf(result);
  return bytes;
}

static double elementwiseFlops(Operation *op) {
  if (isa<nn::BroadcastOp>(op))
    return 0;
  double n = elements(op->getResult(0));
  if (isa<nn::SigmoidOp>(op)) // negation, exp, sum, quotient
    return n * (kTranscendentalFlops + 3);
  if (isa<nn::SiluOp>(op)) // and a product
    return n * (kTranscendentalFlops + 4);
  if (auto gelu = dyn_cast<nn::GeluOp>(op)) // x/2 (1 + erf(x/√2)); tanh of x + c x³
    return n * (kTranscendentalFlops + (gelu.getTanh() ? 8 : 4));
  if (auto gelu = dyn_cast<nn::GeluBackwardOp>(op)) // Phi(x) + x phi(x); and, by tanh, du
    return gelu.getTanh() ? n * (kTranscendentalFlops + 17) : n * (2 * kTranscendentalFlops + 8);
  bool plain =
      isa<math::AbsFOp, math::AbsIOp, math::CopySignOp, math::FloorOp, math::CeilOp, math::RoundOp,
          math::RoundEvenOp, math::TruncOp, math::SqrtOp, math::RsqrtOp, math::FmaOp>(op);
  return n * (isa<math::MathDialect>(op->getDialect()) && !plain ? kTranscendentalFlops : 1);
}

/// Pairs of a query and a key that it sees, over all heads.
template <typename AttentionLike> static double attentionPairs(AttentionLike op) {
  RankedTensorType query = typeOf(op.getQuery());
  double queries = query.getDimSize(2), keys = typeOf(op.getKey()).getDimSize(2);
  double heads = static_cast<double>(query.getDimSize(0)) * query.getDimSize(1);
  if (!op.getCausal())
    return heads * queries * keys;
  // Query i sees the keys up to i + keys - queries: none where that is negative.
  double seeing = std::min(queries, keys);
  return heads * seeing * (2 * keys - seeing + 1) / 2;
}

template <typename AttentionLike>
static Work attentionWork(AttentionLike op, double keyProducts, double valueProducts) {
  double size = keyProducts * typeOf(op.getQuery()).getDimSize(3) +
                valueProducts * typeOf(op.getValue()).getDimSize(3);
  return {WorkKind::Attention, dataTypeOf(op.getQuery()), 2 * attentionPairs(op) * size,
          movedBytes(op)};
}

Work pipeline::workOf(Operation *op) {
  auto vector = [&](double flops, double bytes) {
    return Work{WorkKind::Vector, DataType::F32, flops, bytes};
  };
  if (isFree(op))
    return {};
  return llvm::TypeSwitch<Operation *, Work>(op)
      .Case([&](nn::MatmulOp matmul) {
        RankedTensorType lhs = typeOf(matmul.getLhs());
        double k = lhs.getDimSize(lhs.getRank() - (matmul.getTransposeLhs() ? 2 : 1));
        return Work{WorkKind::Product, dataTypeOf(matmul.getLhs()),
                    2 * k * elements(matmul.getResult()), movedBytes(op)};
      })
      .Case([&](nn::ConvOp conv) {
        double outputChannels = typeOf(conv.getFilter()).getDimSize(0);
        return Work{WorkKind::Product, dataTypeOf(conv.getInput()),
                    2 * elements(conv.getResult()) * elements(conv.getFilter()) / outputChannels,
                    movedBytes(op)};
      })
      .Case([&](nn::AttentionOp attention) { return attentionWork(attention, 1, 1); })
      // Scores again, and cotangents of query and key; of value and probabilities.
      .Case([&](nn::AttentionBackwardOp attention) { return attentionWork(attention, 3, 2); })
      // Maximum, difference, exp, sum, and a quotient or a difference.
      .Case<nn::SoftmaxOp, nn::LogSoftmaxOp>([&](auto softmax) {
        return vector(elements(softmax.getInput()) * (4 + kTranscendentalFlops), movedBytes(op));
      })
      // Mean (1), variance (3: the difference, its square, the sum), product with rstd; scale,
      // bias.
      .Case([&](nn::LayerNormOp norm) {
        double each = 5.0 + (norm.getScale() ? 1 : 0) + (norm.getBias() ? 1 : 0);
        return vector(elements(norm.getInput()) * each, movedBytes(op));
      })
      // xhat (2), two means (3), the result (4), and the scaled cotangent.
      .Case([&](nn::LayerNormBackwardOp norm) {
        return vector(elements(norm.getInput()) * (norm.getScale() ? 10 : 9), movedBytes(op));
      })
      .Case([&](nn::RMSNormOp norm) {
        return vector(elements(norm.getInput()) * (norm.getScale() ? 4 : 3), movedBytes(op));
      })
      .Case([&](nn::RMSNormBackwardOp norm) {
        return vector(elements(norm.getInput()) * (norm.getScale() ? 6 : 5), movedBytes(op));
      })
      // Lookups read rows, not their tables.
      .Case([&](nn::EmbeddingOp lookup) {
        return vector(0, 2 * bytesOf(lookup.getResult()) + bytesOf(lookup.getIds()));
      })
      .Case([&](nn::GatherElementsOp lookup) {
        return vector(0, 2 * bytesOf(lookup.getResult()) + bytesOf(lookup.getIndices()));
      })
      // The table is set to zero, and rows of it are read, added to and written.
      .Case<nn::EmbeddingBackwardOp, nn::GatherElementsBackwardOp>([&](auto lookup) {
        return vector(elements(lookup.getGrad()), movedBytes(op) + 2 * bytesOf(lookup.getGrad()));
      })
      // As the logarithm of a softmax, of which one element a row is written.
      .Case([&](nn::CrossEntropyOp loss) {
        return vector(elements(loss.getLogits()) * (3 + kTranscendentalFlops), movedBytes(op));
      })
      .Case([&](nn::CrossEntropyBackwardOp loss) {
        return vector(elements(loss.getLogits()) * (3 + kTranscendentalFlops), movedBytes(op));
      })
      .Case<nn::ReduceSumOp, nn::ReduceMaxOp, nn::ArgMaxOp>(
          [&](auto reduction) { return vector(elements(reduction.getInput()), movedBytes(op)); })
      // The part that is taken or put is copied; the rest stays where it is.
      .Case([&](tensor::ExtractSliceOp slice) { return vector(0, 2 * bytesOf(slice.getResult())); })
      .Case([&](tensor::InsertSliceOp slice) { return vector(0, 2 * bytesOf(slice.getSource())); })
      .Default([&](Operation *other) {
        bool computes = isElementwise(other) && other->getNumResults() != 0;
        return vector(computes ? elementwiseFlops(other) : 0, movedBytes(other));
      });
}

bool pipeline::isCheap(Operation *op, const planning::DeviceModel &device) {
  if (!isElementwise(op) || op->getNumResults() != 1)
    return false;
  const bool divides = isa<arith::DivFOp, arith::RemFOp>(op);
  const double flops =
      divides ? elements(op->getResult(0)) * kTranscendentalFlops : elementwiseFlops(op);
  return flops / (device.vectorFraction * device.vectorFlops) <=
         2 * bytesOf(op->getResult(0)) / (device.memoryFraction * device.memoryBandwidth);
}

double pipeline::secondsOf(Operation *op, const planning::DeviceModel &device) {
  Work work = workOf(op);
  // What is fused away starts no kernel of its own and waits for no memory.
  if (op->getNumResults() == 1 && isFusedAway(op->getResult(0))) {
    planning::DeviceModel fused = device;
    fused.launch = 0;
    return fused.secondsOf(work);
  }
  return device.secondsOf(work);
}

double pipeline::secondsOf(Block &block, const planning::DeviceModel &device) {
  double seconds = 0;
  for (Operation &op : block)
    seconds += secondsOf(&op, device);
  return seconds;
}

const planning::DeviceModel &pipeline::defaultDevice() {
  static const planning::DeviceModel device = *planning::findDevice("cpu");
  return device;
}
