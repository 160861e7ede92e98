//===- Combiner.cpp - How a reduction combines values ----------------------===//

#include "Combiner.h"

#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac;

std::optional<Combiner> bigmac::matchCombiner(linalg::GenericOp op, unsigned index) {
  Block &body = *op.getBody();
  Value old = body.getArgument(op.getNumDpsInputs() + index);
  Operation *last = body.getTerminator()->getOperand(index).getDefiningOp();
  if (!last || last->getNumOperands() != 2 || last->getBlock() != &body || !old.hasOneUse())
    return std::nullopt;
  unsigned side = last->getOperand(0) == old ? 1 : 0;
  if (last->getOperand(1 - side) != old)
    return std::nullopt;
  using arith::AtomicRMWKind;
  std::optional<AtomicRMWKind> kind =
      llvm::TypeSwitch<Operation *, std::optional<AtomicRMWKind>>(last)
          .Case([](arith::AddFOp) { return AtomicRMWKind::addf; })
          .Case([](arith::MulFOp) { return AtomicRMWKind::mulf; })
          .Case([](arith::MaximumFOp) { return AtomicRMWKind::maximumf; })
          .Case([](arith::MinimumFOp) { return AtomicRMWKind::minimumf; })
          .Case([](arith::MaxNumFOp) { return AtomicRMWKind::maxnumf; })
          .Case([](arith::AddIOp) { return AtomicRMWKind::addi; })
          .Case([](arith::MaxSIOp) { return AtomicRMWKind::maxs; })
          .Case([](arith::OrIOp) { return AtomicRMWKind::ori; })
          .Case([](arith::AndIOp) { return AtomicRMWKind::andi; })
          .Default([](Operation *) { return std::nullopt; });
  if (!kind)
    return std::nullopt;
  return Combiner{*kind, last->getOperand(side)};
}
