#include "thalweg/io/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/npy.h"

namespace thalweg {
namespace {

static_assert(std::endian::native == std::endian::little, "files are written as memory holds them");

using Json = nlohmann::json;

constexpr std::size_t kPrefix = 8;                   // bytes that hold the header's length
constexpr std::size_t kLongestHeader = 100'000'000;  // what the reference implementation accepts
constexpr int kDeepest = 8;                          // more than any header needs
constexpr const char* kMetadata = "__metadata__";

struct Entry {
  std::string name;
  Tensor tensor;
  std::uint64_t begin = 0, end = 0;
};

[[noreturn]] void damaged(const std::string& path, const std::string& what) {
  fail<DataError>("{}: not a sound .safetensors file: {}; copy or write it again", path, what);
}

/// Bytes of one element; 0 for types that are not supported.
std::uint64_t item_size(const std::string& dtype) {
  if (dtype == "F32") return 4;
  return dtype == "F64" || dtype == "I64" ? 8 : 0;
}

/// The header as JSON, where no name may come twice and nesting is bounded.
Json parse_header(const std::string& path, std::string_view text) {
  std::vector<std::set<std::string>> keys;
  const auto check = [&](int depth, Json::parse_event_t event, Json& parsed) {
    using Event = Json::parse_event_t;
    if (depth > kDeepest) damaged(path, "its header is nested too deeply");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(parsed.get<std::string>()).second) {
      damaged(path, fmt::format("its header holds '{}' twice", shown(parsed.get<std::string>())));
    }
    return true;
  };
  try {
    Json header = Json::parse(text.begin(), text.end(), check);
    if (header.is_object()) return header;
  } catch (const Json::exception&) {
  }
  damaged(path, "its header is not a JSON object");
}

Entry parse_entry(const std::string& path, const std::string& name, const Json& description) {
  Entry entry;
  entry.name = name;
  const auto whole = [](const Json& value) {
    return value.is_number_unsigned() &&
           value.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  };
  const auto list = [&](const char* key) {
    return description.is_object() && description.contains(key) && description[key].is_array() &&
           std::all_of(description[key].begin(), description[key].end(), whole);
  };
  if (!list("shape") || !list("data_offsets") || description["data_offsets"].size() != 2 ||
      !description.contains("dtype") || !description["dtype"].is_string()) {
    damaged(path, fmt::format("tensor '{}' needs dtype, shape and data_offsets", shown(name)));
  }
  entry.tensor.dtype = description["dtype"].get<std::string>();
  entry.tensor.shape = description["shape"].get<std::vector<std::int64_t>>();
  entry.begin = description["data_offsets"][0].get<std::uint64_t>();
  entry.end = description["data_offsets"][1].get<std::uint64_t>();
  const std::uint64_t size = item_size(entry.tensor.dtype);
  if (size == 0) {
    fail<DataError>("{}: tensor '{}': expected type F32, F64 or I64, got '{}'; convert it first",
                    path, shown(name), shown(entry.tensor.dtype));
  }
  const auto count = element_count(entry.tensor.shape);
  const bool fits = count && entry.begin <= entry.end &&
                    static_cast<std::uint64_t>(*count) <= (entry.end - entry.begin) / size &&
                    static_cast<std::uint64_t>(*count) * size == entry.end - entry.begin;
  if (!fits) {
    damaged(path, fmt::format("tensor '{}' of type {} and shape ({}) cannot lie at bytes {} to {}",
                              shown(name), entry.tensor.dtype, fmt::join(entry.tensor.shape, ", "),
                              entry.begin, entry.end));
  }
  return entry;
}

void read_values(Tensor& tensor, std::string_view bytes) {
  if (tensor.dtype == "I64") {
    tensor.integers.resize(bytes.size() / sizeof(std::int64_t));
    if (!bytes.empty()) std::memcpy(tensor.integers.data(), bytes.data(), bytes.size());
  } else if (tensor.dtype == "F64") {
    tensor.values.resize(bytes.size() / sizeof(double));
    if (!bytes.empty()) std::memcpy(tensor.values.data(), bytes.data(), bytes.size());
  } else {
    tensor.values.resize(bytes.size() / sizeof(float));
    for (std::size_t i = 0; i < tensor.values.size(); ++i) {
      float value = 0.0F;
      std::memcpy(&value, bytes.data() + i * sizeof(float), sizeof(float));
      tensor.values[i] = value;
    }
  }
}

/// Number of elements; throws unless values, shape, name and type agree.
std::uint64_t checked_count(const std::string& path, const std::string& name,
                            const Tensor& tensor) {
  const bool integers = tensor.dtype == "I64";
  if (item_size(tensor.dtype) == 0 || name == kMetadata) {
    fail<DataError>(
        "{}: tensor '{}' of type '{}' cannot be written; expected F32, F64 or I64 and "
        "another name than {}",
        path, shown(name), shown(tensor.dtype), kMetadata);
  }
  const std::size_t count = integers ? tensor.integers.size() : tensor.values.size();
  if (element_count(tensor.shape) != static_cast<std::int64_t>(count) ||
      (integers ? !tensor.values.empty() : !tensor.integers.empty())) {
    fail<ShapeError>("{}: tensor '{}': expected {} for shape ({}), got {} values and {} integers",
                     path, shown(name), integers ? "integers" : "values",
                     fmt::join(tensor.shape, ", "), tensor.values.size(), tensor.integers.size());
  }
  return count;
}

std::string value_bytes(const std::string& path, const std::string& name, const Tensor& tensor) {
  if (tensor.dtype == "I64") {
    return {reinterpret_cast<const char*>(tensor.integers.data()),
            tensor.integers.size() * sizeof(std::int64_t)};
  }
  if (tensor.dtype == "F64") {
    return {reinterpret_cast<const char*>(tensor.values.data()),
            tensor.values.size() * sizeof(double)};
  }
  std::string bytes;
  bytes.reserve(tensor.values.size() * sizeof(float));
  for (const double value : tensor.values) {
    if (std::isfinite(value) && std::abs(value) > std::numeric_limits<float>::max()) {
      fail<DataError>("{}: tensor '{}': the value {} is beyond the range of F32; write F64", path,
                      shown(name), value);
    }
    const auto single = static_cast<float>(value);
    bytes.append(reinterpret_cast<const char*>(&single), sizeof single);
  }
  return bytes;
}

}  // namespace

TensorFile read_safetensors(const std::string& path) {
  const std::string bytes = read_file(path);
  if (bytes.size() < kPrefix) {
    damaged(path, fmt::format("expected at least {} bytes, got {}", kPrefix, bytes.size()));
  }
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), kPrefix);
  if (length > kLongestHeader || length > bytes.size() - kPrefix) {
    damaged(path, fmt::format("expected a header of {} bytes, got {} bytes in all", length,
                              bytes.size()));
  }
  const std::string_view text = std::string_view(bytes).substr(kPrefix, length);
  if (!text.starts_with('{')) damaged(path, "its header does not begin with '{'");
  const std::string_view data = std::string_view(bytes).substr(kPrefix + length);
  TensorFile content;
  std::vector<Entry> entries;
  const Json header = parse_header(path, text);
  for (const auto& [name, description] : header.items()) {
    if (name != kMetadata) {
      entries.push_back(parse_entry(path, name, description));
      continue;
    }
    const bool texts =
        description.is_object() && std::all_of(description.begin(), description.end(),
                                               [](const Json& value) { return value.is_string(); });
    if (!texts) damaged(path, fmt::format("{} must hold texts by name", kMetadata));
    content.metadata = description.get<std::map<std::string, std::string>>();
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  std::uint64_t position = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != position) {
      damaged(path, fmt::format("tensor '{}': expected it at byte {} of the data, got {}",
                                shown(entry.name), position, entry.begin));
    }
    position = entry.end;
  }
  if (position != data.size()) {
    damaged(path, fmt::format("expected {} bytes of data, got {}", position, data.size()));
  }
  for (Entry& entry : entries) {
    read_values(entry.tensor, data.substr(entry.begin, entry.end - entry.begin));
    content.tensors.emplace(std::move(entry.name), std::move(entry.tensor));
  }
  return content;
}

void write_safetensors(const std::string& path, const TensorFile& content) {
  Json header = Json::object();
  if (!content.metadata.empty()) header[kMetadata] = content.metadata;
  std::uint64_t position = 0;
  std::vector<std::pair<std::string, const Tensor*>> order;
  // Wide elements first, so that every tensor is aligned to its elements.
  for (const std::uint64_t width : {8, 4}) {
    for (const auto& [name, tensor] : content.tensors) {
      const std::uint64_t count = checked_count(path, name, tensor);
      const std::uint64_t size = item_size(tensor.dtype);
      if (size != width) continue;
      header[name] = {{"dtype", tensor.dtype},
                      {"shape", tensor.shape},
                      {"data_offsets", {position, position + count * size}}};
      position += count * size;
      order.emplace_back(name, &tensor);
    }
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const Json::exception&) {
    fail<DataError>("{}: a name or text is not UTF-8; write names in UTF-8", path);
  }
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  AtomicFile file(path);
  file.write({reinterpret_cast<const char*>(&length), kPrefix});
  file.write(text);
  for (const auto& [name, tensor] : order) file.write(value_bytes(path, name, *tensor));
  file.commit();
}

}  // namespace thalweg
