// Tables of kinds: what can be chosen by name, one row each.
#pragma once

#include <fmt/ranges.h>

#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"

namespace thalweg {

/// Rows that have a `name`, a `summary`, a line each, and a `make`, in the order in which they were
/// added. References to rows stay good. Reading is thread safe, adding is not: add before models
/// are made.
template <typename Row>
class KindTable {
 public:
  explicit KindTable(std::vector<Row> rows) {
    for (Row& row : rows) add(std::move(row));
  }

  /// Adds a kind, which then can be chosen wherever those of the library can. Throws ConfigError if
  /// the name is taken, or name, summary or `make` are missing.
  void add(Row row) {
    if (row.name.empty() || row.summary.empty() || !row.make)
      fail<ConfigError>("kind '{}': expected a name, a summary and how it is made", row.name);
    for (const Row& known : rows_)
      if (known.name == row.name)
        fail<ConfigError>("kind '{}': exists already: give each a name of its own", row.name);
    rows_.push_back(std::move(row));
  }

  const std::deque<Row>& rows() const { return rows_; }

  /// Of all rows, or of those in which `only` is true.
  std::vector<std::string> names(bool Row::*only = nullptr) const {
    std::vector<std::string> names;
    for (const Row& row : rows_)
      if (only == nullptr || row.*only) names.push_back(row.name);
    return names;
  }

  /// The row of this name, among those in which `only` is true. Throws ConfigError that names the
  /// setting `key`, the nearest name and all names.
  const Row& find(std::string_view key, std::string_view name, bool Row::*only = nullptr) const {
    for (const Row& row : rows_)
      if (row.name == name && (only == nullptr || row.*only)) return row;
    const std::vector<std::string> known = names(only);
    const std::string nearest = nearest_name(name, known);
    fail<ConfigError>("{}: expected one of {}, got '{}'{}", key, fmt::join(known, ", "), name,
                      nearest.empty() ? "" : fmt::format("; did you mean '{}'?", nearest));
  }

 private:
  std::deque<Row> rows_;
};

}  // namespace thalweg
