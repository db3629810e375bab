// Reading files with errors that say what is wrong.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>

namespace thalweg {

/// Opens a file for reading bytes. Throws DataError if there is none, it is a folder, or it may not
/// be read.
std::ifstream open_input(const std::string& path);

/// Number of bytes in a regular file. Throws DataError for pipes and devices.
std::int64_t file_size(const std::string& path);

/// The whole of a regular file.
std::string read_file(const std::string& path);

}  // namespace thalweg
