#include "thalweg/engine/parameters.h"

#include <algorithm>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {
constexpr std::int64_t kAlignment = 16;  // elements; one AVX-512 vector of float
}

ParameterId ParameterStore::add(std::string name, std::int64_t rows, std::int64_t columns,
                                std::vector<double> values, bool trainable) {
  return add({.name = std::move(name), .rows = rows, .columns = columns, .trainable = trainable},
             std::move(values));
}

ParameterId ParameterStore::add(ParameterInfo info, std::vector<double> values) {
  if (source_) values = source_(info);
  if (info.rows < 1 || info.columns < 1 || static_cast<std::int64_t>(values.size()) != info.size())
    fail<ShapeError>("parameter '{}': expected {} x {} values (both at least 1), got {}", info.name,
                     info.rows, info.columns, values.size());
  const auto index = static_cast<std::int32_t>(infos_.size());
  if (!index_.emplace(info.name, index).second)
    fail<ConfigError>("parameter '{}' exists already: give each layer a name of its own",
                      info.name);
  info.offset = static_cast<std::int64_t>(flat_.size());
  const auto padded = (info.size() + kAlignment - 1) / kAlignment * kAlignment;
  flat_.resize(flat_.size() + static_cast<std::size_t>(padded), 0.0);
  std::copy(values.begin(), values.end(), flat_.begin() + info.offset);
  infos_.push_back(std::move(info));
  return {index};
}

std::vector<std::int32_t> ParameterStore::add_integers(std::string name,
                                                       std::span<const std::int32_t> values) {
  const ParameterId id = add({.name = std::move(name),
                              .rows = std::ssize(values),
                              .columns = 1,
                              .trainable = false,
                              .integers = true},
                             {values.begin(), values.end()});
  const std::span<const double> held = this->values(id);
  std::vector<std::int32_t> integers;
  integers.reserve(held.size());
  for (const double value : held) integers.push_back(static_cast<std::int32_t>(value));
  return integers;
}

ParameterId ParameterStore::add(std::string name, std::int64_t rows, std::int64_t columns,
                                double value, bool trainable) {
  const auto size = static_cast<std::size_t>(std::max<std::int64_t>(0, rows * columns));
  return add(std::move(name), rows, columns, std::vector<double>(size, value), trainable);
}

void ParameterStore::freeze(std::size_t first) {
  for (std::size_t i = first; i < infos_.size(); ++i) infos_[i].trainable = false;
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
