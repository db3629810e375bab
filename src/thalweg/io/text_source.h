// Bytes of text files that may be packed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace thalweg {

/// Reads the bytes of a text file, plain or packed with gzip. Not thread safe.
class TextSource {
 public:
  /// Throws DataError if the file cannot be read or is a ZIP archive.
  explicit TextSource(std::string path);
  ~TextSource();

  const std::string& path() const { return path_; }
  /// The next `count` unpacked bytes; fewer at the end of the file alone. Throws DataError for a
  /// packed file that is damaged or cut off.
  std::size_t read(char* bytes, std::size_t count);
  /// Bytes of the file, as it is on the disk, that were read so far.
  std::int64_t position() const;

 private:
  struct Stream;
  std::string path_;
  std::unique_ptr<Stream> stream_;
};

}  // namespace thalweg
