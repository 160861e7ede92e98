//===- Scopes.h - Which module a node comes from ----------------*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_SCOPES_H
#define BIGMAC_LIB_IMPORT_ONNX_SCOPES_H

#include <map>
#include <string>

namespace bigmac::onnx {

/// The path of the innermost module that a node comes from, such as "model.layers.0.mlp", from the
/// first of these that says it, else empty:
///   - `pkg.torch.onnx.name_scopes`: a Python list of module paths, the node's own name last;
///   - `namespace`: `path: class` pairs joined by '/', the node's own name last;
///   - a node name with slashes, as PyTorch's older exporter wrote ("/model/layers.0/mlp/MatMul").
std::string scopeOfNode(const std::map<std::string, std::string> &metadata,
                        const std::string &nodeName);

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_SCOPES_H
