#include "thalweg/engine/parameters.h"

#include <algorithm>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {
constexpr std::int64_t kAlignment = 16;  // elements; one AVX-512 vector of float
}

ParameterId ParameterStore::add(std::string name, std::int64_t rows, std::int64_t columns,
                                std::vector<double> values, bool trainable) {
  if (rows < 1 || columns < 1 || static_cast<std::int64_t>(values.size()) != rows * columns)
    fail<ShapeError>("parameter '{}': expected {} x {} values (both at least 1), got {}", name,
                     rows, columns, values.size());
  const auto index = static_cast<std::int32_t>(infos_.size());
  if (!index_.emplace(name, index).second)
    fail<ConfigError>("parameter '{}' exists already: give each layer a name of its own", name);
  const auto offset = static_cast<std::int64_t>(flat_.size());
  infos_.push_back({std::move(name), rows, columns, trainable, offset});
  const auto padded = (rows * columns + kAlignment - 1) / kAlignment * kAlignment;
  flat_.resize(flat_.size() + static_cast<std::size_t>(padded), 0.0);
  std::copy(values.begin(), values.end(), flat_.begin() + offset);
  return {index};
}

ParameterId ParameterStore::add(std::string name, std::int64_t rows, std::int64_t columns,
                                double value, bool trainable) {
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(0, rows * columns));
  return add(std::move(name), rows, columns, std::vector<double>(size, value), trainable);
}

ParameterId ParameterStore::find(std::string_view name) const {
  const auto found = index_.find(std::string(name));
  if (found == index_.end()) fail<ConfigError>("no parameter is called '{}'", name);
  return {found->second};
}

std::span<double> ParameterStore::values(ParameterId id) {
  const auto& entry = info(id);
  return std::span<double>(flat_).subspan(static_cast<std::size_t>(entry.offset),
                                          static_cast<std::size_t>(entry.size()));
}

std::span<const double> ParameterStore::values(ParameterId id) const {
  const auto& entry = info(id);
  return std::span<const double>(flat_).subspan(static_cast<std::size_t>(entry.offset),
                                                static_cast<std::size_t>(entry.size()));
}

std::int64_t ParameterStore::trainable_count() const {
  std::int64_t count = 0;
  for (const auto& entry : infos_)
    if (entry.trainable) count += entry.size();
  return count;
}

}  // namespace thalweg
