//===- Columns.cpp - Numbers as compact text ------------------------------===//

#include "Columns.h"

#include <zlib.h>

namespace bigmac::report {

planning::Result<std::string> deflated(std::string_view bytes) {
  uLong size = static_cast<uLong>(bytes.size());
  std::string text(compressBound(size), '\0');
  uLongf written = static_cast<uLongf>(text.size());
  int code = compress2(reinterpret_cast<Bytef *>(text.data()), &written,
                       reinterpret_cast<const Bytef *>(bytes.data()), size, 9);
  if (code != Z_OK)
    return planning::Error{"zlib cannot compress the report's " + std::to_string(bytes.size()) +
                           " bytes: error " + std::to_string(code)};
  text.resize(written);
  return text;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view digits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j)
      text += i + j <= bytes.size() ? digits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

} // namespace bigmac::report
