// The sections of AMBER's topology files.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace thalweg {

/// Sections by their flags, each a list of fields of fixed width: "%FORMAT(10I8)" has ten a line.
class AmberSections {
 public:
  /// Throws DataError for a file that is no such topology, or has a format that is not known.
  explicit AmberSections(const std::string& path);

  const std::string& path() const { return path_; }
  bool has(const std::string& flag) const { return sections_.contains(flag); }
  /// Throw DataError, with the flag, for a section that is missing, has another number of fields
  /// than `count`, or fields of another kind.
  std::vector<double> numbers(const std::string& flag, std::int64_t count) const;
  std::vector<std::int64_t> whole(const std::string& flag, std::int64_t count) const;
  /// Without blanks around them.
  std::vector<std::string> texts(const std::string& flag, std::int64_t count) const;
  /// Of a section whose length is not known from elsewhere.
  std::int64_t size(const std::string& flag) const;

 private:
  const std::vector<std::string>& fields(const std::string& flag, std::int64_t count) const;

  std::string path_;
  std::map<std::string, std::vector<std::string>> sections_;
};

}  // namespace thalweg
