#include "thalweg/sampling/rejection_sampler.h"

#include <algorithm>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr std::int64_t kMostAtOnce = 65536;       // proposals
constexpr std::uint64_t kMostProposals = 100000;  // a sample may take, in the mean

RowMap proposal_map(const Base& base, const ParameterStore& parameters, ThreadPool& pool,
                    Precision precision) {
  Graph graph(parameters);
  const Value context =
      base.context_features() > 0 ? graph.input({base.context_features(), 1}) : Value{};
  const Value z = base.draw(graph, 0, context);
  return {graph, {z, base.acceptance(z, context), graph.uniform({1, 1})}, pool, precision};
}

}  // namespace

RejectionSampler::RejectionSampler(const Base& base, const ParameterStore& parameters,
                                   ThreadPool& pool, Precision precision)
    : base_(base), proposals_(proposal_map(base, parameters, pool, precision)) {}

void RejectionSampler::propose(ProposalQueue& queue, std::int64_t count,
                               std::span<const double> parameters) {
  std::vector<double> context;
  for (std::int64_t row = 0; row < count && !queue.context.empty(); ++row)
    context.insert(context.end(), queue.context.begin(), queue.context.end());
  const auto results = proposals_.run({.rows = count,
                                       .inputs = {context},
                                       .seed = queue.seed,
                                       .first_sample = queue.proposals,
                                       .parameters = parameters});
  queue.proposals += static_cast<std::uint64_t>(count);
  const std::int64_t features = base_.features();
  for (std::int64_t row = 0; row < count; ++row) {
    const auto index = static_cast<std::size_t>(row);
    const bool last = base_.truncation() > 0 && queue.rejected_in_a_row + 1 >= base_.truncation();
    const bool accept = results[2][index] < results[1][index];
    if (!accept && !last) {
      ++queue.rejected_in_a_row;
      continue;
    }
    if (!accept) ++queue.truncated;
    queue.rejected_in_a_row = 0;
    const auto start = results[0].begin() + row * features;
    queue.waiting.insert(queue.waiting.end(), start, start + features);
    ++queue.accepted;
  }
}

std::vector<double> RejectionSampler::next(ProposalQueue& queue, std::int64_t count,
                                           std::span<const double> parameters) {
  const std::int64_t features = base_.features();
  const std::uint64_t accepted_before = queue.accepted, proposals_before = queue.proposals;
  while (static_cast<std::int64_t>(queue.waiting.size()) < count * features) {
    const std::int64_t missing = count - static_cast<std::int64_t>(queue.waiting.size()) / features;
    // One pseudo-sample of the expected rate keeps the first guess in bounds.
    const double proposals_per_sample =
        (static_cast<double>(queue.proposals) + 1.0 / queue.expected_rate) /
        static_cast<double>(queue.accepted + 1);
    const double block = 1.05 * proposals_per_sample * static_cast<double>(missing) + 64.0;
    propose(queue, static_cast<std::int64_t>(std::min<double>(block, kMostAtOnce)), parameters);
    const std::uint64_t fresh = queue.accepted - accepted_before;
    if (queue.proposals - proposals_before > kMostProposals * (fresh + 1))
      fail<NumericalError>(
          "rejection: {} proposals of '{}' gave {} samples: it accepts next to nothing; set "
          "base.truncation, or train with a lower training.learning_rate",
          queue.proposals - proposals_before, base_.name(), fresh);
  }
  const auto end = queue.waiting.begin() + count * features;
  std::vector<double> samples(queue.waiting.begin(), end);
  queue.waiting.erase(queue.waiting.begin(), end);
  return samples;
}

}  // namespace thalweg
