#include "thalweg/sampling/chain_state_file.h"

#include "thalweg/core/error.h"
#include "thalweg/io/safetensors.h"

namespace thalweg {
namespace {

constexpr char kKernels[] = "kernels";  // in the metadata: names with a comma between them

constexpr char kAdvice[] = "start the chains anew without it";

/// A tensor of the file, whose values or integers (of dtype I64) are to be used.
const Tensor& tensor(const TensorFile& file, const std::string& path, const std::string& name,
                     const std::string& dtype = "F64") {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end())
    fail<DataError>("{}: expected the state of Markov chains, found no '{}' in it; {}", path, name,
                    kAdvice);
  if (found->second.dtype != dtype)
    fail<DataError>("{}: '{}': expected numbers of type {}, got {}; {}", path, name, dtype,
                    found->second.dtype, kAdvice);
  return found->second;
}

Tensor integers(std::vector<std::int64_t> values) {
  Tensor result;
  result.dtype = "I64";
  result.shape = {static_cast<std::int64_t>(values.size())};
  result.integers = std::move(values);
  return result;
}

Tensor numbers(std::vector<double> values) {
  Tensor result;
  result.shape = {static_cast<std::int64_t>(values.size())};
  result.values = std::move(values);
  return result;
}

}  // namespace

void write_chain_state(const std::string& path, const SavedChains& chains) {
  const ChainState& state = chains.state;
  TensorFile file;
  file.metadata = chains.settings;
  std::vector<std::int64_t> counts = {state.steps};
  std::vector<double> sizes;
  std::string names;
  for (std::size_t k = 0; k < state.statistics.size(); ++k) {
    const KernelStatistics& statistics = state.statistics[k];
    const StepSizeSearch& search = state.searches[k];
    names += (k > 0 ? "," : "") + statistics.kernel;
    counts.insert(counts.end(), {statistics.proposals, statistics.accepted, statistics.non_finite,
                                 search.updates});
    sizes.insert(sizes.end(), {statistics.step_size, search.log_step_size, search.log_average,
                               search.error_sum});
  }
  file.metadata[kKernels] = names;
  file.tensors["counts"] = integers(std::move(counts));
  file.tensors["step_sizes"] = numbers(std::move(sizes));
  file.tensors["z"] = numbers(state.z);
  file.tensors["y"] = numbers(state.y);
  file.tensors["scalars"] = numbers(state.scalars);
  file.tensors["gradient"] = numbers(state.gradient);
  file.tensors["score"] = numbers(state.score);
  file.tensors["jacobian"] = numbers(state.jacobian);
  write_safetensors(path, file);
}

SavedChains read_chain_state(const std::string& path) {
  TensorFile file = read_safetensors(path);
  SavedChains chains;
  ChainState& state = chains.state;
  const std::vector<std::int64_t>& counts = tensor(file, path, "counts", "I64").integers;
  const std::vector<double>& sizes = tensor(file, path, "step_sizes").values;
  const auto kernels_named = file.metadata.find(kKernels);
  if (kernels_named == file.metadata.end())
    fail<DataError>("{}: expected the state of Markov chains, found no '{}' in its texts; {}", path,
                    kKernels, kAdvice);
  const std::string names = kernels_named->second + ",";
  file.metadata.erase(kernels_named);
  for (std::size_t begin = 0; begin < names.size(); begin = names.find(',', begin) + 1) {
    KernelStatistics statistics;
    statistics.kernel = names.substr(begin, names.find(',', begin) - begin);
    state.statistics.push_back(std::move(statistics));
  }
  const std::size_t kernels = state.statistics.size();
  if (counts.size() != 1 + 4 * kernels || sizes.size() != 4 * kernels)
    fail<DataError>(
        "{}: expected {} counts and {} step sizes for its {} kernels, got {} and {}; {}", path,
        1 + 4 * kernels, 4 * kernels, kernels, counts.size(), sizes.size(), kAdvice);
  state.steps = counts[0];
  for (std::size_t k = 0; k < kernels; ++k) {
    KernelStatistics& statistics = state.statistics[k];
    statistics.proposals = counts[4 * k + 1];
    statistics.accepted = counts[4 * k + 2];
    statistics.non_finite = counts[4 * k + 3];
    statistics.step_size = sizes[4 * k];
    state.searches.push_back(
        {sizes[4 * k + 1], sizes[4 * k + 2], sizes[4 * k + 3], counts[4 * k + 4]});
  }
  state.z = tensor(file, path, "z").values;
  state.y = tensor(file, path, "y").values;
  state.scalars = tensor(file, path, "scalars").values;
  state.gradient = tensor(file, path, "gradient").values;
  state.score = tensor(file, path, "score").values;
  state.jacobian = tensor(file, path, "jacobian").values;
  chains.settings = std::move(file.metadata);
  return chains;
}

}  // namespace thalweg
