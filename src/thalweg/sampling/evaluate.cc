#include "thalweg/sampling/evaluate.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <variant>

#include "thalweg/core/error.h"
#include "thalweg/engine/program.h"

namespace thalweg {
namespace {

constexpr std::int64_t kBlock = 65536;  // rows worked on at a time, so that memory stays small

template <typename T>
std::vector<T> converted(std::span<const double> values) {
  return std::vector<T>(values.begin(), values.end());
}

/// Input nodes of a graph for a model's vectors and its context.
struct Inputs {
  Value main, context;
};

Inputs make_inputs(Graph& graph, const Model& model) {
  Inputs inputs;
  inputs.main = graph.input({model.flow().features(), 1});
  if (model.flow().context_features() > 0)
    inputs.context = graph.input({model.flow().context_features(), 1});
  return inputs;
}

std::int64_t checked_rows(const char* function, const Model& model, std::span<const double> x,
                          std::span<const double> context) {
  const std::int64_t features = model.flow().features();
  const std::int64_t context_features = model.flow().context_features();
  const auto size = static_cast<std::int64_t>(x.size());
  if (size % features != 0)
    fail<ShapeError>("{}: expected rows of {} values, got {} values", function, features, size);
  const std::int64_t rows = size / features;
  if (static_cast<std::int64_t>(context.size()) != rows * context_features)
    fail<ShapeError>("{}: expected {} rows of {} context values, got {} values", function, rows,
                     context_features, context.size());
  return rows;
}

/// A program with its executor that maps rows of a model's vectors to batched outputs, block by
/// block.
template <typename T>
class RowMap {
 public:
  RowMap(const Graph& graph, const std::vector<Value>& outputs, ThreadPool& pool)
      : executor_(std::make_shared<Program<T>>(graph, outputs), pool) {}

  /// Appends output k of all rows to results[k]; outputs that are the same for all samples are
  /// repeated.
  void run(const std::vector<T>& parameters, std::int64_t rows, std::span<const double> x,
           std::span<const double> context, std::uint64_t seed, std::uint64_t first_sample,
           std::vector<std::vector<double>>& results) {
    const Program<T>& program = executor_.program();
    for (std::int64_t begin = 0; begin < rows; begin += kBlock) {
      const std::int64_t count = std::min(kBlock, rows - begin);
      const auto part = [&](std::span<const double> values) {
        const std::size_t width = values.size() / static_cast<std::size_t>(rows);
        return converted<T>(values.subspan(static_cast<std::size_t>(begin) * width,
                                           static_cast<std::size_t>(count) * width));
      };
      const std::vector<T> main = part(x);
      const std::vector<T> given = part(context);
      const BatchInput<T> inputs[] = {{main.data()}, {given.data()}};
      std::vector<std::vector<T>> blocks(program.outputs());
      std::vector<T*> pointers(program.outputs(), nullptr);
      for (std::size_t k = 0; k < blocks.size(); ++k)
        if (program.output_batched(k)) {
          blocks[k].resize(static_cast<std::size_t>(count * program.output_size(k)));
          pointers[k] = blocks[k].data();
        }
      const std::uint64_t first = first_sample + static_cast<std::uint64_t>(begin);
      RunArguments<T> arguments;
      arguments.parameters = parameters.data();
      arguments.inputs = inputs;
      arguments.counts = {&count, 1};
      arguments.first_samples = {&first, 1};
      arguments.seed = seed;
      arguments.outputs = pointers;
      executor_.run(arguments);
      for (std::size_t k = 0; k < blocks.size(); ++k) {
        if (program.output_batched(k)) {
          results[k].insert(results[k].end(), blocks[k].begin(), blocks[k].end());
        } else {
          const auto shared = executor_.shared_output(k);
          for (std::int64_t row = 0; row < count; ++row)
            results[k].insert(results[k].end(), shared.begin(), shared.end());
        }
      }
    }
  }

 private:
  Executor<T> executor_;
};

/// The same map in the precision that was asked for.
class AnyRowMap {
 public:
  AnyRowMap(const Graph& graph, const std::vector<Value>& outputs, ThreadPool& pool,
            Precision precision)
      : outputs_(outputs.size()) {
    if (precision == Precision::kFloat)
      single_ = std::make_unique<RowMap<float>>(graph, outputs, pool);
    else
      double_ = std::make_unique<RowMap<double>>(graph, outputs, pool);
  }

  std::vector<std::vector<double>> run(const Model& model, std::int64_t rows,
                                       std::span<const double> x, std::span<const double> context,
                                       std::uint64_t seed = 0, std::uint64_t first_sample = 0) {
    std::vector<std::vector<double>> results(outputs_);
    if (rows == 0) return results;
    const auto flat = model.parameters().flat();
    if (single_)
      single_->run(converted<float>(flat), rows, x, context, seed, first_sample, results);
    else
      double_->run(converted<double>(flat), rows, x, context, seed, first_sample, results);
    return results;
  }

 private:
  std::size_t outputs_;
  std::unique_ptr<RowMap<float>> single_;
  std::unique_ptr<RowMap<double>> double_;
};

}  // namespace

struct DensityEvaluator::Programs {
  const Model& model;
  ThreadPool& pool;
  Precision precision;
  std::optional<AnyRowMap> density, latent, data;

  enum class Kind : std::uint8_t { kDensity, kLatent, kData };

  AnyRowMap& get(Kind kind) {
    auto& map = kind == Kind::kDensity ? density : kind == Kind::kLatent ? latent : data;
    if (!map) {
      Graph graph(model.parameters());
      const Inputs inputs = make_inputs(graph, model);
      std::vector<Value> outputs;
      if (kind == Kind::kDensity) {
        outputs = {model.flow().log_prob(inputs.main, inputs.context)};
      } else {
        const Mapped mapped = kind == Kind::kLatent
                                  ? model.flow().inverse(inputs.main, inputs.context)
                                  : model.flow().forward(inputs.main, inputs.context);
        outputs = {mapped.value, mapped.log_det};
      }
      map.emplace(graph, outputs, pool, precision);
    }
    return *map;
  }

  std::vector<double> mapped(Kind kind, const char* name, std::span<const double> rows,
                             std::span<const double> context, std::vector<double>* log_det) {
    const std::int64_t count = checked_rows(name, model, rows, context);
    auto results = get(kind).run(model, count, rows, context);
    if (log_det != nullptr) *log_det = std::move(results[1]);
    return std::move(results[0]);
  }
};

DensityEvaluator::DensityEvaluator(const Model& model, ThreadPool& pool, Precision precision)
    : programs_(new Programs{model, pool, precision, {}, {}, {}}) {}

DensityEvaluator::~DensityEvaluator() = default;

std::vector<double> DensityEvaluator::log_prob(std::span<const double> x,
                                               std::span<const double> context) {
  return programs_->mapped(Programs::Kind::kDensity, "log_prob", x, context, nullptr);
}

std::vector<double> DensityEvaluator::to_latent(std::span<const double> x,
                                                std::span<const double> context,
                                                std::vector<double>* log_det) {
  return programs_->mapped(Programs::Kind::kLatent, "to_latent", x, context, log_det);
}

std::vector<double> DensityEvaluator::to_data(std::span<const double> z,
                                              std::span<const double> context,
                                              std::vector<double>* log_det) {
  return programs_->mapped(Programs::Kind::kData, "to_data", z, context, log_det);
}

// Proposals are numbered 0, 1, 2, ... and looked at in this order, as one rejection sampler would:
// a sample is the first accepted proposal after the last sample. So blocks can be of any size, and
// no lane idles after a rejection.
struct FlowSampler::State {
  const Model& model;
  std::uint64_t seed;
  std::optional<AnyRowMap> proposals, forward;
  std::uint64_t next_proposal = 0;
  std::int64_t rejected_in_a_row = 0;
  std::uint64_t accepted_total = 0;
  std::vector<double> accepted;  // latent samples not handed out yet

  void propose(std::int64_t count, SamplingStatistics& statistics) {
    const auto results = proposals->run(model, count, {}, {}, seed, next_proposal);
    next_proposal += static_cast<std::uint64_t>(count);
    const Base& base = model.flow().base();
    const bool rejects = results.size() > 1;
    const std::int64_t features = base.features();
    for (std::int64_t row = 0; row < count; ++row) {
      if (rejects) {
        const auto index = static_cast<std::size_t>(row);
        const bool last = base.truncation() > 0 && rejected_in_a_row + 1 >= base.truncation();
        const bool accept = results[2][index] < results[1][index];
        if (!accept && !last) {
          ++rejected_in_a_row;
          continue;
        }
        if (!accept) ++statistics.truncated;
        rejected_in_a_row = 0;
      }
      const auto start = results[0].begin() + row * features;
      accepted.insert(accepted.end(), start, start + features);
      ++accepted_total;
    }
  }
};

FlowSampler::FlowSampler(const Model& model, ThreadPool& pool, std::uint64_t seed,
                         Precision precision)
    : state_(new State{model, seed, {}, {}, 0, 0, 0, {}}) {
  const Base& base = model.flow().base();
  if (base.context_features() > 0)
    fail<ConfigError>("sampling: base '{}' depends on a context, which sampling does not support",
                      base.name());
  {
    Graph graph(model.parameters());
    const Value z = base.draw(graph, 0);
    std::vector<Value> outputs{z};
    const Value acceptance = base.acceptance(z);
    if (acceptance.valid()) outputs.insert(outputs.end(), {acceptance, graph.uniform({1, 1})});
    state_->proposals.emplace(graph, outputs, pool, precision);
  }
  Graph graph(model.parameters());
  const Inputs inputs = make_inputs(graph, model);
  state_->forward.emplace(
      graph, std::vector<Value>{model.flow().forward(inputs.main, inputs.context).value}, pool,
      precision);
}

FlowSampler::~FlowSampler() = default;

std::vector<double> FlowSampler::next(std::int64_t count, std::span<const double> context) {
  if (count < 0) fail<ShapeError>("sample: expected a count of at least 0, got {}", count);
  const Model& model = state_->model;
  const std::int64_t features = model.flow().features();
  const auto wanted = static_cast<std::size_t>(count * features);
  State& state = *state_;
  while (state.accepted.size() < wanted) {
    const std::int64_t missing =
        count - static_cast<std::int64_t>(state.accepted.size()) / features;
    const double proposals_per_sample = static_cast<double>(state.next_proposal + 1) /
                                        static_cast<double>(state.accepted_total + 1);
    const auto block =
        static_cast<std::int64_t>(1.05 * proposals_per_sample * static_cast<double>(missing)) + 64;
    state.propose(std::min(block, kBlock), statistics_);
  }
  const std::vector<double> latent(state.accepted.begin(),
                                   state.accepted.begin() + static_cast<std::ptrdiff_t>(wanted));
  state.accepted.erase(state.accepted.begin(),
                       state.accepted.begin() + static_cast<std::ptrdiff_t>(wanted));
  checked_rows("sample", model, latent, context);
  auto results = state.forward->run(model, count, latent, context);
  std::vector<double>& x = results[0];
  const std::vector<ColumnOptions>& columns = model.options().columns;
  for (std::int64_t row = 0; row < count; ++row) {
    bool finite = true;
    for (std::int64_t column = 0; column < features; ++column) {
      double& value = x[static_cast<std::size_t>(row * features + column)];
      if (!columns.empty()) {
        const ColumnOptions& kind = columns[static_cast<std::size_t>(column)];
        if (kind.integer)
          value = kind.origin + kind.step * std::floor((value - kind.origin) / kind.step);
      }
      finite = finite && std::isfinite(value);
    }
    if (!finite) ++statistics_.non_finite;
  }
  statistics_.samples += count;
  // Samples that wait for the next call have had their share of the proposals.
  statistics_.proposals = std::llround(
      static_cast<double>(state.next_proposal) * static_cast<double>(statistics_.samples) /
      static_cast<double>(std::max<std::uint64_t>(1, state.accepted_total)));
  return std::move(x);
}

NormaliserEstimate estimate_normaliser(Model& model, std::int64_t samples, std::uint64_t seed,
                                       ThreadPool& pool) {
  const ResampledBase* base = model.resampled();
  if (base == nullptr) return {};
  if (samples < 2) fail<ConfigError>("normaliser: expected at least 2 samples, got {}", samples);
  Graph graph(model.parameters());
  const Value z = base->draw(graph, 0);
  AnyRowMap acceptance(graph, {base->acceptance(z)}, pool, Precision::kFloat);
  double sum = 0.0;
  double squares = 0.0;
  for (std::int64_t begin = 0; begin < samples; begin += kBlock) {
    const std::int64_t count = std::min(kBlock, samples - begin);
    const auto values =
        acceptance.run(model, count, {}, {}, seed, static_cast<std::uint64_t>(begin));
    for (const double value : values[0]) {
      sum += value;
      squares += value * value;
    }
  }
  NormaliserEstimate estimate;
  const auto n = static_cast<double>(samples);
  estimate.samples = samples;
  estimate.value = sum / n;
  estimate.standard_error =
      std::sqrt(std::max(0.0, squares / n - estimate.value * estimate.value) / (n - 1.0));
  if (!std::isfinite(estimate.value) || estimate.value <= 0.0)
    fail<NumericalError>(
        "normaliser: the acceptance network gives a mean of {} over {} proposals; expected a "
        "number in (0, 1]",
        estimate.value, samples);
  model.parameters().values(base->normaliser())[0] = estimate.value;
  model.parameters().values(base->normaliser_error())[0] = estimate.standard_error;
  return estimate;
}

}  // namespace thalweg
