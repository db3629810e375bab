// thalweg simulate: molecular dynamics of atoms by their force field, or of points by an energy.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/core/error.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/simulation.h"

namespace thalweg::cli {

namespace {

struct Arguments {
  SimulationRequest request;
  std::int64_t seed = 1;
  double temperature = 0.0;
  bool quiet = false;
  int threads = 0;
  const CLI::App* command = nullptr;
  CLI::Option *steps = nullptr, *temperature_option = nullptr, *temperatures = nullptr;
};

/// A simulation that goes on keeps its settings; none may seem to be changed.
void refuse_other_settings(const CLI::App& command) {
  static const std::vector<std::string> kAllowed = {"--out", "--steps", "--resume", "--threads",
                                                    "--quiet"};
  for (const CLI::Option* option : command.get_options())
    if (option->count() > 0 && std::ranges::find(kAllowed, option->get_name()) == kAllowed.end())
      fail<ConfigError>("--resume goes on with the settings of its simulation: leave out {}",
                        option->get_name());
}

/// Options that are given and would do nothing.
void refuse_unread(const Arguments& arguments) {
  const SimulationRequest& request = arguments.request;
  const auto given = [&](const char* name) {
    return arguments.command->get_option(name)->count() > 0;
  };
  if (given("--exchange-every") && request.temperatures.size() < 2)
    fail<ConfigError>("--exchange-every: is for several --temperatures");
  if (given("--friction") && request.ensemble == "nve" && request.equilibration == 0)
    fail<ConfigError>(
        "--friction: is of Langevin dynamics, and --ensemble nve with --equilibrate 0 has none");
}

void run(Arguments& arguments) {
  SimulationRequest& request = arguments.request;
  request.seed = static_cast<std::uint64_t>(arguments.seed);
  if (request.resume) {
    refuse_other_settings(*arguments.command);
    if (arguments.steps->count() > 0) request.resume_steps = request.steps;
  }
  if (arguments.temperature_option->count() > 0 && arguments.temperatures->count() > 0)
    fail<ConfigError>("expected --temperature or --temperatures, got both");
  if (arguments.temperature_option->count() > 0) request.temperatures = {arguments.temperature};
  refuse_unread(arguments);
  catch_interrupts();
  ThreadPool pool(arguments.threads);
  SimulationReport report;
  {
    ProgressDisplay display(arguments.quiet);
    const ShowsWork shows(display);
    report = simulate(request, pool, simulation_callbacks(display, arguments.quiet));
  }
  if (!report.complete) {
    fmt::print(stderr,
               "thalweg: interrupted after {} steps; all is saved; resume with: thalweg simulate "
               "--resume --out {}\n",
               report.step, request.out);
    throw ExitCode{kInterrupted};
  }
  if (!arguments.quiet)
    fmt::print("{}written to {}: trajectory.{}, energies.npy, summary.json, report.html\n",
               report.text, request.out, report.format);
  for (const std::string& warning : report.warnings) fmt::print(stderr, "warning: {}\n", warning);
}

}  // namespace

void add_simulate(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("simulate", "Molecular dynamics of a molecule, or of points by an energy");
  auto arguments = std::make_shared<Arguments>();
  arguments->command = command;
  SimulationRequest& request = arguments->request;
  const auto count = CLI::Range(std::int64_t{1}, std::int64_t{1} << 42);
  command->add_option("SYSTEM", request.system,
                      "an OpenMM System (.xml) or an AMBER topology (.prmtop, .parm7); without "
                      "one points of mass 1 move by an energy whose temperatures are energies");
  command->add_option("--positions", request.positions,
                      "where to start: .pdb, .npy (nm), .dcd, .nc or .ncrst; of points a table, or "
                      "nothing for a start "
                      "from the standard normal; walkers take its frames in turn");
  command->add_option("--flow", request.flow,
                      "a run whose model of the configurations at the first temperature moves the "
                      "atoms in place of the system's forces, or the points");
  command->add_option("--energy", request.energy,
                      "or an expression, as \"(x^2-4)^2 + y^2/2\"; of a SYSTEM's coordinates in "
                      "kJ/mol and nm");
  command->add_option("--constants", request.constants,
                      "named numbers of the expression, as \"a=2.5,y=[1, 2, 3]\"");
  command->add_option("--energy-library", request.energy_library,
                      "or a shared library with the C function thalweg_energy");
  command->add_option("--target", request.target, "or a built-in target (`thalweg list`)");
  command->add_option("--out", request.out, "folder to write")->required();
  arguments->temperature_option =
      command->add_option("--temperature", arguments->temperature,
                          "in K; default 300, or that of the --flow, or 1 for points");
  arguments->temperatures =
      command
          ->add_option("--temperatures", request.temperatures,
                       "replica exchange: rising temperatures in K, as 300,388,502,650; the "
                       "trajectory is the first's")
          ->delimiter(',');
  arguments->steps =
      command->add_option("--steps", request.steps, "after equilibration; default 100000")
          ->check(count);
  command
      ->add_option("--equilibrate", request.equilibration,
                   "steps before, by Langevin dynamics; default a tenth of --steps")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 42));
  command->add_option("--replicas", request.replicas, "at each temperature; default 1")
      ->check(count);
  command->add_option("--time-step", request.time_step, "in fs; default 1, or 0.01 for points")
      ->check(CLI::Range(0.0, 1e6));
  command->add_option("--friction", request.friction,
                      "of Langevin dynamics in 1/ps, or 1/time; default 1");
  command
      ->add_option("--ensemble", request.ensemble,
                   "nvt (Langevin dynamics, BAOAB; the default) or nve (velocity Verlet)")
      ->check(CLI::IsMember({"nvt", "nve"}));
  command->add_flag("--minimize", request.minimise, "go to a minimum of the energy first");
  command->add_option("--frame-every", request.frame_every, "steps between frames; default 1000")
      ->check(count);
  command
      ->add_option("--exchange-every", request.exchange_every,
                   "steps between tries to exchange, of even and odd pairs of temperatures in "
                   "turns; default 200")
      ->check(count);
  command->add_option("--format", request.format, "of the trajectory: npy (the default), dcd or nc")
      ->check(CLI::IsMember({"npy", "dcd", "nc"}));
  command
      ->add_option("--solvent", request.solvent,
                   "of AMBER topologies: none (the default), obc1 or obc2")
      ->check(CLI::IsMember({"none", "obc1", "obc2"}));
  command->add_option("--topology", request.topology,
                      "a PDB with the names of the atoms, if --positions is none");
  command->add_option("--seed", arguments->seed, "of velocities, noise and exchanges; default 1")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1000000000000000}));
  command->add_flag("--resume", request.resume,
                    "go on with the simulation in --out, to the end or to more --steps");
  command->add_flag("--force", request.force, "replace the simulation in --out");
  command->add_option("--threads", arguments->threads, "threads; 0: all")
      ->check(CLI::Range(0, 1024));
  command->add_flag("--quiet", arguments->quiet, "say nothing but errors and warnings");
  command->footer(
      "Examples:\n"
      "  thalweg simulate system.xml --positions start.pdb --minimize --steps 1000000 --out md\n"
      "  thalweg simulate system.xml --positions start.pdb --temperatures 300,388,502,650 \\\n"
      "      --replicas 16 --steps 500000 --frame-every 200 --out exchange\n"
      "  thalweg simulate ala.prmtop --solvent obc1 --positions start.npy --format dcd --out md\n"
      "  thalweg simulate system.xml --positions start.pdb --ensemble nve --time-step 0.5 --out "
      "nve\n"
      "  thalweg simulate system.xml --flow run --positions start.pdb --ensemble nve --out flow\n"
      "  thalweg simulate --energy \"(x^2-4)^2 + 0.5*(y-x)^2\" --temperatures 1,2,4,8 \\\n"
      "      --replicas 16 --out wells\n"
      "  thalweg simulate --resume --steps 2000000 --out md");
  command->callback([arguments] { run(*arguments); });
}

}  // namespace thalweg::cli
