//===- ModelLoc.cpp - Names of the model's nodes in locations --------------===//

#include "bigmac/Support/ModelLoc.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/STLFunctionalExtras.h"

using namespace mlir;

Location bigmac::makeModelLoc(MLIRContext *context, StringRef nodeName, StringRef scopePath) {
  Location scope = UnknownLoc::get(context);
  if (!scopePath.empty())
    scope = NameLoc::get(StringAttr::get(context, scopePath));
  return NameLoc::get(StringAttr::get(context, nodeName), scope);
}

/// The first non-empty answer of `ask` for the name locations that `location` is made of.
static StringRef findFirst(Location location, llvm::function_ref<StringRef(NameLoc)> ask) {
  if (auto name = dyn_cast<NameLoc>(location))
    return ask(name);
  if (auto fused = dyn_cast<FusedLoc>(location)) {
    for (Location part : fused.getLocations())
      if (StringRef found = findFirst(part, ask); !found.empty())
        return found;
    return {};
  }
  if (auto call = dyn_cast<CallSiteLoc>(location)) {
    StringRef found = findFirst(call.getCallee(), ask);
    return found.empty() ? findFirst(call.getCaller(), ask) : found;
  }
  return {};
}

StringRef bigmac::scopeOf(Location location) {
  return findFirst(location, [](NameLoc name) -> StringRef {
    if (auto scope = dyn_cast<NameLoc>(name.getChildLoc()))
      return scope.getName();
    return {};
  });
}

StringRef bigmac::nodeNameOf(Location location) {
  return findFirst(location, [](NameLoc name) -> StringRef { return name.getName(); });
}
