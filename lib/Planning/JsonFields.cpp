//===- JsonFields.cpp - Checked reading of an object's members ------------===//

#include "JsonFields.h"

#include <algorithm>
#include <cstdio>
#include <memory>

namespace bigmac::planning {

static std::string shown(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

JsonFields::JsonFields(const JsonValue &object, std::string path, JsonProblem &problem)
    : value(&object), path(std::move(path)), problem(&problem) {
  if (object.kind != JsonValue::Kind::Object)
    report(this->path + " must be an object, found " + std::string(describeKind(object.kind)));
}

void JsonFields::report(const std::string &text) const {
  if (problem->text.empty())
    problem->text = text;
}

void JsonFields::allow(std::initializer_list<std::string_view> keys) const {
  for (const std::string &key : value->keys) {
    if (std::ranges::find(keys, key) != keys.end())
      continue;
    std::string list;
    for (std::string_view known : keys)
      list += std::string(list.empty() ? "" : ", ") + std::string(known);
    return report("unknown key \"" + key + "\" in " + path + "; expected " + list);
  }
}

const JsonValue *JsonFields::find(std::string_view key, JsonValue::Kind kind) const {
  const JsonValue *member = value->find(key);
  if (!member)
    report(path + " has no \"" + std::string(key) + "\"");
  else if (member->kind != kind)
    report(path + "." + std::string(key) + " must be " + std::string(describeKind(kind)) +
           ", found " + std::string(describeKind(member->kind)));
  return member && member->kind == kind ? member : nullptr;
}

double JsonFields::number(std::string_view key, double least, double most) const {
  const JsonValue *member = find(key, JsonValue::Kind::Number);
  if (!member)
    return least;
  if (member->number >= least && member->number <= most)
    return member->number;
  report(path + "." + std::string(key) + " must be from " + shown(least) + " to " + shown(most) +
         ", found " + shown(member->number));
  return least;
}

std::string JsonFields::text(std::string_view key) const {
  const JsonValue *member = find(key, JsonValue::Kind::String);
  return member ? member->string : std::string();
}

JsonFields JsonFields::object(std::string_view key) const {
  static const JsonValue empty = [] {
    JsonValue value;
    value.kind = JsonValue::Kind::Object;
    return value;
  }();
  const JsonValue *member = find(key, JsonValue::Kind::Object);
  return JsonFields(member ? *member : empty, path + "." + std::string(key), *problem);
}

Result<std::string> readTextFile(const std::string &path, size_t limit) {
  std::unique_ptr<std::FILE, int (*)(std::FILE *)> file(std::fopen(path.c_str(), "rb"),
                                                        &std::fclose);
  if (!file)
    return Error{path + ": cannot be opened for reading"};
  std::string text;
  char buffer[1 << 16];
  while (size_t count = std::fread(buffer, 1, sizeof buffer, file.get())) {
    text.append(buffer, count);
    if (text.size() > limit)
      return Error{path + ": larger than the " + std::to_string(limit) +
                   " bytes that such a file may have"};
  }
  if (std::ferror(file.get()))
    return Error{path + ": cannot be read"};
  return text;
}

} // namespace bigmac::planning
