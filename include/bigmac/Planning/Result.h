//===- Result.h - A value or an error message -------------------*- C++ -*-===//
//
// The planning library is free of LLVM and of exceptions: what can fail returns a `Result<T>`, or a
// `Status` where there is nothing to return. An error's message says what was expected, what was
// found, where, and what to do.
//
//===----------------------------------------------------------------------===//

#ifndef BIGMAC_PLANNING_RESULT_H
#define BIGMAC_PLANNING_RESULT_H

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace bigmac::planning {

struct Error {
  std::string message;
};

/// Success, or an error.
class [[nodiscard]] Status {
public:
  Status() = default;
  Status(Error error) : failure(std::move(error)) {}

  static Status success() { return Status(); }
  bool ok() const { return !failure; }
  explicit operator bool() const { return ok(); }

  /// The message; only when not ok().
  const std::string &message() const {
    assert(failure && "a success has no message");
    return failure->message;
  }
  Error error() const { return Error{message()}; }

private:
  std::optional<Error> failure;
};

/// A value, or an error.
template <typename T> class [[nodiscard]] Result {
public:
  Result(T value) : storage(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : storage(std::in_place_index<1>, std::move(error)) {}

  bool ok() const { return storage.index() == 0; }
  explicit operator bool() const { return ok(); }

  T &value() & {
    assert(ok() && "an error has no value");
    return *std::get_if<0>(&storage);
  }
  const T &value() const & {
    assert(ok() && "an error has no value");
    return *std::get_if<0>(&storage);
  }
  T &&value() && {
    assert(ok() && "an error has no value");
    return std::move(*std::get_if<0>(&storage));
  }
  T &operator*() & { return value(); }
  const T &operator*() const & { return value(); }
  T &&operator*() && { return std::move(*this).value(); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }

  const std::string &message() const {
    assert(!ok() && "a success has no message");
    return std::get_if<1>(&storage)->message;
  }
  Error error() const { return Error{message()}; }

private:
  std::variant<T, Error> storage;
};

} // namespace bigmac::planning

#endif // BIGMAC_PLANNING_RESULT_H
