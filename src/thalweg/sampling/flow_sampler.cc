#include "thalweg/sampling/flow_sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/sampling/column_map.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/sampling/rejection_sampler.h"

namespace thalweg {
namespace {

constexpr std::size_t kForwardSeed = 1 << 20;  // beyond all classes

}  // namespace

std::uint64_t class_seed(std::uint64_t seed, std::size_t number) {
  return number == 0 ? seed : derived_seed(seed, Stream::kAcceptance, number, 0);
}

struct FlowSampler::State {
  const Model& model;
  ThreadPool& pool;
  std::uint64_t seed;
  Precision precision;
  ColumnMap columns;
  std::optional<RejectionSampler> rejection = {};  // of a base with a rejection step
  std::vector<std::vector<double>> contexts = {};  // of the queues
  std::vector<ProposalQueue> queues = {};          // one a class
  // The flow with the draw before it or, after a rejection step, on accepted draws alone; the
  // second gives log densities, too.
  std::array<std::optional<RowMap>, 2> forward = {};
  std::uint64_t drawn = 0;  // without a rejection step

  RowMap& get_forward(bool with_density) {
    auto& map = forward[with_density ? 1 : 0];
    if (map) return *map;
    const Flow& flow = model.flow();
    Graph graph(model.parameters());
    const Value accepted = graph.input({flow.features(), 1});
    const Value context =
        flow.context_features() > 0 ? graph.input({flow.context_features(), 1}) : Value{};
    const Value z = rejection ? accepted : flow.draw(graph, 0, context);
    const Mapped mapped = flow.forward(z, context, 0, model.layers());
    std::vector<Value> outputs{mapped.value};
    if (with_density) outputs.push_back(flow.log_base(z, context) - mapped.log_det);
    const Value unsolved = with_density ? mapped.unsolved : mapped.unsolved_value;
    if (unsolved.valid()) outputs.push_back(unsolved);
    return map.emplace(graph, outputs, pool, precision);
  }

  /// Accepted draws, one for each of `count` rows of `context`.
  std::vector<double> accept(std::int64_t count, std::span<const double> context) {
    if (queues.size() == 1) return rejection->next(queues[0], count);
    const auto features = static_cast<std::size_t>(model.flow().features());
    const auto width = static_cast<std::size_t>(model.flow().context_features());
    std::vector<std::vector<std::size_t>> rows(queues.size());
    for (std::size_t row = 0; row < static_cast<std::size_t>(count); ++row)
      rows[static_cast<std::size_t>(*model.classes().find(context.subspan(row * width, width)))]
          .push_back(row);
    std::vector<double> latent(static_cast<std::size_t>(count) * features);
    for (std::size_t number = 0; number < queues.size(); ++number) {
      const std::vector<double> draws =
          rejection->next(queues[number], static_cast<std::int64_t>(rows[number].size()));
      for (std::size_t i = 0; i < rows[number].size(); ++i)
        std::copy_n(draws.begin() + static_cast<std::ptrdiff_t>(i * features), features,
                    latent.begin() + static_cast<std::ptrdiff_t>(rows[number][i] * features));
    }
    return latent;
  }

  void count_proposals(SamplingStatistics& statistics) const {
    // Samples that wait for the next call have had their share of the proposals.
    double proposals = 0.0;
    std::uint64_t truncated = 0;
    for (const ProposalQueue& queue : queues) {
      const auto accepted = static_cast<double>(queue.accepted);
      const auto waiting =
          static_cast<double>(queue.waiting.size()) / static_cast<double>(model.flow().features());
      proposals +=
          static_cast<double>(queue.proposals) * (accepted - waiting) / std::max(accepted, 1.0);
      truncated += queue.truncated;
    }
    statistics.proposals = std::llround(proposals);
    statistics.truncated = static_cast<std::int64_t>(truncated);
  }
};

FlowSampler::FlowSampler(const Model& model, ThreadPool& pool, std::uint64_t seed,
                         Precision precision)
    : state_(new State{model, pool, seed, precision_of_moves(model, precision), {model, pool}}) {
  if (!model.flow().base().rejects()) return;
  state_->rejection.emplace(model.flow().base(), model.parameters(), pool, state_->precision);
  const ClassTable& classes = model.classes();
  const auto count = static_cast<std::size_t>(std::max<std::int64_t>(1, classes.count()));
  for (std::size_t number = 0; number < count; ++number)
    state_->contexts.push_back(
        classes.empty()
            ? std::vector<double>()
            : standardised_context(model, classes.context(static_cast<std::int64_t>(number))));
  for (std::size_t number = 0; number < count; ++number)
    state_->queues.push_back(
        {.seed = class_seed(seed, number), .context = state_->contexts[number]});
}

FlowSampler::~FlowSampler() = default;

LayerDraws FlowSampler::next_layers(std::int64_t count, std::span<const double> context,
                                    bool with_density) {
  if (count < 0) fail<ShapeError>("sample: expected a count of at least 0, got {}", count);
  const Model& model = state_->model;
  State& state = *state_;
  if (static_cast<std::int64_t>(context.size()) != count * model.flow().context_features())
    fail<ShapeError>("sample: expected {} rows of {} context values, got {} values", count,
                     model.flow().context_features(), context.size());
  require_known_classes("sample", model, context);
  const std::vector<double> given = standardised_context(model, context);
  std::vector<std::vector<double>> results;
  RowMap& forward = state.get_forward(with_density);
  if (!state.rejection) {
    results = forward.run(
        {.rows = count, .inputs = {{}, given}, .seed = state.seed, .first_sample = state.drawn});
    state.drawn += static_cast<std::uint64_t>(count);
    statistics_.proposals += count;
  } else {
    const std::vector<double> latent = state.accept(count, context);
    // Stochastic layers draw numbers of their own, other than the proposals'.
    results = forward.run({.rows = count,
                           .inputs = {latent, given},
                           .seed = class_seed(state.seed, kForwardSeed),
                           .first_sample = static_cast<std::uint64_t>(statistics_.samples)});
    state.count_proposals(statistics_);
  }
  if (results.size() > (with_density ? 2U : 1U))
    statistics_.unsolved +=
        std::ranges::count_if(results.back(), [](double value) { return value > 0.0; });
  statistics_.samples += count;
  return {std::move(results[0]), with_density ? std::move(results[1]) : std::vector<double>()};
}

std::vector<double> FlowSampler::next(std::int64_t count, std::span<const double> context,
                                      std::vector<double>* log_density) {
  LayerDraws drawn = next_layers(count, context, log_density != nullptr);
  std::vector<double> log_det;
  std::vector<double> x = state_->columns.to_data(std::move(drawn.y), &log_det);
  if (log_density != nullptr) {
    *log_density = std::move(drawn.log_density);
    for (std::size_t row = 0; row < log_det.size(); ++row) (*log_density)[row] -= log_det[row];
  }
  statistics_.non_finite += finish_samples(
      state_->model, x, state_->pool, log_density != nullptr ? Drawn::kAsItIs : Drawn::kAsInData);
  return x;
}

}  // namespace thalweg
