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

/// A target of a molecule's positions by its internal coordinates, which become the columns of
/// these names: its log density is that of the positions plus log (8 pi^2 J), see
/// InternalCoordinates. Throws ShapeError for a target of other positions, or names of other
/// columns.
std::shared_ptr<const Target> in_internal_coordinates(
    std::shared_ptr<const Target> target, std::shared_ptr<const InternalCoordinates> coordinates,
    std::vector<std::string> columns);

}  // namespace thalweg
