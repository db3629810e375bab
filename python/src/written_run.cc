#include "written_run.h"

#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>

#include <string>
#include <utility>

#include "arrays.h"
#include "thalweg/runs/written_run.h"

namespace thalweg::python {
namespace {

using Whole = nb::ndarray<const std::int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

void write(const std::string& config, const nb::typed<nb::dict, nb::str, nb::any>& tensors,
           const std::string& out, bool force) {
  TensorFile file;
  for (const auto& [name, values] : tensors) {
    Tensor tensor;
    const auto shape_of = [&](const auto& array) {
      tensor.shape = {static_cast<std::int64_t>(array.shape(0)),
                      static_cast<std::int64_t>(array.shape(1))};
    };
    Rows rows;
    if (nb::try_cast<Rows>(values, rows, false)) {
      shape_of(rows);
      tensor.values.assign(rows.data(), rows.data() + rows.size());
    } else {
      const auto whole = nb::cast<Whole>(values);
      shape_of(whole);
      tensor.dtype = "I64";
      tensor.integers.assign(whole.data(), whole.data() + whole.size());
    }
    file.tensors.emplace(nb::cast<std::string>(name), std::move(tensor));
  }
  const nb::gil_scoped_release unlocked;
  write_run(config, std::move(file), out, force);
}

}  // namespace

void add_written_run(nb::module_& module) {
  module.def("write_run", &write, nb::arg("config"), nb::arg("tensors"), nb::arg("out"),
             nb::arg("force"), "Writes a run whose model was made elsewhere.");
}

}  // namespace thalweg::python
