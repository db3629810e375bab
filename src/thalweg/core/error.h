// Errors thrown by the library. Each message says where, what was expected, what was found and what
// to do.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace thalweg {

/// Base of all errors that Thalweg throws on purpose; anything else that escapes is a defect.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Shapes that do not fit together while a graph is built or data are handed over.
class ShapeError : public Error {
 public:
  using Error::Error;
};

/// A setting that is unknown, of the wrong kind or out of range.
class ConfigError : public Error {
 public:
  using Error::Error;
};

/// A file or an array that cannot be read, written or used.
class DataError : public Error {
 public:
  using Error::Error;
};

/// A computation that left the finite numbers or did not converge.
class NumericalError : public Error {
 public:
  using Error::Error;
};

/// Throws `ErrorType` with a formatted message: `fail<DataError>("{}: expected {}", path, what)`.
template <typename ErrorType, typename... Args>
[[noreturn]] void fail(fmt::format_string<Args...> format, Args&&... args) {
  throw ErrorType(fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace thalweg
