// What it means that a flow did not find the latent points of some rows.
#pragma once

#include <string>

#include "thalweg/flows/flow.h"

namespace thalweg {

/// Whether a layer of the flow is a continuous one.
bool has_continuous(const Flow& flow);

/// A sentence on `which`, as "3 of 100 rows", for which Mapped::unsolved of this flow was above 0:
/// of what their log densities are, and what can be done.
std::string unsolved_text(const Flow& flow, const std::string& which);
/// The same of samples, which only a continuous flow can miss.
std::string unsolved_samples_text(const std::string& which);

}  // namespace thalweg
