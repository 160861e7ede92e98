//===- VJPInterface.h - Vector-Jacobian products of ops ---------*- C++ -*-===//

#ifndef BIGMAC_INTERFACES_VJPINTERFACE_H
#define BIGMAC_INTERFACES_VJPINTERFACE_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/OpDefinition.h"
#include "llvm/ADT/BitVector.h"

#include "bigmac/Interfaces/VJPInterface.h.inc"

#endif // BIGMAC_INTERFACES_VJPINTERFACE_H
