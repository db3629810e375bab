#include "thalweg/molecules/amber_sections.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <string_view>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/text_lines.h"

namespace thalweg {
namespace {

/// A FORTRAN edit descriptor of one kind, as 10I8, 5E16.8, 20a4, a80 or 3(I8).
struct Format {
  std::size_t width = 0;
  bool text = false;
};
Format format_of(const TextLines& lines, std::string_view line) {
  std::string inside;
  for (const char c : line.substr(std::string_view("%FORMAT").size()))
    if (c != '(' && c != ')' && c != ' ')
      inside += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::size_t letter = 0;
  while (letter < inside.size() && std::isdigit(static_cast<unsigned char>(inside[letter])) != 0)
    ++letter;
  Format format;
  const char* begin = inside.data() + std::min(letter + 1, inside.size());
  const char* end = inside.data() + inside.size();
  const auto [next, error] = std::from_chars(begin, end, format.width);
  const bool known = letter < inside.size() &&
                     std::string_view("IEFDGA").find(inside[letter]) != std::string_view::npos;
  if (!known || error != std::errc() || format.width == 0 || format.width > 1000 ||
      (next != end && *next != '.'))
    fail<DataError>("{}: expected a format as (10I8), (5E16.8) or (20a4), got '{}'", lines.place(),
                    shown(line));
  format.text = inside[letter] == 'A';
  return format;
}

}  // namespace

AmberSections::AmberSections(const std::string& path) : path_(path) {
  TextLines lines(path);
  std::vector<std::string>* fields = nullptr;
  Format format;
  for (std::string_view line; lines.next(line);) {
    if (line.starts_with("%FLAG")) {
      const std::string flag(trim(line.substr(std::string_view("%FLAG").size())));
      if (sections_.contains(flag))
        fail<DataError>("{}: expected each flag once, got '{}' again", lines.place(), shown(flag));
      fields = &sections_[flag];
      format = {};
    } else if (line.starts_with("%FORMAT")) {
      format = format_of(lines, line);
    } else if (line.starts_with("%")) {
      continue;  // %VERSION, %COMMENT
    } else if (fields == nullptr || format.width == 0) {
      if (trim(line).empty()) continue;
      fail<DataError>("{}: expected %FLAG and %FORMAT of an AMBER topology, got '{}'",
                      lines.place(), shown(line));
    } else {
      for (std::size_t at = 0; at < line.size(); at += format.width) {
        std::string field(trim(line.substr(at, format.width)));
        if (!field.empty() || format.text) fields->push_back(std::move(field));
      }
    }
  }
  if (sections_.empty())
    fail<DataError>("{}: expected an AMBER topology with %FLAG lines, found none", path);
}

const std::vector<std::string>& AmberSections::fields(const std::string& flag,
                                                      std::int64_t count) const {
  const auto found = sections_.find(flag);
  if (found == sections_.end())
    fail<DataError>("{}: expected the section {}, found none; is the file cut off?", path_, flag);
  if (static_cast<std::int64_t>(found->second.size()) < count)
    fail<DataError>("{}: {}: expected {} fields, got {}; is the file cut off?", path_, flag, count,
                    found->second.size());
  return found->second;
}

std::int64_t AmberSections::size(const std::string& flag) const {
  return static_cast<std::int64_t>(fields(flag, 0).size());
}

std::vector<double> AmberSections::numbers(const std::string& flag, std::int64_t count) const {
  std::vector<double> result;
  for (std::string field : fields(flag, count)) {
    std::ranges::replace(field, 'D', 'E');
    double value = 0.0;
    const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
    if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value))
      fail<DataError>("{}: {}: expected numbers, got '{}'", path_, flag, shown(field));
    result.push_back(value);
  }
  if (static_cast<std::int64_t>(result.size()) != count)
    fail<DataError>("{}: {}: expected {} numbers, got {}", path_, flag, count, result.size());
  return result;
}

std::vector<std::int64_t> AmberSections::whole(const std::string& flag, std::int64_t count) const {
  std::vector<std::int64_t> result;
  for (const double value : numbers(flag, count)) {
    if (value != std::floor(value) || std::abs(value) > 1e15)
      fail<DataError>("{}: {}: expected whole numbers, got {}", path_, flag, value);
    result.push_back(static_cast<std::int64_t>(value));
  }
  return result;
}

std::vector<std::string> AmberSections::texts(const std::string& flag, std::int64_t count) const {
  std::vector<std::string> result = fields(flag, count);
  result.resize(static_cast<std::size_t>(count));
  return result;
}

}  // namespace thalweg
