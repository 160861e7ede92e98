//===- OpTable.h - (op, since version) -> importer --------------*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_OPTABLE_H
#define BIGMAC_LIB_IMPORT_ONNX_OPTABLE_H

#include "NodeContext.h"

#include "llvm/ADT/StringMap.h"

#include <limits>

namespace bigmac::onnx {

/// Builds the ops of a node and sets its results, or emits an error.
using OpImporter = mlir::LogicalResult (*)(NodeContext &);

inline constexpr unsigned kAnyNumber = std::numeric_limits<unsigned>::max();

/// Models of opsets in between are taken.
inline constexpr int64_t kOldestOpset = 13, kNewestOpset = 28;

/// The ops of ONNX's own domain that can be imported.
class OpTable {
public:
  struct Entry {
    int64_t since;
    unsigned minInputs, maxInputs;
    OpImporter import;
  };

  /// `op` as it is defined from opset `since` on, with at least `minInputs` operands that are
  /// there and at most `maxInputs`.
  void add(llvm::StringRef op, int64_t since, unsigned minInputs, unsigned maxInputs,
           OpImporter import) {
    entries[op].push_back({since, minInputs, maxInputs, import});
  }

  /// The newest definition that is not newer than `opset`; null for none.
  const Entry *find(llvm::StringRef op, int64_t opset) const;

  /// All ops.
  static const OpTable &get();

private:
  llvm::StringMap<llvm::SmallVector<Entry, 1>> entries;
};

void registerOpsAToC(OpTable &table);
void registerOpsDToG(OpTable &table);
void registerOpsHToN(OpTable &table);
void registerOpsOToR(OpTable &table);
void registerOpsSToZ(OpTable &table);

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_OPTABLE_H
