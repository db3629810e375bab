#include "sampling.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "arrays.h"
#include "interrupts.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/runs/molecule_samples.h"
#include "thalweg/runs/samplers.h"

namespace thalweg::python {
namespace {

nb::dict chains_dict(const ChainSummary& chains) {
  nb::dict result;
  result["chains"] = chains.chains;
  result["steps"] = chains.steps;
  result["burn_in"] = chains.burn_in;
  result["thinning"] = chains.thinning;
  result["target"] = statement(chains.target);
  result["seconds"] = chains.seconds;
  if (chains.worst) {
    result["r_hat"] = chains.worst->r_hat;
    result["effective_samples"] = chains.worst->effective_samples;
  }
  nb::dict kernels;
  for (const KernelStatistics& kernel : chains.kernels) {
    nb::dict one;
    one["acceptance"] = kernel.acceptance();
    one["step_size"] = kernel.step_size;
    one["non_finite"] = kernel.non_finite;
    kernels[nb::cast(kernel.kernel)] = one;
  }
  result["kernels"] = kernels;
  return result;
}

nb::dict importance_dict(const ImportanceSummary& importance) {
  nb::dict result;
  result["effective_share"] = importance.estimate.effective_share;
  result["log_integral"] = importance.estimate.log_integral;
  result["log_integral_error"] = importance.estimate.log_integral_error;
  result["pareto_k"] = importance.pareto_k ? nb::cast(*importance.pareto_k) : nb::none();
  result["undefined"] = importance.undefined;
  return result;
}

nb::dict rejection_dict(const RejectionSummary& rejection) {
  nb::dict result;
  result["log_threshold"] = rejection.log_threshold;
  result["effective_share"] = rejection.effective_share;
  result["draws"] = rejection.draws;
  result["kept"] = rejection.kept;
  result["pilots"] = rejection.pilots;
  return result;
}

nb::dict annealing_dict(const AnnealingSummary& annealing) {
  nb::list levels;
  for (const AnnealingLevel& level : annealing.levels) {
    nb::dict entry;
    entry["power"] = level.power;
    entry["step_size"] = level.step_size;
    entry["acceptance"] = level.acceptance();
    levels.append(entry);
  }
  nb::dict result;
  result["levels"] = levels;
  result["evaluations"] = annealing.evaluations;
  return result;
}

/// Column by column: name, whether it holds number, text or date, labels of texts, format of dates.
nb::list contents_of(const Table& table) {
  nb::list result;
  for (std::size_t column = 0; column < table.names.size(); ++column) {
    const ColumnText content = table.content.empty() ? ColumnText{} : table.content[column];
    const char* kind = content.content == ColumnContent::kText   ? "text"
                       : content.content == ColumnContent::kDate ? "date"
                                                                 : "number";
    result.append(nb::make_tuple(table.names[column], kind, content.labels, content.format));
  }
  return result;
}

using Options = nb::typed<nb::dict, nb::str, nb::any>;

/// What Model.sample was asked for, all of it by name.
SampleRequest request_of(const Options& options) {
  const auto take = [&]<typename T>(const char* name, T& value) {
    if (!nb::try_cast<T>(options[name], value))
      fail<ConfigError>("{}: expected {}, got {}", name,
                        std::is_same_v<T, std::string> ? "a text"
                        : std::is_floating_point_v<T>  ? "a number"
                        : std::is_integral_v<T>        ? "a whole number below 2^63"
                                                       : "an array of numbers",
                        nb::repr(options[name]).c_str());
  };
  SampleRequest request;
  take("sampler", request.sampler);
  take("count", request.count);
  take("seed", request.seed);
  take("condition", request.condition);
  take("weights", request.weights);
  take("threshold", request.threshold);
  take("chains", request.chains);
  take("burn_in", request.burn_in);
  take("thinning", request.thinning);
  take("leapfrog_steps", request.leapfrog_steps);
  take("levels", request.levels);
  take("step_size", request.step_size);
  take("local_probability", request.local_probability);
  take("density", request.density);
  const auto precision = nb::cast<std::string>(options["precision"]);
  if (!precision.empty())
    request.precision = precision == "double" ? Precision::kDouble : Precision::kFloat;
  return request;
}

std::vector<std::string> warnings_of(const SampleResult& result, std::int64_t count) {
  std::vector<std::string> warnings;
  if (result.chains) warnings = result.chains->warnings;
  if (result.importance && !result.importance->endless.empty())
    warnings.push_back(result.importance->endless);
  if (result.unsolved > 0)
    warnings.push_back(unsolved_samples_text(
        fmt::format("{} of the {}", result.unsolved, result.rejection ? "draws" : "samples")));
  if (result.non_finite > 0)
    warnings.push_back(fmt::format("{} of {} samples are not finite", result.non_finite, count));
  return warnings;
}

nb::dict info_of(const SampleResult& result) {
  nb::dict info;
  info["proposals_a_sample"] = result.proposals_a_sample;
  info["non_finite"] = result.non_finite;
  if (result.importance) info["importance"] = importance_dict(*result.importance);
  if (result.rejection) info["rejection"] = rejection_dict(*result.rejection);
  if (result.annealing) info["annealing"] = annealing_dict(*result.annealing);
  if (result.chains) info["chains"] = chains_dict(*result.chains);
  return info;
}

using Samples = nb::typed<nb::tuple, nb::any, nb::any, nb::any, std::vector<std::string>>;

/// Rows x columns, what the columns hold, what the sampler found, and warnings.
Samples sample(PythonRun& own, const Options& options) {
  const SampleRequest request = request_of(options);
  Interrupts interrupts;
  SampledTable sampled = own.work([&](PythonRun::Work& work) {
    return sample_table(own.run(), request, work.pool,
                        {.interrupted = [&] { return interrupts(); }});
  });
  interrupts.rethrow();
  const nb::list contents = contents_of(sampled.table);
  const auto rows = static_cast<std::size_t>(sampled.table.rows);
  const std::size_t columns = sampled.table.names.size();
  return nb::make_tuple(array_of(std::move(sampled.table.values), {rows, columns}), contents,
                        info_of(sampled.result), warnings_of(sampled.result, request.count));
}

/// Rows x atoms x 3, log weights if there are any, what the sampler found, and warnings.
Samples sample_molecules(PythonRun& own, const Options& options) {
  const SampleRequest request = request_of(options);
  Interrupts interrupts;
  SampledPositions sampled = own.work([&](PythonRun::Work& work) {
    return sample_positions(own.run(), request, work.pool,
                            {.interrupted = [&] { return interrupts(); }});
  });
  interrupts.rethrow();
  const auto atoms = static_cast<std::size_t>(own.run().model->flow().coordinates()->atoms());
  const std::size_t rows = sampled.positions.size() / (3 * atoms);
  const bool weighted = !sampled.log_weights.empty();
  return nb::make_tuple(array_of(std::move(sampled.positions), {rows, atoms, 3}),
                        weighted ? array_of(std::move(sampled.log_weights), {rows}) : nb::none(),
                        info_of(sampled.result), warnings_of(sampled.result, request.count));
}

}  // namespace

void add_sampling(nb::class_<PythonRun>& type) {
  type.def("sample", &sample).def("sample_positions", &sample_molecules);
}

}  // namespace thalweg::python
