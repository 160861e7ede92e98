//===- Functions.h - Model-local functions ----------------------*- C++ -*-===//

#ifndef BIGMAC_LIB_IMPORT_ONNX_FUNCTIONS_H
#define BIGMAC_LIB_IMPORT_ONNX_FUNCTIONS_H

#include "Model.h"

namespace bigmac::onnx {

/// Replaces every node that calls a function of the model by the function's nodes, recursively,
/// and drops nodes on which no output of the graph depends. Nodes keep their order. False with a
/// reason in `error` for functions that call themselves or that expand to too many nodes.
bool inlineFunctions(Model &model, std::string &error);

/// Drops the nodes on which no output depends.
void dropDeadNodes(Graph &graph);

} // namespace bigmac::onnx

#endif // BIGMAC_LIB_IMPORT_ONNX_FUNCTIONS_H
