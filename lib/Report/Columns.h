//===- Columns.h - Numbers as compact text ----------------------*- C++ -*-===//
//
// A report's numbers travel in columns: variable-length integers (7 bits a byte, the least first,
// the high bit on all but the last byte), which are then deflated (zlib's format, which a browser's
// DecompressionStream reads) and written in base64.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_REPORT_COLUMNS_H
#define BIGMAC_LIB_REPORT_COLUMNS_H

#include "bigmac/Planning/Result.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace bigmac::report {

class Column {
public:
  void add(uint64_t value) {
    for (; value >= 0x80; value >>= 7)
      text += static_cast<char>(0x80 | (value & 0x7f));
    text += static_cast<char>(value);
  }
  /// Small numbers of either sign become small ones: 0, -1, 1, -2, ... are 0, 1, 2, 3, ...
  void addSigned(int64_t value) {
    add((static_cast<uint64_t>(value) << 1) ^ static_cast<uint64_t>(value >> 63));
  }
  const std::string &bytes() const { return text; }

private:
  std::string text;
};

planning::Result<std::string> deflated(std::string_view bytes);

std::string base64(std::string_view bytes);

} // namespace bigmac::report

#endif // BIGMAC_LIB_REPORT_COLUMNS_H
