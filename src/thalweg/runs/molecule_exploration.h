// Positions of a molecule to learn from, where nobody gives any.
#pragma once

#include "thalweg/core/thread_pool.h"
#include "thalweg/runs/settings.h"
#include "thalweg/runs/simulation.h"

namespace thalweg {

/// Whether a run is to learn a molecule whose energy is known, without positions to learn from.
/// Throws as read_layers.
bool wants_positions(const RunRequest& request);

/// Replica exchange of such a molecule, into the folder of the run with "-md" behind it: 16
/// replicas at each of four temperatures, the run's own and three up to about 2.2 times as high,
/// from the minimum next to the positions in molecule.topology, with exploration.evaluations of the
/// energy (12 800 000 where these are not asked for) after a tenth of them. A simulation of the
/// same system that is there already goes on, or is taken if it came to its end. `request` then has
/// the trajectory as its data.path and, unless it asks for an objective, force_matching. False if
/// it was interrupted: all is saved. Throws ConfigError without molecule.topology and for a folder
/// with something else, and as simulate().
bool give_positions(RunRequest& request, ThreadPool& pool,
                    const SimulationCallbacks& callbacks = {});

}  // namespace thalweg
