//===- CostsJson.cpp - COSTS.json -----------------------------------------===//

#include "bigmac/Planning/CostsJson.h"
#include "JsonFields.h"
#include "Numbers.h"

#include <cmath>
#include <initializer_list>

namespace bigmac::planning {

namespace {

constexpr size_t maxFileBytes = 64u << 20;

class CostsReader {
public:
  CostsReader(std::string_view name) : name(name) {}

  Result<Costs> read(const JsonValue &root) {
    if (root.kind != JsonValue::Kind::Object)
      return fail("costs", "an object", root);
    keys("costs", root, {"llm", "encoder", "generator", "transfer", "activation_bytes"});
    Costs costs;
    if (const JsonValue *llm = required("costs", root, "llm"))
      readLlm(*llm, costs);
    costs.encoder = readPart(root, "encoder");
    costs.generator = readPart(root, "generator");
    if (const JsonValue *transfer = root.find("transfer"))
      costs.transfer = scalar("transfer", *transfer);
    if (const JsonValue *bytes = root.find("activation_bytes"))
      costs.activationBytes = readBytes(*bytes);
    if (!problem.empty())
      return Error{std::string(name) + ": " + problem};
    return costs;
  }

private:
  void report(const std::string &text) {
    if (problem.empty())
      problem = text;
  }

  Error fail(const std::string &path, const std::string &expected, const JsonValue &found) {
    report(path + " must be " + expected + ", found " + std::string(describeKind(found.kind)));
    return Error{std::string(name) + ": " + problem};
  }

  void keys(const std::string &path, const JsonValue &object,
            std::initializer_list<std::string_view> known) {
    for (const std::string &key : object.keys) {
      bool found = false;
      std::string list;
      for (std::string_view candidate : known) {
        found |= key == candidate;
        list += (list.empty() ? "" : ", ") + std::string(candidate);
      }
      if (!found)
        report("unknown key \"" + key + "\" in " + path + "; expected " + list);
    }
  }

  const JsonValue *required(const std::string &path, const JsonValue &object,
                            std::string_view key) {
    const JsonValue *value = object.find(key);
    if (!value)
      report(path + " has no \"" + std::string(key) + "\"");
    return value;
  }

  bool isObject(const std::string &path, const JsonValue &value) {
    if (value.kind == JsonValue::Kind::Object)
      return true;
    (void)fail(path, "an object", value);
    return false;
  }

  double checked(const std::string &path, double value) {
    if (value < 0)
      report(path + " must not be negative, found " + numberText(value));
    return value;
  }

  double scalar(const std::string &path, const JsonValue &value) {
    if (value.kind != JsonValue::Kind::Number)
      (void)fail(path, "a number", value);
    return checked(path, value.number);
  }

  PerIndex<double> figures(const std::string &path, const JsonValue &value) {
    if (value.kind == JsonValue::Kind::NumberArray && !value.numbers.empty()) {
      for (size_t i = 0; i < value.numbers.size(); ++i)
        checked(path, value.numbers[i]);
      return value.numbers;
    }
    if (value.kind != JsonValue::Kind::Number)
      (void)fail(path, "a number or a list of one or more numbers", value);
    return checked(path, value.number);
  }

  PerIndex<std::optional<double>> optionalFigures(const std::string &path, const JsonValue &value) {
    if (value.kind == JsonValue::Kind::Null)
      return std::optional<double>();
    if (value.kind != JsonValue::Kind::Array) {
      PerIndex<double> plain = figures(path, value);
      if (!plain.isList())
        return std::optional<double>(plain.at(0));
      return std::vector<std::optional<double>>(plain.stored().begin(), plain.stored().end());
    }
    std::vector<std::optional<double>> list;
    for (double number : value.numbers)
      list.push_back(std::isnan(number) ? std::nullopt
                                        : std::optional<double>(checked(path, number)));
    return list;
  }

  void readLlm(const JsonValue &llm, Costs &costs) {
    if (!isObject("llm", llm))
      return;
    keys("llm", llm, {"forward", "backward_input", "backward_weight"});
    if (const JsonValue *value = required("llm", llm, "forward"))
      costs.llmForward = figures("llm.forward", *value);
    if (const JsonValue *value = llm.find("backward_input"))
      costs.llmBackwardInput = optionalFigures("llm.backward_input", *value);
    else
      report("llm has no \"backward_input\"; write null where nothing at or before a stage is "
             "trained");
    if (const JsonValue *value = llm.find("backward_weight"))
      costs.llmBackwardWeight = figures("llm.backward_weight", *value);
    else
      report("llm has no \"backward_weight\"; write 0 where a stage is frozen");
  }

  std::optional<Costs::Part> readPart(const JsonValue &root, const std::string &key) {
    const JsonValue *value = root.find(key);
    if (!value || value->kind == JsonValue::Kind::Null || !isObject(key, *value))
      return std::nullopt;
    keys(key, *value, {"forward", "backward"});
    Costs::Part part;
    if (const JsonValue *forward = required(key, *value, "forward"))
      part.forward = figures(key + ".forward", *forward);
    if (const JsonValue *backward = value->find("backward");
        backward && backward->kind != JsonValue::Kind::Null)
      part.backward = figures(key + ".backward", *backward);
    return part;
  }

  PerIndex<uint64_t> byteFigures(const JsonValue &object, const std::string &key) {
    const JsonValue *value = object.find(key);
    if (!value)
      return uint64_t(0);
    std::string path = "activation_bytes." + key;
    PerIndex<double> plain = figures(path, *value);
    std::vector<uint64_t> list;
    for (double bytes : plain.stored()) {
      if (bytes != std::floor(bytes) || bytes > maxActivationBytes || bytes < 0) {
        report(path + " must be a whole number of bytes up to " +
               std::to_string(maxActivationBytes) + ", found " + numberText(bytes));
        return uint64_t(0);
      }
      list.push_back(static_cast<uint64_t>(bytes));
    }
    if (plain.isList())
      return list;
    return list.front();
  }

  uint64_t byteScalar(const JsonValue &object, const std::string &key) {
    PerIndex<uint64_t> bytes = byteFigures(object, key);
    if (bytes.isList())
      report("activation_bytes." + key + " must be a number, found a list");
    return bytes.at(0);
  }

  ActivationBytes readBytes(const JsonValue &value) {
    ActivationBytes bytes;
    if (!isObject("activation_bytes", value))
      return bytes;
    keys("activation_bytes", value, {"llm", "weight_gradient", "encoder", "generator"});
    bytes.llm = byteFigures(value, "llm");
    bytes.weightGradient = byteFigures(value, "weight_gradient");
    bytes.encoder = byteScalar(value, "encoder");
    bytes.generator = byteScalar(value, "generator");
    return bytes;
  }

  std::string_view name;
  std::string problem;
};

} // namespace

Result<Costs> parseCosts(std::string_view text, std::string_view name) {
  Result<JsonValue> root = readJson(text, name);
  if (!root)
    return root.error();
  return CostsReader(name).read(*root);
}

Result<Costs> readCostsFile(const std::string &path) {
  Result<std::string> text = readTextFile(path, maxFileBytes);
  if (!text)
    return text.error();
  return parseCosts(*text, path);
}

} // namespace bigmac::planning
