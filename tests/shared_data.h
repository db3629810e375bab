// Real data sets that tests use where they are present.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace thalweg::testing {

/// The folder `name` of the data sets: in the folder that the variable THALWEG_DATA names, else in
/// the folder shared/data beside the project. It need not exist.
inline std::filesystem::path shared_data(const std::string& name) {
  const char* named = std::getenv("THALWEG_DATA");
  return std::filesystem::path(named != nullptr ? named : THALWEG_SHARED_DATA) / name;
}

/// Why a test that needs a file or folder of shared_data() is skipped; empty where it is there.
inline std::string absence_of(const std::filesystem::path& path) {
  if (std::filesystem::exists(path)) return "";
  return path.string() + " is absent: THALWEG_DATA may name the folder of data sets";
}

}  // namespace thalweg::testing
