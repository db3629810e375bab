#include "thalweg/datasets/column.h"

#include <fmt/format.h>

#include <numbers>

namespace thalweg {

std::vector<ColumnOptions> angle_columns(std::int64_t features) {
  std::vector<ColumnOptions> columns;
  for (std::int64_t i = 0; i < features; ++i)
    columns.push_back({.name = fmt::format("x{}", i),
                       .lower = -std::numbers::pi,
                       .upper = std::numbers::pi,
                       .periodic = true});
  return columns;
}

}  // namespace thalweg
