// Files that grow, and stand whole on the disk each time they are saved.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace thalweg {

/// Appends to a file that others may read between calls of save(). What was appended since then is
/// lost by a kill, and cut off by whoever goes on. Not thread safe. Every failure throws DataError
/// with path, reason and what to do.
class GrowingFile {
 public:
  /// Goes on after the first `length` bytes of a file, whose rest is cut off; 0 begins a new one.
  GrowingFile(std::string path, std::int64_t length);
  ~GrowingFile();
  GrowingFile(const GrowingFile&) = delete;
  GrowingFile& operator=(const GrowingFile&) = delete;

  const std::string& path() const { return path_; }
  void append(std::string_view bytes);
  /// Writes what was appended, and `start` over the first bytes, and flushes them to the disk.
  void save(std::string_view start);

 private:
  void write_at(std::string_view bytes, std::int64_t offset);
  [[noreturn]] void fail_with(int error_number) const;

  std::string path_, buffer_;
  std::int64_t written_;
  int descriptor_ = -1;
};

}  // namespace thalweg
