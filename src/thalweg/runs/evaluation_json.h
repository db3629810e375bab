// What an evaluation found, for programs.
#pragma once

#include <string>

#include "thalweg/runs/evaluation.h"

namespace thalweg {

/// An evaluation of the run in `folder` on `points` as a JSON object, indented by 2: run, points
/// and rows; each metric by its name, with NAME_error where it has one; of an energy quantiles,
/// directions and correlations by column, verdict and explored; warnings. What is not finite is
/// null.
std::string evaluation_json(const std::string& folder, const HeldOut& points,
                            const Evaluation& evaluation);

}  // namespace thalweg
