//===- JsonFields.h - Checked reading of an object's members ----*- C++ -*-===//
//
// Private to the library. Keeps the first problem and reads on with harmless values, so that
// callers check once.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_JSONFIELDS_H
#define BIGMAC_LIB_PLANNING_JSONFIELDS_H

#include "JsonReader.h"

#include <initializer_list>

namespace bigmac::planning {

/// What went wrong first; empty while nothing has.
struct JsonProblem {
  std::string text;
};

/// The members of one object. `path` names it in messages; `problem` must outlive it.
class JsonFields {
public:
  JsonFields(const JsonValue &object, std::string path, JsonProblem &problem);

  /// Any other member is a problem.
  void allow(std::initializer_list<std::string_view> keys) const;
  bool has(std::string_view key) const { return value->find(key) != nullptr; }
  /// Required members. A number from `least` to `most`; an object.
  double number(std::string_view key, double least, double most) const;
  std::string text(std::string_view key) const;
  JsonFields object(std::string_view key) const;

private:
  const JsonValue *find(std::string_view key, JsonValue::Kind kind) const;
  void report(const std::string &text) const;

  const JsonValue *value;
  std::string path;
  JsonProblem *problem;
};

/// A whole file of at most `limit` bytes.
Result<std::string> readTextFile(const std::string &path, size_t limit);

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_JSONFIELDS_H
