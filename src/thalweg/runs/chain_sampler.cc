#include "thalweg/runs/chain_sampler.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <span>

#include "thalweg/core/error.h"
#include "thalweg/exploration/nearest_mode.h"
#include "thalweg/io/npy.h"
#include "thalweg/runs/particle_metrics.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/run_chains.h"
#include "thalweg/sampling/chain_state_file.h"
#include "thalweg/sampling/column_map.h"

namespace thalweg {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kChains = 1000;            // unless given
constexpr double kForgotten = 1.05;               // largest R-hat of chains without their starts
constexpr std::int64_t kMostDiagnosed = 1 << 23;  // values, which are kept in memory

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Options of other samplers are refused, not ignored.
void check_taken(const SampleRequest& request) {
  const SampleRequest usual;
  const bool local = request.sampler != "independence";
  if (!local && (request.step_size != usual.step_size ||
                 request.local_probability != usual.local_probability))
    fail<ConfigError>(
        "--step-size and --local-probability are of sails, mala and hmc: expected none with {}",
        request.sampler);
  if (request.sampler != "hmc" && request.leapfrog_steps != usual.leapfrog_steps)
    fail<ConfigError>("--leapfrog-steps is of hmc: expected none with {}", request.sampler);
  if (request.chains_out.empty() && request.save_interval != usual.save_interval)
    fail<ConfigError>("--save-interval is for --chains-out: give both, or neither");
}

ChainTarget chain_target(const SampleRequest& request, const LoadedRun& run) {
  if (request.sampler == "sails" || request.sampler == "sails_published") {
    if (!request.density.empty())
      fail<ConfigError>(
          "--density: {} has a density of its own, {}; choose one for mala, hmc and independence",
          request.sampler, statement(ChainTarget::kSharpened));
    return ChainTarget::kSharpened;
  }
  if (!request.density.empty() && request.density != "model" && request.density != "target")
    fail<ConfigError>("--density: expected model or target, got '{}'", request.density);
  const bool known = run.target() != nullptr;
  if (request.density == "target" && !known)
    fail<ConfigError>(
        "--density target: this run was trained on data, of which no density is known; use model");
  return request.density == "model" || !known ? ChainTarget::kModel : ChainTarget::kEnergy;
}

std::string state_file(const SampleRequest& request) { return request.chains_out + ".state"; }

/// How many chains there are to go on with.
std::int64_t saved_chains(const SampleRequest& request) {
  const std::string path = state_file(request);
  const std::string text = read_chain_state(path).settings["--chains"];
  const std::int64_t chains = std::strtoll(text.c_str(), nullptr, 10);
  if (chains < 1) fail<DataError>("{}: expected a number of chains above 0, got '{}'", path, text);
  return chains;
}

void check_files(const SampleRequest& request) {
  const std::string& path = request.chains_out;
  if (request.resume && path.empty())
    fail<ConfigError>("--resume: say with --chains-out FILE which chains are to go on");
  if (path.empty()) return;
  if (!request.resume && std::filesystem::exists(path))
    fail<ConfigError>(
        "--chains-out: '{}' is there already: go on with --resume, remove it, or give another "
        "name",
        path);
  if (!path.ends_with(".npy"))
    fail<ConfigError>("--chains-out: expected a .npy file, got '{}'", path);
}

ChainOptions chain_options(const SampleRequest& request) {
  check_files(request);
  ChainOptions options;
  const bool begun = request.resume && request.chains == 0;
  options.chains = begun ? saved_chains(request)
                         : std::min(request.chains == 0 ? kChains : request.chains, request.count);
  options.burn_in = request.burn_in;
  options.thinning = request.thinning;
  options.step_size = request.step_size;
  options.seed = static_cast<std::uint64_t>(request.seed);
  return options;
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

class ChainSampler : public RunSampler {
 public:
  ChainSampler(const LoadedRun& run, const SampleRequest& request, ThreadPool& pool)
      : run_(run),
        request_(request),
        pool_(pool),
        target_(chain_target(request, run)),
        options_(chain_options(request)),
        chains_(latent_density(run, target_),
                chain_kernels(request.sampler, request.local_probability, request.leapfrog_steps),
                options_, pool),
        kept_{options_.chains, run.model->flow().features(), {}} {
    const std::vector<double> context =
        rows_in_turn(request.condition, run.options.model.context_features, 0, options_.chains);
    settings_ = {
        {"--sampler", request.sampler},
        {"--density", statement(target_)},
        {"--chains", fmt::format("{}", options_.chains)},
        {"--burn-in", fmt::format("{}", options_.burn_in)},
        {"--thinning", fmt::format("{}", options_.thinning)},
        {"--step-size", fmt::format("{}", options_.step_size)},
        {"--local-probability", fmt::format("{}", request.local_probability)},
        {"--leapfrog-steps", fmt::format("{}", request.leapfrog_steps)},
        {"--seed", fmt::format("{}", request.seed)},
        {"the condition", content_hash({reinterpret_cast<const char*>(context.data()),
                                        context.size() * sizeof(double)})},
        {"the model", run.manifest.model_hash},
    };
    if (request.resume)
      go_on(context);
    else
      chains_.start(context);
  }

  std::vector<std::string> columns() const override { return column_names(run_.options.model); }
  FloatType float_type() const override { return sample_type(run_, request_.precision); }
  // Each chain keeps to one condition.
  std::int64_t condition_row(std::int64_t sample, std::int64_t given) const override {
    return sample % options_.chains % given;
  }

  SampleResult draw(const SampleSink& sink, const SampleCallbacks& callbacks) override {
    const auto size = static_cast<std::size_t>(kept_.chains * kept_.features);
    for (std::size_t begin = 0; begin < kept_.values.size(); begin += size)
      hand_over(sink, {kept_.values.begin() + static_cast<std::ptrdiff_t>(begin),
                       kept_.values.begin() + static_cast<std::ptrdiff_t>(begin + size)});
    const std::int64_t wanted = (request_.count + options_.chains - 1) / options_.chains;
    const std::int64_t steps = options_.burn_in + wanted * options_.thinning;
    auto before = Clock::now(), saved = before;
    while (chains_.state().steps < steps && !result_.interrupted) {
      const bool keep = chains_.step();
      if (chains_.state().steps > options_.burn_in) seconds_ += seconds_since(before);
      before = Clock::now();
      if (keep) {
        result_.unsolved += chains_.unsolved();
        take(sink, chains_.data());
      }
      if (callbacks.progress) callbacks.progress(chains_.state().steps, steps);
      result_.interrupted = callbacks.interrupted && callbacks.interrupted();
      // All draws are written each time: at most a tenth of the time goes there.
      if (seconds_since(saved) < std::max(request_.save_interval, 10.0 * saving_seconds_)) continue;
      save();
      saved = before = Clock::now();
    }
    save();
    result_.chains = summary();
    return result_;
  }

 private:
  static constexpr const char* kSeconds = "seconds";
  static constexpr const char* kDraws = "draws";

  void go_on(std::span<const double> context) {
    SavedChains saved = read_chain_state(state_file(request_));
    for (const auto& [name, value] : settings_)
      if (saved.settings[name] != value)
        fail<ConfigError>(
            "--resume: the chains in {} were begun with another value of {}: '{}', now '{}'",
            request_.chains_out, name, saved.settings[name], value);
    // A process that was killed between the two files leaves more draws than its state knows of.
    kept_.read(request_.chains_out,
               std::max<std::int64_t>(0, saved.state.steps - options_.burn_in) / options_.thinning);
    if (kept_.hash() != saved.settings[kDraws])
      fail<DataError>("{}: expected the draws that {} goes with, found others", request_.chains_out,
                      state_file(request_));
    seconds_ = std::strtod(saved.settings[kSeconds].c_str(), nullptr);
    chains_.restore(std::move(saved.state), context);
  }

  void take(const SampleSink& sink, std::vector<double> x) {
    if (!request_.chains_out.empty() ||
        static_cast<std::int64_t>(kept_.values.size() + x.size()) <= kMostDiagnosed)
      kept_.values.insert(kept_.values.end(), x.begin(), x.end());
    hand_over(sink, std::move(x));
  }

  /// One draw of each chain, as long as samples are missing.
  void hand_over(const SampleSink& sink, std::vector<double> x) {
    const std::int64_t rows = std::min(request_.count - result_.count, kept_.chains);
    x.resize(static_cast<std::size_t>(rows * kept_.features));
    // Moved into limits that data showed, points would no longer follow the energy.
    const Drawn drawn = target_ == ChainTarget::kEnergy ? Drawn::kAsItIs : Drawn::kAsInData;
    result_.non_finite += finish_samples(*run_.model, x, pool_, drawn);
    sink(x);
    result_.count += rows;
  }

  void save() {
    if (request_.chains_out.empty()) return;
    const auto begin = Clock::now();
    kept_.write(request_.chains_out);
    SavedChains saved{chains_.state(), settings_};
    saved.settings[kSeconds] = fmt::format("{}", seconds_);
    saved.settings[kDraws] = kept_.hash();
    write_chain_state(state_file(request_), saved);
    saving_seconds_ = seconds_since(begin);
  }

  ChainSummary summary() const {
    ChainSummary summary;
    summary.target = target_;
    summary.chains = options_.chains;
    summary.steps = chains_.state().steps;
    summary.burn_in = options_.burn_in;
    summary.thinning = options_.thinning;
    summary.kernels = chains_.statistics();
    summary.draws = std::max<std::int64_t>(0, summary.steps - options_.burn_in) / options_.thinning;
    summary.diagnosed = kept_.draws();
    summary.seconds = seconds_;
    if (kept_.draws() < 4 || result_.interrupted) return summary;
    if (!run_.options.model.flow.species.empty()) {
      summary.worst = diagnostics_of_species();
      return summary;
    }
    summary.worst = worst_diagnostics(kept_.values, kept_.chains, kept_.features);
    add_modes(summary);
    return summary;
  }

  /// Of distances between the particles that are there, where all chains have the same ones; NaN
  /// else, since each then has a law of its own.
  ChainDiagnostics diagnostics_of_species() const {
    constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
    const ModelOptions& model = run_.options.model;
    const auto width = static_cast<std::size_t>(model.context_features);
    const std::span<const double> condition = request_.condition;
    for (std::size_t row = width; row < condition.size(); row += width)
      if (!std::ranges::equal(condition.subspan(row, width), condition.first(width)))
        return {kNone, kNone};
    std::vector<double> contexts;
    const std::size_t rows = kept_.values.size() / static_cast<std::size_t>(kept_.features);
    for (std::size_t row = 0; row < rows; ++row)
      contexts.insert(contexts.end(), condition.begin(),
                      condition.begin() + static_cast<std::ptrdiff_t>(width));
    const std::vector<double> distances = particle_distances(run_, kept_.values, contexts);
    return worst_diagnostics(distances, kept_.chains,
                             std::ssize(distances) / static_cast<std::int64_t>(rows));
  }

  /// What chains say of modes by where they began, and by what the exploration found.
  void add_modes(ChainSummary& summary) const {
    std::optional<Exploration> exploration;
    if (target_ == ChainTarget::kEnergy) exploration = run_.exploration();
    if (exploration && !exploration->endless.empty())
      summary.warnings.push_back(exploration->endless);
    const bool several = exploration && exploration->modes.size() > 1;
    if (!several) {
      summary.starts = start_diagnostics(kept_.values, kept_.chains, kept_.features);
    } else {
      const NearestMode nearest(exploration->modes, run_.options.model.columns);
      summary.starts =
          start_diagnostics(kept_.values, kept_.chains, kept_.features, std::cref(nearest));
      add_unseen(summary, *exploration, nearest.of(kept_.values));
    }
    if (summary.starts && summary.starts->r_hat > kForgotten)
      summary.warnings.push_back(fmt::format(
          "chains keep to where they began (R-hat {:.3f} between {} groups of first draws, {:.3g} "
          "% "
          "of the chains ever left theirs), so that the masses of modes are those of their starts: "
          "take moves that change modes (a smaller --local-probability, or --sampler independence) "
          "or weighted draws (--sampler importance)",
          summary.starts->r_hat, summary.starts->groups, 100.0 * summary.starts->left));
  }

  /// Modes of the exploration that next to no draw lies in.
  void add_unseen(ChainSummary& summary, const Exploration& exploration,
                  const std::vector<std::size_t>& nearest) const {
    constexpr double kFewTimes = 20.0, kLeastMass = 0.005;
    const std::vector<std::string> names = columns();
    for (std::size_t mode = 0; mode < exploration.modes.size(); ++mode) {
      const ExploredMode& found = exploration.modes[mode];
      const double share = static_cast<double>(std::ranges::count(nearest, mode)) /
                           static_cast<double>(nearest.size());
      if (found.mass - 3.0 * found.mass_error > kLeastMass && share * kFewTimes < found.mass)
        summary.warnings.push_back(fmt::format(
            "{:.3g} % of the draws lie in the mode at {}, which holds {:.3g} % of the mass by "
            "exploration: chains start where the flow is, which has lost it; train it again",
            100.0 * share, place_of(found, names), 100.0 * found.mass));
    }
  }

  const LoadedRun& run_;
  const SampleRequest request_;
  ThreadPool& pool_;
  const ChainTarget target_;
  const ChainOptions options_;
  MarkovChains chains_;
  KeptDraws kept_;
  std::map<std::string, std::string> settings_;
  SampleResult result_;
  double seconds_ = 0.0;         // of steps after burn-in
  double saving_seconds_ = 0.0;  // of the last saving
};

}  // namespace

std::unique_ptr<RunSampler> make_chain_sampler(const LoadedRun& run, const SampleRequest& request,
                                               ThreadPool& pool) {
  check_taken(request);
  return std::make_unique<ChainSampler>(run, request, pool);
}

}  // namespace thalweg
