#include "thalweg/io/csv.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <system_error>
#include <unordered_map>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
constexpr char kBlanks = ' ';  // as a separator: any run of blanks and tabs

bool is_blank(char c) { return c == ' ' || c == '\t'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

/// Gives the lines of a stream without their ends; a block of the file is in memory at a time.
class LineReader {
 public:
  explicit LineReader(std::ifstream& stream) : stream_(stream) {}

  /// The next line, valid until the next call; false at the end.
  bool next(std::string_view& line) {
    for (std::size_t searched = position_;;) {
      const std::size_t found = buffer_.find('\n', searched);
      if (found != std::string::npos || at_end_) {
        const std::size_t end = std::min(found, buffer_.size());
        if (found == std::string::npos && position_ == end) return false;
        line = std::string_view(buffer_).substr(position_, end - position_);
        if (line.ends_with('\r')) line.remove_suffix(1);
        consumed_ += end + 1 - position_;
        position_ = std::min(end + 1, buffer_.size());
        return true;
      }
      buffer_.erase(0, position_);
      position_ = 0;
      searched = buffer_.size();
      buffer_.resize(searched + kBlock);
      stream_.read(buffer_.data() + searched, kBlock);
      buffer_.resize(searched + static_cast<std::size_t>(stream_.gcount()));
      at_end_ = !stream_;
    }
  }

  std::size_t consumed() const { return consumed_; }

 private:
  std::ifstream& stream_;
  std::string buffer_;
  std::size_t position_ = 0, consumed_ = 0;
  bool at_end_ = false;
};

class CsvReader {
 public:
  explicit CsvReader(const std::string& path)
      : path_(path), stream_(open_input(path)), lines_(stream_) {}

  Table read() {
    std::string_view line;
    while (lines_.next(line)) {
      ++line_number_;
      if (line_number_ == 1 && line.starts_with(kByteOrderMark)) {
        line.remove_prefix(kByteOrderMark.size());
      }
      const std::string_view content = trim(line);
      // Tabs alone are a row of missing values where tabs separate.
      const bool empty = content.empty() && (separator_ != '\t' || line.find('\t') == line.npos);
      if (empty || content.starts_with('#')) continue;
      if (table_.names.empty()) {
        start(line);
      } else {
        read_row(line);
      }
      if (table_.rows == 1000) reserve();
    }
    if (stream_.bad()) fail<DataError>("{}: cannot read after line {}", path_, line_number_);
    if (line_number_ == 0)
      fail<DataError>("{}: the file is empty; expected rows of numbers", path_);
    if (table_.rows == 0) {
      fail<DataError>("{}: expected rows of numbers, found {}", path_,
                      table_.names.empty() ? "comments and empty lines alone" : "a header alone");
    }
    return std::move(table_);
  }

 private:
  std::string place() const { return fmt::format("{}, line {}", path_, line_number_); }

  void start(std::string_view line) {
    if (line.find('\0') != std::string_view::npos) {
      fail<DataError>("{}: expected text in UTF-8, got zero bytes; save the table as CSV in UTF-8",
                      place());
    }
    for (const char candidate : {',', ';', '\t'}) {
      // A tab outranks a semicolon and that a comma, which may stand in numbers or names.
      if (contains_unquoted(line, candidate)) separator_ = candidate;
    }
    std::vector<std::string> fields = split(line);
    const bool header = std::any_of(fields.begin(), fields.end(), [](const std::string& field) {
      return !is_numeral(field) && !is_missing(field);
    });
    table_.names = default_names(static_cast<std::int64_t>(fields.size()));
    if (!header) {
      read_row(line);
      return;
    }
    std::unordered_map<std::string, std::size_t> seen;
    for (std::size_t column = 0; column < fields.size(); ++column) {
      if (!fields[column].empty()) table_.names[column] = fields[column];
      check_utf8(table_.names[column]);
      const auto [earlier, fresh] = seen.emplace(table_.names[column], column);
      if (!fresh) {
        fail<DataError>("{}: columns {} and {} are both called '{}'; rename one", place(),
                        earlier->second + 1, column + 1, shown(table_.names[column]));
      }
    }
  }

  void check_utf8(const std::string& name) const {
    try {
      static_cast<void>(nlohmann::json(name).dump());
    } catch (const nlohmann::json::exception&) {
      fail<DataError>("{}: expected names of columns in UTF-8; save the table as CSV in UTF-8",
                      place());
    }
  }

  // Rows are alike, so a sample tells the size, and the values need not be copied as they grow.
  void reserve() {
    std::error_code error;
    const auto size = std::filesystem::file_size(path_, error);
    if (error || !std::filesystem::is_regular_file(path_, error)) return;
    const double share = static_cast<double>(size) / static_cast<double>(lines_.consumed());
    table_.values.reserve(
        static_cast<std::size_t>(1.02 * share * static_cast<double>(table_.values.size())));
  }

  static bool contains_unquoted(std::string_view line, char wanted) {
    bool quoted = false;
    for (const char c : line) {
      if (c == '"') quoted = !quoted;
      if (c == wanted && !quoted) return true;
    }
    return false;
  }

  static bool is_missing(std::string_view field) {
    constexpr std::array<std::string_view, 3> words = {"", "na", "n/a"};
    return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
      return std::equal(word.begin(), word.end(), field.begin(), field.end(), [](char a, char b) {
        return a == std::tolower(static_cast<unsigned char>(b));
      });
    });
  }

  /// Reads the whole field as a number: no error, out of range, or not a number at all.
  static std::errc scan_number(std::string_view field, double& value) {
    if (field.starts_with('+') && !field.starts_with("+-")) field.remove_prefix(1);
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    return end == field.data() + field.size() ? error : std::errc::invalid_argument;
  }

  // A number that double cannot hold does not turn a row of data into a header.
  static bool is_numeral(std::string_view field) {
    double value = 0.0;
    return scan_number(field, value) != std::errc::invalid_argument;
  }

  static std::optional<double> parse_number(std::string_view field) {
    double value = 0.0;
    if (scan_number(field, value) != std::errc()) return std::nullopt;
    return value;
  }

  /// The first position from `position` on that no blank holds, unless blanks count as a separator.
  std::size_t skip_blanks(std::string_view line, std::size_t position) const {
    while (position < line.size() && is_blank(line[position]) &&
           (separator_ == kBlanks || line[position] != separator_)) {
      ++position;
    }
    return position;
  }

  /// Takes the field at `position` and moves to the start of the next; npos after the last.
  std::string take_field(std::string_view line, std::size_t& position) const {
    std::string field;
    position = skip_blanks(line, position);
    if (position < line.size() && line[position] == '"') {
      for (++position;; ++position) {
        if (position >= line.size()) {
          fail<DataError>("{}: a quotation mark is not closed; close it on the same line", place());
        }
        if (line[position] == '"') {
          ++position;
          if (position >= line.size() || line[position] != '"') break;
        }
        field += line[position];
      }
    }
    const std::size_t end = separator_ == kBlanks ? line.find_first_of(" \t", position)
                                                  : line.find(separator_, position);
    field += trim(line.substr(position, std::min(end, line.size()) - position));
    position = end == std::string_view::npos ? end : end + 1;
    if (separator_ == kBlanks && end != std::string_view::npos) {
      position = line.find_first_not_of(" \t", position);
    }
    return field;
  }

  std::vector<std::string> split(std::string_view line) const {
    std::vector<std::string> fields;
    for (std::size_t position = 0; position != std::string_view::npos;) {
      fields.push_back(take_field(line, position));
    }
    return fields;
  }

  void read_row(std::string_view line) {
    std::size_t count = 0, position = 0;
    for (; position != std::string_view::npos; ++count) {
      if (count == table_.names.size()) fail_ragged(line);
      table_.values.push_back(take_number(line, position, count));
    }
    if (count != table_.names.size()) fail_ragged(line);
    ++table_.rows;
  }

  [[noreturn]] void fail_ragged(std::string_view line) const {
    fail<DataError>(
        "{}: expected {} fields as in the first row, got {}; complete the row or "
        "delete it",
        place(), table_.names.size(), split(line).size());
  }

  double take_number(std::string_view line, std::size_t& position, std::size_t column) const {
    // Nearly all fields are a plain number before a separator; the rest goes the long way.
    const char* const line_end = line.data() + line.size();
    double number = 0.0;
    const auto [end, error] =
        std::from_chars(line.data() + skip_blanks(line, position), line_end, number);
    if (error == std::errc()) {
      const auto stop = static_cast<std::size_t>(end - line.data());
      const std::size_t next = skip_blanks(line, stop);
      const bool last = next == line.size();
      if (last || (separator_ == kBlanks ? next > stop : line[next] == separator_)) {
        position = last ? std::string_view::npos : next + (separator_ == kBlanks ? 0 : 1);
        return number;
      }
    }
    const std::string field = take_field(line, position);
    if (const auto value = parse_number(field)) return *value;
    if (is_missing(field)) return std::numeric_limits<double>::quiet_NaN();
    fail<DataError>(
        "{}, column '{}': expected a number, got '{}'; write numbers with a decimal point and "
        "within the range of double, and leave missing values empty",
        place(), shown(table_.names[column]), shown(field));
  }

  const std::string& path_;
  std::ifstream stream_;
  LineReader lines_;
  Table table_;
  std::int64_t line_number_ = 0;
  char separator_ = kBlanks;
};

}  // namespace

Table read_csv(const std::string& path) { return CsvReader(path).read(); }

}  // namespace thalweg
