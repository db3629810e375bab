#include "latent.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <utility>
#include <vector>

#include "arrays.h"
#include "thalweg/core/error.h"
#include "thalweg/flows/unsolved.h"
#include "thalweg/sampling/column_map.h"

namespace thalweg::python {
namespace {

void require_latent_space(const LoadedRun& run, const char* function) {
  const ModelOptions& model = run.options.model;
  const auto refuse = [&](const std::string& reason) {
    fail<ConfigError>("{}: {}", function, reason);
  };
  if (run.model->flow().coordinates() != nullptr)
    refuse("expected a model of a table, this is one of a molecule");
  if (run.model->flow().stochastic())
    refuse(
        "this model has random moves between its layers, so that its samples are no function of "
        "points of the base");
  if (model.base.kind == "stack") refuse("a stack of densities has no latent space");
  for (const ColumnOptions& column : model.columns)
    if (column.has_intervals())
      refuse(fmt::format("values of column '{}' stand for intervals, which have no one point",
                         column.name));
}

/// In double, whatever the model's own precision.
DensityEvaluator& latent(PythonRun& own, PythonRun::Work& work) {
  if (!work.latent) work.latent.emplace(*own.run().model, work.pool, Precision::kDouble);
  return *work.latent;
}

using ArrayAndWarnings = nb::typed<nb::tuple, nb::any, std::vector<std::string>>;

ArrayAndWarnings with_warnings(PythonRun& own, std::vector<double>&& values, std::size_t rows,
                               std::int64_t unsolved) {
  const auto features = static_cast<std::size_t>(own.run().model->flow().features());
  std::vector<std::string> warnings;
  if (unsolved > 0)
    warnings.push_back(
        unsolved_text(own.run().model->flow(), fmt::format("{} of {} rows", unsolved, rows)));
  return nb::make_tuple(array_of(std::move(values), {rows, features}), warnings);
}

ArrayAndWarnings to_latent(PythonRun& own, std::vector<std::string> names, const Rows& x) {
  require_latent_space(own.run(), "to_latent");
  std::vector<double> z;
  std::int64_t unsolved = 0;
  own.work([&](PythonRun::Work& work) {
    const ModelRows rows = rows_for_model(table_of(std::move(names), x), own.run().options.model);
    DensityEvaluator& map = latent(own, work);
    z = map.to_latent(rows.x, rows.context);
    unsolved = map.unsolved();
  });
  return with_warnings(own, std::move(z), x.shape(0), unsolved);
}

std::vector<double> conditions(const PythonRun& own, const std::vector<double>& condition,
                               std::size_t rows) {
  const Flow& flow = own.run().model->flow();
  return rows_in_turn(condition, flow.context_features(), 0, static_cast<std::int64_t>(rows));
}

ArrayAndWarnings from_latent(PythonRun& own, const Rows& z, const std::vector<double>& condition) {
  require_latent_space(own.run(), "from_latent");
  std::vector<double> x;
  std::int64_t unsolved = 0;
  own.work([&](PythonRun::Work& work) {
    DensityEvaluator& map = latent(own, work);
    x = map.to_data(values_of(z), conditions(own, condition, z.shape(0)));
    unsolved = map.unsolved();
    finish_samples(*own.run().model, x, work.pool);
  });
  return with_warnings(own, std::move(x), z.shape(0), unsolved);
}

nb::object pull_back(PythonRun& own, const Rows& z, const Rows& cotangent,
                     const std::vector<double>& condition) {
  require_latent_space(own.run(), "from_latent");
  std::vector<double> result;
  own.work([&](PythonRun::Work& work) {
    result = latent(own, work).pull_back(values_of(z), values_of(cotangent),
                                         conditions(own, condition, z.shape(0)));
  });
  return array_of(std::move(result), {z.shape(0), z.shape(1)});
}

}  // namespace

void add_latent(nb::class_<PythonRun>& type) {
  type.def("to_latent", &to_latent).def("from_latent", &from_latent).def("pull_back", &pull_back);
}

}  // namespace thalweg::python
