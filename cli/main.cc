// The tool's entry: commands, and the one place where errors become a line and an exit code.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/core/text.h"
#include "thalweg/core/version.h"

namespace thalweg::cli {

namespace {

int report_error(int code, const std::string& what) {
  std::string line = what;
  std::replace(line.begin(), line.end(), '\n', ' ');
  fmt::print(stderr, "thalweg: {}\n", line);
  return code;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  return names;
}

/// Says which option or command was meant.
int report_usage(const CLI::App& app, const CLI::ParseError& error,
                 const std::vector<std::string>& arguments) {
  const auto used = app.get_subcommands();
  const CLI::App& command = used.empty() ? app : *used.front();
  const std::vector<std::string> known = option_names(command);
  for (const std::string& argument : arguments) {
    const std::string name = argument.substr(0, argument.find('='));
    if (name.starts_with("--") && name.size() > 2 &&
        std::find(known.begin(), known.end(), name) == known.end())
      return report_error(kUsageError,
                          fmt::format("unknown option '{}'{}", name, name_hint(name, known)));
  }
  std::string text = error.what();
  while (!text.empty() && (text.back() == '\n' || text.back() == '.')) text.pop_back();
  return report_error(kUsageError, fmt::format("{}; see `thalweg {}--help`", text,
                                               used.empty() ? "" : command.get_name() + " "));
}

int run(int count, char** values) {
  CLI::App app("Normalizing flows that cope with hard topology: train, sample, evaluate, report.");
  app.name("thalweg");
  app.set_version_flag("--version", std::string("thalweg ") + version());
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  add_demo(app);
  add_train(app);
  add_sample(app);
  add_log_prob(app);
  add_evaluate(app);
  add_report(app);
  add_data(app);
  add_simulate(app);
  add_drive(app);
  add_profile(app);
  add_doctor(app);
  add_reproduce(app);
  add_list(app);
  add_describe(app);
  app.footer(
      "First steps:\n"
      "  thalweg demo                            two rings, with and without a resampled base\n"
      "  thalweg train --data points.csv         learn the density of your own points\n"
      "  thalweg sample runs/points --count 1000 --out samples.csv\n"
      "Exit codes: 0 done, 1 defect, 2 usage or settings, 3 data or files, 4 numbers left the\n"
      "finite, 5 a check failed, 130 interrupted.");

  const std::vector<std::string> arguments(values + 1, values + count);
  if (!arguments.empty() && !arguments[0].starts_with("-")) {
    std::vector<std::string> known;
    for (const CLI::App* command : app.get_subcommands({})) known.push_back(command->get_name());
    if (std::find(known.begin(), known.end(), arguments[0]) == known.end())
      return report_error(kUsageError, fmt::format("unknown command '{}'{}", arguments[0],
                                                   name_hint(arguments[0], known)));
  }
  try {
    app.parse(count, values);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help and --version
    return report_usage(app, error, arguments);
  }
  return kDone;
}

}  // namespace

}  // namespace thalweg::cli

int main(int count, char** values) {
  using namespace thalweg;
  using namespace thalweg::cli;
  // A full disk, a file size limit and a closed pipe then come back as errors of the call.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    int code = run(count, values);
    // Nobody may be reading any more (`thalweg list | head -1`), which is fine.
    if (std::fflush(stdout) != 0 && errno != EPIPE && code == kDone)
      code = report_error(kDataError,
                          fmt::format("cannot write to standard output: {}", std::strerror(errno)));
    return code;
  } catch (const ExitCode& code) {
    std::fflush(stdout);
    return code.value;
  } catch (const InterruptedError&) {
    return report_error(kInterrupted, "interrupted before it was done; no unfinished file is left");
  } catch (const ConfigError& error) {
    return report_error(kUsageError, error.what());
  } catch (const DataError& error) {
    return report_error(kDataError, error.what());
  } catch (const ShapeError& error) {
    return report_error(kDataError, error.what());
  } catch (const NumericalError& error) {
    return report_error(kNumericalError, error.what());
  } catch (const std::filesystem::filesystem_error& error) {
    return report_error(kDataError, fmt::format("{}: {}; check the name and its permissions",
                                                error.path1().string(), error.code().message()));
  } catch (const std::system_error& error) {
    // Of fmt, which cannot write, or of a thread that cannot be made.
    return report_error(kDataError,
                        fmt::format("{}; is a disk full, or a limit reached?", error.what()));
  } catch (const std::bad_alloc&) {
    return report_error(kDataError, "memory ran out; use fewer rows, or a smaller model");
  } catch (const std::exception& error) {
    return report_error(kDefect, fmt::format("unexpected: {}; please report it", error.what()));
  }
}
