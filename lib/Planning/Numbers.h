//===- Numbers.h - Numbers in messages --------------------------*- C++ -*-===//
//
// Private to the library.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_LIB_PLANNING_NUMBERS_H
#define BIGMAC_LIB_PLANNING_NUMBERS_H

#include <array>
#include <charconv>
#include <string>

namespace bigmac::planning {

/// The shortest text that reads back as the same number.
inline std::string numberText(double value) {
  std::array<char, 32> buffer;
  auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), error == std::errc() ? end : buffer.data()};
}

} // namespace bigmac::planning

#endif // BIGMAC_LIB_PLANNING_NUMBERS_H
