// Methods of thalweg._core.Run that draw samples.
#pragma once

#include <nanobind/nanobind.h>

#include "python_run.h"

namespace thalweg::python {

void add_sampling(nanobind::class_<PythonRun>& type);

}  // namespace thalweg::python
