// Targets of particles.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "thalweg/targets/particle_energy.h"
#include "thalweg/targets/target.h"

namespace thalweg {

/// The density exp(-energy) of ParticleEnergy, columns x0 y0 z0 x1 ... (in more than three
/// dimensions x0_0 x0_1 ...). It does not depend on the centre of mass, so it is a density of the
/// (N - 1) n dimensional subspace of rows whose centre of mass is 0, in lengths of that subspace,
/// and log_normaliser() is the logarithm of its integral over it: exact without pairs, else what
/// `log_integral` says. A row off the subspace has the density of its centred part. Its flow has
/// such a base (MeanFreeNormal), or takes without_last_particle(). Cannot be sampled at once; can
/// be differentiated once. Throws as ParticleEnergy.
std::unique_ptr<Target> make_particle_target(const std::string& name,
                                             const ParticleOptions& options,
                                             std::optional<double> log_integral = std::nullopt,
                                             double log_integral_error = 0.0);

/// `target`, of particles, as a density of the positions of all particles but the last, which is
/// where the centre of mass is 0: what flows that know nothing of particles learn. Its logarithm
/// has n/2 log N besides, the volume that a unit of these coordinates has in the subspace, so that
/// integrals are the same. Throws ConfigError for another target.
std::shared_ptr<const Target> without_last_particle(std::shared_ptr<const Target> target);

}  // namespace thalweg
