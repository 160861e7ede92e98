//===- CompileCommand.h - The compiler's command line -----------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_BIGMAC_OPT_COMPILECOMMAND_H
#define BIGMAC_TOOLS_BIGMAC_OPT_COMPILECOMMAND_H

#include "mlir/IR/DialectRegistry.h"

namespace bigmac {

/// Whether the command line is the compiler's (a model, or an option of the compiler) rather than
/// mlir-opt's.
bool wantsCompiler(int argc, char **argv);

/// Runs the compiler. Returns the exit status.
int compileMain(int argc, char **argv, mlir::DialectRegistry &registry);

} // namespace bigmac

#endif // BIGMAC_TOOLS_BIGMAC_OPT_COMPILECOMMAND_H
