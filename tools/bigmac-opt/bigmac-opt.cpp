//===- bigmac-opt.cpp - The compiler driver --------------------------------===//
//
// Two tools in one: the compiler (a model in, IR of a level or a training executable out), and
// mlir-opt for BigMac's dialects and passes, when a pass or one of mlir-opt's modes is asked for.
//
//===----------------------------------------------------------------------===//

#include "CompileCommand.h"
#include "Registration.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/InitLLVM.h"

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  mlir::DialectRegistry registry;
  bigmac::registerEverything(registry);
  if (bigmac::wantsCompiler(argc, argv))
    return bigmac::compileMain(argc, argv, registry);
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "BigMac's dialects and passes, as in mlir-opt\n", registry));
}
