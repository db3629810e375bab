// thalweg data: published tables, prepared and split as in the papers that compare on them.
#include <algorithm>
#include <filesystem>
#include <memory>

#include "cli/commands.h"
#include "thalweg/core/error.h"
#include "thalweg/core/version.h"
#include "thalweg/datasets/uci_tables.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/report/text_table.h"

namespace thalweg::cli {

namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string name, from, out;
  bool look_alike = false, force = false, quiet = false;
  std::int64_t rows = 20000, seed = 1;
};

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

void make_look_alike(const UciTable& uci, const Arguments& arguments) {
  NewFolder folder(arguments.out, false);
  write_uci_look_alike(uci, arguments.rows, static_cast<std::uint64_t>(arguments.seed),
                       folder.path());
  folder.keep();
  if (!arguments.quiet)
    fmt::print(
        "{}: a made-up {} in the format of the original, {} rows\nnext: thalweg data {} --from {} "
        "--out FOLDER\n",
        arguments.out, uci.original, arguments.rows, uci.name, arguments.out);
}

void prepare(const UciTable& uci, const Arguments& arguments) {
  if (arguments.from.empty())
    fail<ConfigError>("--from is missing: the folder that holds {} or arrays made of it",
                      uci.original);
  NewFolder folder(arguments.out, arguments.force);
  const SplitTable data = prepare_uci_table(uci, arguments.from);
  std::string notes;
  for (const std::string& step : data.steps) notes += "- " + step + "\n";
  for (const std::string& warning : data.warnings) notes += "warning: " + warning + "\n";
  const std::string counts = counts_text(uci, data), columns = columns_text(data.train);
  const std::string usage =
      fmt::format("thalweg train --data {} --set data.find_integers=false", arguments.out);

  save_table(folder.file("train.npy"), data.train, FloatType::kFloat32);
  save_table(folder.file("validation.npy"), data.validation, FloatType::kFloat32);
  save_table(folder.file("test.npy"), data.test, FloatType::kFloat32);
  write_file_atomically(folder.file("columns.txt"),
                        fmt::format("{}\n", fmt::join(data.train.names, "\n")));
  write_file_atomically(
      folder.file("README.txt"),
      fmt::format("{}, prepared as in Papamakarios et al. 2017 by thalweg {}\n\n{}\n{}\n{}\n{}\n",
                  uci.name, version(), notes, counts, columns, usage));
  folder.keep();
  if (!arguments.quiet)
    fmt::print("{}\n{}\n{}\nwritten to {}; next:\n  {}\n", notes, counts, columns, arguments.out,
               usage);
}

}  // namespace

void add_data(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("data", "Prepare and split the tables that papers compare on");
  auto arguments = std::make_shared<Arguments>();
  std::vector<std::string> names;
  for (const UciTable& table : uci_tables()) names.push_back(table.name);
  command->add_option("NAME", arguments->name, fmt::format("{}", fmt::join(names, ", ")))
      ->required();
  command->add_option("--from", arguments->from,
                      "folder with the UCI original, data.npy or train/validation/test.npy");
  command->add_option("--out", arguments->out, "folder to write")->required();
  command->add_flag("--force", arguments->force, "replace what this command wrote to --out before");
  command->add_flag("--look-alike", arguments->look_alike,
                    "write a small made-up file in the original format instead");
  command->add_option("--rows", arguments->rows, "rows of the look-alike; default 20000");
  command->add_option("--seed", arguments->seed, "of the look-alike; default 1")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors");
  command->footer(
      "Examples:\n"
      "  thalweg data power --from Downloads/power --out data/power\n"
      "  thalweg data gas --look-alike --rows 20000 --out made-up/gas\n"
      "  thalweg data gas --from made-up/gas --out data/gas");
  command->callback([arguments] {
    const UciTable& uci = find_uci_table(arguments->name);
    arguments->look_alike ? make_look_alike(uci, *arguments) : prepare(uci, *arguments);
  });
}

}  // namespace thalweg::cli
