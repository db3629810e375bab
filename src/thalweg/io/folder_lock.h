// Folders that one process at a time writes to.
#pragma once

#include <string>

namespace thalweg {

/// Holds a folder while it lives, against other processes and other locks of this one that ask for
/// it in the same way; a process that ends lets go. Nothing is written. File systems that know no
/// locks hold nothing.
class FolderLock {
 public:
  /// Of a folder that is there. Throws ConfigError where another one has it, saying `advice`,
  /// DataError where it cannot be opened.
  FolderLock(const std::string& folder, const std::string& advice);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace thalweg
