// thalweg drive: energies and forces for a simulation of another program.
#include <chrono>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/driving.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  DriveRequest request;
  std::string address, file;
  bool quiet = false, ignore_hash = false;
};

/// i-PI and ASE put the socket NAME at /tmp/ipi_NAME.
std::string socket_file(const std::string& name) {
  return name.find('/') == std::string::npos ? "/tmp/ipi_" + name : name;
}

void run(Arguments& arguments) {
  DriveRequest& request = arguments.request;
  if (arguments.address.empty() == arguments.file.empty())
    fail<ConfigError>("expected --address HOST:PORT or --unix NAME, where the server listens");
  if (arguments.file.empty())
    request.address = host_address(arguments.address);
  else
    request.address.file = socket_file(arguments.file);
  request.loading.verify = !arguments.ignore_hash;
  catch_interrupts();
  const auto start = std::chrono::steady_clock::now();
  const DriveReport report =
      drive(request, {.connected =
                          [&](std::int64_t atoms) {
                            if (arguments.quiet) return;
                            fmt::print("{}: connected, {} atoms by {}\n", text_of(request.address),
                                       atoms, request.potential);
                            std::fflush(stdout);
                          },
                      .interrupted = interrupted});
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (!arguments.quiet)
    fmt::print("{} configurations in {}{}\n", report.configurations, format_duration(took.count()),
               report.end == DriveReport::End::kClosed
                   ? "; the server closed the connection without EXIT"
                   : "");
  if (report.end == DriveReport::End::kInterrupted) throw ExitCode{kInterrupted};
}

}  // namespace

void add_drive(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("drive", "Energies and forces for i-PI, ASE and others over a socket");
  auto arguments = std::make_shared<Arguments>();
  DriveRequest& request = arguments->request;
  command
      ->add_option(
          "POTENTIAL", request.potential,
          "a run of a molecule, whose potential is -kT log p, or a system: OpenMM's (.xml) "
          "or an AMBER topology (.prmtop, .parm7)")
      ->required();
  command->add_option("--address", arguments->address, "HOST:PORT where the server listens");
  command->add_option("--unix", arguments->file,
                      "or the NAME of its UNIX socket, which is /tmp/ipi_NAME, or a file with a /");
  command
      ->add_option("--temperature", request.temperature,
                   "of a run, in K; default that of its system")
      ->check(CLI::Range(1e-3, 1e9));
  command
      ->add_option("--solvent", request.solvent,
                   "of AMBER topologies: none (the default), obc1 or obc2")
      ->check(CLI::IsMember({"none", "obc1", "obc2"}));
  command->add_option("--wait", request.wait, "seconds for the server to appear; default 10")
      ->check(CLI::Range(0.0, 1e9));
  add_ignore_hash(*command, arguments->ignore_hash);
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors");
  command->footer(
      "The server speaks the socket protocol of i-PI, and says when to end. Positions must not be\n"
      "wrapped into a cell: pbc='False' in i-PI's ffsocket.\n"
      "Examples:\n"
      "  thalweg drive runs/peptide --address localhost:31415\n"
      "  thalweg drive system.xml --unix water");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace thalweg::cli
