#include "thalweg/runs/new_folder.h"

#include <algorithm>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/io/atomic_file.h"

namespace thalweg {

namespace fs = std::filesystem;

void check_replaceable(const std::string& path, bool force, const std::vector<std::string>& files,
                       const std::string& advice) {
  if (!fs::exists(path)) return;
  if (!fs::is_directory(path))
    fail<DataError>("{}: expected a folder to write to, got a file; choose another --out", path);
  if (fs::is_empty(path)) return;
  if (!force) fail<ConfigError>("{}: exists already; {}", path, advice);
  for (const auto& entry : fs::directory_iterator(path))
    if (const std::string name = entry.path().filename().string();
        std::ranges::find(files, name) == files.end() && !is_temporary_file(name))
      fail<ConfigError>(
          "{}: holds '{}', which this command does not write, so --force does not replace it; "
          "choose another --out",
          path, entry.path().filename().string());
}

std::string free_path(const std::string& path) {
  std::error_code error;
  std::string name = path;
  for (int number = 2; fs::exists(fs::symlink_status(name, error)); ++number)
    name = fmt::format("{}-{}", path, number);
  return name;
}

NewFolder::NewFolder(const std::string& path, bool force, const std::vector<std::string>& files)
    : final_(path), force_(force) {
  while (final_.size() > 1 && final_.ends_with('/')) final_.pop_back();
  check_replaceable(final_, force, files);
  path_ = free_path(final_ + ".new");
  std::error_code error;
  // Without an error it is another process that made a folder of this name meanwhile.
  while (!fs::create_directories(path_, error) && !error) path_ = free_path(path_);
  if (error)
    fail<DataError>("{}: cannot make the folder: {}; choose another --out", path_, error.message());
}

NewFolder::~NewFolder() {
  std::error_code error;
  fs::remove_all(path_, error);
}

std::string NewFolder::file(const std::string& name) const {
  return (fs::path(path_) / name).string();
}

void NewFolder::keep() {
  std::error_code error;
  if (force_)
    fs::remove_all(final_, error);
  else
    fs::remove(final_, error);  // an empty folder, and no other
  fs::rename(path_, final_, error);
  if (error)
    fail<DataError>("{}: cannot be put in its place: {}; choose another --out", final_,
                    error.message());
}

}  // namespace thalweg
