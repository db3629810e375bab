// Samples of a run in every way there is: draws of the flow, weighted draws, Markov chains.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/core/kind_table.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/io/npy.h"
#include "thalweg/metrics/chain_diagnostics.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/annealed_sampler.h"
#include "thalweg/sampling/latent_density.h"
#include "thalweg/sampling/markov_chains.h"

namespace thalweg {

/// Which samples are wanted, and how they are to be drawn.
struct SampleRequest {
  std::string sampler = "naive";  ///< a name of sampler_kinds()
  std::int64_t count = 0;         ///< samples; may exceed memory
  std::int64_t seed = 1;
  /// Empty: the run's own, and double for weighted draws.
  std::optional<Precision> precision = {};
  std::vector<double> condition = {};  ///< rows x columns of the condition, used in turn
  std::string condition_file = {};     ///< that it came from, which no sample may replace
  /// importance, annealed: column, a last column log_weight; resample, rows drawn again by their
  /// weights; or reject: draws are kept at random, the lighter the less often, so that weights, in
  /// a last column log_weight, are more alike. Empty: column.
  std::string weights = {};
  /// reject: a draw with a weight of less than so many mean ones is kept with a probability in
  /// proportion to it, and then weighs as much; above 0, up to 100.
  double threshold = 1.5;

  // Of Markov chains.
  std::int64_t chains = 0;  ///< 0: 1000, or as many as there are to go on with
  std::int64_t burn_in = 500, thinning = 10;
  std::int64_t leapfrog_steps = 8;  ///< hmc, and annealed
  double step_size = 0.0;           ///< 0: found during burn-in; of annealed, by draws of its own
  double local_probability = 0.5;
  std::string density = {};     ///< model or target; empty: as suits the run
  std::string chains_out = {};  ///< .npy file of chains x draws x columns; empty: none
  bool resume = false;          ///< go on with the chains in chains_out
  double save_interval = 60.0;  ///< seconds between savings of chains_out

  std::int64_t levels = 8;  ///< annealed: densities from the flow's to the target's
};

/// Takes samples block by block, rows x columns.
using SampleSink = std::function<void(std::span<const double>)>;

/// How a sampler tells of its progress and asks whether to go on; all may be empty.
struct SampleCallbacks {
  /// Done samples and all of them; of chains, steps.
  std::function<void(std::int64_t, std::int64_t)> progress = {};
  std::function<bool()> interrupted = {};  ///< true ends the sampling
};

/// What the weights of samples say.
struct ImportanceSummary {
  /// The integral's error is that of the weights and of a base's Z; NaN where the weights are not
  /// reliable. With rejected draws the share is of the samples, all else of all draws.
  ImportanceEstimate estimate;
  std::optional<double> pareto_k;  ///< none for less than 25 samples
  std::int64_t undefined = 0;      ///< samples whose energy is no number; their weights are 0
  std::string endless = {};        ///< Exploration::endless; the error is NaN where it says so
};

/// What became of draws that were kept at random. Before them came pilots, whose weights gave the
/// threshold and which are no part of the samples.
struct RejectionSummary {
  double log_threshold = 0.0;
  double effective_share = 0.0;        ///< of all draws
  std::int64_t draws = 0, pilots = 0;  ///< without the pilots, and these
  std::int64_t kept = 0;               ///< of the draws: the samples, and what came after them
};

/// What became of draws that were moved to the target.
struct AnnealingSummary {
  std::vector<AnnealingLevel> levels;
  std::int64_t evaluations = 0;  ///< of the target, the search for step sizes with them
};

/// What became of chains.
struct ChainSummary {
  ChainTarget target = ChainTarget::kModel;
  std::int64_t chains = 0, steps = 0, burn_in = 0, thinning = 0;
  std::vector<KernelStatistics> kernels;
  std::int64_t draws = 0, diagnosed = 0;  ///< of each chain; the first ones are diagnosed
  std::optional<ChainDiagnostics> worst;  ///< of all columns; none for less than 4 draws a chain
  /// Of groups by the chains' first draws: by the modes that the exploration found where what is
  /// sampled is its energy and has several, else by their distances.
  std::optional<StartDiagnostics> starts;
  std::vector<std::string> warnings;  ///< on modes that chains do not leave, or never see
  double seconds = 0.0;               ///< of the steps after burn-in
};

struct SampleResult {
  std::int64_t count = 0;
  bool interrupted = false;     ///< then fewer samples came than were wanted
  std::int64_t non_finite = 0;  ///< samples with a value that is not finite
  /// Samples that a continuous flow's integration missed by its own estimate; of chains those drawn
  /// in this call.
  std::int64_t unsolved = 0;
  double proposals_a_sample = 0.0;  ///< of a base with a rejection step; 0 for others
  std::optional<ImportanceSummary> importance;
  std::optional<RejectionSummary> rejection;
  std::optional<AnnealingSummary> annealing;
  std::optional<ChainSummary> chains;
};

/// One way to draw samples of one run. One caller at a time, once.
class RunSampler {
 public:
  virtual ~RunSampler() = default;
  /// Names of the columns of what it draws.
  virtual std::vector<std::string> columns() const = 0;
  /// What a file of its samples should keep.
  virtual FloatType float_type() const = 0;
  /// Which of the `given` rows of the request's condition a sample was drawn for; both numbers from
  /// 0, of samples that `sink` has had.
  virtual std::int64_t condition_row(std::int64_t sample, std::int64_t given) const {
    return sample % given;
  }
  /// Draws all samples into `sink`. Throws what the flow, the target and the files of chains throw.
  virtual SampleResult draw(const SampleSink& sink, const SampleCallbacks& callbacks) = 0;
};

/// One kind of sampler.
struct SamplerKind {
  std::string name, summary;
  std::function<std::unique_ptr<RunSampler>(const LoadedRun&, const SampleRequest&, ThreadPool&)>
      make;
  /// Whether options of chains, of weights, or of levels are its.
  bool chains = false, weighted = false, annealed = false;
};
/// What --sampler chooses from, and what a program adds to it.
KindTable<SamplerKind>& sampler_kinds();

/// What a file of a run's samples should keep: what `precision` has, unless some column needs more.
FloatType sample_type(const LoadedRun& run, std::optional<Precision> precision);

/// A sampler of a run, which must outlive it as the pool must. The same request gives the same
/// samples for any number of threads. Throws ConfigError for requests that the run cannot serve.
std::unique_ptr<RunSampler> make_sampler(const LoadedRun& run, const SampleRequest& request,
                                         ThreadPool& pool);

/// The condition in a file, for SampleRequest::condition. Throws ConfigError for a conditional
/// model without a file and for another one with a file, and what reading it throws.
std::vector<double> load_condition(const LoadedRun& run, const std::string& file);

/// Throws ConfigError where `out` is a file that the run comes from, or the one that is given.
void refuse_source(const LoadedRun& run, const std::string& out, const std::string& other);

/// Draws samples into a .npy, .csv, .tsv or .txt file, which appears once all are there; of a
/// molecule as sample_positions() does.
SampleResult sample_to_file(const LoadedRun& run, const SampleRequest& request,
                            const std::string& out, ThreadPool& pool,
                            const SampleCallbacks& callbacks = {});

/// The same in memory, as a table of those columns; fewer rows if it was interrupted.
struct SampledTable {
  Table table;
  SampleResult result;
};
SampledTable sample_table(const LoadedRun& run, const SampleRequest& request, ThreadPool& pool,
                          const SampleCallbacks& callbacks = {});

/// All samples in memory, rows x columns().
std::vector<double> sample_run(const LoadedRun& run, const SampleRequest& request,
                               ThreadPool& pool);

}  // namespace thalweg
