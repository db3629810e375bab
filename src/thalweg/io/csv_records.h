// Rows of a file of text, whose fields in quotation marks may hold ends of lines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "thalweg/io/text_source.h"

namespace thalweg {

/// Gives the rows of a file without the ends of their lines; a block of the file is in memory at a
/// time. Empty lines, lines that begin with '#', a byte order mark and Windows line ends are passed
/// over. Not thread safe.
class CsvRecords {
 public:
  /// Throws as TextSource, and for text in UTF-16.
  explicit CsvRecords(const std::string& path);

  /// Which quotation marks open a field: those behind this separator. At first it is any of the
  /// known ones.
  void set_separator(char separator);
  /// The next row, valid until the next call; false at the end. Throws DataError for zero bytes, a
  /// quotation mark that is not closed, and rows of more than 64 MB.
  bool next(std::string_view& row);

  const std::string& path() const { return source_.path(); }
  /// Number of the first line of the last row, from 1; of the last line, at the end.
  std::int64_t number() const { return number_; }
  /// "path, line 7", for messages.
  std::string place() const;
  /// Unpacked bytes of the rows so far.
  std::int64_t consumed() const { return consumed_; }
  /// Bytes that were read so far, of the file on the disk and as they are unpacked.
  std::int64_t position() const { return source_.position(); }
  std::int64_t unpacked() const { return unpacked_; }

 private:
  bool next_line(std::size_t& end);
  bool fill();

  TextSource source_;
  std::string buffer_;
  std::string separators_;
  std::size_t begin_ = 0;  // of the next row in buffer_
  std::size_t size_ = 0;   // of what was read into buffer_
  std::int64_t number_ = 0, lines_ = 0, consumed_ = 0, unpacked_ = 0;
  bool at_end_ = false, has_zero_ = false;
};

}  // namespace thalweg
