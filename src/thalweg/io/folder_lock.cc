#include "thalweg/io/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "thalweg/core/error.h"

namespace thalweg {

FolderLock::FolderLock(const std::string& folder, const std::string& advice)
    : descriptor_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  if (descriptor_ < 0)
    fail<DataError>("{}: cannot open the folder: {}", folder, std::strerror(errno));
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return;
  ::close(descriptor_);
  fail<ConfigError>("{}: another process is writing to it; {}", folder, advice);
}

FolderLock::~FolderLock() { ::close(descriptor_); }

}  // namespace thalweg
