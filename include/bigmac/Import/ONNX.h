//===- ONNX.h - Import of ONNX models ---------------------------*- C++ -*-===//
//
// An ONNX graph with a scalar loss becomes a module of the import level: one public function
// `@main`, and one `nn.parameter` for each parameter. Every shape is static, everything that can be
// computed at compile time is a constant, and weights stay in their files.
//
// Supported are opsets 13 to 28 of ONNX's own domain, model-local functions, and external data.
// What is not is an error; all ops of a model that are not supported are listed at once.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_IMPORT_ONNX_H
#define BIGMAC_IMPORT_ONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <utility>
#include <vector>

namespace bigmac {

struct ONNXImportOptions {
  /// Sizes of symbolic dimensions of the graph's inputs, by name. A dimension without a name is
  /// called INPUT.INDEX.
  std::vector<std::pair<std::string, int64_t>> dims;

  /// Globs (`*`, `?`, `[a-z]`) over names of parameters that are not trained, and that are. Where
  /// both match a name the pattern with more literal characters decides. They win over everything
  /// that the model says.
  std::vector<std::string> freeze, train;

  /// The output that is the loss. Empty: the output named "loss", else the only scalar
  /// floating-point output.
  std::string lossName;

  /// Whether a graph without a loss is an error.
  bool requireLoss = true;
};

/// What became of an initializer, and why.
struct InitializerInfo {
  enum class Kind {
    Trained,  ///< an `nn.parameter trained`
    Frozen,   ///< an `nn.parameter` that is not trained
    Constant, ///< an `arith.constant`
    Unused,   ///< no output depends on it: it is not in the module
  };
  std::string name;
  mlir::RankedTensorType type;
  Kind kind;
  std::string reason;
};

/// Reads the model at `path`. Null after an error diagnostic. `initializers`, where given, receives
/// all initializers of the graph in their order.
///
/// A float initializer is trained, frozen or a constant by the first of these that says so:
///   1. `train` and `freeze`;
///   2. the model's metadata `bigmac.frozen`: names, one a line;
///   3. what PyTorch's exporter writes: `pkg.torch.export.graph_signature.InputSpec.kind` of the
///      initializer or of its value_info, or the graph's signature: PARAMETER is trained, BUFFER
///      is not, and in a model with such metadata an initializer without is a constant that the
///      exporter computed;
///   4. the name and the values: scalars, usual names of buffers (`inv_freq`, `running_mean`, ...)
///      and tensors that hold -inf are constants, everything else is trained.
/// What is not trained is a constant up to 64 MiB, beyond that a frozen parameter.
/// An initializer of integers or booleans is always a constant.
mlir::OwningOpRef<mlir::ModuleOp> importONNX(mlir::MLIRContext &context, llvm::StringRef path,
                                             const ONNXImportOptions &options = {},
                                             std::vector<InitializerInfo> *initializers = nullptr);

/// Prints which initializers are trained, frozen or constant, one a line, and the totals.
void printInitializers(llvm::ArrayRef<InitializerInfo> initializers, llvm::raw_ostream &os);

} // namespace bigmac

#endif // BIGMAC_IMPORT_ONNX_H
