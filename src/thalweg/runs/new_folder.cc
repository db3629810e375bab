#include "thalweg/runs/new_folder.h"

#include <algorithm>
#include <filesystem>

#include "thalweg/core/error.h"
#include "thalweg/io/atomic_file.h"

namespace thalweg {

namespace fs = std::filesystem;

void refuse_current_folder(const std::string& path) {
  std::error_code error;
  if (fs::equivalent(path, fs::current_path(error), error))
    fail<ConfigError>(
        "{}: is the folder that this command was started in, which cannot be replaced; start it "
        "elsewhere, or choose another --out",
        path);
}

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
  refuse_current_folder(final_);
  check_replaceable(final_, force, files);
  path_ = free_path(final_ + ".new");
  std::error_code error;
  // Without an error it is another process that made a folder of this name meanwhile.
  while (!fs::create_directories(path_, error) && !error) path_ = free_path(path_);
  if (error)
    fail<DataError>("{}: cannot make the folder: {}; choose another --out", path_, error.message());
}

void replace_folder(const std::string& made, const std::string& path) {
  std::error_code error;
  const std::string old = free_path(path + ".old");
  fs::rename(path, old, error);
  if (const bool moved = !error; moved || error == std::errc::no_such_file_or_directory) {
    fs::rename(made, path, error);
    if (std::error_code back; error && moved) fs::rename(old, path, back);
  }
  if (error)
    fail<DataError>("{}: cannot be put in its place: {}; what was made is in {}", path,
                    error.message(), made);
  fs::remove_all(old, error);
}

NewFolder::~NewFolder() {
  std::error_code error;
  if (!kept_) fs::remove_all(path_, error);
}

std::string NewFolder::file(const std::string& name) const {
  return (fs::path(path_) / name).string();
}

void NewFolder::keep() {
  kept_ = true;
  if (force_) return replace_folder(path_, final_);
  std::error_code error;
  fs::remove(final_, error);  // an empty folder, and no other
  fs::rename(path_, final_, error);
  if (error)
    fail<DataError>("{}: cannot be put in its place: {}; what was made is in {}", final_,
                    error.message(), path_);
}

}  // namespace thalweg
