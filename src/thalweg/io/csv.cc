#include "thalweg/io/csv.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/csv_columns.h"
#include "thalweg/io/csv_layout.h"
#include "thalweg/io/csv_records.h"
#include "thalweg/io/input_file.h"

namespace thalweg {
namespace {

constexpr std::size_t kSampleRows = 1000, kSampleBytes = std::size_t{1} << 20;
constexpr std::int64_t kBytesBetweenProgress = std::int64_t{1} << 22;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

using Modes = std::map<std::string, CsvMode>;

class CsvReader {
 public:
  /// `modes`: of columns that are not read as their first rows say.
  CsvReader(const std::string& path, const ReadOptions& options, Modes modes)
      : options_(options), modes_(std::move(modes)), records_(path) {
    std::error_code error;
    if (std::filesystem::is_regular_file(path, error)) size_ = file_size(path);
  }

  /// The table; none if columns have to be read again, as modes() then says.
  std::optional<Table> read() {
    std::vector<CsvRow> sample = take_sample();
    if (sample.empty()) fail_empty();
    sample_rows_ = std::ssize(sample);
    lay_out(sample);
    for (std::size_t row = layout_.header ? 1 : 0; row < sample.size(); ++row)
      read_row(sample[row].text, sample[row].line);
    sample.clear();
    std::string_view row;
    while (records_.next(row)) read_row(row, records_.number());
    if (table_.rows == 0) fail<DataError>("{}: expected rows, found a header alone", path());
    if (options_.progress) options_.progress(size_, size_);
    return finish();
  }

  const Modes& modes() const { return modes_; }

 private:
  const std::string& path() const { return records_.path(); }

  [[noreturn]] void fail_empty() const {
    if (records_.number() == 0)
      fail<DataError>("{}: the file is empty; expected rows of numbers, texts or dates", path());
    fail<DataError>("{}: expected rows, found comments and empty lines alone", path());
  }

  std::vector<CsvRow> take_sample() {
    std::vector<CsvRow> sample;
    std::string_view row;
    for (std::size_t bytes = 0;
         sample.size() < kSampleRows && bytes < kSampleBytes && records_.next(row);) {
      if (sample.empty() && !separator_ && (separator_ = said_separator(row))) continue;
      sample.push_back({std::string(row), records_.number()});
      bytes += row.size();
      if (sample.size() == 1) {
        if (!separator_) separator_ = find_separator(sample.front().text);
        records_.set_separator(*separator_);
      }
    }
    return sample;
  }

  /// What a first line as Excel writes it, sep=; says.
  static std::optional<char> said_separator(std::string_view row) {
    row = trim(row);
    if (row.starts_with('"') && row.ends_with('"') && row.size() > 1)
      row = row.substr(1, row.size() - 2);
    constexpr std::string_view kStart = "sep=";
    const bool says =
        row.size() == 5 && std::equal(kStart.begin(), kStart.end(), row.begin(),
                                      [](char a, unsigned char b) { return a == std::tolower(b); });
    // A tab at the end is trimmed.
    if (!says) return row == "sep=" || row == "SEP=" ? std::optional('\t') : std::nullopt;
    return row.back();
  }

  void lay_out(const std::vector<CsvRow>& sample) {
    CsvSyntax syntax(options_.missing);
    syntax.separator = *separator_;
    layout_ = find_layout(path(), sample, std::move(syntax), options_.header);
    table_.file_names = layout_.names;
    const std::vector<std::string>& names = layout_.names;
    const bool all = options_.columns.empty() ||
                     (!layout_.header &&
                      !std::all_of(options_.columns.begin(), options_.columns.end(),
                                   [&](const std::string& name) { return contains(names, name); }));
    std::unordered_map<std::string, std::size_t> seen;
    columns_.resize(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      const bool left_out =
          (i == 0 && layout_.has_index) || (i > 0 && layout_.empty_end && i + 1 == names.size());
      if (all ? left_out : !contains(options_.columns, names[i])) {
        if (all) add_note(i);
        continue;
      }
      const auto [earlier, fresh] = seen.emplace(names[i], i);
      if (!fresh)
        fail<DataError>("{}, line {}: columns {} and {} are both called '{}'; rename one", path(),
                        sample.front().line, earlier->second + 1, i + 1, shown(names[i]));
      if (!is_utf8(names[i]))
        fail<DataError>(
            "{}, line {}: expected names of columns in UTF-8, got '{}'; convert the file, as by "
            "iconv -f LATIN1 -t UTF-8",
            path(), sample.front().line, shown(names[i]));
      const auto said = modes_.find(names[i]);
      const bool surely = said != modes_.end();
      columns_[i] = std::make_unique<CsvColumn>(path(), layout_.syntax, names[i],
                                                surely ? said->second : layout_.modes[i],
                                                surely && said->second == CsvMode::kText);
      table_.names.push_back(names[i]);
    }
  }

  void add_note(std::size_t column) {
    const std::string name = shown(layout_.names[column]);
    table_.notes.push_back(
        column == 0
            ? fmt::format("the first column, '{}', numbers or names the rows and is left out, "
                          "unless --columns names it",
                          name)
            : fmt::format("the last column has neither a name nor values and is left out"));
  }

  void read_row(std::string_view row, std::int64_t line) {
    // A point in a file with decimal commas is no number, which columns see to.
    const bool plain = !layout_.syntax.decimal_comma;
    if (table_.values.size() + table_.names.size() > table_.values.capacity()) reserve();
    CsvFields fields(row, layout_.syntax);
    for (const auto& column : columns_) {
      if (fields.at_end()) fail_ragged(row, line);
      double number = 0.0;
      if (!column)
        fields.skip();
      else if (plain && column->mode() == CsvMode::kNumber && fields.take_number(number))
        table_.values.push_back(column->take(number));
      else
        table_.values.push_back(column->take(fields.take(), line));
    }
    if (!fields.at_end()) fail_ragged(row, line);
    ++table_.rows;
    if (options_.progress && records_.consumed() >= next_progress_) {
      options_.progress(std::min(records_.position(), size_), size_);
      next_progress_ = records_.consumed() + kBytesBetweenProgress;
    }
  }

  /// Rows are alike, so those so far tell the size, and values need not be copied as they grow.
  void reserve() {
    const auto width = static_cast<double>(table_.names.size());
    const double bytes = static_cast<double>(std::max<std::int64_t>(records_.consumed(), 1));
    // Packed files: what the bytes on the disk have become so far.
    const double unpacked = static_cast<double>(size_) * static_cast<double>(records_.unpacked()) /
                            static_cast<double>(std::max<std::int64_t>(records_.position(), 1));
    const auto rows = static_cast<double>(std::max(table_.rows, sample_rows_));
    table_.values.reserve(static_cast<std::size_t>(
        width * (size_ > 0 ? 1.02 * rows * unpacked / bytes : 1.5 * rows) + 1000.0));
  }

  [[noreturn]] void fail_ragged(std::string_view row, std::int64_t line) const {
    fail<DataError>(
        "{}, line {}: expected {} fields as in the first row, got {}; complete the row or delete "
        "it",
        path(), line, columns_.size(), split_row(row, layout_.syntax).size());
  }

  std::optional<Table> finish() {
    const std::size_t width = table_.names.size();
    bool again = false, plain = true;
    std::size_t number = 0;
    for (const auto& column : columns_) {
      if (!column) continue;
      if (const auto mode = column->other_mode(table_.values, width, number++)) {
        modes_[column->name()] = *mode;
        again = true;
      }
      plain &= column->mode() == CsvMode::kNumber;
    }
    if (again) return std::nullopt;
    number = 0;
    for (const auto& column : columns_)
      if (column && !plain)
        table_.content.push_back(column->finish(table_.values, width, number++));
    return std::move(table_);
  }

  const ReadOptions& options_;
  Modes modes_;
  CsvRecords records_;
  std::int64_t size_ = 0, next_progress_ = 0, sample_rows_ = 0;
  std::optional<char> separator_;
  CsvLayout layout_;
  std::vector<std::unique_ptr<CsvColumn>> columns_;  // of the file; null: passed over
  Table table_;
};

}  // namespace

Table read_csv(const std::string& path, const ReadOptions& options) {
  Modes modes;
  for (const std::string& name : options.texts) modes[name] = CsvMode::kText;
  for (;;) {
    CsvReader reader(path, options, modes);
    if (std::optional<Table> table = reader.read()) return std::move(*table);
    modes = reader.modes();
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error))
      fail<DataError>(
          "{}: has texts or dates where its first rows have none, so that it has to be read "
          "twice, which a pipe cannot be; save it as a file",
          path);
  }
}

}  // namespace thalweg
