//===- OpCost.cpp - Analytic cost of tensor ops ----------------------------===//

#include "OpCost.h"

#include "bigmac/Support/ByteSize.h"
#include "dialects/NN/IR/NN.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

static double elements(Value value) {
  auto type = dyn_cast<ShapedType>(value.getType());
  return type ? static_cast<double>(type.getNumElements()) : 1.0;
}

/// Two products of [queries, keys, d] a query head.
static double attentionFlops(Value query, Value key, Value value) {
  RankedTensorType q = typeOf(query);
  double pairs = static_cast<double>(q.getDimSize(0)) * q.getDimSize(1) * q.getDimSize(2) *
                 typeOf(key).getDimSize(2);
  return 2.0 * pairs * (q.getDimSize(3) + typeOf(value).getDimSize(3));
}

double pipeline::flopsOf(Operation *op) {
  return llvm::TypeSwitch<Operation *, double>(op)
      .Case([](nn::MatmulOp matmul) {
        RankedTensorType lhs = typeOf(matmul.getLhs());
        double k = lhs.getDimSize(lhs.getRank() - (matmul.getTransposeLhs() ? 2 : 1));
        return 2.0 * k * elements(matmul.getResult());
      })
      .Case([](nn::ConvOp conv) {
        double outputChannels = typeOf(conv.getFilter()).getDimSize(0);
        return 2.0 * elements(conv.getResult()) * elements(conv.getFilter()) / outputChannels;
      })
      .Case([](nn::AttentionOp op) {
        return attentionFlops(op.getQuery(), op.getKey(), op.getValue());
      })
      .Case([](nn::AttentionBackwardOp op) {
        return 2.5 * attentionFlops(op.getQuery(), op.getKey(), op.getValue());
      })
      .Default([](Operation *other) {
        if (other->getNumResults() == 0 || other->hasTrait<OpTrait::ConstantLike>() ||
            isa<tensor::TensorDialect>(other->getDialect()))
          return 0.0;
        return elements(other->getResult(0));
      });
}

double pipeline::bytesOf(Operation *op) {
  if (isa<tensor::CollapseShapeOp, tensor::ExpandShapeOp, nn::GetParameterOp>(op) ||
      op->hasTrait<OpTrait::ConstantLike>())
    return 0;
  double bytes = 0;
  auto add = [&](Value value) {
    if (isa<ShapedType>(value.getType()))
      bytes += static_cast<double>(byteSize(value.getType()));
  };
  llvm::for_each(op->getOperands(), add);
  llvm::for_each(op->getResults(), add);
  // A lookup reads rows, not its table.
  if (auto embedding = dyn_cast<nn::EmbeddingOp>(op))
    bytes = 8.0 * elements(embedding.getResult());
  return bytes;
}

double pipeline::secondsOf(Operation *op) { return flopsOf(op) / 32e9 + bytesOf(op) / 8e9; }

double pipeline::secondsOf(Block &block) {
  double seconds = 0;
  for (Operation &op : block)
    seconds += secondsOf(&op);
  return seconds;
}
