// Tables to text, one row a line.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/io/atomic_file.h"
#include "thalweg/io/date_time.h"
#include "thalweg/io/table.h"

namespace thalweg {

/// Writes a table row by row with a header, each number as the shortest text that reads back to the
/// same double (or float), texts and dates as `content` says; packed with gzip where the path ends
/// in .gz. The file appears with finish(). Not thread safe.
class CsvWriter {
 public:
  /// `content` of each column, or empty where all are numbers. Throws ShapeError for no columns.
  CsvWriter(const std::string& path, const std::vector<std::string>& names,
            FloatType type = FloatType::kFloat64, char separator = ',',
            std::vector<ColumnText> content = {});
  ~CsvWriter();
  /// Appends rows x columns values, row-major; any number of rows. Throws DataError for a value
  /// that is the number of no text, and as append_date_time().
  void append(std::span<const double> rows);
  void finish();

 private:
  class Packer;
  void append_value(std::string& text, double value, std::size_t column) const;
  void write(std::string_view text);

  AtomicFile file_;
  std::unique_ptr<Packer> packer_;  // null: plain text
  std::vector<std::string> names_;
  FloatType type_;
  char separator_;
  std::vector<ColumnText> content_;  // labels are as they are written, quoted where need be
  std::vector<DateFormat> formats_;  // of columns of dates
};

}  // namespace thalweg
