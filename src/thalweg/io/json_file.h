// Reading JSON files whose keys are known, with errors that say what is wrong.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace thalweg {

/// An object in a JSON file. Each getter of a value throws DataError, with file, key and what is
/// expected, for a key that is missing or of another type. Copies share the content; const calls
/// may run in parallel.
class JsonObject {
 public:
  std::string text(const std::string& key) const;
  bool has(const std::string& key) const;
  /// A whole number from -2^63 to 2^63 - 1.
  std::int64_t whole(const std::string& key) const;
  double number(const std::string& key) const;
  /// A number, NaN where the file has null, or an infinity where it has the text inf or -inf.
  double number_or_nan(const std::string& key) const;
  /// The objects of a list.
  std::vector<JsonObject> objects(const std::string& key) const;

 private:
  struct Value;
  friend JsonObject read_json_file(const std::string& path, const std::string& advice);
  JsonObject(std::shared_ptr<const Value> value, std::string where, std::string advice);
  [[noreturn]] void fail_type(const std::string& key, const char* expected) const;

  std::shared_ptr<const Value> value_;
  std::string where_, advice_;
};

/// The object that a file holds. `advice` ends every message: what to do about a damaged file.
/// Throws DataError if the file cannot be read, is empty, cut off, not JSON or no object.
JsonObject read_json_file(const std::string& path, const std::string& advice);

}  // namespace thalweg
