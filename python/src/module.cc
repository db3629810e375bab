// thalweg._core: what the Python package is made on. Arrays come checked from its Python side.
#include <nanobind/nanobind.h>

#include "errors.h"
#include "run.h"
#include "thalweg/core/thread_pool.h"
#include "thalweg/core/version.h"
#include "training.h"
#include "written_run.h"

NB_MODULE(_core, module) {
  using namespace thalweg;
  module.attr("version") = version();
  module.def("available_processors", &available_processors,
             "Number of processors that this process may use.");
  python::translate_errors();
  python::add_training(module);
  python::add_run(module);
  python::add_written_run(module);
}
