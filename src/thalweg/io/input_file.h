// Reading files with errors that say what is wrong.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>

namespace thalweg {

/// Opens a file for reading bytes. Throws DataError if there is none, it is a folder, or it may not
/// be read.
std::ifstream open_input(const std::string& path);

/// Number of bytes in a regular file. Throws DataError for pipes and devices.
std::int64_t file_size(const std::string& path);

/// The whole of a regular file.
std::string read_file(const std::string& path);

/// Whether a text is in UTF-8.
bool is_utf8(std::string_view text);

/// Text out of a file for a message: its first 80 bytes, with '?' for every control character, so
/// that it stays on one line and does nothing to a terminal.
std::string shown(std::string_view text);

}  // namespace thalweg
