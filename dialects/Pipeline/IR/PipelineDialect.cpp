//===- PipelineDialect.cpp - Dialect registration --------------------------===//

#include "dialects/Pipeline/IR/Pipeline.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace bigmac::pipeline;

#include "dialects/Pipeline/IR/PipelineDialect.cpp.inc"
#include "dialects/Pipeline/IR/PipelineEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Pipeline/IR/PipelineAttrs.cpp.inc"

void PipelineDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/Pipeline/IR/PipelineAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/Pipeline/IR/PipelineOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Placements
//===----------------------------------------------------------------------===//

Attribute PlacementAttr::parse(AsmParser &parser, Type) {
  bigmac::planning::RankPlacement placement;
  auto parseRange = [&]() -> ParseResult {
    llvm::SMLoc loc = parser.getCurrentLocation();
    StringRef name;
    uint32_t first = 0, last = 0;
    if (parser.parseKeyword(&name))
      return failure();
    std::optional<Component> component = symbolizeComponent(name);
    if (!component)
      return parser.emitError(loc, "expected llm, encoder or generator, found '") << name << "'";
    bigmac::planning::RankRange &range = *component == Component::llm       ? placement.llm
                                         : *component == Component::encoder ? placement.encoder
                                                                            : placement.generator;
    if (range.count)
      return parser.emitError(loc, "gives the ranks of '") << name << "' a second time";
    if (parser.parseInteger(first) || parser.parseKeyword("to") || parser.parseInteger(last))
      return failure();
    if (last < first || last == UINT32_MAX)
      return parser.emitError(loc, "expected the first and the last rank, found ")
             << first << " to " << last;
    range = {first, last - first + 1};
    return success();
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, parseRange))
    return {};
  return PlacementAttr::get(parser.getContext(), placement);
}

void PlacementAttr::print(AsmPrinter &printer) const {
  bigmac::planning::RankPlacement placement = toPlanning();
  const char *separator = "";
  printer << "<";
  for (Component component : {Component::encoder, Component::llm, Component::generator}) {
    bigmac::planning::RankRange range = placement.of(bigmac::pipeline::toPlanning(component));
    if (range.count == 0)
      continue;
    printer << separator << stringifyComponent(component) << " " << range.first << " to "
            << range.last();
    separator = ", ";
  }
  printer << ">";
}

namespace bigmac::pipeline {

planning::Component toPlanning(Component component) {
  static_assert(
      static_cast<int>(Component::llm) == static_cast<int>(planning::Component::Llm) &&
      static_cast<int>(Component::encoder) == static_cast<int>(planning::Component::Encoder) &&
      static_cast<int>(Component::generator) == static_cast<int>(planning::Component::Generator));
  return static_cast<planning::Component>(component);
}

planning::Phase toPlanning(Phase phase) {
  static_assert(static_cast<int>(Phase::forward) == static_cast<int>(planning::Phase::Forward) &&
                static_cast<int>(Phase::backward) == static_cast<int>(planning::Phase::Backward) &&
                static_cast<int>(Phase::weight_gradient) ==
                    static_cast<int>(planning::Phase::WeightGradient) &&
                static_cast<int>(Phase::forward_backward) ==
                    static_cast<int>(planning::Phase::ForwardBackward));
  return static_cast<planning::Phase>(phase);
}

} // namespace bigmac::pipeline
