#include "thalweg/datasets/data_forces.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/datasets/reading.h"

namespace thalweg {

std::vector<double> load_forces(const DataOptions& options, const std::vector<std::string>& names,
                                const PreparedData& data) {
  const auto refuse = [](const char* setting, const char* why) {
    fail<ConfigError>("data.forces: cannot be combined with {}, {}", setting, why);
  };
  if (std::filesystem::is_directory(options.path) || !options.validation.empty() ||
      !options.test.empty())
    refuse("several files of data", "whose rows the forces' would have to follow");
  if (options.drop_missing || options.drop_duplicates)
    refuse(options.drop_missing ? "data.drop_missing" : "data.drop_duplicates",
           "which leave rows out: leave them out of both files");
  if (options.particles > 0) refuse("data.particles", "which moves the rows");
  if (!data.derived.empty())
    fail<ConfigError>(
        "data.forces: expected columns that do not follow from others, got '{}', with which other "
        "columns' forces change: leave it out by data.columns, or set data.find_derived = false",
        data.derived.front().name);
  for (const ColumnOptions& column : data.columns)
    if (column.has_intervals())
      fail<ConfigError>(
          "data.forces: expected columns without categories, evenly spaced values and values that "
          "have a mass, got '{}': noise moves these in training, away from where their forces are: "
          "set data.find_kinds and data.find_integers to false, or leave it out by data.columns",
          column.name);
  ReadOptions reading = read_options(options);
  reading.columns.clear();
  const Table table = load_table(options.forces, reading);
  if (table.rows != data.rows)
    fail<DataError>("{}: expected forces of {} rows, as {} has, got {}", options.forces, data.rows,
                    options.path, table.rows);
  std::vector<std::size_t> places;
  for (const ColumnOptions& column : data.columns) {
    auto found = std::ranges::find(table.names, column.name);
    if (found == table.names.end()) {
      if (table.names.size() != names.size())
        fail<DataError>("{}: expected a column '{}', or the {} columns of {} in its order, got {}",
                        options.forces, column.name, names.size(), options.path,
                        table.names.size());
      found = table.names.begin() + (std::ranges::find(names, column.name) - names.begin());
    }
    places.push_back(static_cast<std::size_t>(found - table.names.begin()));
  }
  std::vector<double> forces;
  forces.reserve(static_cast<std::size_t>(data.rows) * places.size());
  for (std::size_t row = 0; row < static_cast<std::size_t>(data.rows); ++row)
    for (const std::size_t place : places) {
      forces.push_back(table.values[row * table.names.size() + place]);
      if (!std::isfinite(forces.back()))
        fail<DataError>("{}: row {}, column '{}': the force is {}; expected a finite number",
                        options.forces, row + 1, table.names[place], forces.back());
    }
  return forces;
}

}  // namespace thalweg
