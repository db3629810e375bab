// Markov chains of `thalweg sample`.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>

#include "cli/console.h"
#include "cli/sampling.h"
#include "thalweg/core/error.h"
#include "thalweg/io/table.h"
#include "thalweg/metrics/chain_diagnostics.h"
#include "thalweg/report/progress.h"
#include "thalweg/runs/plan.h"
#include "thalweg/sampling/chain_state_file.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/markov_chains.h"

namespace thalweg::cli {

namespace {

constexpr std::int64_t kChains = 1000;  // unless given
constexpr double kMixed = 1.05;         // largest R-hat of chains that have forgotten their starts
constexpr std::int64_t kMostDiagnosed = 1 << 23;  // values, which are kept in memory

ChainTarget chain_target(const SampleArguments& arguments, const LoadedRun& run) {
  if (arguments.sampler == "sails" || arguments.sampler == "sails_published") {
    if (!arguments.density.empty())
      fail<ConfigError>(
          "--density: {} has a density of its own, {}; choose one for mala, hmc and independence",
          arguments.sampler, statement(ChainTarget::kSharpened));
    return ChainTarget::kSharpened;
  }
  const bool known = has_target(run.options.target);
  if (arguments.density == "target" && !known)
    fail<ConfigError>(
        "--density target: this run was trained on data, of which no density is known; use model");
  return arguments.density == "model" || !known ? ChainTarget::kModel : ChainTarget::kEnergy;
}

/// Draws x chains x features, as they come.
struct KeptDraws {
  std::int64_t chains, features;
  std::vector<double> values;

  std::int64_t draws() const {
    return static_cast<std::int64_t>(values.size()) / (chains * features);
  }
  double at(std::int64_t chain, std::int64_t draw, std::int64_t feature) const {
    return values[static_cast<std::size_t>((draw * chains + chain) * features + feature)];
  }
  std::string hash() const {
    return content_hash(
        {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(double)});
  }
  void write(const std::string& path) const {
    std::vector<double> ordered;
    ordered.reserve(values.size());
    for (std::int64_t chain = 0; chain < chains; ++chain)
      for (std::int64_t draw = 0; draw < draws(); ++draw)
        for (std::int64_t feature = 0; feature < features; ++feature)
          ordered.push_back(at(chain, draw, feature));
    write_npy(path, std::vector<std::int64_t>{chains, draws(), features}, ordered);
  }
  /// The first `wanted` draws in a file; throws DataError if there are fewer, or of other chains.
  void read(const std::string& path, std::int64_t wanted) {
    const Array array = read_npy(path);
    if (array.shape.size() != 3 || array.shape[0] != chains || array.shape[2] != features ||
        array.shape[1] < wanted)
      fail<DataError>("{}: expected an array of {} chains x at least {} draws x {} columns", path,
                      chains, wanted, features);
    values.resize(static_cast<std::size_t>(chains * wanted * features));
    for (std::int64_t chain = 0; chain < chains; ++chain)
      for (std::int64_t draw = 0; draw < wanted; ++draw)
        for (std::int64_t feature = 0; feature < features; ++feature)
          values[static_cast<std::size_t>((draw * chains + chain) * features + feature)] =
              array.values[static_cast<std::size_t>((chain * array.shape[1] + draw) * features +
                                                    feature)];
  }
};

/// `draws` of each chain took `seconds`, of which the first ones are kept.
std::string mixing_text(const KeptDraws& kept, std::int64_t draws, double seconds) {
  if (kept.draws() < 4)
    return "  R-hat and effective samples need at least 4 draws a chain: take fewer chains\n";
  const ChainDiagnostics worst = worst_diagnostics(kept.values, kept.chains, kept.features);
  if (std::isnan(worst.r_hat)) return "  R-hat is not defined: some column never changes\n";
  const double share = static_cast<double>(kept.draws()) / static_cast<double>(draws);
  return fmt::format(
      "  R-hat at most {:.4f}{}; at least {} effective samples{}, {} a second after burn-in\n",
      worst.r_hat,
      worst.r_hat > kMixed ? " (above 1.05: draws still show where their chains began; raise "
                             "--thinning)"
                           : "",
      number_text(worst.effective_samples, 0),
      kept.draws() < draws ? fmt::format(" in the first {} draws of each chain", kept.draws()) : "",
      number_text(worst.effective_samples / (share * seconds), 0));
}

/// The chains of one call, with what is kept of them.
class ChainRun {
 public:
  ChainRun(const SampleArguments& arguments, const LoadedRun& run,
           std::span<const double> condition, ThreadPool& pool)
      : arguments_(arguments),
        target_(chain_target(arguments, run)),
        options_(chain_options(arguments)),
        chains_(
            latent_density(run, target_),
            chain_kernels(arguments.sampler, arguments.local_probability, arguments.leapfrog_steps),
            options_, pool),
        kept_{options_.chains, run.model->flow().features(), {}} {
    const std::vector<double> context =
        rows_in_turn(condition, run.options.model.context_features, 0, options_.chains);
    settings_ = {
        {"--sampler", arguments.sampler},
        {"--density", statement(target_)},
        {"--chains", fmt::format("{}", options_.chains)},
        {"--burn-in", fmt::format("{}", options_.burn_in)},
        {"--thinning", fmt::format("{}", options_.thinning)},
        {"--step-size", fmt::format("{}", options_.step_size)},
        {"--local-probability", fmt::format("{}", arguments.local_probability)},
        {"--leapfrog-steps", fmt::format("{}", arguments.leapfrog_steps)},
        {"--seed", fmt::format("{}", arguments.seed)},
        {"the condition", content_hash({reinterpret_cast<const char*>(context.data()),
                                        context.size() * sizeof(double)})},
        {"the model", run.manifest.model_hash},
    };
    if (arguments.resume)
      go_on(context);
    else
      chains_.start(context);
  }

  /// All steps until each sample is drawn; with an interruption what there is is saved.
  void draw() {
    ProgressDisplay progress(arguments_.quiet);
    catch_interrupts();
    const std::int64_t wanted = (arguments_.count + options_.chains - 1) / options_.chains;
    const std::int64_t steps = options_.burn_in + wanted * options_.thinning;
    using Clock = std::chrono::steady_clock;
    auto before = Clock::now();
    auto saved = before;
    while (chains_.state().steps < steps) {
      const bool keep = chains_.step();
      const auto now = Clock::now();
      if (chains_.state().steps > options_.burn_in)
        seconds_ += std::chrono::duration<double>(now - before).count();
      before = now;
      if (keep) take(chains_.data());
      const double done = static_cast<double>(chains_.state().steps) / static_cast<double>(steps);
      if (progress.wanted(done))
        progress.show(done, fmt::format("step {} of {}", chains_.state().steps, steps));
      if (interrupted()) stop();
      // All draws are written each time: at most a tenth of the time goes there.
      const auto since = std::chrono::duration<double>(Clock::now() - saved).count();
      if (since < std::max(arguments_.save_interval, 10.0 * saving_seconds_)) continue;
      save();
      saved = before = Clock::now();
    }
  }

  /// Called with each draw of all chains, of which none is kept here but for diagnostics.
  std::function<void(std::vector<double>)> on_draw;

  /// Hands draws over that are already there.
  void replay() {
    const auto size = static_cast<std::size_t>(kept_.chains * kept_.features);
    for (std::size_t begin = 0; begin < kept_.values.size(); begin += size)
      on_draw({kept_.values.begin() + static_cast<std::ptrdiff_t>(begin),
               kept_.values.begin() + static_cast<std::ptrdiff_t>(begin + size)});
  }

  void save() {
    if (arguments_.chains_out.empty()) return;
    const auto begin = std::chrono::steady_clock::now();
    kept_.write(arguments_.chains_out);
    SavedChains saved{chains_.state(), settings_};
    saved.settings[kSeconds] = fmt::format("{}", seconds_);
    saved.settings[kDraws] = kept_.hash();
    write_chain_state(state_file(arguments_), saved);
    saving_seconds_ =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  std::string summary() const {
    std::string text = fmt::format(
        "{} samples in {}: {} chains, {} steps of burn-in, then every {} steps\n  of {}{}\n",
        arguments_.count, arguments_.out, options_.chains, options_.burn_in, options_.thinning,
        statement(target_),
        arguments_.sampler == "sails_published"
            ? ", as published: only near it, since moves are judged by another kernel's odds"
            : "");
    for (const KernelStatistics& kernel : chains_.statistics())
      text += fmt::format(
          "  {}: accepted {:.3f} of {} moves{}\n", kernel.kernel, kernel.acceptance(),
          kernel.proposals,
          kernel.step_size > 0.0 ? fmt::format(", step size {:.4g}", kernel.step_size) : "");
    const std::int64_t draws = (chains_.state().steps - options_.burn_in) / options_.thinning;
    return text + mixing_text(kept_, draws, seconds_);
  }

  std::string warnings() const {
    std::string text;
    for (const KernelStatistics& kernel : chains_.statistics())
      if (kernel.non_finite > 0)
        text +=
            fmt::format("thalweg: {} of {} moves of {} had no finite density and were refused\n",
                        kernel.non_finite, kernel.proposals, kernel.kernel);
    return text;
  }

 private:
  static constexpr const char* kSeconds = "seconds";
  static constexpr const char* kDraws = "draws";

  static ChainOptions chain_options(const SampleArguments& arguments) {
    ChainOptions options;
    const bool begun = arguments.resume && arguments.chains == 0;
    options.chains =
        begun ? saved_chains(arguments)
              : std::min(arguments.chains == 0 ? kChains : arguments.chains, arguments.count);
    options.burn_in = arguments.burn_in;
    options.thinning = arguments.thinning;
    options.step_size = arguments.step_size;
    options.seed = static_cast<std::uint64_t>(arguments.seed);
    return options;
  }

  static std::string state_file(const SampleArguments& arguments) {
    return arguments.chains_out + ".state";
  }

  /// How many chains there are to go on with.
  static std::int64_t saved_chains(const SampleArguments& arguments) {
    const std::string path = state_file(arguments);
    const std::string text = read_chain_state(path).settings["--chains"];
    const std::int64_t chains = std::strtoll(text.c_str(), nullptr, 10);
    if (chains < 1)
      fail<DataError>("{}: expected a number of chains above 0, got '{}'", path, text);
    return chains;
  }

  void go_on(std::span<const double> context) {
    SavedChains saved = read_chain_state(state_file(arguments_));
    for (const auto& [name, value] : settings_)
      if (saved.settings[name] != value)
        fail<ConfigError>(
            "--resume: the chains in {} were begun with another value of {}: '{}', now '{}'",
            arguments_.chains_out, name, saved.settings[name], value);
    // A process that was killed between the two files leaves more draws than its state knows of.
    kept_.read(arguments_.chains_out,
               std::max<std::int64_t>(0, saved.state.steps - options_.burn_in) / options_.thinning);
    if (kept_.hash() != saved.settings[kDraws])
      fail<DataError>("{}: expected the draws that {} goes with, found others",
                      arguments_.chains_out, state_file(arguments_));
    seconds_ = std::strtod(saved.settings[kSeconds].c_str(), nullptr);
    chains_.restore(std::move(saved.state), context);
  }

  void take(std::vector<double> x) {
    if (!arguments_.chains_out.empty() ||
        static_cast<std::int64_t>(kept_.values.size() + x.size()) <= kMostDiagnosed)
      kept_.values.insert(kept_.values.end(), x.begin(), x.end());
    on_draw(std::move(x));
  }

  [[noreturn]] void stop() {
    save();
    if (arguments_.chains_out.empty())
      fmt::print(stderr,
                 "thalweg: interrupted; nothing was written (with --chains-out FILE chains are "
                 "saved and go on with --resume)\n");
    else
      fmt::print(stderr,
                 "thalweg: interrupted after step {}; {} draws of each chain are in {}; go on with "
                 "the same command and --resume\n",
                 chains_.state().steps, kept_.draws(), arguments_.chains_out);
    throw ExitCode{kInterrupted};
  }

  const SampleArguments& arguments_;
  const ChainTarget target_;
  const ChainOptions options_;
  MarkovChains chains_;
  KeptDraws kept_;
  std::map<std::string, std::string> settings_;
  double seconds_ = 0.0;         // of steps after burn-in
  double saving_seconds_ = 0.0;  // of the last saving
};

}  // namespace

void sample_by_chains(const SampleArguments& arguments, const LoadedRun& run,
                      std::span<const double> condition, ThreadPool& pool) {
  ChainRun chains(arguments, run, condition, pool);
  TableWriter writer(arguments.out, column_names(run.options.model),
                     arguments.exact() ? FloatType::kFloat64 : FloatType::kFloat32);
  const std::int64_t features = run.options.model.features;
  std::int64_t missing = arguments.count, non_finite = 0;
  chains.on_draw = [&](std::vector<double> x) {
    const std::int64_t rows = std::min(missing, static_cast<std::int64_t>(x.size()) / features);
    x.resize(static_cast<std::size_t>(rows * features));
    non_finite += finish_samples(*run.model, x, pool);
    writer.append(x);
    missing -= rows;
  };
  chains.replay();
  chains.draw();
  chains.save();
  writer.finish();
  if (!arguments.quiet) fmt::print("{}", chains.summary());
  fmt::print(stderr, "{}", chains.warnings());
  if (non_finite > 0)
    fmt::print(stderr, "thalweg: {} of {} samples are not finite; `thalweg doctor {}` says more\n",
               non_finite, arguments.count, arguments.run);
}

}  // namespace thalweg::cli
