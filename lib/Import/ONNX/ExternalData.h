//===- ExternalData.h - Tensors in files beside the model -------*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_EXTERNALDATA_H
#define BIGMAC_LIB_IMPORT_ONNX_EXTERNALDATA_H

#include "Model.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"

namespace bigmac::onnx {

/// The files beside a model that hold its tensors. A model must not name a file outside of its
/// folder: a location with `..`, an absolute one, and symbolic and hard links are refused.
class ExternalData {
public:
  /// A range of a file.
  struct Range {
    std::string path; ///< the model's folder as it was given, joined with the location
    const char *bytes = nullptr;
    uint64_t offset = 0, size = 0;
  };

  explicit ExternalData(llvm::StringRef modelPath);

  /// Where a tensor of `expected` bytes is. False with a reason in `error`.
  bool resolve(const Tensor &tensor, uint64_t expected, Range &range, std::string &error);

private:
  const MappedFile *open(llvm::StringRef location, std::string &error);

  std::string folder; ///< empty for the current one
  llvm::StringMap<std::unique_ptr<MappedFile>> files;
};

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_EXTERNALDATA_H
