#include "thalweg/engine/program.h"

#include <algorithm>

#include "thalweg/engine/compiled_program.h"

namespace thalweg {

using detail::CompiledProgram;
using detail::Pass;
using detail::SharedStage;

template <typename T>
Program<T>::Program(const Graph& graph, const std::vector<Value>& outputs, std::int64_t lanes)
    : compiled_(std::make_unique<CompiledProgram>(detail::compile(graph, outputs, lanes))) {}

template <typename T>
Program<T>::~Program() = default;

template <typename T>
std::int64_t Program<T>::output_size(std::size_t index) const {
  return compiled_->outputs.at(index).size;
}

template <typename T>
bool Program<T>::output_batched(std::size_t index) const {
  return compiled_->outputs.at(index).batched;
}

template <typename T>
std::size_t Program<T>::outputs() const {
  return compiled_->outputs.size();
}

template <typename T>
std::int64_t Program<T>::tile_bytes() const {
  std::int64_t elements = 0;
  for (const auto& level : compiled_->passes)
    for (const Pass& pass : level) elements = std::max(elements, pass.tile_size);
  return elements * static_cast<std::int64_t>(sizeof(T));
}

template <typename T>
std::int64_t Program<T>::sum_bytes() const {
  std::int64_t elements = 0;
  for (const auto& level : compiled_->passes)
    for (const Pass& pass : level) elements = std::max(elements, pass.part_size);
  return elements * static_cast<std::int64_t>(sizeof(T));
}

template <typename T>
std::int64_t Program<T>::instructions() const {
  std::size_t count = 0;
  for (const SharedStage& stage : compiled_->stages) count += stage.instructions.size();
  for (const auto& level : compiled_->passes)
    for (const Pass& pass : level) count += pass.instructions.size();
  return static_cast<std::int64_t>(count);
}

template <typename T>
double Program<T>::flops_per_sample(Domain domain) const {
  return compiled_->flops.at(static_cast<std::size_t>(domain));
}

template class Program<float>;
template class Program<double>;

}  // namespace thalweg
