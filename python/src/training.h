// thalweg._core.train.
#pragma once

#include <nanobind/nanobind.h>

namespace thalweg::python {

void add_training(nanobind::module_& module);

}  // namespace thalweg::python
