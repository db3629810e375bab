// Methods of thalweg._core.Run that go between samples and points of the base.
#pragma once

#include <nanobind/nanobind.h>

#include "python_run.h"

namespace thalweg::python {

void add_latent(nanobind::class_<PythonRun>& type);

}  // namespace thalweg::python
