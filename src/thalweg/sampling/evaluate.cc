#include "thalweg/sampling/evaluate.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <optional>
#include <variant>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/program.h"

namespace thalweg {
namespace {

constexpr std::size_t kForwardSeed = 1 << 20;  // beyond all classes
constexpr std::int64_t kBlock = 16384;  // rows worked on at a time, so that memory stays small

/// Copies `count` numbers to another precision with all threads.
template <typename From, typename To>
void convert(ThreadPool& pool, const From* from, std::int64_t count, To* to) {
  constexpr std::int64_t kPart = 32768;
  pool.parallel((count + kPart - 1) / kPart, [&](std::int64_t part, int) {
    std::transform(from + part * kPart, from + std::min(count, (part + 1) * kPart),
                   to + part * kPart, [](From value) { return static_cast<To>(value); });
  });
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

std::vector<double> repeated(std::span<const double> row, std::int64_t count) {
  std::vector<double> rows;
  rows.reserve(row.size() * static_cast<std::size_t>(count));
  for (std::int64_t i = 0; i < count; ++i) rows.insert(rows.end(), row.begin(), row.end());
  return rows;
}

/// log(exp(a) + exp(b)); NaN if one is NaN.
double log_sum_of_two(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return NAN;
  const double top = std::max(a, b);
  return std::isfinite(top) ? top + std::log1p(std::exp(std::min(a, b) - top)) : top;
}

/// Each class draws random numbers of its own; class 0 those of the seed itself.
std::uint64_t class_seed(std::uint64_t seed, std::size_t number) {
  if (number == 0) return seed;
  const auto words = random_words(seed, static_cast<std::uint32_t>(Stream::kAcceptance), number, 0);
  return static_cast<std::uint64_t>(words[0]) << 32 | words[1];
}

/// Throws DataError for a row of `context` that names no class of a class-conditional base.
void require_known_classes(const char* function, const Model& model,
                           std::span<const double> context) {
  const ClassTable& classes = model.classes();
  if (classes.empty()) return;
  const auto width = static_cast<std::size_t>(classes.context_features());
  for (std::size_t begin = 0; begin < context.size(); begin += width)
    if (!classes.find(context.subspan(begin, width)))
      fail<DataError>("{}: row {} of the condition, ({}), is none of the {} classes of the model",
                      function, begin / width + 1, fmt::join(context.subspan(begin, width), ", "),
                      classes.count());
}

// Beyond this, squares leave single precision, and differences of such numbers soon are NaN.
constexpr double kOverflow = 1e18;

/// Above 0 where a layer maps a point without NaN beyond kOverflow on the way from x to z.
Value latent_overflow(const Flow& flow, const Inputs& inputs) {
  Value value = inputs.main;
  Value overflow = value.graph->constant(0.0);
  const auto all_numbers = [](Value v) {
    return 1.0 - step(sum(1.0 - less_equal(abs(v), v.graph->constant(INFINITY)), Axis::kFeatures));
  };
  const auto& transforms = flow.transforms();
  for (auto layer = transforms.rbegin(); layer != transforms.rend(); ++layer) {
    const Value context = (*layer)->context_features() > 0 ? inputs.context : Value{};
    const Value next = (*layer)->inverse(value, context).value;
    const Value beyond = sum(less(next.graph->constant(kOverflow), abs(next)), Axis::kFeatures);
    overflow = overflow + all_numbers(value) * beyond;
    value = next;
  }
  return overflow;
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
      : pool_(pool),
        executor_(std::make_shared<Program<T>>(graph, outputs), pool),
        blocks_(outputs.size()) {}

  /// Writes output k of all rows to results[k]; outputs that are the same for all samples are
  /// repeated.
  void run(std::span<const double> parameters, std::int64_t rows, std::span<const double> x,
           std::span<const double> context, std::uint64_t seed, std::uint64_t first_sample,
           std::vector<std::vector<double>>& results) {
    const Program<T>& program = executor_.program();
    fill(parameters_, parameters);
    for (std::size_t k = 0; k < blocks_.size(); ++k)
      results[k].resize(static_cast<std::size_t>(rows * program.output_size(k)));
    for (std::int64_t begin = 0; begin < rows; begin += kBlock) {
      const std::int64_t count = std::min(kBlock, rows - begin);
      const auto part = [&](std::span<const double> values) {
        const std::size_t width = values.size() / static_cast<std::size_t>(rows);
        return values.subspan(static_cast<std::size_t>(begin) * width,
                              static_cast<std::size_t>(count) * width);
      };
      fill(main_, part(x));
      fill(context_, part(context));
      const BatchInput<T> inputs[] = {{main_.data()}, {context_.data()}};
      std::vector<T*> pointers;
      for (std::size_t k = 0; k < blocks_.size(); ++k) {
        if (program.output_batched(k))
          blocks_[k].resize(static_cast<std::size_t>(count * program.output_size(k)));
        pointers.push_back(blocks_[k].data());
      }
      const std::uint64_t first = first_sample + static_cast<std::uint64_t>(begin);
      RunArguments<T> arguments;
      arguments.parameters = parameters_.data();
      arguments.inputs = inputs;
      arguments.counts = {&count, 1};
      arguments.first_samples = {&first, 1};
      arguments.seed = seed;
      arguments.outputs = pointers;
      executor_.run(arguments);
      for (std::size_t k = 0; k < blocks_.size(); ++k) {
        const std::int64_t size = program.output_size(k);
        double* to = results[k].data() + begin * size;
        if (program.output_batched(k)) {
          convert(pool_, blocks_[k].data(), count * size, to);
        } else {
          const auto shared = executor_.shared_output(k);
          for (std::int64_t row = 0; row < count; ++row)
            to = std::copy(shared.begin(), shared.end(), to);
        }
      }
    }
  }

 private:
  void fill(std::vector<T>& to, std::span<const double> from) {
    to.resize(from.size());
    convert(pool_, from.data(), static_cast<std::int64_t>(from.size()), to.data());
  }

  ThreadPool& pool_;
  Executor<T> executor_;
  std::vector<T> parameters_, main_, context_;  // kept between runs, as are the blocks of outputs
  std::vector<std::vector<T>> blocks_;
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
      single_->run(flat, rows, x, context, seed, first_sample, results);
    else
      double_->run(flat, rows, x, context, seed, first_sample, results);
    return results;
  }

 private:
  std::size_t outputs_;
  std::unique_ptr<RowMap<float>> single_;
  std::unique_ptr<RowMap<double>> double_;
};

}  // namespace

std::int64_t finish_samples(const Model& model, std::span<double> x, ThreadPool& pool) {
  constexpr std::int64_t kRows = 4096;
  const std::vector<ColumnOptions>& columns = model.options().columns;
  const std::int64_t features = model.flow().features();
  const std::int64_t rows = static_cast<std::int64_t>(x.size()) / features;
  std::atomic<std::int64_t> non_finite{0};
  pool.parallel((rows + kRows - 1) / kRows, [&](std::int64_t part, int) {
    std::int64_t found = 0;
    for (std::int64_t row = part * kRows; row < std::min(rows, (part + 1) * kRows); ++row) {
      bool finite = true;
      for (std::int64_t column = 0; column < features; ++column) {
        double& value = x[static_cast<std::size_t>(row * features + column)];
        if (!columns.empty() && columns[static_cast<std::size_t>(column)].integer) {
          const ColumnOptions& kind = columns[static_cast<std::size_t>(column)];
          value = kind.origin + kind.step * std::floor((value - kind.origin) / kind.step);
        }
        finite = finite && std::isfinite(value);
      }
      if (!finite) ++found;
    }
    non_finite += found;
  });
  return non_finite;
}

struct DensityEvaluator::Programs {
  const Model& model;
  ThreadPool& pool;
  Precision precision;
  std::int64_t draws;
  std::array<std::optional<AnyRowMap>, 4> maps;

  enum class Kind : std::uint8_t { kDensity, kLatent, kData, kOverflow };

  AnyRowMap& get(Kind kind) {
    auto& map = maps[static_cast<std::size_t>(kind)];
    if (!map) {
      Graph graph(model.parameters());
      const Inputs inputs = make_inputs(graph, model);
      std::vector<Value> outputs;
      if (kind == Kind::kDensity) {
        outputs = {model.flow().log_prob(inputs.main, inputs.context)};
      } else if (kind == Kind::kOverflow) {
        outputs = {latent_overflow(model.flow(), inputs)};
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
                             std::span<const double> context, std::vector<double>* log_det,
                             std::uint64_t seed = 0) {
    const std::int64_t count = checked_rows(name, model, rows, context);
    auto results = get(kind).run(model, count, rows, context, seed);
    if (log_det != nullptr) *log_det = std::move(results[1]);
    return std::move(results[0]);
  }

  /// Puts -inf where `log_prob` is NaN only because the latent point is too far away for a number.
  /// `seed` is that of the draw.
  void settle_overflow(std::span<const double> x, std::span<const double> context,
                       std::uint64_t seed, std::vector<double>& log_prob) {
    const auto features = static_cast<std::size_t>(model.flow().features());
    const auto given = static_cast<std::size_t>(model.flow().context_features());
    if (std::ranges::none_of(log_prob, [](double value) { return std::isnan(value); })) return;
    std::vector<std::size_t> rows;
    std::vector<double> points, contexts;
    for (std::size_t row = 0; row < log_prob.size(); ++row) {
      // Random numbers go by the row, so a stochastic flow needs all rows to draw the same again.
      if (!std::isnan(log_prob[row]) && !model.flow().stochastic()) continue;
      rows.push_back(row);
      const auto point = x.subspan(row * features, features);
      const auto condition = context.subspan(row * given, given);
      points.insert(points.end(), point.begin(), point.end());
      contexts.insert(contexts.end(), condition.begin(), condition.end());
    }
    const std::vector<double> overflow =
        mapped(Kind::kOverflow, "log_prob", points, contexts, nullptr, seed);
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (std::isnan(log_prob[rows[i]]) && overflow[i] > 0.0) log_prob[rows[i]] = -INFINITY;
  }
};

DensityEvaluator::DensityEvaluator(const Model& model, ThreadPool& pool, Precision precision,
                                   std::int64_t draws)
    : programs_(new Programs{model, pool, precision, model.flow().stochastic() ? draws : 1, {}}) {
  if (draws < 1) fail<ConfigError>("log_prob: expected at least 1 draw, got {}", draws);
}

DensityEvaluator::~DensityEvaluator() = default;

std::vector<double> DensityEvaluator::log_prob(std::span<const double> x,
                                               std::span<const double> context) {
  require_known_classes("log_prob", programs_->model, context);
  const auto draw = [&](std::int64_t number) {
    // Seeds that no caller is likely to draw samples with.
    const auto words = random_words(static_cast<std::uint64_t>(number),
                                    static_cast<std::uint32_t>(Stream::kEvaluation), 0, 1);
    const std::uint64_t seed = static_cast<std::uint64_t>(words[0]) << 32 | words[1];
    std::vector<double> values =
        programs_->mapped(Programs::Kind::kDensity, "log_prob", x, context, nullptr, seed);
    programs_->settle_overflow(x, context, seed, values);
    return values;
  };
  std::vector<double> result = draw(0);
  const std::int64_t draws = programs_->draws;
  for (std::int64_t number = 1; number < draws; ++number) {
    const std::vector<double> values = draw(number);
    for (std::size_t row = 0; row < result.size(); ++row)
      result[row] = log_sum_of_two(result[row], values[row]);
  }
  if (draws > 1)
    for (double& value : result) value -= std::log(static_cast<double>(draws));
  return result;
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

/// The proposals of a base with a rejection step, numbered 0, 1, 2, ... and looked at in this
/// order, as one rejection sampler would: a sample is the first accepted proposal after the last
/// sample. So blocks can be of any size, and no lane idles after a rejection. A class-conditional
/// base has one such queue a class.
struct ProposalQueue {
  std::uint64_t seed = 0;
  std::span<const double> context;
  std::uint64_t next_proposal = 0;
  std::int64_t rejected_in_a_row = 0;
  std::uint64_t accepted_total = 0;
  std::vector<double> accepted;  // latent samples not handed out yet
};

struct FlowSampler::State {
  const Model& model;
  ThreadPool& pool;
  std::uint64_t seed;
  Precision precision;
  std::optional<AnyRowMap> proposals;  // of a base with a rejection step
  // The flow with the draw before it or, after a rejection step, on accepted draws alone; the
  // second gives log densities, too.
  std::array<std::optional<AnyRowMap>, 2> forward;
  std::uint64_t drawn = 0;  // without a rejection step
  std::vector<ProposalQueue> queues;

  AnyRowMap& get_forward(bool with_density) {
    auto& map = forward[with_density ? 1 : 0];
    if (map) return *map;
    Graph graph(model.parameters());
    const Inputs inputs = make_inputs(graph, model);
    const Base& base = model.flow().base();
    const Value context = base.context_features() > 0 ? inputs.context : Value{};
    const Value z = proposals ? inputs.main : base.draw(graph, 0, context);
    const Mapped mapped = model.flow().forward(z, inputs.context);
    std::vector<Value> outputs{mapped.value};
    if (with_density) outputs.push_back(base.log_prob(z, context) - mapped.log_det);
    return map.emplace(graph, outputs, pool, precision);
  }

  void propose(ProposalQueue& queue, std::int64_t count, SamplingStatistics& statistics) {
    const std::vector<double> context = repeated(queue.context, count);
    const auto results = proposals->run(model, count, {}, context, queue.seed, queue.next_proposal);
    queue.next_proposal += static_cast<std::uint64_t>(count);
    const Base& base = model.flow().base();
    const std::int64_t features = base.features();
    for (std::int64_t row = 0; row < count; ++row) {
      const auto index = static_cast<std::size_t>(row);
      const bool last = base.truncation() > 0 && queue.rejected_in_a_row + 1 >= base.truncation();
      const bool accept = results[2][index] < results[1][index];
      if (!accept && !last) {
        ++queue.rejected_in_a_row;
        continue;
      }
      if (!accept) ++statistics.truncated;
      queue.rejected_in_a_row = 0;
      const auto start = results[0].begin() + row * features;
      queue.accepted.insert(queue.accepted.end(), start, start + features);
      ++queue.accepted_total;
    }
  }

  /// The next `count` accepted draws of a queue.
  std::vector<double> accept(ProposalQueue& queue, std::int64_t count,
                             SamplingStatistics& statistics) {
    const std::int64_t features = model.flow().features();
    const std::int64_t wanted = count * features;
    std::vector<double>& accepted = queue.accepted;
    while (static_cast<std::int64_t>(accepted.size()) < wanted) {
      const std::int64_t missing = count - static_cast<std::int64_t>(accepted.size()) / features;
      const double proposals_per_sample = static_cast<double>(queue.next_proposal + 1) /
                                          static_cast<double>(queue.accepted_total + 1);
      const auto block =
          static_cast<std::int64_t>(1.05 * proposals_per_sample * static_cast<double>(missing)) +
          64;
      propose(queue, std::min(block, 4 * kBlock), statistics);
    }
    std::vector<double> latent(accepted.begin(), accepted.begin() + wanted);
    accepted.erase(accepted.begin(), accepted.begin() + wanted);
    return latent;
  }

  /// Accepted draws, one for each of `count` rows of `context`.
  std::vector<double> accept(std::int64_t count, std::span<const double> context,
                             SamplingStatistics& statistics) {
    if (queues.size() == 1) return accept(queues[0], count, statistics);
    const auto features = static_cast<std::size_t>(model.flow().features());
    const auto width = static_cast<std::size_t>(model.flow().context_features());
    std::vector<std::vector<std::size_t>> rows(queues.size());
    for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row)
      rows[static_cast<std::size_t>(*model.classes().find(context.subspan(row * width, width)))]
          .push_back(row);
    std::vector<double> latent(static_cast<std::size_t>(count) * features);
    for (std::size_t number = 0; number < queues.size(); ++number) {
      const std::vector<double> draws =
          accept(queues[number], static_cast<std::int64_t>(rows[number].size()), statistics);
      for (std::size_t i = 0; i < rows[number].size(); ++i)
        std::copy_n(draws.begin() + static_cast<std::ptrdiff_t>(i * features), features,
                    latent.begin() + static_cast<std::ptrdiff_t>(rows[number][i] * features));
    }
    return latent;
  }
};

FlowSampler::FlowSampler(const Model& model, ThreadPool& pool, std::uint64_t seed,
                         Precision precision)
    : state_(new State{model, pool, seed, precision, {}, {}, 0, {}}) {
  const Base& base = model.flow().base();
  Graph drawing(model.parameters());
  const Inputs given = make_inputs(drawing, model);
  const Value base_context = base.context_features() > 0 ? given.context : Value{};
  const Value z = base.draw(drawing, 0, base_context);
  const Value acceptance = base.acceptance(z, base_context);
  if (!acceptance.valid()) return;
  state_->proposals.emplace(drawing, std::vector<Value>{z, acceptance, drawing.uniform({1, 1})},
                            pool, precision);
  const ClassTable& classes = model.classes();
  state_->queues.resize(classes.empty() ? 1 : static_cast<std::size_t>(classes.count()));
  for (std::size_t number = 0; number < state_->queues.size(); ++number) {
    ProposalQueue& queue = state_->queues[number];
    queue.seed = class_seed(seed, number);
    if (!classes.empty()) queue.context = classes.context(static_cast<std::int64_t>(number));
  }
}

FlowSampler::~FlowSampler() = default;

std::vector<double> FlowSampler::next(std::int64_t count, std::span<const double> context,
                                      std::vector<double>* log_density) {
  if (count < 0) fail<ShapeError>("sample: expected a count of at least 0, got {}", count);
  const Model& model = state_->model;
  State& state = *state_;
  if (static_cast<std::int64_t>(context.size()) != count * model.flow().context_features())
    fail<ShapeError>("sample: expected {} rows of {} context values, got {} values", count,
                     model.flow().context_features(), context.size());
  require_known_classes("sample", model, context);
  std::vector<std::vector<double>> results;
  AnyRowMap& forward = state.get_forward(log_density != nullptr);
  if (!state.proposals) {
    results = forward.run(model, count, {}, context, state.seed, state.drawn);
    state.drawn += static_cast<std::uint64_t>(count);
    statistics_.proposals += count;
  } else {
    // Stochastic layers draw numbers of their own, other than the proposals'.
    results = forward.run(model, count, state.accept(count, context, statistics_), context,
                          class_seed(state.seed, kForwardSeed),
                          static_cast<std::uint64_t>(statistics_.samples));
    // Samples that wait for the next call have had their share of the proposals.
    double proposals = 0.0;
    for (const ProposalQueue& queue : state.queues) {
      const auto accepted = static_cast<double>(queue.accepted_total);
      const auto waiting =
          static_cast<double>(queue.accepted.size()) / static_cast<double>(model.flow().features());
      proposals +=
          static_cast<double>(queue.next_proposal) * (accepted - waiting) / std::max(accepted, 1.0);
    }
    statistics_.proposals = std::llround(proposals);
  }
  if (log_density != nullptr) *log_density = std::move(results[1]);
  std::vector<double>& x = results[0];
  statistics_.non_finite += finish_samples(model, x, state.pool);
  statistics_.samples += count;
  return std::move(x);
}

std::vector<NormaliserEstimate> estimate_normaliser(Model& model, std::int64_t samples,
                                                    std::uint64_t seed, ThreadPool& pool) {
  const ResampledBase* base = model.resampled();
  if (base == nullptr) return {};
  if (samples < 2) fail<ConfigError>("normaliser: expected at least 2 samples, got {}", samples);
  Graph graph(model.parameters());
  const ClassTable& classes = model.classes();
  Value given;
  if (!classes.empty()) {
    graph.input({model.flow().features(), 1});  // the slot of points, which come from the base here
    given = graph.input({classes.context_features(), 1});
  }
  AnyRowMap acceptance(graph, {base->acceptance_of_proposal(graph, 0, given)}, pool,
                       Precision::kFloat);
  const std::span<double> values = model.parameters().values(base->normaliser());
  const std::span<double> errors = model.parameters().values(base->normaliser_error());
  std::vector<NormaliserEstimate> estimates;
  for (std::size_t number = 0; number < values.size(); ++number) {
    double sum = 0.0;
    double squares = 0.0;
    for (std::int64_t begin = 0; begin < samples; begin += kBlock) {
      const std::int64_t count = std::min(kBlock, samples - begin);
      std::vector<double> context;
      if (!classes.empty())
        context = repeated(classes.context(static_cast<std::int64_t>(number)), count);
      const auto found = acceptance.run(model, count, {}, context, class_seed(seed, number),
                                        static_cast<std::uint64_t>(begin));
      for (const double value : found[0]) {
        sum += value;
        squares += value * value;
      }
    }
    NormaliserEstimate& estimate = estimates.emplace_back();
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
  }
  for (std::size_t number = 0; number < values.size(); ++number) {
    values[number] = estimates[number].value;
    errors[number] = estimates[number].standard_error;
  }
  return estimates;
}

}  // namespace thalweg
