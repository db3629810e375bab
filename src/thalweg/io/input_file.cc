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

std::string shown(std::string_view text) {
  std::string result(text.substr(0, 80));
  std::replace_if(
      result.begin(), result.end(), [](unsigned char c) { return c < 32 || c == 127; }, '?');
  return result;
}

}  // namespace thalweg
