//===- JsonReader.cpp - A small tree from untrusted JSON ------------------===//

#include "JsonReader.h"

#include <nlohmann/json.hpp>

#include <cmath>
#include <limits>

namespace bigmac::planning {

namespace {

constexpr size_t maxDepth = 16;
constexpr size_t maxMembers = 1024;
constexpr size_t maxListLength = 1u << 22;
constexpr size_t maxKeyLength = 256;

/// For messages: what comes from the file must neither fill a terminal nor control it, nor be cut
/// or invalid UTF-8.
std::string shorten(const std::string &text, size_t most = 64) {
  std::string shown = text.substr(0, most);
  for (char &c : shown)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f)
      c = '?';
  return text.size() <= most ? shown : shown + "...";
}

/// Receives nlohmann's events; returning false ends the parse. That parser itself neither recurses
/// nor, with this interface, throws.
class TreeBuilder : public nlohmann::json_sax<nlohmann::json> {
public:
  JsonValue root;
  std::string problem;

  bool null() override {
    if (inList)
      return addToList(std::numeric_limits<double>::quiet_NaN());
    return place(JsonValue::Kind::Null) != nullptr;
  }
  bool boolean(bool) override { return place(JsonValue::Kind::Boolean) != nullptr; }
  bool number_integer(number_integer_t value) override {
    return number(static_cast<double>(value));
  }
  bool number_unsigned(number_unsigned_t value) override {
    return number(static_cast<double>(value));
  }
  bool number_float(number_float_t value, const string_t &text) override {
    if (!std::isfinite(value))
      return fail("the number " + shorten(text) + " is not finite");
    return number(value);
  }
  bool string(string_t &value) override {
    JsonValue *slot = place(JsonValue::Kind::String);
    if (slot)
      slot->string = shorten(value);
    return slot != nullptr;
  }
  bool binary(binary_t &) override { return fail("binary values are not JSON"); }

  bool start_object(size_t) override {
    JsonValue *slot = place(JsonValue::Kind::Object);
    if (!slot)
      return false;
    if (open.size() >= maxDepth)
      return fail("nested more than " + std::to_string(maxDepth) + " deep");
    open.push_back(slot);
    return true;
  }
  bool key(string_t &name) override {
    if (name.size() > maxKeyLength)
      return fail("a key has " + std::to_string(name.size()) + " bytes; at most " +
                  std::to_string(maxKeyLength) + " are read");
    for (char c : name)
      if (static_cast<unsigned char>(c) < 0x20)
        return fail("a key holds a control character");
    if (open.back()->find(name))
      return fail("the key \"" + shorten(name) + "\" is there twice in one object");
    if (open.back()->keys.size() >= maxMembers)
      return fail("an object with more than " + std::to_string(maxMembers) + " keys");
    open.back()->keys.push_back(name);
    open.back()->values.emplace_back();
    return true;
  }
  bool end_object() override {
    open.pop_back();
    return true;
  }
  bool start_array(size_t) override {
    if (inList)
      return fail("a list inside a list");
    list = place(JsonValue::Kind::NumberArray);
    inList = list != nullptr;
    return inList;
  }
  bool end_array() override {
    inList = false;
    return true;
  }
  bool parse_error(size_t, const std::string &, const nlohmann::detail::exception &error) override {
    std::string text = error.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..."
    size_t end = text.find("] ");
    return fail(shorten(end == std::string::npos ? text : text.substr(end + 2), 300));
  }

private:
  bool fail(std::string why) {
    if (problem.empty())
      problem = std::move(why);
    return false;
  }

  bool number(double value) {
    if (inList)
      return addToList(value);
    JsonValue *slot = place(JsonValue::Kind::Number);
    if (slot)
      slot->number = value;
    return slot != nullptr;
  }

  bool addToList(double value) {
    if (list->numbers.size() >= maxListLength)
      return fail("a list with more than " + std::to_string(maxListLength) + " values");
    list->numbers.push_back(value);
    if (std::isnan(value))
      list->kind = JsonValue::Kind::Array;
    return true;
  }

  /// Where the next value goes. Members of an object that is still open never move: only its newest
  /// one is filled.
  JsonValue *place(JsonValue::Kind kind) {
    if (inList) {
      fail("a list may hold numbers and nulls only, found " + std::string(describeKind(kind)));
      return nullptr;
    }
    JsonValue *slot = open.empty() ? &root : &open.back()->values.back();
    slot->kind = kind;
    return slot;
  }

  std::vector<JsonValue *> open;
  JsonValue *list = nullptr;
  bool inList = false;
};

} // namespace

const JsonValue *JsonValue::find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i] == key)
      return &values[i];
  return nullptr;
}

std::string_view describeKind(JsonValue::Kind kind) {
  switch (kind) {
  case JsonValue::Kind::Null:
    return "null";
  case JsonValue::Kind::Boolean:
    return "a boolean";
  case JsonValue::Kind::Number:
    return "a number";
  case JsonValue::Kind::String:
    return "a string";
  case JsonValue::Kind::Array:
    return "a list with nulls";
  case JsonValue::Kind::NumberArray:
    return "a list of numbers";
  case JsonValue::Kind::Object:
    return "an object";
  }
  return "?";
}

Result<JsonValue> readJson(std::string_view text, std::string_view name) {
  // The library takes a NUL for the end.
  if (size_t at = text.find('\0'); at != std::string_view::npos)
    return Error{std::string(name) + ": not valid JSON: a NUL byte at " + std::to_string(at)};
  TreeBuilder builder;
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder) && builder.problem.empty())
    return std::move(builder.root);
  return Error{std::string(name) + ": " +
               (builder.problem.empty() ? "not valid JSON" : builder.problem)};
}

} // namespace bigmac::planning
