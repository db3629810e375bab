#include "thalweg/io/csv_records.h"

#include <algorithm>
#include <cstring>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/csv_fields.h"

namespace thalweg {

namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;
constexpr std::size_t kLongestRow = std::size_t{1} << 26;

/// Whether a field is still open at the end of `row`, where `quoted` says so of its start; moves
/// `position`, from which on the marks were not looked at, to the end.
bool ends_quoted(std::string_view row, bool quoted, std::size_t& position,
                 std::string_view separators) {
  for (;;) {
    position = row.find('"', position);
    if (position >= row.size()) break;
    if (!quoted) {
      quoted = opens_field(row, position, separators);
    } else if (position + 1 < row.size() && row[position + 1] == '"') {
      ++position;
    } else {
      quoted = false;
    }
    ++position;
  }
  position = row.size();
  return quoted;
}

}  // namespace

CsvRecords::CsvRecords(const std::string& path) : source_(path), separators_(",;\t ") {
  fill();
  const std::string_view start = std::string_view(buffer_).substr(0, size_);
  if (start.starts_with("\xFF\xFE") || start.starts_with("\xFE\xFF"))
    fail<DataError>(
        "{}: expected text in UTF-8, got UTF-16; convert it: iconv -f UTF-16 -t UTF-8 '{}' > "
        "converted.csv",
        path, path);
  if (start.starts_with("\xEF\xBB\xBF")) begin_ = 3;
}

void CsvRecords::set_separator(char separator) {
  separators_ = separator == kBlankSeparator ? " \t" : std::string(1, separator);
}

std::string CsvRecords::place() const { return fmt::format("{}, line {}", path(), number_); }

bool CsvRecords::fill() {
  if (at_end_) return false;
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, size_ - begin_);
  size_ -= begin_;
  begin_ = 0;
  if (size_ > kLongestRow)
    fail<DataError>(
        "{}, line {}: expected rows of at most 64 MB, got a longer one; is a quotation mark not "
        "closed, or the file no table?",
        path(), number_);
  if (buffer_.size() < size_ + kBlock) buffer_.resize(size_ + kBlock);
  const std::size_t count = source_.read(buffer_.data() + size_, buffer_.size() - size_);
  has_zero_ |= std::memchr(buffer_.data() + size_, '\0', count) != nullptr;
  size_ += count;
  unpacked_ += static_cast<std::int64_t>(count);
  at_end_ = count == 0;
  return !at_end_;
}

/// Moves `end`, from the start of the row, to the next end of a line at or behind it; false if the
/// file ends before.
bool CsvRecords::next_line(std::size_t& end) {
  for (;;) {
    const char* const from = buffer_.data() + begin_ + end;
    const auto* found = static_cast<const char*>(std::memchr(from, '\n', size_ - begin_ - end));
    if (found != nullptr) {
      end += static_cast<std::size_t>(found - from);
      return true;
    }
    end = size_ - begin_;
    if (!fill()) return false;
  }
}

bool CsvRecords::next(std::string_view& row) {
  for (;;) {
    std::size_t end = 0;
    number_ = lines_ + 1;
    bool more = next_line(end);
    if (!more && end == 0) {
      number_ = lines_;
      return false;
    }
    ++lines_;
    row = std::string_view(buffer_).substr(begin_, end);
    const bool comment = trim(row).starts_with('#');
    std::size_t looked = 0;
    for (bool quoted = !comment && ends_quoted(row, false, looked, separators_); quoted;
         quoted = ends_quoted(row, true, looked, separators_)) {
      if (!more)
        fail<DataError>(
            "{}: a quotation mark is not closed; close it, or write \"\" for a mark inside of a "
            "text in quotation marks",
            place());
      more = next_line(++end);
      ++lines_;
      row = std::string_view(buffer_).substr(begin_, end);
    }
    begin_ += end + (more ? 1 : 0);
    consumed_ += static_cast<std::int64_t>(row.size()) + 1;
    if (row.ends_with('\r')) row.remove_suffix(1);
    if (has_zero_ && row.find('\0') != std::string_view::npos)
      fail<DataError>("{}: expected text in UTF-8, got zero bytes; save the table as CSV in UTF-8",
                      place());
    if (comment) continue;
    // Tabs alone are a row of missing values where tabs separate.
    const bool tabs = separators_ == "\t" && row.find('\t') != std::string_view::npos;
    if (tabs || !trim(row).empty()) return true;
  }
}

}  // namespace thalweg
