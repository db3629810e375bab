// The version of the library.
#pragma once

namespace thalweg {

/// Major, minor and patch number, as "0.1.0".
const char* version();

}  // namespace thalweg
