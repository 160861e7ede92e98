//===- Registration.h - Dialects and passes of the driver -------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_OPT_REGISTRATION_H
#define BIGMAC_TOOLS_BIGMAC_OPT_REGISTRATION_H

#include "mlir/IR/DialectRegistry.h"

namespace bigmac {
/// What BigMac's levels use, and no more: unused dialects cost start-up time.
void registerEverything(mlir::DialectRegistry &registry);
} // namespace bigmac

#endif // BIGMAC_TOOLS_BIGMAC_OPT_REGISTRATION_H
