#include "thalweg/runs/table_folder.h"

#include <fmt/ranges.h>

#include "thalweg/core/error.h"
#include "thalweg/core/version.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/report/text_table.h"
#include "thalweg/runs/new_folder.h"

namespace thalweg {

namespace {

const std::vector<std::string>& table_files() {
  static const std::vector<std::string> files = {"train.npy", "validation.npy", "test.npy",
                                                 "columns.txt", "README.txt"};
  return files;
}

/// Rows and columns beside the published numbers.
std::string counts_text(const UciTable& uci, const SplitTable& data) {
  TextTable table;
  table.header = {"", "rows", "published", "columns", "published"};
  const auto add = [&](const char* name, const Table& part, std::int64_t published) {
    table.rows.push_back({name, fmt::format("{}", part.rows), fmt::format("{}", published),
                          fmt::format("{}", part.columns()), fmt::format("{}", uci.columns)});
  };
  add("train", data.train, uci.train);
  add("validation", data.validation, uci.validation);
  add("test", data.test, uci.test);
  return plain_table(table);
}

std::string columns_text(const Table& train) {
  TextTable table;
  table.header = {"column (train)", "lowest", "mean", "deviation", "highest"};
  for (std::int64_t column = 0; column < train.columns(); ++column) {
    const ColumnSummary summary = summarise_column(train, column);
    const auto number = [](double value) { return fmt::format("{:.4f}", value); };
    table.rows.push_back({train.names[static_cast<std::size_t>(column)], number(summary.minimum),
                          number(summary.mean), number(summary.standard_deviation),
                          number(summary.maximum)});
  }
  return plain_table(table);
}

}  // namespace

void write_look_alike_folder(const UciTable& uci, std::int64_t rows, std::uint64_t seed,
                             const std::string& out) {
  check_replaceable(out, false, {}, "choose another --out");
  NewFolder folder(out, false, {});
  write_uci_look_alike(uci, rows, seed, folder.path());
  folder.keep();
}

std::string prepare_table_folder(const UciTable& uci, const std::string& from,
                                 const std::string& out, bool force) {
  if (from.empty())
    fail<ConfigError>("--from is missing: the folder that holds {} or arrays made of it",
                      uci.original);
  NewFolder folder(out, force, table_files());
  const SplitTable data = prepare_uci_table(uci, from);
  std::string text;
  for (const std::string& step : data.steps) text += "- " + step + "\n";
  for (const std::string& warning : data.warnings) text += "warning: " + warning + "\n";
  text += fmt::format("\n{}\n{}\n", counts_text(uci, data), columns_text(data.train));
  const std::string usage =
      fmt::format("thalweg train --data {} --set data.find_integers=false", out);

  save_table(folder.file("train.npy"), data.train, FloatType::kFloat32);
  save_table(folder.file("validation.npy"), data.validation, FloatType::kFloat32);
  save_table(folder.file("test.npy"), data.test, FloatType::kFloat32);
  write_file_atomically(folder.file("columns.txt"),
                        fmt::format("{}\n", fmt::join(data.train.names, "\n")));
  write_file_atomically(
      folder.file("README.txt"),
      fmt::format("{}, prepared as in Papamakarios et al. 2017 by thalweg {}\n\n{}{}\n", uci.name,
                  version(), text, usage));
  folder.keep();
  return fmt::format("{}written to {}; next:\n  {}\n", text, out, usage);
}

}  // namespace thalweg
