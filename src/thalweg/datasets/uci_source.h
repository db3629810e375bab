// Where the UCI originals lie, and how they are read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/datasets/uci_tables.h"
#include "thalweg/io/table.h"
#include "thalweg/io/text_lines.h"

namespace thalweg::uci {

/// Splits at `separator`; a blank stands for any run of blanks and tabs.
void split_fields(std::string_view line, char separator, std::vector<std::string_view>& fields);

/// The field as a finite number; throws DataError with file and line if it is none.
double take_number(const TextLines& lines, std::string_view field);

/// Throws DataError with file and line for another number of fields.
void expect_fields(const TextLines& lines, const std::vector<std::string_view>& fields,
                   std::size_t expected);

/// Throws DataError for less than 100 rows, which cannot be split sensibly.
void expect_rows(const std::string& path, std::int64_t rows);

/// An array of finite values with one of the given numbers of columns; throws DataError for others.
Table load_array(const std::string& path, const std::vector<std::int64_t>& widths);

/// Where a folder holds what.
class Source {
 public:
  /// Throws DataError if there is no such folder or file.
  explicit Source(const std::string& from);

  /// The first of `names` that is there.
  std::optional<std::string> find(const std::vector<std::string>& names) const;
  /// The file of this name, plain or as .gz.
  std::optional<std::string> find_packed(const std::string& name) const;
  /// Says what to do, by what lies there instead.
  [[noreturn]] void fail_missing(const UciTable& table) const;

 private:
  std::vector<std::filesystem::path> entries() const;

  std::string from_;
  bool is_file_ = false;
};

}  // namespace thalweg::uci
