// Energies that are functions of Python.
#pragma once

#include <nanobind/nanobind.h>

#include <memory>
#include <string>

#include "thalweg/engine/primitives.h"

namespace thalweg::python {

/// A function of points, n x columns, and whether slopes are wanted, that gives their energies, n,
/// and slopes, n x columns, all arrays of doubles, in a tuple; None for slopes that are not wanted:
/// what thalweg.energies makes of a user's function. It is not kept
/// alive, since what it refers to may hold the run that it is for, a cycle that Python could not
/// see. It takes the interpreter's lock, so callers that run other threads must not hold it. None:
/// null. With `defers_interrupts` a KeyboardInterrupt in the function is raised after its call, for
/// work that asks for signals.
std::shared_ptr<const OutsideFunction> python_energy(const nanobind::object& function,
                                                     const std::string& name,
                                                     bool defers_interrupts);

}  // namespace thalweg::python
