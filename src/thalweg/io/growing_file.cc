#include "thalweg/io/growing_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr std::size_t kBuffer = std::size_t{1} << 20;

}  // namespace

GrowingFile::GrowingFile(std::string path, std::int64_t length)
    : path_(std::move(path)), written_(length) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor_ < 0) fail_with(errno);
  struct stat status {};
  const bool known = ::fstat(descriptor_, &status) == 0;
  if (known && status.st_size < length) {
    ::close(descriptor_);
    fail<DataError>("{}: expected at least {} bytes, got {}; it was cut off since it was saved",
                    path_, length, status.st_size);
  }
  if (!known || ::ftruncate(descriptor_, length) != 0) {
    const int error = errno;
    ::close(descriptor_);
    fail_with(error);
  }
}

GrowingFile::~GrowingFile() { ::close(descriptor_); }

void GrowingFile::append(std::string_view bytes) {
  buffer_ += bytes;
  if (buffer_.size() < kBuffer) return;
  write_at(buffer_, written_);
  written_ += static_cast<std::int64_t>(buffer_.size());
  buffer_.clear();
}

void GrowingFile::save(std::string_view start) {
  write_at(buffer_, written_);
  written_ += static_cast<std::int64_t>(buffer_.size());
  buffer_.clear();
  // The frames are there before the header counts them.
  if (::fsync(descriptor_) != 0) fail_with(errno);
  write_at(start, 0);
  if (::fsync(descriptor_) != 0) fail_with(errno);
}

void GrowingFile::write_at(std::string_view bytes, std::int64_t offset) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_with(errno);
    bytes.remove_prefix(static_cast<std::size_t>(count));
    offset += count;
  }
}

void GrowingFile::fail_with(int error_number) const {
  fail<DataError>(
      "{}: cannot write: {}; check the folder, its permissions and the room on the disk", path_,
      std::generic_category().message(error_number));
}

}  // namespace thalweg
