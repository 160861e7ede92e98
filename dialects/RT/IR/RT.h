//===- RT.h - The rt dialect ------------------------------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_RT_IR_RT_H
#define BIGMAC_DIALECTS_RT_IR_RT_H

#include "dialects/Pipeline/IR/Pipeline.h"
#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"

#include "dialects/RT/IR/RTDialect.h.inc"

#define GET_OP_CLASSES
#include "dialects/RT/IR/RTOps.h.inc"

#endif // BIGMAC_DIALECTS_RT_IR_RT_H
