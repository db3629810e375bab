#include "thalweg/io/input_file.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "thalweg/core/error.h"

namespace thalweg {

std::ifstream open_input(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    fail<DataError>("{}: expected a file, got a folder; give the name of a file in it", path);
  }
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    fail<DataError>("{}: cannot read: {}; check the name and its permissions", path,
                    std::generic_category().message(errno));
  }
  return stream;
}

std::int64_t file_size(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  if (error) {
    fail<DataError>("{}: cannot tell its size: {}; give a regular file, not a pipe", path,
                    error.message());
  }
  return static_cast<std::int64_t>(size);
}

std::string read_file(const std::string& path) {
  std::ifstream stream = open_input(path);
  std::string bytes(static_cast<std::size_t>(file_size(path)), '\0');
  stream.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (static_cast<std::size_t>(stream.gcount()) != bytes.size()) {
    fail<DataError>("{}: cannot read: expected {} bytes, got {}; is another program writing it?",
                    path, bytes.size(), stream.gcount());
  }
  return bytes;
}

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<unsigned char>(text[i]);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xC2 ? 0
                               : first < 0xE0 ? 2
                               : first < 0xF0 ? 3
                               : first < 0xF5 ? 4
                                              : 0;
    if (length == 0 || text.size() - i < length) return false;
    std::uint32_t code = length == 1 ? first : first & (0x7FU >> length);
    for (std::size_t j = 1; j < length; ++j) {
      const auto byte = static_cast<unsigned char>(text[i + j]);
      if ((byte & 0xC0U) != 0x80U) return false;
      code = code << 6U | (byte & 0x3FU);
    }
    // Longer than need be, half of a pair, or beyond the last.
    if ((length == 3 && (code < 0x800 || (code >= 0xD800 && code < 0xE000))) ||
        (length == 4 && (code < 0x10000 || code > 0x10FFFF)))
      return false;
    i += length;
  }
  return true;
}

std::string shown(std::string_view text) {
  std::string result(text.substr(0, 80));
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < 32 || c == 127; }, '?');
  return result;
}

}  // namespace thalweg
