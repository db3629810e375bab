// Lines of text files that may be packed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "thalweg/io/text_source.h"

namespace thalweg {

/// Reads a text file, plain or packed with gzip, line by line; a block of it is in memory at a
/// time. Not thread safe.
class TextLines {
 public:
  /// Throws DataError if the file cannot be read or is a ZIP archive.
  explicit TextLines(const std::string& path) : source_(path) {}

  /// The next line without its end (\n or \r\n), valid until the next call; false at the end.
  /// Throws DataError for a packed file that is damaged or cut off.
  bool next(std::string_view& line);
  /// Number of the line that next() gave last, from 1.
  std::int64_t number() const { return number_; }
  /// "path, line 7", for messages.
  std::string place() const;

 private:
  bool fill();

  TextSource source_;
  std::string buffer_;
  std::size_t position_ = 0;
  std::int64_t number_ = 0;
  bool at_end_ = false;
};

}  // namespace thalweg
