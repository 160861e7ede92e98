//===- WholeNumber.h - Whole numbers on command lines -----------*- C++ -*-===//

#ifndef BIGMAC_TOOLS_WHOLENUMBER_H
#define BIGMAC_TOOLS_WHOLENUMBER_H

#include <charconv>
#include <limits>
#include <string>
#include <type_traits>

namespace bigmac {

/// A CLI11 check of an option of type Int: empty where `text` is written as the number is printed,
/// else the error. CLI11 itself reads "-1" as 2^64 - 1, "010" as 8, and takes what is too large for
/// the largest number.
template <typename Int> std::string checkWhole(const std::string &text) {
  Int value = 0;
  const char *end = text.data() + text.size();
  auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc() && rest == end && std::to_string(value) == text)
    return "";
  return std::string("expected a whole number ") +
         (std::is_signed_v<Int> ? "of at most " : "from 0 to ") +
         std::to_string(std::numeric_limits<Int>::max()) + ", found " + text;
}

} // namespace bigmac

#endif // BIGMAC_TOOLS_WHOLENUMBER_H
