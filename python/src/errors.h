// The library's errors as exceptions of Python.
#pragma once

#include <nanobind/nanobind.h>

namespace thalweg::python {

/// From now on errors of the library become the exceptions of thalweg.errors, with the names of
/// Python's arguments where messages have those of the tool's options.
void translate_errors();

}  // namespace thalweg::python
