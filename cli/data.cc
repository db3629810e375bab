// thalweg data: published tables, prepared and split as in the papers that compare on them.
#include <fmt/ranges.h>

#include <memory>

#include "cli/commands.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/table_folder.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string name, from, out;
  bool look_alike = false, force = false, quiet = false;
  std::int64_t rows = 20000, seed = 1;
};

void prepare(const Arguments& arguments) {
  const UciTable& uci = find_uci_table(arguments.name);
  std::string said;
  if (arguments.look_alike) {
    write_look_alike_folder(uci, arguments.rows, static_cast<std::uint64_t>(arguments.seed),
                            arguments.out);
    said = fmt::format(
        "{}: a made-up {} in the format of the original, {} rows\nnext: thalweg data {} --from {} "
        "--out FOLDER\n",
        arguments.out, uci.original, arguments.rows, uci.name, arguments.out);
  } else {
    said = prepare_table_folder(uci, arguments.from, arguments.out, arguments.force);
  }
  if (!arguments.quiet) fmt::print("{}", said);
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
  command->callback([arguments] { prepare(*arguments); });
}

}  // namespace thalweg::cli
