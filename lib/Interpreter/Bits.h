//===- Bits.h - Elements as bit patterns -----------------------------------===//

#ifndef BIGMAC_LIB_INTERPRETER_BITS_H
#define BIGMAC_LIB_INTERPRETER_BITS_H

#include "mlir/IR/BuiltinTypes.h"

namespace bigmac::interpreter {

/// The bits of `value` rounded to float type `type`.
uint64_t floatToBits(double value, mlir::Type type);
double floatFromBits(uint64_t bits, mlir::Type type);

/// Bytes of one element in memory: 1 for i1.
unsigned elementBytes(mlir::Type type);

} // namespace bigmac::interpreter

#endif // BIGMAC_LIB_INTERPRETER_BITS_H
