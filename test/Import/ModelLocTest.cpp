// Node names and module paths survive what passes do to locations.
#include "bigmac/Support/ModelLoc.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace bigmac;

TEST(ModelLoc, KeepsNodeAndScope) {
  MLIRContext context;
  Location loc = makeModelLoc(&context, "node_linear", "model.layers.0");
  EXPECT_EQ(nodeNameOf(loc), "node_linear");
  EXPECT_EQ(scopeOf(loc), "model.layers.0");
  Location bare = makeModelLoc(&context, "x", "");
  EXPECT_EQ(nodeNameOf(bare), "x");
  EXPECT_EQ(scopeOf(bare), "");
  EXPECT_EQ(scopeOf(UnknownLoc::get(&context)), "");
}

TEST(ModelLoc, SeesThroughFusedAndCallSiteLocations) {
  MLIRContext context;
  Builder builder(&context);
  Location bare = makeModelLoc(&context, "x", "");
  Location first = makeModelLoc(&context, "a", "encoder");
  Location second = makeModelLoc(&context, "b", "llm");
  Location fused = builder.getFusedLoc({bare, first, second});
  EXPECT_EQ(nodeNameOf(fused), "x");
  EXPECT_EQ(scopeOf(fused), "encoder");
  Location marked = FusedLoc::get(&context, {second, fused}, builder.getStringAttr("pass"));
  EXPECT_EQ(scopeOf(marked), "llm");
  EXPECT_EQ(scopeOf(CallSiteLoc::get(bare, second)), "llm");
  EXPECT_EQ(scopeOf(CallSiteLoc::get(first, second)), "encoder");
}
