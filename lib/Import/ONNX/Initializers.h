//===- Initializers.h - Parameters and constants of a model -----*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_INITIALIZERS_H
#define BIGMAC_LIB_IMPORT_ONNX_INITIALIZERS_H

#include "ExternalData.h"
#include "NodeContext.h"

#include "bigmac/Import/ONNX.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

namespace bigmac::onnx {

/// Decides what becomes of each initializer and makes the values.
class Initializers {
public:
  Initializers(mlir::ModuleOp module, llvm::StringRef path, const Model &model,
               const ONNXImportOptions &options);

  /// Checks the initializers and decides; `used` are the names that some node or output reads.
  mlir::LogicalResult classify(const llvm::StringSet<> &used);

  bool contains(llvm::StringRef name) const { return indices.count(name) != 0; }

  /// The value of an initializer, built at the builder's insertion point: `nn.get_parameter` of a
  /// parameter, which it declares, or a constant.
  mlir::FailureOr<ImportedValue> materialize(mlir::OpBuilder &builder, llvm::StringRef name);

  /// A constant of a tensor of any kind of storage, located at `loc`.
  mlir::FailureOr<mlir::Value> makeConstant(mlir::OpBuilder &builder, mlir::Location loc,
                                            const Tensor &tensor);

  llvm::ArrayRef<InitializerInfo> table() const { return infos; }

private:
  mlir::LogicalResult checkTensor(mlir::Location loc, const Tensor &tensor,
                                  mlir::RankedTensorType &type);
  /// Where the values are. False with a reason in `error`.
  bool locate(const Tensor &tensor, mlir::RankedTensorType type, ExternalData::Range &range,
              std::string &error);
  mlir::FailureOr<ExternalData::Range> locate(mlir::Location loc, const Tensor &tensor,
                                              mlir::RankedTensorType type);
  void readMetadata();
  mlir::LogicalResult applyPatterns();
  void decide(const Tensor &tensor, InitializerInfo &info);
  bool holdsMask(const Tensor &tensor, mlir::RankedTensorType type);
  mlir::LogicalResult checkNothingLost(const Tensor &tensor);
  mlir::Location locationOf(llvm::StringRef name);

  mlir::ModuleOp module;
  std::string path;
  const Model &model;
  const ONNXImportOptions &options;
  ExternalData external;
  std::vector<InitializerInfo> infos;
  llvm::StringMap<size_t> indices;
  llvm::StringMap<std::string> kinds; ///< PARAMETER, BUFFER, ..., by name
  llvm::StringMap<const ValueInfo *> valueInfos;
  llvm::StringSet<> frozen;
  llvm::StringSet<> declared;
};

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_INITIALIZERS_H
