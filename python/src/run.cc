#include "run.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "interrupts.h"
#include "latent.h"
#include "positions.h"
#include "python_run.h"
#include "sampling.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/datasets/column_kinds.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/datasets/date_parts.h"
#include "thalweg/datasets/derived_columns.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/evaluation_json.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/run_report.h"
#include "thalweg/runs/samplers.h"

namespace thalweg::python {
namespace {

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

/// What `action` makes of the run's threads and programs; Ctrl-C ends it between two tasks.
std::string interruptible(PythonRun& own,
                          const std::function<std::string(PythonRun::Work&)>& action) {
  Interrupts interrupts;
  std::string result;
  try {
    result = own.work([&](PythonRun::Work& work) {
      const InterruptScope scope([&] { return interrupts(); });
      return action(work);
    });
  } catch (const InterruptedError&) {
    interrupts.rethrow();
  }
  return result;
}

std::string evaluate(PythonRun& own, const std::string& file, std::optional<std::int64_t> seed,
                     std::int64_t rows) {
  const LoadedRun& run = own.run();
  return interruptible(own, [&](PythonRun::Work& work) {
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
  nb::class_<PythonRun> type(module, "Run", "A run that is loaded from its folder.");
  add_sampling(type);
  add_latent(type);
  add_positions(type);
  type.def(nb::init<std::string, int, bool, const nb::object&, const std::string&>(),
           nb::arg("path"), nb::arg("threads"), nb::arg("verify"), nb::arg("energy").none(),
           nb::arg("energy_name"))
      .def_prop_ro("path", [](const PythonRun& own) { return own.run().folder.path; })
      .def_prop_ro("columns",
                   [](const PythonRun& own) { return column_names(own.run().options.model); })
      .def_prop_ro("sample_columns",
                   [](const PythonRun& own) {
                     const ModelOptions& model = own.run().options.model;
                     std::vector<std::string> names = column_names(model), ordered;
                     const std::size_t width = names.size();
                     for (const DerivedColumn& column : model.derived) names.push_back(column.name);
                     for (const std::size_t number : order_of_data(width, model.derived))
                       ordered.push_back(names[number]);
                     return ordered;
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
      .def_prop_ro("drawn_densities",
                   [](const PythonRun& own) { return own.run().model->flow().stochastic(); })
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
      .def("evaluate", &evaluate, nb::arg("file"), nb::arg("seed").none(), nb::arg("rows"))
      .def("report", [](PythonRun& own, const std::string& out) {
        return interruptible(own, [&](PythonRun::Work& work) {
          return report_runs({own.run().folder.path}, out, work.pool, own.loading());
        });
      });
}

}  // namespace thalweg::python
