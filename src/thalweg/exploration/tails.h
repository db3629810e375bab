// Whether a density has an integral: far away it must fall, and have no pole.
#pragma once

#include <span>
#include <string>

#include "thalweg/core/random.h"
#include "thalweg/datasets/column.h"
#include "thalweg/exploration/unbounded_energy.h"

namespace thalweg {

/// A sentence that says where exp(-energy) has no finite integral; empty where nothing tells of it.
/// `y` are samples of it, features x points, `log_integral` that of what was explored; `columns`
/// and `names` are of the features (columns may be none).
///
/// By Fubini's theorem a finite integral has finite ones along almost all lines through a column
/// and, with the weight r^(d-1), along almost all rays; so r p(r), or r^d p(r), must fall. It is
/// looked at between 2^10 and 2^20 deviations of the samples, on rays within the columns without
/// bounds; along a bounded column, whose map is exponential, between 30 and 600 of its units; and
/// towards the least energy near the samples, on lines that pass it by and, without circles, on
/// rays that meet it, between 2^-10 and 2^-34 deviations. Too slow is a fall of less than 0.3 nats
/// in between, and in the last third of it, where no less mass is than e^-12 of what was explored,
/// on three in four lines. An integral that is infinite because of a narrow ridge, or of a pole
/// that no sample is near, is not found.
std::string infinite_integral(UnboundedEnergy& energy, const Points& y, double log_integral,
                              std::span<const ColumnOptions> columns,
                              std::span<const std::string> names, RandomSequence& random);

}  // namespace thalweg
