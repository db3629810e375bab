#include "thalweg/nn/residual_mlp.h"

#include <memory>

#include "thalweg/core/error.h"

namespace thalweg {

ResidualMlp::ResidualMlp(ParameterStore& parameters, const std::string& name,
                         RandomSequence& random, std::int64_t inputs, std::int64_t outputs,
                         const ResidualMlpOptions& options)
    : Network(name, inputs, outputs, options.context_features) {
  if (options.blocks < 0)
    fail<ConfigError>("{}: expected no negative number of blocks, got {}", name, options.blocks);
  const std::int64_t width = inputs + options.context_features;
  const MlpOptions hidden = {
      .hidden = options.hidden, .activation = options.activation, .dropout = options.dropout};
  const auto add = [&](const std::string& part, std::int64_t from, std::int64_t to,
                       const MlpOptions& mlp) {
    parts_.emplace_back(parameters, name + "." + part, random, from, to, mlp);
  };
  add("first", width, inputs, hidden);
  for (std::int64_t block = 0; block < options.blocks; ++block)
    add(fmt::format("block{}", block), width, width, hidden);
  add("output", width, outputs, {.hidden = {}, .zero_output = options.zero_output});
}

Value ResidualMlp::build(Value x, Value context) const {
  const auto with_context = [&](Value v) { return context.valid() ? concat({v, context}) : v; };
  x = with_context(parts_.front()(with_context(x)));
  for (std::size_t block = 1; block + 1 < parts_.size(); ++block) x = x + parts_[block](x);
  return parts_.back()(x);
}

}  // namespace thalweg
