// thalweg._core.Run.
#pragma once

#include <nanobind/nanobind.h>

namespace thalweg::python {

void add_run(nanobind::module_& module);

}  // namespace thalweg::python
