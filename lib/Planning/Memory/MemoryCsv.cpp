//===- MemoryCsv.cpp - Lifetimes and offsets as CSV -----------------------===//

#include "bigmac/Planning/MemoryCsv.h"
#include "../JsonFields.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <unordered_map>

namespace bigmac::planning {

namespace {

constexpr size_t maxFileBytes = 64u << 20;
/// Of one field in an error message.
constexpr size_t maxShown = 40;
constexpr uint64_t maxNumber = uint64_t(1) << 62;

enum Column : size_t { Id, Lower, Upper, Size, Alignment, Hint, Gaps, Offset, ColumnCount };

struct Name {
  std::string_view text;
  Column column;
};
constexpr std::array<Name, 13> names = {{{"id", Id},
                                         {"buffer", Id},
                                         {"buffer_id", Id},
                                         {"lower", Lower},
                                         {"start", Lower},
                                         {"begin", Lower},
                                         {"upper", Upper},
                                         {"end", Upper},
                                         {"size", Size},
                                         {"alignment", Alignment},
                                         {"hint", Hint},
                                         {"gaps", Gaps},
                                         {"offset", Offset}}};
constexpr std::string_view expectedColumns =
    "id, lower, upper (or end, the last instant), size, and optionally alignment, hint, gaps, "
    "offset";

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
    text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
    text.remove_suffix(1);
  return text;
}

/// As much of a field as belongs into a message, in quotes.
std::string shown(std::string_view field) {
  std::string text;
  for (char c : field.substr(0, maxShown))
    text += std::isprint(static_cast<unsigned char>(c)) ? c : '?';
  return "'" + text + (field.size() > maxShown ? "...'" : "'");
}

class Reader {
public:
  Reader(std::string_view text, const std::string &source) : rest(text), source(source) {}

  Result<MemoryTable> read();

private:
  bool nextLine();
  void split(std::string_view line);
  Status readHeader();
  Status readBuffer();
  Status number(Column column, std::string_view what, uint64_t &value) const;
  Error error(const std::string &message) const {
    return Error{source + ":" + std::to_string(lineNumber) + ": " + message};
  }

  std::string_view rest;
  const std::string &source;
  std::string_view line;
  size_t lineNumber = 0;
  std::vector<std::string_view> fields;
  /// By column: its place in a line, if it is there.
  std::array<std::optional<size_t>, ColumnCount> places;
  size_t fieldCount = 0;
  /// Lifetimes are closed.
  bool closed = false;
  std::unordered_map<std::string, size_t> lineOfId;
  MemoryTable table;
};

bool Reader::nextLine() {
  if (rest.empty())
    return false;
  size_t end = rest.find('\n');
  line = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  if (!line.empty() && line.back() == '\r')
    line.remove_suffix(1);
  ++lineNumber;
  return true;
}

void Reader::split(std::string_view text) {
  fields.clear();
  while (true) {
    size_t comma = text.find(',');
    fields.push_back(trim(text.substr(0, comma)));
    if (comma == std::string_view::npos)
      return;
    text.remove_prefix(comma + 1);
  }
}

Status Reader::readHeader() {
  if (!nextLine() || trim(line).empty()) {
    lineNumber = 1;
    return error("expected a line of column names, found nothing; the columns are " +
                 std::string(expectedColumns));
  }
  if (line.starts_with("\xef\xbb\xbf"))
    line.remove_prefix(3);
  split(line);
  for (size_t i = 0; i < fields.size(); ++i) {
    const Name *known = nullptr;
    for (const Name &name : names)
      if (name.text == fields[i])
        known = &name;
    if (!known)
      return error("unknown column " + shown(fields[i]) + "; the columns are " +
                   std::string(expectedColumns));
    if (places[known->column])
      return error("column " + shown(fields[i]) + " says the same as column " +
                   std::to_string(*places[known->column] + 1));
    places[known->column] = i;
    closed = closed || fields[i] == "end";
  }
  for (Column column : {Id, Lower, Upper, Size})
    if (!places[column]) {
      auto name = std::find_if(names.begin(), names.end(),
                               [&](const Name &name) { return name.column == column; });
      return error("there is no column " + shown(name->text) + "; the columns are " +
                   std::string(expectedColumns));
    }
  fieldCount = fields.size();
  if (places[Offset])
    table.offsets.emplace();
  table.lines.emplace_back(line);
  return Status::success();
}

Status Reader::number(Column column, std::string_view what, uint64_t &value) const {
  std::string_view field = fields[*places[column]];
  auto [end, code] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (code != std::errc() || end != field.data() + field.size() || value > maxNumber)
    return error(std::string(what) + ": expected a whole number from 0 to " +
                 std::to_string(maxNumber) + ", found " + shown(field));
  return Status::success();
}

Status Reader::readBuffer() {
  split(line);
  if (fields.size() != fieldCount)
    return error("expected " + std::to_string(fieldCount) +
                 " fields, as the first line has, found " + std::to_string(fields.size()));
  std::string_view id = fields[*places[Id]];
  if (id.empty())
    return error("the id is empty");
  auto [entry, isNew] = lineOfId.emplace(id, lineNumber);
  if (!isNew)
    return error("id " + shown(id) + " is also that of line " + std::to_string(entry->second));
  Buffer buffer;
  buffer.alignment = 1;
  if (Status status = number(Lower, "the start", buffer.lower); !status)
    return status;
  if (Status status = number(Upper, "the end", buffer.upper); !status)
    return status;
  if (Status status = number(Size, "the size", buffer.size); !status)
    return status;
  if (closed)
    ++buffer.upper;
  if (buffer.upper < buffer.lower)
    return error("the lifetime ends at " + std::string(fields[*places[Upper]]) +
                 ", before it starts at " + std::to_string(buffer.lower));
  if (places[Alignment]) {
    if (Status status = number(Alignment, "the alignment", buffer.alignment); !status)
      return status;
    if (buffer.alignment == 0 || (buffer.alignment & (buffer.alignment - 1)) != 0)
      return error("the alignment: expected a power of two, found " +
                   shown(fields[*places[Alignment]]));
  }
  if (places[Gaps] && !fields[*places[Gaps]].empty())
    return error("gaps are not supported, found " + shown(fields[*places[Gaps]]) +
                 "; write a buffer for each interval, or leave the column empty");
  if (table.offsets) {
    uint64_t offset = 0;
    if (Status status = number(Offset, "the offset", offset); !status)
      return status;
    table.offsets->push_back(offset);
  }
  table.buffers.push_back(buffer);
  table.ids.emplace_back(id);
  table.lines.emplace_back(line);
  return Status::success();
}

Result<MemoryTable> Reader::read() {
  if (Status status = readHeader(); !status)
    return status.error();
  while (nextLine()) {
    if (trim(line).empty()) {
      // Empty lines end the table; MiniMalloc reads no further than the first.
      size_t first = lineNumber;
      while (nextLine())
        if (!trim(line).empty())
          return error("line " + std::to_string(first) + " is empty, but here the table goes on");
      break;
    }
    if (Status status = readBuffer(); !status)
      return status.error();
  }
  return std::move(table);
}

} // namespace

Result<MemoryTable> parseMemoryTable(std::string_view text, const std::string &source) {
  return Reader(text, source).read();
}

Result<MemoryTable> readMemoryTable(const std::string &path) {
  Result<std::string> text = readTextFile(path, maxFileBytes);
  if (!text)
    return text.error();
  return parseMemoryTable(*text, path);
}

std::string printMemoryTable(const MemoryTable &table, std::span<const uint64_t> offsets) {
  std::string text;
  // The offset's place, where the table has one.
  size_t place = 0;
  std::string_view header = table.lines.front();
  if (table.offsets)
    for (; trim(header.substr(0, header.find(','))) != "offset"; ++place)
      header.remove_prefix(header.find(',') + 1);
  for (size_t i = 0; i < table.lines.size(); ++i) {
    std::string_view line = table.lines[i];
    std::string offset = i == 0 ? "offset" : std::to_string(offsets[i - 1]);
    if (table.offsets) {
      size_t begin = 0;
      for (size_t k = 0; k < place; ++k)
        begin = line.find(',', begin) + 1;
      size_t end = std::min(line.find(',', begin), line.size());
      text += line.substr(0, begin);
      text += offset;
      text += line.substr(end);
    } else {
      text += line;
      text += ',';
      text += offset;
    }
    text += '\n';
  }
  return text;
}

} // namespace bigmac::planning
