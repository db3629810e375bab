#include "thalweg/sampling/markov_chains.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/program.h"

namespace thalweg {
namespace {

constexpr std::uint32_t kStartTrials = 100;
constexpr std::int64_t kScalars = 3;  // of a chain: log_base, log_det, log_density

/// Each step, and each trial of step 0, the start, draws random numbers of its own.
std::uint64_t step_seed(std::uint64_t seed, std::int64_t step, std::uint32_t trial = 0) {
  return derived_seed(seed, Stream::kChains, static_cast<std::uint64_t>(step), trial);
}

/// What chains carry from step to step, as nodes or as places of arrays.
std::vector<Value> columns_of(const ChainPoint& point) {
  std::vector<Value> values = {point.z, point.y,
                               concat({point.log_base, point.log_det, point.log_density})};
  if (point.gradient.valid()) values.push_back(point.gradient);
  if (point.score.valid()) values.push_back(point.score);
  if (point.jacobian.valid()) values.push_back(point.jacobian);
  return values;
}

/// A batched value: outputs of a program may otherwise be the same for all samples.
Value for_each_chain(Value value, Value like) {
  return value.batched() ? value : value + 0.0 * slice(like, 0, 1);
}

ChainPoint for_each_chain(ChainPoint point) {
  for (Value* value : {&point.y, &point.log_base, &point.log_det, &point.log_density,
                       &point.gradient, &point.score, &point.jacobian})
    if (value->valid()) *value = for_each_chain(*value, point.z);
  return point;
}

}  // namespace

struct MarkovChains::Machine {
  const LatentDensity density;
  const ParameterStore& parameters;
  const ChainOptions options;
  ThreadPool& pool;
  const std::vector<WeightedKernel> kernels;
  PointWishes wishes;
  bool started = false;
  ChainState state, next;
  std::vector<double> context, step_sizes;
  std::unique_ptr<Executor<double>> drawing, starting, stepping, showing;
  std::unique_ptr<Executor<double>> checking;  // null where nothing can be missed

  Machine(LatentDensity given, std::vector<WeightedKernel> mixed, const ChainOptions& wanted,
          ThreadPool& threads)
      : density(std::move(given)),
        parameters(density.parameters()),
        options(wanted),
        pool(threads),
        kernels(std::move(mixed)) {}

  Value context_input(Graph& graph) const {
    return density.context_features() > 0 ? graph.input({density.context_features(), 1}) : Value{};
  }

  std::unique_ptr<Executor<double>> compiled(const Graph& graph,
                                             const std::vector<Value>& outputs) const {
    return std::make_unique<Executor<double>>(std::make_shared<Program<double>>(graph, outputs),
                                              pool);
  }

  /// Slots 0 and 1: the state's z and y where they are wanted, and the context.
  void build_start() {
    Graph draw(parameters);
    draw.input({density.features(), 1});
    const Value drawn_context = context_input(draw);
    drawing = compiled(draw, {density.draw(draw, drawn_context)});
    Graph start(parameters);
    const Value z = start.input({density.features(), 1});
    const Value given = context_input(start);
    starting = compiled(start, columns_of(for_each_chain(density.at(z, given, wishes))));
    Graph show(parameters);
    const Value y = show.input({density.features(), 1});
    context_input(show);
    showing = compiled(show, {density.to_data(y)});
    Graph check(parameters);
    const Value place = check.input({density.features(), 1});
    const Value unsolved = density.unsolved(place, context_input(check));
    if (unsolved.valid()) checking = compiled(check, {for_each_chain(unsolved, place)});
  }

  /// One step: each chain draws its kernel, and the flow is then evaluated at one proposal only.
  void build_step() {
    Graph graph(parameters);
    const std::int64_t features = density.features();
    const auto count = static_cast<std::int64_t>(kernels.size());
    ChainPoint from;
    from.z = graph.input({features, 1});
    from.y = graph.input({features, 1});
    const Value scalars = graph.input({kScalars, 1});
    from.log_base = slice(scalars, 0, 1);
    from.log_det = slice(scalars, 1, 1);
    from.log_density = slice(scalars, 2, 1);
    if (wishes.gradient) from.gradient = graph.input({features, 1});
    if (wishes.score) from.score = graph.input({features, 1});
    if (wishes.jacobian) from.jacobian = graph.input({features * features, 1});
    const Value sizes = graph.input({count, 1});
    const Value given = context_input(graph);

    double total = 0.0;
    for (const WeightedKernel& entry : kernels) total += entry.weight;
    const Value chooser = graph.uniform({1, 1});
    std::vector<ProposedMove> moves;
    std::vector<Value> chosen;  // 1 for the chains that take this kernel
    Value proposed;
    double below = 0.0;
    for (std::int64_t k = 0; k < count; ++k) {
      const auto index = static_cast<std::size_t>(k);
      moves.push_back(kernels[index].kernel->propose(density, from, slice(sizes, k, 1), given));
      const Value from_here = 1.0 - less(chooser, graph.constant(below / total));
      below += kernels[index].weight;
      chosen.push_back(k + 1 < count ? from_here * less(chooser, graph.constant(below / total))
                                     : from_here);
      proposed =
          proposed.valid() ? select(chosen.back(), moves.back().z, proposed) : moves.back().z;
    }
    const ChainPoint to = for_each_chain(density.at(proposed, given, wishes));
    Value log_ratio;
    for (std::int64_t k = 0; k < count; ++k) {
      const auto index = static_cast<std::size_t>(k);
      const Value ratio = kernels[index].kernel->log_proposal_ratio(density, from, to, moves[index],
                                                                    slice(sizes, k, 1), given);
      log_ratio = log_ratio.valid() ? select(chosen[index], ratio, log_ratio) : ratio;
    }
    log_ratio = log_ratio + to.log_density - from.log_density;
    // A comparison with NaN is false: such proposals are refused.
    const Value finite = is_finite(to.log_density);
    const Value accepted = finite * less(log(graph.uniform({1, 1})), log_ratio);
    const Value probability =
        select(finite * less_equal(log_ratio, graph.constant(INFINITY)),
               exp(minimum(log_ratio, graph.constant(0.0))), graph.constant(0.0));

    std::vector<Value> outputs;
    const std::vector<Value> before = columns_of(from);
    const std::vector<Value> after = columns_of(to);
    for (std::size_t i = 0; i < before.size(); ++i)
      outputs.push_back(select(accepted, after[i], before[i]));
    std::vector<Value> sums;
    for (const Value& choice : chosen)
      for (const Value& what :
           {choice, choice * accepted, choice * (1.0 - finite), choice * probability})
        sums.push_back(for_each_chain(what, from.z));
    outputs.push_back(batch_sum(concat(sums)));
    stepping = compiled(graph, outputs);
  }

  /// An array of the state and its values a chain, in the order of columns_of().
  struct Column {
    std::vector<double>* values;
    std::int64_t width;
  };
  std::vector<Column> columns(ChainState& of) const {
    const std::int64_t features = density.features();
    std::vector<Column> list = {{&of.z, features}, {&of.y, features}, {&of.scalars, kScalars}};
    if (wishes.gradient) list.push_back({&of.gradient, features});
    if (wishes.score) list.push_back({&of.score, features});
    if (wishes.jacobian) list.push_back({&of.jacobian, features * features});
    return list;
  }

  void resize(ChainState& of) const {
    for (const Column& column : columns(of))
      column.values->resize(static_cast<std::size_t>(options.chains * column.width));
  }

  void run(Executor<double>& executor, std::vector<BatchInput<double>> inputs,
           const std::vector<double*>& outputs, std::uint64_t seed) const {
    if (density.context_features() > 0) inputs.push_back({context.data(), nullptr});
    const std::uint64_t first = 0;
    executor.run({.parameters = parameters.flat().data(),
                  .inputs = inputs,
                  .counts = {&options.chains, 1},
                  .first_samples = {&first, 1},
                  .seed = seed,
                  .outputs = outputs});
  }

  void accept_context(std::span<const double> given) {
    if (static_cast<std::int64_t>(given.size()) != options.chains * density.context_features())
      fail<ShapeError>("Markov chains: expected {} rows of {} context values, got {} values",
                       options.chains, density.context_features(), given.size());
    context = density.layers_context(given);
  }

  /// Evaluates everything about state.z, by paths of their own seed if there are paths.
  void evaluate(ChainState& of, std::uint32_t trial) {
    std::vector<double> z = of.z;
    resize(of);
    std::vector<double*> outputs;
    for (const Column& column : columns(of)) outputs.push_back(column.values->data());
    run(*starting, {{z.data(), nullptr}}, outputs,
        step_seed(options.seed, 0, kStartTrials + trial));
  }

  bool is_good(const ChainState& of, std::int64_t chain) const {
    return std::isfinite(of.scalars[static_cast<std::size_t>(chain * kScalars + 2)]);
  }

  /// Makes room, and forgets what chains of before have learned.
  void reset() {
    resize(state);
    resize(next);
    state.steps = 0;
    state.searches.assign(kernels.size(), {});
    state.statistics.clear();
    for (std::size_t k = 0; k < kernels.size(); ++k) {
      const double step_size = options.step_size > 0.0 ? options.step_size : StepSizeSearch::kFirst;
      state.searches[k].log_step_size = std::log(step_size);
      const bool has_step = kernels[k].kernel->wanted_acceptance() > 0.0;
      state.statistics.push_back({kernels[k].kernel->name(), has_step ? step_size : 0.0, 0, 0, 0});
    }
    started = true;
  }
};

MarkovChains::MarkovChains(LatentDensity density, std::vector<WeightedKernel> kernels,
                           const ChainOptions& options, ThreadPool& pool)
    : machine_(std::make_unique<Machine>(std::move(density), std::move(kernels), options, pool)) {
  Machine& machine = *machine_;
  if (machine.kernels.empty())
    fail<ConfigError>("Markov chains: expected at least one kernel, got none");
  if (options.chains < 1)
    fail<ConfigError>("Markov chains: expected at least 1 chain, got {}", options.chains);
  if (options.burn_in < 0 || options.thinning < 1)
    fail<ConfigError>(
        "Markov chains: expected a burn-in of at least 0 and a thinning of at least 1, got {} and "
        "{}",
        options.burn_in, options.thinning);
  if (!(options.step_size >= 0.0 && std::isfinite(options.step_size)))
    fail<ConfigError>("Markov chains: expected a step size above 0, or 0 to find one, got {}",
                      options.step_size);
  for (const auto& [kernel, weight] : machine.kernels) {
    if (!(weight > 0.0 && std::isfinite(weight)))
      fail<ConfigError>("Markov chains: '{}': expected a weight above 0, got {}", kernel->name(),
                        weight);
    if (!kernel->serves(machine.density.target()))
      fail<ConfigError>(
          "Markov chains: kernel '{}' does not sample {}: only kernels with equal targets are "
          "mixed",
          kernel->name(), statement(machine.density.target()));
    if (machine.density.paths() && (kernel->needs_gradient() || kernel->needs_score()))
      fail<ConfigError>(
          "Markov chains: this flow has stochastic layers and so no density whose slopes '{}' "
          "could "
          "follow; draw with the samplers naive or importance, or independence for what it was "
          "trained for",
          kernel->name());
    if (kernel->wanted_acceptance() > 0.0 && options.step_size == 0.0 && options.burn_in == 0)
      fail<ConfigError>(
          "Markov chains: the step size of '{}' is found during burn-in, of which there is none: "
          "give a step size",
          kernel->name());
    machine.wishes.gradient = machine.wishes.gradient || kernel->needs_gradient();
    machine.wishes.score = machine.wishes.score || kernel->needs_score();
  }
  machine.wishes.jacobian = machine.wishes.score && machine.density.prefers_jacobian();
  machine.build_start();
  machine.build_step();
}

MarkovChains::~MarkovChains() = default;

void MarkovChains::start(std::span<const double> context) {
  Machine& machine = *machine_;
  machine.accept_context(context);
  machine.reset();
  ChainState trial;
  machine.resize(trial);
  for (std::uint32_t number = 0; number < kStartTrials; ++number) {
    machine.run(*machine.drawing, {{nullptr, nullptr}}, {trial.z.data()},
                step_seed(machine.options.seed, 0, number));
    machine.evaluate(trial, number);
    bool complete = true;
    for (std::int64_t chain = 0; chain < machine.options.chains; ++chain) {
      if (number > 0 && machine.is_good(machine.state, chain)) continue;
      const auto to = machine.columns(machine.state);
      const auto from = machine.columns(trial);
      for (std::size_t i = 0; i < to.size(); ++i)
        std::copy_n(from[i].values->begin() + chain * to[i].width, to[i].width,
                    to[i].values->begin() + chain * to[i].width);
      complete = complete && machine.is_good(machine.state, chain);
    }
    if (complete) return;
  }
  machine.started = false;
  fail<NumericalError>(
      "Markov chains: {} draws from the base for each chain, and still some without a finite "
      "density to start from",
      kStartTrials);
}

void MarkovChains::start_at(std::span<const double> z, std::span<const double> context) {
  Machine& machine = *machine_;
  machine.accept_context(context);
  if (static_cast<std::int64_t>(z.size()) != machine.options.chains * machine.density.features())
    fail<ShapeError>("Markov chains: expected {} latent points of {} values, got {} values",
                     machine.options.chains, machine.density.features(), z.size());
  machine.reset();
  machine.state.z.assign(z.begin(), z.end());
  machine.evaluate(machine.state, 0);
  for (std::int64_t chain = 0; chain < machine.options.chains; ++chain)
    if (!machine.is_good(machine.state, chain))
      fail<NumericalError>("Markov chains: chain {} would start where the density is not finite",
                           chain + 1);
}

void MarkovChains::restore(ChainState state, std::span<const double> context) {
  Machine& machine = *machine_;
  machine.accept_context(context);
  machine.resize(machine.next);
  const auto given = machine.columns(state);
  const auto expected = machine.columns(machine.next);
  for (std::size_t i = 0; i < given.size(); ++i)
    if (given[i].values->size() != expected[i].values->size())
      fail<ShapeError>(
          "Markov chains: the state to go on from has {} values where chains of these options have "
          "{}",
          given[i].values->size(), expected[i].values->size());
  if (state.searches.size() != machine.kernels.size() ||
      state.statistics.size() != machine.kernels.size())
    fail<ShapeError>("Markov chains: the state to go on from has {} kernels, these chains {}",
                     state.statistics.size(), machine.kernels.size());
  machine.state = std::move(state);
  machine.started = true;
}

bool MarkovChains::step() {
  Machine& machine = *machine_;
  if (!machine.started)
    fail<NumericalError>("Markov chains: start the chains before the first step");
  const ChainOptions& options = machine.options;
  const std::size_t count = machine.kernels.size();
  machine.step_sizes.resize(static_cast<std::size_t>(options.chains) * count);
  for (std::size_t i = 0; i < machine.step_sizes.size(); ++i) {
    const double size = machine.state.statistics[i % count].step_size;
    machine.step_sizes[i] = size > 0.0 ? size : 1.0;
  }
  std::vector<BatchInput<double>> inputs;
  std::vector<double*> outputs;
  const auto now = machine.columns(machine.state), next = machine.columns(machine.next);
  inputs.reserve(now.size() + 2);
  outputs.reserve(now.size() + 1);
  for (const auto& column : now) inputs.push_back({column.values->data(), nullptr});
  for (const auto& column : next) outputs.push_back(column.values->data());
  inputs.push_back({machine.step_sizes.data(), nullptr});
  outputs.push_back(nullptr);  // sums
  machine.run(*machine.stepping, inputs, outputs, step_seed(options.seed, machine.state.steps + 1));
  for (std::size_t i = 0; i < now.size(); ++i) now[i].values->swap(*next[i].values);
  ++machine.state.steps;

  const std::span<const double> sums = machine.stepping->shared_output(outputs.size() - 1);
  const bool warm_up = machine.state.steps <= options.burn_in;
  for (std::size_t k = 0; k < count; ++k) {
    const double tried = sums[4 * k], accepted = sums[4 * k + 1], non_finite = sums[4 * k + 2];
    KernelStatistics& statistics = machine.state.statistics[k];
    if (!warm_up) {
      statistics.proposals += std::llround(tried);
      statistics.accepted += std::llround(accepted);
      statistics.non_finite += std::llround(non_finite);
      continue;
    }
    const double wanted = machine.kernels[k].kernel->wanted_acceptance();
    if (options.step_size > 0.0 || wanted == 0.0) continue;
    StepSizeSearch& search = machine.state.searches[k];
    if (tried > 0.0) search.update(sums[4 * k + 3] / tried, wanted);
    statistics.step_size = std::exp(machine.state.steps == options.burn_in ? search.log_average
                                                                           : search.log_step_size);
  }
  return !warm_up && (machine.state.steps - options.burn_in) % options.thinning == 0;
}

std::vector<double> MarkovChains::data() const {
  const Machine& machine = *machine_;
  std::vector<double> x(machine.state.y.size());
  machine.run(*machine.showing, {{machine.state.y.data(), nullptr}}, {x.data()}, 0);
  return x;
}

std::int64_t MarkovChains::unsolved() const {
  const Machine& machine = *machine_;
  if (!machine.checking) return 0;
  std::vector<double> unsolved(static_cast<std::size_t>(machine.options.chains));
  machine.run(*machine.checking, {{machine.state.z.data(), nullptr}}, {unsolved.data()}, 0);
  return std::ranges::count_if(unsolved, [](double value) { return value > 0.0; });
}

const ChainState& MarkovChains::state() const { return machine_->state; }
const ChainOptions& MarkovChains::options() const { return machine_->options; }

}  // namespace thalweg
