#include "thalweg/io/atomic_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <regex>
#include <system_error>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr std::size_t kBufferSize = std::size_t{1} << 20;
// A name may have 255 bytes; this leaves room for what makes a temporary's name unique.
constexpr std::size_t kLongestStem = 200;

/// Its group is the process.
const std::regex& temporary_pattern() {
  static const std::regex pattern(R"(\..*\.(\d{1,9})-\d+\.tmp)");
  return pattern;
}

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

std::string advice(int error_number, const std::string& folder) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return "free some space or write to another disk";
    case EFBIG:
      return "raise the limit on file sizes (ulimit -f) or write a smaller file";
    case ENOENT:
    case ENOTDIR:
      return fmt::format("create the folder '{}' first", folder);
    case EACCES:
    case EPERM:
    case EROFS:
      return "choose a place where you may write";
    case ENAMETOOLONG:
      return "choose a shorter name";
    default:
      return fmt::format("check the folder '{}' and its disk", folder);
  }
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)), final_path_(path_) {
  buffer_.reserve(kBufferSize);
  std::error_code error;
  const auto status = std::filesystem::status(path_, error);
  if (std::filesystem::exists(status)) {
    if (!std::filesystem::is_regular_file(status)) {
      fail<DataError>("{}: expected the name of a file to write, got a {}; give a file name", path_,
                      std::filesystem::is_directory(status) ? "folder" : "device or pipe");
    }
    // Renaming needs no permission on the old file, but a file made read-only is meant to stay.
    if (::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) fail_with(errno);
    const auto resolved = std::filesystem::canonical(path_, error);
    if (!error) final_path_ = resolved.string();
  }
  const std::filesystem::path target(final_path_);
  const std::string stem = target.filename().string().substr(0, kLongestStem);
  static std::atomic<std::uint64_t> counter{0};
  do {
    const std::string name = fmt::format(".{}.{}-{}.tmp", stem, ::getpid(), counter++);
    temporary_path_ = (target.parent_path() / name).string();
    descriptor_ = ::open(temporary_path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) fail_with(errno);
  if (std::filesystem::exists(status)) {
    // The mode is a courtesy to who set it: where it cannot be kept, the file is still right.
    static_cast<void>(::fchmod(descriptor_, static_cast<mode_t>(status.permissions()) & 07777));
  }
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::write(std::string_view bytes) {
  if (buffer_.size() + bytes.size() > kBufferSize) flush();
  if (bytes.size() < kBufferSize) {
    buffer_.append(bytes);
    return;
  }
  write_at(bytes, flushed_);
  flushed_ += static_cast<std::int64_t>(bytes.size());
}

void AtomicFile::overwrite_start(std::string_view bytes) {
  flush();
  if (static_cast<std::int64_t>(bytes.size()) > flushed_) {
    fail<DataError>("{}: expected to replace at most the {} bytes written, got {}", path_, flushed_,
                    bytes.size());
  }
  write_at(bytes, 0);
}

void AtomicFile::commit() {
  flush();
  if (::fsync(descriptor_) != 0) fail_with(errno);
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0) fail_with(errno);
  if (::rename(temporary_path_.c_str(), final_path_.c_str()) != 0) fail_with(errno);
  temporary_path_.clear();
  // The rename itself should outlive a power cut; not every file system offers this.
  const int folder = ::open(folder_of(final_path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    static_cast<void>(::fsync(folder));
    ::close(folder);
  }
}

void AtomicFile::write_at(std::string_view bytes, std::int64_t offset) {
  if (descriptor_ < 0) fail<DataError>("{}: nothing can be written after the file ended", path_);
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_with(errno);
    if (written == 0) fail_with(ENOSPC);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += written;
  }
}

void AtomicFile::flush() {
  write_at(buffer_, flushed_);
  flushed_ += static_cast<std::int64_t>(buffer_.size());
  buffer_.clear();
}

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  if (!temporary_path_.empty()) ::unlink(temporary_path_.c_str());
  temporary_path_.clear();
}

void AtomicFile::fail_with(int error_number) {
  discard();
  fail<DataError>("{}: cannot write: {}; {}", path_, std::generic_category().message(error_number),
                  advice(error_number, folder_of(path_)));
}

void write_file_atomically(const std::string& path, std::string_view bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

bool is_temporary_file(const std::string& name) {
  return std::regex_match(name, temporary_pattern());
}

void remove_stale_files(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> stale;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    std::smatch match;
    if (std::regex_match(name, match, temporary_pattern()) &&
        kill(std::stoi(match[1].str()), 0) != 0 && errno == ESRCH)
      stale.push_back(entry.path());
  }
  for (const std::filesystem::path& path : stale) std::filesystem::remove(path, error);
}

}  // namespace thalweg
