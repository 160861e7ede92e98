//===- Classification.cpp - What is trained --------------------------------===//
//
// The rule is documented at importONNX.
//
//===----------------------------------------------------------------------===//

#include "Initializers.h"

#include "llvm/Support/GlobPattern.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <cstring>
#include <optional>

using namespace mlir;
using namespace bigmac;
using namespace bigmac::onnx;

using Kind = InitializerInfo::Kind;

static constexpr char kFrozenKey[] = "bigmac.frozen";
static constexpr char kSpecKindKey[] = "pkg.torch.export.graph_signature.InputSpec.kind";
static constexpr char kSignatureKey[] = "pkg.torch.export.ExportedProgram.graph_signature";
static constexpr char kFoldedFromKey[] = "pkg.onnxscript.optimizer.folded_from";

/// Larger values that are not trained are mapped like weights.
static constexpr int64_t kMaxConstantBytes = int64_t(64) << 20;

static int64_t bytesOf(RankedTensorType type) {
  return type.getNumElements() * ((type.getElementTypeBitWidth() + 7) / 8);
}

/// Reads lines like `p_weight: PARAMETER target='lin.weight'` of an exported program's signature.
static void readSignature(StringRef text, llvm::StringMap<std::string> &kinds) {
  SmallVector<StringRef> lines;
  text.split(lines, '\n');
  for (StringRef line : lines) {
    auto [kind, rest] = line.split(": ").second.split(" target='");
    StringRef target = rest.split('\'').first;
    if (!target.empty() && (kind == "PARAMETER" || kind == "BUFFER" || kind == "CONSTANT_TENSOR"))
      kinds.try_emplace(target, kind.str());
  }
}

void Initializers::readMetadata() {
  if (auto it = model.graph.metadata.find(kSignatureKey); it != model.graph.metadata.end())
    readSignature(it->second, kinds);
  auto note = [&](StringRef name, const std::map<std::string, std::string> &metadata) {
    if (auto it = metadata.find(kSpecKindKey); it != metadata.end())
      kinds[name] = it->second;
  };
  for (const ValueInfo &info : model.graph.values) {
    valueInfos[info.name] = &info;
    note(info.name, info.metadata);
  }
  for (const Tensor &tensor : model.graph.initializers)
    note(tensor.name, tensor.metadata);
  if (auto it = model.metadata.find(kFrozenKey); it != model.metadata.end()) {
    SmallVector<StringRef> names;
    StringRef(it->second).split(names, '\n', -1, /*KeepEmpty=*/false);
    for (StringRef name : names)
      frozen.insert(name);
  }
}

/// The names in a Python list like "['a.weight', 'b']" that `isName` knows.
static std::optional<std::string> findQuoted(StringRef text,
                                             llvm::function_ref<bool(StringRef)> isName) {
  SmallVector<StringRef> parts;
  text.split(parts, '\'');
  for (StringRef part : parts)
    if (isName(part))
      return part.str();
  return std::nullopt;
}

/// A constant that the exporter computed from a parameter cannot stand for it: training would
/// change the constant, not the parameter, which nobody would find under its name.
LogicalResult Initializers::checkNothingLost(const Tensor &tensor) {
  auto isParameter = [&](StringRef name) { return kinds.lookup(name) == "PARAMETER"; };
  std::optional<std::string> source;
  if (auto it = tensor.metadata.find(kFoldedFromKey); it != tensor.metadata.end())
    source = findQuoted(it->second, isParameter);
  if (const ValueInfo *info = valueInfos.lookup(tensor.name); info && !source)
    if (auto it = info->metadata.find(kFoldedFromKey); it != info->metadata.end())
      source = findQuoted(it->second, isParameter);
  if (!source)
    return success();
  return emitError(locationOf(tensor.name))
         << "constant '" << tensor.name << "' was computed from parameter '" << *source
         << "' when the model was exported, so the parameter cannot be trained: export with "
            "optimize=False, or as examples/bigmac_export.py does";
}

/// Whether values are those of an attention mask: -inf, or about the lowest number of a type. Looks
/// at both ends only, so that the weights of a large model are not read from the disk.
bool Initializers::holdsMask(const Tensor &tensor, RankedTensorType type) {
  constexpr uint64_t kLookedAt = 16384;
  if (tensor.type != DataType::Float || bytesOf(type) > kMaxConstantBytes)
    return false;
  // A tensor that cannot be read is an error where its values are needed.
  ExternalData::Range range;
  std::string error;
  if (!locate(tensor, type, range, error))
    return false;
  for (uint64_t i = 0; i + sizeof(float) <= range.size; i += sizeof(float)) {
    if (i == kLookedAt && range.size > 2 * kLookedAt)
      i = range.size - kLookedAt;
    float value;
    std::memcpy(&value, range.bytes + i, sizeof(float));
    if (value < -1e30f)
      return true;
  }
  return false;
}

static bool isBufferName(StringRef name) {
  for (StringRef part : {"inv_freq", "freqs", "running_mean", "running_var", "lifted_tensor",
                         "tensor_constant", "scalar_tensor", "position_ids", "causal_mask",
                         "attn_mask", "attention_mask", "cos_cached", "sin_cached"})
    if (name.contains(part))
      return true;
  return name.starts_with("val_") || name.contains("Constant");
}

/// Rules 2 to 4.
void Initializers::decide(const Tensor &tensor, InitializerInfo &info) {
  auto decided = [&](bool trained, StringRef reason) {
    info.kind = trained ? Kind::Trained : Kind::Constant;
    info.reason = reason.str();
  };
  if (!isa<FloatType>(info.type.getElementType()))
    return decided(false, "not floating-point");
  if (frozen.contains(tensor.name)) {
    info.kind = Kind::Frozen;
    info.reason = "the model's metadata (bigmac.frozen)";
    return;
  }
  if (!kinds.empty()) {
    auto it = kinds.find(tensor.name);
    if (it == kinds.end())
      return decided(false, "computed by the exporter");
    if (it->second == "PARAMETER")
      return decided(true, "the model's metadata (a parameter)");
    return decided(false, "the model's metadata (a buffer)");
  }
  if (info.type.getRank() == 0)
    return decided(false, "a scalar");
  if (isBufferName(tensor.name))
    return decided(false, "named like a buffer");
  if (holdsMask(tensor, info.type))
    return decided(false, "holds the values of a mask");
  decided(true, "a floating-point initializer");
}

namespace {

struct NamePattern {
  StringRef text;
  llvm::GlobPattern glob;
  size_t literals = 0;
  bool trains = false, matched = false;
};

} // namespace

static LogicalResult compile(Location loc, ArrayRef<std::string> texts, bool trains,
                             SmallVectorImpl<NamePattern> &patterns) {
  for (StringRef text : texts) {
    llvm::Expected<llvm::GlobPattern> glob = llvm::GlobPattern::create(text);
    if (!glob)
      return emitError(loc) << (trains ? "--train" : "--freeze") << " '" << text
                            << "' is no pattern: " << llvm::toString(glob.takeError());
    size_t literals = llvm::count_if(text, [](char c) { return c != '*' && c != '?'; });
    patterns.push_back({text, std::move(*glob), literals, trains, false});
  }
  return success();
}

/// Rule 1.
LogicalResult Initializers::applyPatterns() {
  SmallVector<NamePattern> patterns;
  Location loc = module.getLoc();
  if (failed(compile(loc, options.freeze, false, patterns)) ||
      failed(compile(loc, options.train, true, patterns)))
    return failure();
  for (auto [info, tensor] : llvm::zip_equal(infos, model.graph.initializers)) {
    bool isFloat = isa<FloatType>(info.type.getElementType());
    const NamePattern *best = nullptr;
    for (NamePattern &pattern : patterns) {
      if (!isFloat || !pattern.glob.match(info.name))
        continue;
      pattern.matched = true;
      if (best && best->trains != pattern.trains && best->literals == pattern.literals)
        return emitError(locationOf(info.name))
               << "'" << info.name << "' is matched by --freeze and --train patterns of the same "
               << "precision, '" << best->text << "' and '" << pattern.text << "'";
      if (!best || pattern.literals > best->literals)
        best = &pattern;
    }
    if (!best)
      continue;
    // A buffer or a constant that is frozen explicitly stays one.
    if (best->trains)
      info.kind = Kind::Trained;
    else if (info.kind == Kind::Trained)
      info.kind = Kind::Frozen;
    info.reason = ((best->trains ? "--train " : "--freeze ") + best->text).str();
  }
  for (const NamePattern &pattern : patterns)
    if (!pattern.matched)
      return emitError(loc) << (pattern.trains ? "--train" : "--freeze") << " '" << pattern.text
                            << "' matches no floating-point initializer of the model";
  return success();
}

LogicalResult Initializers::classify(const llvm::StringSet<> &used) {
  readMetadata();
  for (auto [index, tensor] : llvm::enumerate(model.graph.initializers)) {
    if (tensor.name.empty())
      return emitError(module.getLoc()) << "initializer " << index << " has no name";
    if (!indices.try_emplace(tensor.name, index).second)
      return emitError(locationOf(tensor.name))
             << "there are two initializers named '" << tensor.name << "'";
    InitializerInfo info;
    info.name = tensor.name;
    if (failed(checkTensor(locationOf(tensor.name), tensor, info.type)))
      return failure();
    decide(tensor, info);
    infos.push_back(std::move(info));
  }
  if (failed(applyPatterns()))
    return failure();
  for (auto [info, tensor] : llvm::zip_equal(infos, model.graph.initializers)) {
    if (!used.contains(info.name)) {
      info.kind = Kind::Unused;
      info.reason = "no output depends on it";
    } else if (info.kind == Kind::Constant) {
      if (failed(checkNothingLost(tensor)))
        return failure();
      if (isa<FloatType>(info.type.getElementType()) && bytesOf(info.type) > kMaxConstantBytes)
        info.kind = Kind::Frozen;
    }
    bool isParameter = info.kind == Kind::Trained || info.kind == Kind::Frozen;
    if (isParameter && info.name == "main")
      return emitError(locationOf(info.name)) << "a parameter is named 'main', which is the name "
                                                 "of the compiled function: rename it";
  }
  return success();
}

void bigmac::printInitializers(ArrayRef<InitializerInfo> initializers, llvm::raw_ostream &os) {
  static constexpr StringLiteral names[] = {"trained", "frozen", "constant", "unused"};
  int64_t count[4] = {}, elements[4] = {};
  size_t width = 0;
  for (const InitializerInfo &info : initializers)
    width = std::max(width, info.name.size());
  width = std::min<size_t>(width, 80);
  for (const InitializerInfo &info : initializers) {
    auto kind = static_cast<size_t>(info.kind);
    ++count[kind];
    elements[kind] += info.type.getNumElements();
    std::string type;
    llvm::raw_string_ostream(type) << info.type;
    os << llvm::left_justify(names[kind], 8) << "  " << llvm::left_justify(info.name, width) << "  "
       << type << "  (" << info.reason << ")\n";
  }
  for (size_t kind = 0; kind < 4; ++kind)
    if (count[kind])
      os << names[kind] << ": " << count[kind] << " tensors, " << elements[kind] << " elements\n";
}
