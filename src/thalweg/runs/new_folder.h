// Folders that appear whole or not at all.
#pragma once

#include <string>
#include <vector>

namespace thalweg {

/// Throws ConfigError where `path` is the folder that the process runs in.
void refuse_current_folder(const std::string& path);

/// Throws DataError where `path` is a file, ConfigError where it is a folder that is not empty:
/// without `force`, with `advice` on what else to do, and with it where anything but `files`, and
/// what a killed process left unfinished, is in it.
void check_replaceable(
    const std::string& path, bool force, const std::vector<std::string>& files,
    const std::string& advice = "--force replaces it, --out names another folder");

/// `path`, or with -2, -3, ... behind it, whichever names nothing yet.
std::string free_path(const std::string& path);

/// Puts the folder `made` in the place of `path`, which is removed when it is done. Where that
/// fails both stay, and DataError says where.
void replace_folder(const std::string& made, const std::string& path);

/// A folder that appears under its name with all its files, or not at all: until keep() they are in
/// another one beside it, of a name that was free, which is removed without it.
class NewFolder {
 public:
  /// With `force` a folder that holds nothing but some of `files` is replaced. Throws ConfigError
  /// for one that is there, or holds something else, DataError for a file and where none can be
  /// made.
  NewFolder(const std::string& path, bool force, const std::vector<std::string>& files);
  ~NewFolder();
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;

  std::string file(const std::string& name) const;
  const std::string& path() const { return path_; }
  /// Puts it in its place, of what `force` lets it replace or of nothing. Throws DataError where
  /// that fails, as where another process was first; the files then stay where they are.
  void keep();

 private:
  std::string final_, path_;
  bool force_, kept_ = false;
};

}  // namespace thalweg
