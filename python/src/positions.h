// Methods of thalweg._core.Run for molecules.
#pragma once

#include <nanobind/nanobind.h>

#include "python_run.h"

namespace thalweg::python {

void add_positions(nanobind::class_<PythonRun>& type);

}  // namespace thalweg::python
