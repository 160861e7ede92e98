//===- RTDialect.cpp - Registration and verifiers --------------------------===//

#include "dialects/RT/IR/RT.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::rt;

#include "dialects/RT/IR/RTDialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/RT/IR/RTOps.cpp.inc"

void RTDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/RT/IR/RTOps.cpp.inc"
      >();
}

LogicalResult ClassOp::verify() {
  size_t members = getMembers().size();
  size_t trained = getTrained() ? members : 0;
  if (members == 0 || getParams().size() != members || getGrads().size() != trained ||
      getFirst().size() != trained || getSecond().size() != trained)
    return emitOpError("expects one offset a member: params, and for a trained class grads, first "
                       "and second");
  return success();
}
