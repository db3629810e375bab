// thalweg data: points to learn from: published tables, prepared and split as in the papers that
// compare on them, and particles, sampled by chains of their own.
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/particle_folder.h"
#include "thalweg/runs/table_folder.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  std::string name, from, out;
  bool look_alike = false, force = false, quiet = false, no_integral = false;
  std::int64_t rows = 20000, seed = 1;
  std::int64_t count = 100000, particles = 0, dimensions = 0, burn_in = -1, thinning = 0;
  double temperature = 1.0;
  int threads = 0;
  const CLI::App* command = nullptr;
};

void draw_particles(const Arguments& arguments) {
  ParticleFolderRequest request{.target = {},
                                .count = arguments.count,
                                .out = arguments.out,
                                .seed = static_cast<std::uint64_t>(arguments.seed),
                                .burn_in = arguments.burn_in,
                                .thinning = arguments.thinning,
                                .free_energy = !arguments.no_integral,
                                .force = arguments.force};
  request.target.name = arguments.name;
  request.target.particles = arguments.particles;
  request.target.particle_dimensions = arguments.dimensions;
  request.target.temperature = arguments.temperature;
  catch_interrupts();
  ThreadPool pool(arguments.threads);
  std::optional<ParticleFolderReport> report;
  {
    ProgressDisplay display(arguments.quiet);
    report = write_particle_folder(
        request, pool,
        {.progress =
             [&](double share) {
               if (display.wanted(share))
                 display.show(share, fmt::format("{} rows of {}", format_count(arguments.count),
                                                 arguments.name));
             },
         .interrupted = interrupted});
  }
  if (!report) {
    fmt::print(stderr, "interrupted; nothing was written\n");
    throw ExitCode{kInterrupted};
  }
  if (!arguments.quiet) fmt::print("{}", report->text);
  for (const std::string& warning : report->warnings) fmt::print(stderr, "warning: {}\n", warning);
}

/// No option may be given that this kind of data does not have.
void refuse_others(const Arguments& arguments, const std::vector<std::string>& others,
                   const std::string& what) {
  for (const CLI::Option* option : arguments.command->get_options())
    if (option->count() > 0 && std::ranges::count(others, option->get_name()) > 0)
      fail<ConfigError>("{}: is not of {}; leave it out", option->get_name(), what);
}

void prepare(const Arguments& arguments) {
  if (std::ranges::count(particle_target_names(), arguments.name) > 0) {
    refuse_others(arguments, {"--rows", "--from", "--look-alike"},
                  arguments.name + ", which is drawn by chains of its own");
    return draw_particles(arguments);
  }
  const UciTable& uci = find_uci_table(arguments.name, particle_target_names());
  refuse_others(arguments,
                {"--count", "--particles", "--dimensions", "--burn-in", "--thinning",
                 "--temperature", "--no-integral"},
                arguments.name + ", which is a table");
  if (arguments.look_alike)
    refuse_others(arguments, {"--from", "--force"}, "a look-alike, which needs a new folder");
  else
    refuse_others(arguments, {"--rows", "--seed"}, "a table as it was published");
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
  CLI::App* command = app.add_subcommand(
      "data", "Prepare the tables that papers compare on, or sample systems of particles");
  auto arguments = std::make_shared<Arguments>();
  arguments->command = command;
  std::vector<std::string> names;
  for (const UciTable& table : uci_tables()) names.push_back(table.name);
  command
      ->add_option("NAME", arguments->name,
                   fmt::format("tables: {}; particles: {}", fmt::join(names, ", "),
                               fmt::join(particle_target_names(), ", ")))
      ->required();
  command->add_option("--from", arguments->from,
                      "folder with the UCI original, data.npy or train/validation/test.npy");
  command->add_option("--out", arguments->out, "folder to write")->required();
  command->add_flag("--force", arguments->force, "replace what this command wrote to --out before");
  command->add_flag("--look-alike", arguments->look_alike,
                    "write a small made-up file in the original format instead");
  command->add_option("--rows", arguments->rows, "rows of the look-alike; default 20000");
  command->add_option("--seed", arguments->seed, "of the look-alike, or of the chains; default 1")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  command
      ->add_option("--count", arguments->count,
                   "particles: rows to train on, and a tenth each to validate and test; default "
                   "100000")
      ->check(CLI::Range(std::int64_t{100}, std::int64_t{100000000}));
  command->add_option("--temperature", arguments->temperature,
                      "particles: in units of their energy; default 1");
  command->add_option("--particles", arguments->particles,
                      "of lennard_jones and multi_double_well: their number");
  command->add_option("--dimensions", arguments->dimensions,
                      "of lennard_jones and multi_double_well: of space");
  command
      ->add_option("--burn-in", arguments->burn_in,
                   "particles: sweeps before the first row; default 25 times the thinning")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{100000000}));
  command
      ->add_option("--thinning", arguments->thinning,
                   "particles: sweeps from one row of a chain to the next; default 8 a particle")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1000000}));
  command->add_flag("--no-integral", arguments->no_integral,
                    "particles: do not find the integral of the density");
  command->add_option("--threads", arguments->threads, "particles: threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors and warnings");
  command->footer(
      "Examples:\n"
      "  thalweg data power --from Downloads/power --out data/power\n"
      "  thalweg data gas --look-alike --rows 20000 --out made-up/gas\n"
      "  thalweg data gas --from made-up/gas --out data/gas\n"
      "  thalweg data lj13 --count 100000 --out data/lj13\n"
      "  thalweg data lennard_jones --particles 7 --temperature 0.5 --count 20000 --out data/lj7");
  command->callback([arguments] { prepare(*arguments); });
}

}  // namespace thalweg::cli
