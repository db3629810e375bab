// thalweg._core.write_run.
#pragma once

#include <nanobind/nanobind.h>

namespace thalweg::python {

void add_written_run(nanobind::module_& module);

}  // namespace thalweg::python
