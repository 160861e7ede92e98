//===- JsonReader.h - A small tree from untrusted JSON ----------*- C++ -*-===//
//
// Private to the library. Nesting, the number of values and the length of names are limited while
// reading, so that no input takes more memory than a small multiple of its size; a key that is
// twice in an object is an error.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_JSONREADER_H
#define BIGMAC_LIB_PLANNING_JSONREADER_H

#include "bigmac/Planning/Result.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bigmac::planning {

struct JsonValue {
  enum class Kind : uint8_t { Null, Boolean, Number, String, Array, NumberArray, Object };

  Kind kind = Kind::Null;
  double number = 0;
  std::string string;
  /// Array: numbers and nulls only (a null is a NaN, which no JSON number is). NumberArray has no
  /// null.
  std::vector<double> numbers;
  /// Object: members as written.
  std::vector<std::string> keys;
  std::vector<JsonValue> values;

  const JsonValue *find(std::string_view key) const;
};

/// "a number", "null", "a list", ...
std::string_view describeKind(JsonValue::Kind kind);

/// Reads objects, nested up to 16 deep, lists of numbers and nulls, numbers, strings, booleans and
/// null. `name` says in messages where the text came from.
Result<JsonValue> readJson(std::string_view text, std::string_view name);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_JSONREADER_H
