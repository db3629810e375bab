#include "thalweg/runs/particle_folder.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "thalweg/core/error.h"
#include "thalweg/core/version.h"
#include "thalweg/datasets/particle_rows.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/table.h"
#include "thalweg/metrics/chain_diagnostics.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/new_folder.h"
#include "thalweg/runs/settings.h"
#include "thalweg/sampling/particle_free_energy.h"

namespace thalweg {
namespace {

const std::vector<std::string>& particle_files() {
  static const std::vector<std::string> files = {"train.npy",     "validation.npy", "test.npy",
                                                 "columns.txt",   "README.txt",     kFolderSettings,
                                                 "particles.json"};
  return files;
}

/// Mean energies of samples that papers compare on, in kT.
struct PublishedEnergy {
  const char* target;
  double mean;
};
constexpr PublishedEnergy kPublished[] = {{"dw4", -22.48}, {"lj13", -43.00}};

struct Mean {
  double value = 0.0, error = 0.0;
};

/// Over all draws, with the error that independent chains give.
Mean chain_mean(const std::vector<double>& values, std::int64_t chains) {
  const auto count = static_cast<std::size_t>(chains);
  const std::size_t draws = values.size() / count;
  std::vector<double> means(count, 0.0);
  for (std::size_t row = 0; row < values.size(); ++row)
    means[row % count] += values[row] / static_cast<double>(draws);
  double mean = 0.0, square = 0.0;
  for (const double value : means) mean += value / static_cast<double>(count);
  for (const double value : means) square += (value - mean) * (value - mean);
  return {mean, std::sqrt(square / static_cast<double>(count * (count - 1)))};
}

/// Chains of each part, and how many draws each keeps.
struct Plan {
  std::int64_t train = 0, other = 0, draws = 0;
  std::int64_t chains() const { return train + 2 * other; }
};
/// Rows to validate on, and to test on.
std::int64_t tenth_of(std::int64_t count) { return std::max<std::int64_t>(20, count / 10); }

Plan plan_chains(std::int64_t count) {
  const std::int64_t train = std::clamp<std::int64_t>(count / 100, 10, 200);
  const std::int64_t draws = (count + train - 1) / train;
  return {train, std::max<std::int64_t>(2, (tenth_of(count) + draws - 1) / draws), draws};
}

/// The first `count` rows of chains `first` to `first + chains`, in the order of draws.
Table part_of(const ParticleDraws& draws, std::int64_t first, std::int64_t chains,
              std::int64_t count, const std::vector<std::string>& names) {
  Table table;
  table.names = names;
  const std::size_t width = names.size();
  for (std::int64_t draw = 0; draw < draws.draws; ++draw)
    for (std::int64_t chain = first; chain < first + chains && table.rows < count; ++chain) {
      const auto row =
          draws.x.begin() + static_cast<std::ptrdiff_t>(
                                static_cast<std::size_t>(draw * draws.chains + chain) * width);
      table.values.insert(table.values.end(), row, row + static_cast<std::ptrdiff_t>(width));
      ++table.rows;
    }
  return table;
}

/// Estimates from two starts, together.
struct Integral {
  std::vector<FreeEnergyEstimate> starts;
  std::vector<double> scales;
  Mean together;
};

std::optional<Integral> integral_of(const ParticleEnergy& energy, double scale, std::uint64_t seed,
                                    ThreadPool& pool, const ParticleCallbacks& callbacks) {
  Integral result;
  double weight = 0.0;
  for (const double factor : {1.0, 1.5}) {
    const double done = 0.5 * static_cast<double>(result.starts.size());
    const auto estimate = particle_free_energy(
        energy,
        {.replicas = std::clamp<std::int64_t>(3328 / energy.options().particles, 32, 1024),
         .sweeps = 10,
         .effective_share = 0.99,
         .start_scale = factor * scale,
         .seed = seed + result.starts.size()},
        pool,
        {.progress =
             [&](double share) {
               if (callbacks.progress) callbacks.progress(done + 0.5 * share);
             },
         .interrupted = callbacks.interrupted});
    if (!estimate) return std::nullopt;
    const double own = 1.0 / (estimate->error * estimate->error);
    result.together.value += own * estimate->log_integral;
    weight += own;
    result.starts.push_back(*estimate);
    result.scales.push_back(factor * scale);
  }
  result.together.value /= weight;
  result.together.error = 1.0 / std::sqrt(weight);
  return result;
}

std::string settings_text(const TargetOptions& target, const ParticleOptions& particles,
                          const std::optional<Integral>& integral) {
  std::string text = fmt::format("[data]\ntarget = \"{}\"\nparticles = {}\n\n[particles]\n",
                                 target.name, particles.dimensions);
  if (target.particles > 0) text += fmt::format("count = {}\n", target.particles);
  if (target.particle_dimensions > 0)
    text += fmt::format("dimensions = {}\n", target.particle_dimensions);
  text += fmt::format("temperature = {}\n", target.temperature);
  if (integral)
    text += fmt::format("log_integral = {}\nlog_integral_error = {}\n", integral->together.value,
                        integral->together.error);
  return text;
}

}  // namespace

std::vector<std::string> particle_target_names() {
  std::vector<std::string> names;
  for (const TargetKind& kind : target_kinds().rows())
    if (kind.make_particles) names.push_back(kind.name);
  return names;
}

std::optional<ParticleFolderReport> write_particle_folder(const ParticleFolderRequest& request,
                                                          ThreadPool& pool,
                                                          const ParticleCallbacks& callbacks) {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  const auto seconds = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  if (request.count < 100 || request.count > 100000000)
    fail<ConfigError>("--count: expected 100 to 100 000 000, got {}", request.count);
  const auto target = make_target(request.target);
  const ParticleOptions* particles = target->particle_options();
  if (particles == nullptr)
    fail<ConfigError>("{}: expected a target of particles: {}", target->name(),
                      fmt::join(particle_target_names(), ", "));
  const ParticleEnergy energy(*particles);
  NewFolder folder(request.out, request.force, particle_files());

  const Plan plan = plan_chains(request.count);
  ParticleChainOptions options{.chains = plan.chains(), .draws = plan.draws, .seed = request.seed};
  options.thinning = request.thinning > 0 ? request.thinning
                                          : std::max<std::int64_t>(50, 8 * particles->particles);
  options.burn_in =
      request.burn_in >= 0 ? request.burn_in : std::max<std::int64_t>(2000, 25 * options.thinning);
  // The integral takes about a quarter of the time.
  const double share = request.free_energy ? 0.75 : 1.0;
  const auto progress = [&](double from, double part) {
    return ParticleCallbacks{.progress =
                                 [&callbacks, from, part](double done) {
                                   if (callbacks.progress) callbacks.progress(from + part * done);
                                 },
                             .interrupted = callbacks.interrupted};
  };
  const auto draws = sample_particles(energy, options, pool, progress(0.0, share));
  if (!draws) return std::nullopt;
  const double chain_seconds = seconds();
  const auto features = static_cast<double>(energy.features());
  const double exact_virial = features - static_cast<double>(particles->dimensions);
  const Mean mean_energy = chain_mean(draws->energy, draws->chains);
  const Mean virial = chain_mean(draws->virial, draws->chains);
  const Mean square = chain_mean(draws->square, draws->chains);
  const double scale = std::sqrt(square.value / features);
  std::optional<Integral> integral;
  if (request.free_energy) {
    integral = integral_of(energy, scale, request.seed, pool, progress(share, 1.0 - share));
    if (!integral) return std::nullopt;
  }
  const ChainDiagnostics of_energy = worst_diagnostics(draws->energy, draws->chains, 1);
  const ChainDiagnostics of_size = worst_diagnostics(draws->square, draws->chains, 1);

  const std::vector<std::string>& names = target->columns();
  const std::int64_t tenth = tenth_of(request.count);
  Table train = part_of(*draws, 0, plan.train, request.count, names);
  const Table validation = part_of(*draws, plan.train, plan.other, tenth, names);
  const Table test = part_of(*draws, plan.train + plan.other, plan.other, tenth, names);
  save_table(folder.file("train.npy"), train, FloatType::kFloat32);
  save_table(folder.file("validation.npy"), validation, FloatType::kFloat32);
  save_table(folder.file("test.npy"), test, FloatType::kFloat32);
  const ParticleRowsSummary rows =
      centre_particles(train.values, energy.features(), energy.features(), particles->dimensions);

  ParticleFolderReport report;
  const auto line = [&](const char* label, const std::string& text) {
    report.text += fmt::format("  {:<34} {}\n", label, text);
  };
  const auto with_error = [](const Mean& mean) {
    return fmt::format("{:.4f} +- {:.4f}", mean.value, mean.error);
  };
  report.text = fmt::format(
      "{}: {} particles in {} dimensions at temperature {:g}, seed {}\n"
      "{} chains of {} temperatures, {} sweeps of burn-in, a row each {} sweeps; {} + {} + {} rows "
      "from chains of their own\n",
      target->name(), particles->particles, particles->dimensions, particles->temperature,
      request.seed, draws->chains, draws->levels.size(), options.burn_in, options.thinning,
      train.rows, validation.rows, test.rows);
  for (std::size_t k = 0; k < draws->levels.size(); ++k) {
    const TemperatureStatistics& level = draws->levels[k];
    line(k == 0 ? "acceptance, swaps at 1" : fmt::format("  at {:.3f}", level.beta).c_str(),
         fmt::format("{:.3f}{}", level.acceptance,
                     k + 1 < draws->levels.size() ? fmt::format(", {:.3f}", level.swap_rate) : ""));
  }
  std::string beside;
  for (const PublishedEnergy& known : kPublished)
    if (target->name() == known.target && particles->temperature == 1.0)
      beside = fmt::format("; published samples {:.2f}", known.mean);
  line("mean energy, kT", with_error(mean_energy) + beside);
  line("virial sum x dU/dx, kT", with_error(virial) + fmt::format("; exact {:g}", exact_virial));
  line("root mean square coordinate", fmt::format("{:.4f}", scale));
  line("R-hat of energy, of size", fmt::format("{:.4f}, {:.4f}", of_energy.r_hat, of_size.r_hat));
  line("effective samples", fmt::format("{:.0f}, {:.0f} of {}", of_energy.effective_samples,
                                        of_size.effective_samples, draws->energy.size()));
  line("rows that lost a particle", fmt::format("{}", rows.evaporated));
  Mean bound;
  if (integral) {
    for (std::size_t i = 0; i < integral->starts.size(); ++i)
      line(i == 0 ? "log integral, from a normal of" : "",
           fmt::format("{:.3f}: {:.4f} +- {:.4f} in {} steps", integral->scales[i],
                       integral->starts[i].log_integral, integral->starts[i].error,
                       integral->starts[i].steps));
    line("  together", with_error(integral->together));
    bound = {mean_energy.value + integral->together.value,
             std::hypot(mean_energy.error, integral->together.error)};
    line("least possible NLL, <U> + log Z", with_error(bound));
  }
  line("time", fmt::format("{} for chains, {} in all", format_duration(chain_seconds),
                           format_duration(seconds())));

  constexpr double kLargestRHat = 1.02, kErrors = 3.0;
  if (!(std::max(of_energy.r_hat, of_size.r_hat) <= kLargestRHat))
    report.warnings.push_back(fmt::format(
        "R-hat is {:.3f}: the chains have not forgotten their starts; take more --burn-in and "
        "--thinning",
        std::max(of_energy.r_hat, of_size.r_hat)));
  if (!(std::abs(virial.value - exact_virial) <= kErrors * virial.error))
    report.warnings.push_back(
        fmt::format("the virial is {:.3f} +- {:.3f} where {:g} is exact: the chains are not in "
                    "equilibrium; take "
                    "more --burn-in",
                    virial.value, virial.error, exact_virial));
  // A few of a trapped gas are on their way at any time.
  constexpr double kManyLost = 0.01;
  if (static_cast<double>(rows.evaporated) > kManyLost * static_cast<double>(train.rows))
    report.warnings.push_back(
        fmt::format("{} rows to train on have a particle more than {:g} times the usual distance "
                    "from all others",
                    rows.evaporated, kEvaporated));
  if (integral) {
    const double apart =
        std::abs(integral->starts[0].log_integral - integral->starts[1].log_integral);
    const double error = std::hypot(integral->starts[0].error, integral->starts[1].error);
    if (apart > kErrors * error)
      report.warnings.push_back(fmt::format(
          "the log integrals from two starts are {:.3f} apart, with an error of {:.3f}: trust "
          "neither",
          apart, error));
  }

  nlohmann::ordered_json figures = {{"target", target->name()},
                                    {"particles", particles->particles},
                                    {"dimensions", particles->dimensions},
                                    {"temperature", particles->temperature},
                                    {"seed", request.seed},
                                    {"chains", draws->chains},
                                    {"burn_in", options.burn_in},
                                    {"thinning", options.thinning},
                                    {"mean_energy", mean_energy.value},
                                    {"mean_energy_error", mean_energy.error},
                                    {"virial", virial.value},
                                    {"virial_error", virial.error},
                                    {"virial_exact", exact_virial},
                                    {"r_hat_energy", of_energy.r_hat},
                                    {"r_hat_size", of_size.r_hat},
                                    {"effective_samples_energy", of_energy.effective_samples},
                                    {"effective_samples_size", of_size.effective_samples},
                                    {"rows_evaporated", rows.evaporated},
                                    {"seconds", seconds()}};
  if (integral) {
    figures["log_integral"] = integral->together.value;
    figures["log_integral_error"] = integral->together.error;
    figures["least_nll"] = bound.value;
    figures["least_nll_error"] = bound.error;
  }
  const std::string usage = fmt::format("thalweg train --data {}", request.out);
  std::string warnings;
  for (const std::string& warning : report.warnings) warnings += "warning: " + warning + "\n";
  write_file_atomically(folder.file("particles.json"), figures.dump(2) + "\n");
  write_file_atomically(folder.file("columns.txt"), fmt::format("{}\n", fmt::join(names, "\n")));
  write_file_atomically(folder.file(kFolderSettings),
                        settings_text(request.target, *particles, integral));
  write_file_atomically(folder.file("README.txt"),
                        fmt::format("{} by thalweg {}\n\n{}{}\n{}\n", target->name(), version(),
                                    report.text, warnings, usage));
  folder.keep();
  report.text += fmt::format("written to {}; next:\n  {}\n", request.out, usage);
  return report;
}

}  // namespace thalweg
