#include "thalweg/io/json_file.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {

using Json = nlohmann::json;

struct JsonObject::Value {
  Json json;
};

namespace {

/// What a value is, in words.
const char* kind_of(const Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "a list";
  if (value.is_string()) return "a text";
  if (value.is_boolean()) return "true or false";
  if (value.is_null()) return "null";
  return value.is_number_integer() ? "a whole number" : "a number";
}

Json parse(const std::string& path, const std::string& text, const std::string& advice) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos)
    fail<DataError>("{}: damaged: the file is empty; {}", path, advice);
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    // The place counts bytes from 1, and is beyond the text where that ends too early.
    if (error.byte > text.size())
      fail<DataError>("{}: damaged: the file is cut off after {} bytes; {}", path, text.size(),
                      advice);
    const auto place =
        text.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(error.byte, 1)) - 1;
    fail<DataError>("{}: damaged: line {} is not JSON; {}", path,
                    1 + std::count(text.begin(), place, '\n'), advice);
  } catch (const Json::out_of_range&) {
    fail<DataError>("{}: damaged: it holds a number beyond the range of double; {}", path, advice);
  }
}

}  // namespace

JsonObject::JsonObject(std::shared_ptr<const Value> value, std::string where, std::string advice)
    : value_(std::move(value)), where_(std::move(where)), advice_(std::move(advice)) {}

JsonObject read_json_file(const std::string& path, const std::string& advice) {
  auto value = std::make_shared<JsonObject::Value>();
  value->json = parse(path, read_file(path), advice);
  if (!value->json.is_object())
    fail<DataError>("{}: damaged: expected an object, got {}; {}", path, kind_of(value->json),
                    advice);
  return {std::move(value), path, advice};
}

void JsonObject::fail_type(const std::string& key, const char* expected) const {
  const auto found = value_->json.find(key);
  if (found == value_->json.end())
    fail<DataError>("{}: damaged: the key '{}' is missing; {}", where_, key, advice_);
  fail<DataError>("{}: damaged: '{}': expected {}, got {}; {}", where_, key, expected,
                  kind_of(*found), advice_);
}

std::string JsonObject::text(const std::string& key) const {
  const auto found = value_->json.find(key);
  if (found == value_->json.end() || !found->is_string()) fail_type(key, "a text");
  return found->get<std::string>();
}

bool JsonObject::has(const std::string& key) const { return value_->json.contains(key); }

std::int64_t JsonObject::whole(const std::string& key) const {
  const auto found = value_->json.find(key);
  const bool fits =
      found != value_->json.end() && found->is_number_integer() &&
      (!found->is_number_unsigned() ||
       found->get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()});
  if (!fits) fail_type(key, "a whole number below 2^63");
  return found->get<std::int64_t>();
}

double JsonObject::number(const std::string& key) const {
  const auto found = value_->json.find(key);
  if (found == value_->json.end() || !found->is_number()) fail_type(key, "a number");
  return found->get<double>();
}

double JsonObject::number_or_nan(const std::string& key) const {
  const auto found = value_->json.find(key);
  if (found != value_->json.end() && found->is_null())
    return std::numeric_limits<double>::quiet_NaN();
  if (found != value_->json.end() && (*found == "inf" || *found == "-inf"))
    return *found == "inf" ? INFINITY : -INFINITY;
  return number(key);
}

std::vector<JsonObject> JsonObject::objects(const std::string& key) const {
  const auto found = value_->json.find(key);
  if (found == value_->json.end() || !found->is_array()) fail_type(key, "a list");
  std::vector<JsonObject> result;
  for (const Json& item : *found) {
    if (!item.is_object())
      fail<DataError>("{}: damaged: '{}', entry {}: expected an object, got {}; {}", where_, key,
                      result.size() + 1, kind_of(item), advice_);
    result.push_back({std::make_shared<Value>(Value{item}),
                      fmt::format("{}, entry {} of '{}'", where_, result.size() + 1, key),
                      advice_});
  }
  return result;
}

}  // namespace thalweg
