//===- OpTable.cpp - (op, since version) -> importer -----------------------===//

#include "OpTable.h"

using namespace bigmac::onnx;

const OpTable::Entry *OpTable::find(llvm::StringRef op, int64_t opset) const {
  auto it = entries.find(op);
  if (it == entries.end())
    return nullptr;
  const Entry *best = nullptr;
  for (const Entry &entry : it->second)
    if (entry.since <= opset && (!best || entry.since > best->since))
      best = &entry;
  return best;
}

const OpTable &OpTable::get() {
  static const OpTable table = [] {
    OpTable table;
    registerOpsAToC(table);
    registerOpsDToG(table);
    registerOpsHToN(table);
    registerOpsOToR(table);
    registerOpsSToZ(table);
    return table;
  }();
  return table;
}
