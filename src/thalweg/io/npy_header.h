// The first bytes of .npy files, for those that write the rest piece by piece.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "thalweg/io/npy.h"

namespace thalweg {

/// The bytes of a file of version 1 before its values. Of arrays that differ in their first
/// dimension alone they are equally many, at least 128. Throws ShapeError for too many dimensions.
std::string npy_header(std::span<const std::int64_t> shape, FloatType type);

}  // namespace thalweg
