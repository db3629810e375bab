#include "thalweg/runs/table_folder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "thalweg/core/error.h"
#include "thalweg/core/version.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/report/text_table.h"

namespace thalweg {

namespace {

namespace fs = std::filesystem;

constexpr const char* kFiles[] = {"train.npy", "validation.npy", "test.npy", "columns.txt",
                                  "README.txt"};

/// A folder that appears under its name with all its files, or not at all.
class NewFolder {
 public:
  NewFolder(const std::string& path, bool force) : final_(path), path_(path + ".new") {
    while (final_.size() > 1 && final_.ends_with('/')) final_.pop_back();
    path_ = final_ + ".new";
    std::error_code error;
    if (fs::exists(final_) && !fs::is_directory(final_))
      fail<DataError>("{}: expected a folder to write to, got a file; choose another --out", path);
    if (fs::exists(final_) && !fs::is_empty(final_)) {
      if (!force)
        fail<ConfigError>("{}: exists already; --force replaces it, --out names another folder",
                          path);
      for (const auto& entry : fs::directory_iterator(final_))
        if (std::find(std::begin(kFiles), std::end(kFiles), entry.path().filename().string()) ==
            std::end(kFiles))
          fail<ConfigError>(
              "{}: holds '{}', which this command does not write, so --force does not replace it; "
              "choose another --out",
              path, entry.path().filename().string());
    }
    fs::remove_all(path_, error);
    if (!fs::create_directories(path_, error) || error)
      fail<DataError>("{}: cannot make the folder: {}; choose another --out", path_,
                      error.message());
  }
  ~NewFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  std::string file(const std::string& name) const { return (fs::path(path_) / name).string(); }
  const std::string& path() const { return path_; }

  void keep() {
    std::error_code error;
    fs::remove_all(final_, error);
    fs::rename(path_, final_, error);
    if (error)
      fail<DataError>("{}: cannot be put in its place: {}; choose another --out", final_,
                      error.message());
  }

 private:
  std::string final_, path_;
};

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
  NewFolder folder(out, false);
  write_uci_look_alike(uci, rows, seed, folder.path());
  folder.keep();
}

std::string prepare_table_folder(const UciTable& uci, const std::string& from,
                                 const std::string& out, bool force) {
  if (from.empty())
    fail<ConfigError>("--from is missing: the folder that holds {} or arrays made of it",
                      uci.original);
  NewFolder folder(out, force);
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
