// Files that appear under their name only when they are complete: after any failure, or a kill, an
// earlier file of that name is as it was.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace thalweg {

/// Writes to a hidden temporary file in the same folder; commit() flushes it to the disk and
/// renames it. A symbolic link keeps pointing at the file it names. Every failure (no folder, no
/// permission, disk full, size limit) removes the temporary and throws DataError with path, reason
/// and what to do. SIGXFSZ must be ignored by the process for a size limit to come as an error. Not
/// thread safe.
class AtomicFile {
 public:
  /// Refuses a folder, a device, or an existing file without permission to write.
  explicit AtomicFile(std::string path);
  /// Removes the temporary unless commit() succeeded.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  const std::string& path() const { return path_; }
  /// Appends bytes.
  void write(std::string_view bytes);
  /// Replaces the first bytes of what was written, which must be at least as long.
  void overwrite_start(std::string_view bytes);
  /// Puts the file in its place. Nothing can be written afterwards.
  void commit();

 private:
  void write_at(std::string_view bytes, std::int64_t offset);
  void flush();
  void discard() noexcept;
  [[noreturn]] void fail_with(int error_number);

  std::string path_, final_path_, temporary_path_;
  std::string buffer_;
  std::int64_t flushed_ = 0;  // bytes in the temporary, without those in buffer_
  int descriptor_ = -1;
};

/// Whether a file's name is one that AtomicFile gives to what is not finished.
bool is_temporary_file(const std::string& name);

/// Removes temporary files of processes that are gone, as a killed one leaves them in a folder.
void remove_stale_files(const std::string& folder);

/// Writes a whole file through AtomicFile.
void write_file_atomically(const std::string& path, std::string_view bytes);

}  // namespace thalweg
