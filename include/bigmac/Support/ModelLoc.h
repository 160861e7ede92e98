//===- ModelLoc.h - Names of the model's nodes in locations -----*- C++ -*-===//
//
// An op that comes from a model's node has the location
//
//   loc("node_linear"("model.layers.0.self_attn.q_proj"))
//
// a name location with the node's name whose child is a name location with the path of the module
// that the node comes from (absent where the model does not say). Passes keep it by giving the ops
// they make the location of the op they replace, or a fused location of several.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_SUPPORT_MODELLOC_H
#define BIGMAC_SUPPORT_MODELLOC_H

#include "mlir/IR/Location.h"
#include "llvm/ADT/StringRef.h"

namespace bigmac {

/// The location of node `nodeName` in module `scopePath` (may be empty).
mlir::Location makeModelLoc(mlir::MLIRContext *context, llvm::StringRef nodeName,
                            llvm::StringRef scopePath);

/// The module path of a location, empty where it has none. Of a fused or call-site location: the
/// first one that has any.
llvm::StringRef scopeOf(mlir::Location location);

/// The node name of a location, empty where it has none; of a fused or call-site location the
/// first.
llvm::StringRef nodeNameOf(mlir::Location location);

} // namespace bigmac

#endif // BIGMAC_SUPPORT_MODELLOC_H
