// Tables prepared from their files.
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/datasets/column_names.h"
#include "thalweg/datasets/data_forces.h"
#include "thalweg/datasets/prepare_data.h"
#include "thalweg/datasets/reading.h"
#include "thalweg/io/table_texts.h"
#include "thalweg/io/xyz_file.h"

namespace thalweg {

PreparedData load_prepared_data(const DataOptions& options, std::uint64_t seed,
                                const ReadProgress& progress) {
  const std::filesystem::path folder = options.path;
  const bool is_folder = std::filesystem::is_directory(folder);
  const auto in_folder = [&](const char* name, const std::string& own) {
    const bool taken = is_folder && own.empty() && std::filesystem::exists(folder / name);
    return taken ? (folder / name).string() : own;
  };
  const std::string train_path = is_folder ? in_folder("train.npy", "") : options.path;
  if (train_path.empty())
    fail<DataError>("{}: expected a file, or a folder with train.npy, validation.npy and test.npy",
                    options.path);
  ReadOptions reading = read_options(options);
  reading.progress = progress;
  // Molecules of all files have as many places.
  const std::string validation = in_folder("validation.npy", options.validation);
  const std::string test = in_folder("test.npy", options.test);
  for (const std::string& path : {train_path, validation, test})
    if (is_xyz_path(path) && !(validation + test).empty())
      reading.places = std::max(reading.places, read_xyz(path).columns() / 4);
  Table table = load_table(train_path, reading);
  column_numbers(table.file_names, options.columns, "data.columns");
  column_numbers(table.file_names, options.condition, "data.condition");
  reading.texts = text_columns(table);
  const auto append = [&](const std::string& path) -> std::int64_t {
    if (path.empty()) return 0;
    Table more = load_table(path, reading);
    const std::int64_t rows = more.rows;
    if (more.names != table.names)
      fail<DataError>("{}: expected the columns of {} ({}), got {}", path, train_path,
                      fmt::join(table.names, ", "), fmt::join(more.names, ", "));
    // Later checks count rows over all files.
    const bool may_be_missing = options.drop_missing || options.species ||
                                std::ranges::any_of(options.kinds, [](const std::string& kind) {
                                  return kind.ends_with("=missing");
                                });
    const auto cell = may_be_missing ? std::nullopt : find_non_finite(more);
    if (cell && options.columns.empty())
      fail<DataError>(
          "{}: row {}, column '{}': expected a finite number: remove the row or fill the value in",
          path, cell->row + 1, more.names[static_cast<std::size_t>(cell->column)]);
    append_rows(table, std::move(more), path);
    return rows;
  };
  GivenRows given;
  given.validation = append(validation);
  given.test = append(test);
  const std::vector<std::string> names = table.file_names.empty() ? table.names : table.file_names;
  PreparedData data = prepare_data(std::move(table), options, seed, given);
  if (!options.forces.empty()) data.forces = load_forces(options, names, data);
  return data;
}

}  // namespace thalweg
