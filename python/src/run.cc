#include "run.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "interrupts.h"
#include "python_energy.h"
#include "thalweg/core/error.h"
#include "thalweg/datasets/column_kinds.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/datasets/date_parts.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/evaluation_json.h"
#include "thalweg/runs/force_metrics.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/run_report.h"
#include "thalweg/runs/samplers.h"

namespace thalweg::python {
namespace {

/// A loaded run with the threads and the compiled programs of its calls, one of which works at a
/// time while others wait, without the interpreter's lock.
class PythonRun {
 public:
  PythonRun(std::string path, int threads, bool verify, const nb::object& energy,
            const std::string& name)
      : loading_{.verify = verify, .energy_function = python_energy(energy, name, false)},
        threads_(threads) {
    const nb::gil_scoped_release unlocked;
    run_ = load_run(path, loading_);
  }

  const LoadedRun& run() const { return run_; }
  const LoadOptions& loading() const { return loading_; }

  struct Work {
    explicit Work(int threads) : pool(threads) {}
    std::mutex mutex;
    ThreadPool pool;
    std::optional<DensityEvaluator> density;
    std::optional<DensitySlopes> slopes;
  };

  /// What `action` makes of the run's threads and programs.
  template <typename Action>
  auto work(const Action& action) {
    Work& own = current_work();
    const nb::gil_scoped_release unlocked;
    const std::lock_guard lock(own.mutex);
    return action(own);
  }

 private:
  /// With the interpreter's lock.
  Work& current_work() {
    // A forked child has none of the threads; the object that waits for them is left alone.
    if (work_ && process_ != getpid()) (void)work_.release();
    if (!work_) {
      work_ = std::make_unique<Work>(threads_);
      process_ = getpid();
    }
    return *work_;
  }

  LoadOptions loading_;
  LoadedRun run_;
  int threads_;
  pid_t process_ = 0;
  std::unique_ptr<Work> work_;
};

std::vector<std::string> condition_names(const LoadedRun& run) {
  return ConditionTable(run.options.model.context_columns).names();
}

/// Whether all columns of the run's tables, or of its conditions alone, are plain numbers.
bool is_numeric(const LoadedRun& run, bool with_x) {
  const ModelOptions& model = run.options.model;
  const auto plain = [](const std::vector<ColumnOptions>& columns) {
    return std::ranges::all_of(columns, [](const ColumnOptions& column) {
      return column.labels.empty() && column.date.empty();
    });
  };
  return plain(model.context_columns) && (!with_x || plain(model.columns)) &&
         dates_in_parts(run.options.data.kinds).empty();
}

nb::typed<nb::tuple, nb::any, nb::any, std::vector<std::string>> log_prob(PythonRun& own,
                                                                          const Table& table,
                                                                          bool gradients) {
  LogDensities densities;
  std::vector<double> slopes;
  own.work([&](PythonRun::Work& work) {
    if (!work.density) work.density.emplace(run_density(own.run(), work.pool));
    densities = log_densities(own.run(), table, *work.density, work.pool);
    if (!gradients) return;
    if (!work.slopes) work.slopes.emplace(own.run(), work.pool);
    const ModelRows rows = rows_for_model(table, own.run().options.model);
    slopes = (*work.slopes)(rows.x, rows.context);
  });
  std::vector<std::string> warnings = std::move(densities.warnings);
  const std::size_t rows = densities.values.size();
  if (densities.unsolved > 0)
    warnings.push_back(unsolved_text(own.run().model->flow(),
                                     fmt::format("{} of {} rows", densities.unsolved, rows)));
  const auto features = static_cast<std::size_t>(own.run().options.model.features);
  return nb::make_tuple(array_of(std::move(densities.values), {rows}),
                        gradients ? array_of(std::move(slopes), {rows, features}) : nb::none(),
                        warnings);
}

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

using Samples = nb::typed<nb::tuple, nb::any, nb::any, nb::any, std::vector<std::string>>;

Samples sample(PythonRun& own, std::int64_t count, std::vector<double> condition, std::int64_t seed,
               const std::string& sampler, const std::string& precision, const std::string& weights,
               std::int64_t chains, std::int64_t burn_in, std::int64_t thinning,
               std::int64_t leapfrog_steps, double step_size, double local_probability,
               const std::string& density) {
  SampleRequest request{.sampler = sampler,
                        .count = count,
                        .seed = seed,
                        .condition = std::move(condition),
                        .weights = weights,
                        .chains = chains,
                        .burn_in = burn_in,
                        .thinning = thinning,
                        .leapfrog_steps = leapfrog_steps,
                        .step_size = step_size,
                        .local_probability = local_probability,
                        .density = density};
  if (!precision.empty())
    request.precision = precision == "double" ? Precision::kDouble : Precision::kFloat;
  Interrupts interrupts;
  SampledTable sampled = own.work([&](PythonRun::Work& work) {
    return sample_table(own.run(), request, work.pool,
                        {.interrupted = [&] { return interrupts(); }});
  });
  interrupts.rethrow();
  const SampleResult& result = sampled.result;
  std::vector<std::string> warnings;
  if (result.chains) warnings = result.chains->warnings;
  if (result.unsolved > 0)
    warnings.push_back(unsolved_samples_text(fmt::format("{} of the samples", result.unsolved)));
  if (result.non_finite > 0)
    warnings.push_back(
        fmt::format("{} of {} samples are not finite", result.non_finite, request.count));
  nb::dict info;
  info["proposals_a_sample"] = result.proposals_a_sample;
  info["non_finite"] = result.non_finite;
  if (result.importance) info["importance"] = importance_dict(*result.importance);
  if (result.chains) info["chains"] = chains_dict(*result.chains);
  const nb::list contents = contents_of(sampled.table);
  const auto rows = static_cast<std::size_t>(sampled.table.rows);
  const std::size_t columns = sampled.table.names.size();
  return nb::make_tuple(array_of(std::move(sampled.table.values), {rows, columns}), contents, info,
                        warnings);
}

std::string evaluate(PythonRun& own, const std::string& file, std::optional<std::int64_t> seed,
                     std::int64_t rows) {
  const LoadedRun& run = own.run();
  return own.work([&](PythonRun::Work& work) {
    const std::optional<PreparedData> data = run.data();
    const EvaluationOptions options{.seed = seed, .rows = rows};
    DensityEvaluator density = evaluation_density(run, work.pool, options);
    const HeldOut points = held_out_points(run, file, data, density, options);
    const Evaluation evaluation = evaluate_run(run, points, data, density, work.pool, options);
    return evaluation_json(run.folder.path, points, evaluation);
  });
}

}  // namespace

void add_run(nb::module_& module) {
  nb::class_<PythonRun>(module, "Run", "A run that is loaded from its folder.")
      .def(nb::init<std::string, int, bool, const nb::object&, const std::string&>(),
           nb::arg("path"), nb::arg("threads"), nb::arg("verify"), nb::arg("energy").none(),
           nb::arg("energy_name"))
      .def_prop_ro("path", [](const PythonRun& own) { return own.run().folder.path; })
      .def_prop_ro("columns",
                   [](const PythonRun& own) { return column_names(own.run().options.model); })
      .def_prop_ro("derived_columns",
                   [](const PythonRun& own) {
                     std::vector<std::string> names;
                     for (const DerivedColumn& column : own.run().options.model.derived)
                       names.push_back(column.name);
                     return names;
                   })
      .def_prop_ro("condition_columns",
                   [](const PythonRun& own) { return condition_names(own.run()); })
      .def_prop_ro("numeric", [](const PythonRun& own) { return is_numeric(own.run(), true); })
      .def_prop_ro("numeric_condition",
                   [](const PythonRun& own) { return is_numeric(own.run(), false); })
      .def_prop_ro("status", [](const PythonRun& own) { return own.run().manifest.status; })
      .def_prop_ro("steps", [](const PythonRun& own) { return own.run().manifest.steps; })
      .def_prop_ro("seconds", [](const PythonRun& own) { return own.run().manifest.seconds; })
      .def_prop_ro("seed", [](const PythonRun& own) { return own.run().manifest.seed; })
      .def_prop_ro("flow", [](const PythonRun& own) { return own.run().options.model.flow.kind; })
      .def_prop_ro("base", [](const PythonRun& own) { return own.run().options.model.base.kind; })
      .def_prop_ro(
          "molecule",
          [](const PythonRun& own) { return own.run().model->flow().coordinates() != nullptr; })
      .def_prop_ro("weighted",
                   [](const PythonRun& own) { return !own.run().options.data.weights.empty(); })
      .def_prop_ro("precision",
                   [](const PythonRun& own) { return own.run().options.training.precision; })
      .def_prop_ro("energy_function",
                   [](const PythonRun& own) { return own.run().options.target.energy_function; })
      .def_prop_ro(
          "measure",
          [](const PythonRun& own) { return measure_text(own.run().options.model.columns); })
      .def("log_prob",
           [](PythonRun& own, std::vector<std::string> names, const Rows& rows, bool gradients) {
             return log_prob(own, table_of(std::move(names), rows), gradients);
           })
      .def("log_prob_of_file",
           [](PythonRun& own, const std::string& file, bool gradients) {
             return log_prob(own, own.run().read_table(file), gradients);
           })
      .def("condition_rows",
           [](const PythonRun& own, std::vector<std::string> names, const Rows& rows) {
             return rows_for_model(table_of(std::move(names), rows), own.run().options.model, false)
                 .context;
           })
      .def("condition_rows_of_file",
           [](const PythonRun& own, const std::string& file) {
             return load_condition(own.run(), file);
           })
      .def("sample", &sample, nb::arg("count"), nb::arg("condition"), nb::arg("seed"),
           nb::arg("sampler"), nb::arg("precision"), nb::arg("weights"), nb::arg("chains"),
           nb::arg("burn_in"), nb::arg("thinning"), nb::arg("leapfrog_steps"), nb::arg("step_size"),
           nb::arg("local_probability"), nb::arg("density"))
      .def("evaluate", &evaluate, nb::arg("file"), nb::arg("seed").none(), nb::arg("rows"))
      .def("report", [](PythonRun& own, const std::string& out) {
        return own.work([&](PythonRun::Work& work) {
          return report_runs({own.run().folder.path}, out, work.pool, own.loading());
        });
      });
}

}  // namespace thalweg::python
