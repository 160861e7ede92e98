//===- Passes.h - Passes of the rt dialect ----------------------*- C++ -*-===//

#ifndef BIGMAC_DIALECTS_RT_TRANSFORMS_PASSES_H
#define BIGMAC_DIALECTS_RT_TRANSFORMS_PASSES_H

#include "dialects/RT/IR/RT.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace bigmac::rt {
#define GEN_PASS_DECL
#include "dialects/RT/Transforms/Passes.h.inc"
#define GEN_PASS_REGISTRATION
#include "dialects/RT/Transforms/Passes.h.inc"
} // namespace bigmac::rt

#endif // BIGMAC_DIALECTS_RT_TRANSFORMS_PASSES_H
