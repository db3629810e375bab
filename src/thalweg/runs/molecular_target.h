// Energies of molecules as targets.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "thalweg/molecules/force_field.h"
#include "thalweg/targets/target.h"
#include "thalweg/transforms/internal_coordinates.h"

namespace thalweg {

/// exp(-u) of positions x0, y0, z0, x1, ... in nm, u being the energy of a force field in kT at
/// `temperature` (K). It has no finite integral, since it depends on no place and no orientation:
/// see in_internal_coordinates. Throws ConfigError as ForceFieldEnergy.
std::shared_ptr<const Target> make_molecular_target(std::shared_ptr<const ForceField> force_field,
                                                    double temperature);

/// The same target with energies u, -log density, above `cut` in kT as cut + log(1 + u - cut), and
/// above cut + 1e20 as there, so that atoms which overlap have slopes that can be learnt from (Noe,
/// Olsson, Koehler, Wu 2019). It cannot be sampled.
std::shared_ptr<const Target> with_logarithmic_energy(std::shared_ptr<const Target> target,
                                                      double cut);

/// A target of a molecule's positions by its internal coordinates, which become the columns of
/// these names: its log density is that of the positions plus log (8 pi^2 J), see
/// InternalCoordinates. Throws ShapeError for a target of other positions, or names of other
/// columns.
std::shared_ptr<const Target> in_internal_coordinates(
    std::shared_ptr<const Target> target, std::shared_ptr<const InternalCoordinates> coordinates,
    std::vector<std::string> columns);

}  // namespace thalweg
