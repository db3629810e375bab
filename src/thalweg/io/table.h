// Tables of numbers with named columns, from and to files, and what is worth knowing of them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/io/npy.h"

namespace thalweg {

class CsvWriter;
class XyzWriter;

/// What the numbers of a column stand for.
enum class ColumnContent : std::uint8_t { kNumber, kText, kDate };

inline constexpr std::int64_t kMostLabels = 10'000;
inline constexpr std::int64_t kLongestLabel = 1'000;

/// How the numbers of a column are written in a file of text.
struct ColumnText {
  ColumnContent content = ColumnContent::kNumber;
  /// kText: the different texts in order of their bytes; a value is the number of its text, from 0,
  /// and NaN where it is missing.
  std::vector<std::string> labels = {};
  /// kDate: as date_format() reads it, "YYYY-MM-DD" or "YYYY-MM-DD HH:MM:SS.fffZ". Values are days
  /// since 1970-01-01 for dates alone and seconds since then with a time of day.
  std::string format = {};
  /// kText: number of different texts. Labels are not kept beyond kMostLabels, or if one is longer
  /// than kLongestLabel bytes; all values are NaN then. See table_texts.h.
  std::int64_t different = 0;
  bool missing = false;  ///< kNumber: NaN is written as an empty field, as others always have it
};

/// A matrix with named columns.
struct Table {
  std::vector<std::string> names;
  std::int64_t rows = 0;
  std::vector<double> values;       ///< rows x names.size(), row-major
  std::vector<ColumnText> content;  ///< of each column; empty: all hold numbers
  bool integer_dtype = false;       ///< a .npy file of integers or booleans
  bool single_precision = false;    ///< a .npy file of float32

  /// Of all columns of the file in its order, also of those that were not asked for.
  std::vector<std::string> file_names = {};
  std::string source = {};  ///< the file, for messages; empty: none
  /// What was found in the file, a sentence each.
  std::vector<std::string> notes = {};

  ColumnContent content_of(std::size_t column) const {
    return content.empty() ? ColumnContent::kNumber : content[column].content;
  }
  std::int64_t columns() const { return static_cast<std::int64_t>(names.size()); }
  /// Largest relative error that rounding has left in a value: 2^-53 of double, 2^-24 of float32.
  double rounding() const { return single_precision ? 0x1p-24 : 0x1p-53; }
};

/// "x0", "x1", ...: the names of columns that have none.
std::vector<std::string> default_names(std::int64_t columns);

/// Whether the first row of a file of text has names.
enum class HeaderChoice : std::uint8_t { kAuto, kYes, kNo };

/// Called with the bytes of a file that are read and all of them, now and then.
using ReadProgress = std::function<void(std::int64_t bytes, std::int64_t total)>;

/// How a file is read.
struct ReadOptions {
  /// Names of the columns to read; empty: all but an index of rows. Others are passed over and
  /// cannot stop the reading. Unknown names are left out. A file without names is read whole if one
  /// is unknown, and so is .npy always.
  std::vector<std::string> columns = {};
  /// Columns that hold texts, even if all of them are numbers.
  std::vector<std::string> texts = {};
  /// Texts that stand for a missing value besides the usual ones; those that are numbers stand for
  /// all that equal them.
  std::vector<std::string> missing = {};
  HeaderChoice header = HeaderChoice::kAuto;
  /// Above 0, a .npy of rows x particles x so many dimensions is read as rows x their product.
  std::int64_t particle_dimensions = 0;
  std::int64_t places = 0;     ///< of .xyz, see read_xyz
  ReadProgress progress = {};  ///< of files of text
};

/// Reads .npy (with or without a slice, see read_npy; one dimension makes one column, and positions
/// of particles may have three) or .csv, .tsv and .txt, plain or as .gz (see read_csv). Missing
/// values are NaN. Molecules of .xyz are rows as read_xyz makes them. Throws DataError for other
/// kinds of files, more than two dimensions, no rows or no columns.
Table load_table(const std::string& path, const ReadOptions& options = {});

/// Writes .npy, .csv, .txt (comma) or .tsv (tab), the latter three packed with a further .gz,
/// atomically. Texts and dates are written as they were read, numbers with a decimal point, missing
/// texts and dates as empty fields. Molecules can be written as .xyz. .npy keeps the numbers alone:
/// no names, texts or formats.
void save_table(const std::string& path, const Table& table, FloatType type = FloatType::kFloat64);

/// Writes a table of unknown length row by row; the file appears with finish(). Not thread safe.
class TableWriter {
 public:
  /// Kind of file by extension, as save_table; `content` of each column, or empty. Throws DataError
  /// for other kinds.
  TableWriter(const std::string& path, const std::vector<std::string>& names,
              FloatType type = FloatType::kFloat64, std::vector<ColumnText> content = {});
  ~TableWriter();
  /// Appends rows x columns values, row-major; any number of rows. Throws DataError for a value
  /// that is the number of no text, and for dates outside of the years 0 to 9999.
  void append(std::span<const double> rows);
  void finish();

 private:
  std::unique_ptr<NpyWriter> npy_;
  std::unique_ptr<CsvWriter> csv_;
  std::unique_ptr<XyzWriter> xyz_;
};

/// One column in numbers. All but non_finite are over its finite values; NaN where there are none.
struct ColumnSummary {
  double minimum = 0.0, maximum = 0.0, mean = 0.0;
  double standard_deviation = 0.0;  ///< root of the mean squared deviation (divided by n)
  std::int64_t distinct = 0;        ///< number of different values; -0 and 0 are one
  std::int64_t non_finite = 0;      ///< NaN and infinite values
  bool is_integer = false;          ///< every value is whole
  bool is_constant = false;         ///< one value only
};

/// Summary of a column in n log n, with one copy of the column.
ColumnSummary summarise_column(const Table& table, std::int64_t column);

/// Number of rows that repeat an earlier row bit for bit.
std::int64_t count_duplicate_rows(const Table& table);

/// Removes rows that repeat an earlier row bit for bit; the order stays. Returns their number.
std::int64_t remove_duplicate_rows(Table& table);

/// A place in a table, both from 0.
struct Cell {
  std::int64_t row = 0, column = 0;
};

/// The first NaN or infinite value, row by row.
std::optional<Cell> find_non_finite(const Table& table);

}  // namespace thalweg
