#include "thalweg/runs/new_folder.h"

#include <algorithm>
#include <filesystem>

#include "thalweg/core/error.h"

namespace thalweg {

namespace fs = std::filesystem;

NewFolder::NewFolder(const std::string& path, bool force, const std::vector<std::string>& files)
    : final_(path) {
  while (final_.size() > 1 && final_.ends_with('/')) final_.pop_back();
  path_ = final_ + ".new";
  std::error_code error;
  if (fs::exists(final_) && !fs::is_directory(final_))
    fail<DataError>("{}: expected a folder to write to, got a file; choose another --out", path);
  if (fs::exists(final_) && !fs::is_empty(final_)) {
    if (!force)
      fail<ConfigError>("{}: exists already; --force replaces it, --out names another folder",
                        path);
    for (const auto& entry : fs::directory_iterator(final_))
      if (std::ranges::find(files, entry.path().filename().string()) == files.end())
        fail<ConfigError>(
            "{}: holds '{}', which this command does not write, so --force does not replace it; "
            "choose another --out",
            path, entry.path().filename().string());
  }
  fs::remove_all(path_, error);
  if (!fs::create_directories(path_, error) || error)
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
  fs::remove_all(final_, error);
  fs::rename(path_, final_, error);
  if (error)
    fail<DataError>("{}: cannot be put in its place: {}; choose another --out", final_,
                    error.message());
}

}  // namespace thalweg
