//===- PipelineOrder.cpp - A rank's order of actions -----------------------===//

#include "PipelineOrder.h"

#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace bigmac;
using namespace bigmac::pipeline;

namespace {
struct Kind {
  StringRef name;
  int32_t code;
};
} // namespace

/// Longest names first, so that a prefix is not taken for the whole.
static constexpr Kind kKinds[] = {{"EF", 4}, {"EB", 5}, {"GF", 8}, {"GB", 9},
                                  {"G", 11}, {"F", 0},  {"B", 1},  {"W", 2}};

ParseResult bigmac::pipeline::parseActions(OpAsmParser &parser, DenseI32ArrayAttr &actions) {
  SmallVector<int32_t> packed;
  auto parseAction = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    std::string text;
    if (parser.parseString(&text))
      return failure();
    StringRef rest = text;
    const Kind *kind =
        llvm::find_if(kKinds, [&](const Kind &k) { return rest.starts_with(k.name); });
    if (kind == std::end(kKinds))
      return parser.emitError(loc, "expected an action such as \"F0.3\" or \"EF5\", found \"")
             << text << "\"";
    rest = rest.drop_front(kind->name.size());
    int32_t chunk = 0, microbatch = 0;
    bool llm = kind->code < 4;
    if ((llm && (rest.consumeInteger(10, chunk) || !rest.consume_front("."))) ||
        rest.consumeInteger(10, microbatch) || !rest.empty() || chunk < 0 || microbatch < 0)
      return parser.emitError(loc, "expected an action such as \"F0.3\" or \"EF5\", found \"")
             << text << "\"";
    packed.append({kind->code, chunk, microbatch});
    return success();
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square, parseAction))
    return failure();
  actions = parser.getBuilder().getDenseI32ArrayAttr(packed);
  return success();
}

void bigmac::pipeline::printActions(OpAsmPrinter &printer, Operation *, DenseI32ArrayAttr actions) {
  printer << "[";
  ArrayRef<int32_t> packed = actions.asArrayRef();
  for (size_t i = 0; i + 2 < packed.size(); i += 3) {
    const Kind *kind = llvm::find_if(kKinds, [&](const Kind &k) { return k.code == packed[i]; });
    printer << (i ? ", \"" : "\"") << kind->name;
    if (packed[i] < 4)
      printer << packed[i + 1] << ".";
    printer << packed[i + 2] << "\"";
  }
  printer << "]";
}

LogicalResult OrderOp::verify() {
  ArrayRef<int32_t> packed = getActions();
  if (packed.size() % 3)
    return emitOpError("expects triples of integers as its actions");
  for (size_t i = 0; i < packed.size(); i += 3)
    if (llvm::none_of(kKinds, [&](const Kind &k) { return k.code == packed[i]; }) ||
        packed[i + 1] < 0 || packed[i + 1] > UINT16_MAX || packed[i + 2] < 0)
      return emitOpError("has an action that does not exist at position ") << i / 3;
  return success();
}

SmallVector<int32_t> bigmac::pipeline::packActions(ArrayRef<planning::Action> actions) {
  SmallVector<int32_t> packed;
  packed.reserve(actions.size() * 3);
  for (const planning::Action &action : actions)
    packed.append({static_cast<int32_t>(action.component) * 4 + static_cast<int32_t>(action.phase),
                   action.chunk, static_cast<int32_t>(action.microbatch)});
  return packed;
}

std::vector<planning::Action>
bigmac::pipeline::unpackActions(ArrayRef<int32_t> packed,
                                const planning::RankPlacement &placement) {
  std::vector<planning::Action> actions;
  for (size_t i = 0; i + 2 < packed.size(); i += 3) {
    auto component = static_cast<planning::Component>(packed[i] / 4);
    auto phase = static_cast<planning::Phase>(packed[i] % 4);
    uint32_t microbatch = packed[i + 2];
    planning::RankRange range = placement.of(component);
    // An action of a component without ranks is no action of the program: the verifier says so.
    if (component == planning::Component::Llm)
      actions.push_back(planning::Action::llm(phase, packed[i + 1], microbatch));
    else if (range.count == 0)
      actions.push_back({component, phase, 0, microbatch, 0});
    else
      actions.push_back(planning::Action::ofMicrobatch(component, phase, microbatch, range));
  }
  return actions;
}
