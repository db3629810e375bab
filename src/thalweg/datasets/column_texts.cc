#include "thalweg/datasets/column_texts.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/datasets/column_names.h"
#include "thalweg/io/date_time.h"
#include "thalweg/io/table_texts.h"

namespace thalweg {

namespace {

bool has_time(const std::string& format) { return format.find("HH") != std::string::npos; }

}  // namespace

void take_content(ColumnOptions& column, const Table& table, std::size_t number) {
  if (table.content_of(number) == ColumnContent::kNumber) return;
  if (table.content_of(number) == ColumnContent::kText) check_labels(table, number);
  column.labels = table.content[number].labels;
  column.date = table.content[number].format;
}

std::vector<ColumnText> contents_of(const std::vector<ColumnOptions>& columns) {
  std::vector<ColumnText> contents;
  bool plain = true;
  for (const ColumnOptions& column : columns) {
    ColumnText& text = contents.emplace_back();
    text.labels = column.labels;
    text.format = column.date;
    if (!column.labels.empty()) text.content = ColumnContent::kText;
    if (!column.date.empty()) text.content = ColumnContent::kDate;
    text.missing = column.missing;
    plain = plain && text.content == ColumnContent::kNumber && !column.missing;
  }
  if (plain) contents.clear();
  return contents;
}

std::vector<ColumnOptions> condition_columns(const Table& table, std::size_t number) {
  ColumnOptions column;
  column.name = table.names[number];
  if (table.content_of(number) != ColumnContent::kText) {
    take_content(column, table, number);
    return {column};
  }
  check_labels(table, number);
  std::vector<ColumnOptions> columns;
  for (const std::string& label : table.content[number].labels) {
    column.labels = {label};
    columns.push_back(column);
  }
  return columns;
}

ColumnReader::ColumnReader(const Table& table, std::size_t number, const ColumnOptions& column)
    : table_(table), number_(number) {
  const ColumnContent content = table.content_of(number);
  const ColumnContent expected = !column.labels.empty() ? ColumnContent::kText
                                 : !column.date.empty() ? ColumnContent::kDate
                                                        : ColumnContent::kNumber;
  const bool times = content == ColumnContent::kDate && expected == content;
  if (content != expected ||
      (times && has_time(table.content[number].format) != has_time(column.date)))
    fail<DataError>("column '{}': expected {}{}, as the model was trained on, got {}{}",
                    table.names[number], content_name(expected),
                    times ? " written as " + column.date : "", content_name(content),
                    times ? " written as " + table.content[number].format : "");
  if (content != ColumnContent::kText) return;
  of_label_ = label_numbers(table.content[number].labels, column.labels);
  if (column.indicates())
    for (double& value : of_label_) value = value == 0.0 ? 1.0 : 0.0;
}

double ColumnReader::operator()(std::size_t row) const {
  const double value = table_.values[row * table_.names.size() + number_];
  return of_label_.empty() || std::isnan(value) ? value
                                                : of_label_[static_cast<std::size_t>(value)];
}

std::vector<double> condition_values(const Table& table, std::size_t first,
                                     const std::vector<ColumnOptions>& columns) {
  const std::vector<std::string> names(table.names.begin() + static_cast<std::ptrdiff_t>(first),
                                       table.names.end());
  std::vector<ColumnReader> readers;
  for (const ColumnOptions& column : columns)
    readers.emplace_back(table, first + column_number(names, column.name, "data.condition"),
                         column);
  std::vector<double> values;
  values.reserve(static_cast<std::size_t>(table.rows) * columns.size());
  for (std::size_t row = 0; row < static_cast<std::size_t>(table.rows); ++row)
    for (const ColumnReader& reader : readers) values.push_back(reader(row));
  return values;
}

std::string written_value(const ColumnOptions& column, double value) {
  if (column.date.empty() || !std::isfinite(value)) return fmt::format("{}", value);
  const DateFormat format = date_format(column.date);
  const double days = format.time_separator == 0 ? value : value / 86400.0;
  if (days < -719528.0 || days >= 2932897.0) return fmt::format("{}", value);
  std::string text;
  append_date_time(text, value, format);
  return text;
}

std::string written_bounds(const ColumnOptions& column) {
  const auto end = [&](double bound) {
    return std::isfinite(bound) ? written_value(column, bound) : std::string();
  };
  return end(column.lower) + ":" + end(column.upper);
}

std::string outside_of_training(const std::vector<ColumnOptions>& columns,
                                std::span<const double> values) {
  const std::size_t width = columns.size();
  std::int64_t outside = 0;
  std::string example;
  for (std::size_t begin = 0; width > 0 && begin < values.size(); begin += width)
    for (std::size_t i = 0; i < width; ++i) {
      const double value = values[begin + i];
      if (value >= columns[i].lowest && value <= columns[i].highest) continue;
      if (++outside == 1)
        example = fmt::format("row {} has {} = {}, and training had {} to {}", begin / width + 1,
                              columns[i].name, written_value(columns[i], value),
                              written_value(columns[i], columns[i].lowest),
                              written_value(columns[i], columns[i].highest));
      break;
    }
  if (outside == 0) return "";
  return fmt::format(
      "{} of {} rows have a condition outside of what was trained on ({}): there the model has "
      "learnt nothing",
      outside, values.size() / width, example);
}

void require_known_texts(const std::vector<ColumnOptions>& columns,
                         std::span<const double> values) {
  const std::size_t width = columns.size();
  for (std::size_t first = 0; first < width;) {
    std::size_t end = first + 1;
    while (end < width && columns[end].name == columns[first].name) ++end;
    for (std::size_t begin = 0; columns[first].indicates() && begin < values.size();
         begin += width) {
      const auto row = values.begin() + static_cast<std::ptrdiff_t>(begin);
      if (std::find(row + static_cast<std::ptrdiff_t>(first),
                    row + static_cast<std::ptrdiff_t>(end),
                    1.0) != row + static_cast<std::ptrdiff_t>(end))
        continue;
      std::vector<std::string> known;
      for (std::size_t i = first; i < std::min(end, first + 10); ++i)
        known.push_back(columns[i].labels.front());
      fail<DataError>(
          "row {}, column '{}': expected a text that the model was trained with ({}{}), got "
          "another",
          begin / width + 1, columns[first].name, fmt::join(known, ", "),
          end - first > known.size() ? ", ..." : "");
    }
    first = end;
  }
}

ConditionTable::ConditionTable(const std::vector<ColumnOptions>& columns) : width_(columns.size()) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const ColumnOptions& column = columns[i];
    if (column.indicates() && !names_.empty() && names_.back() == column.name) {
      content_.back().labels.push_back(column.labels.front());
      continue;
    }
    first_.push_back(i);
    names_.push_back(column.name);
    const std::vector<ColumnText> content = contents_of({column});
    content_.push_back(content.empty() ? ColumnText{} : content.front());
  }
}

void ConditionTable::append(std::span<const double> row, std::vector<double>& values) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const std::size_t first = first_[i], end = i + 1 < first_.size() ? first_[i + 1] : width_;
    double value = row[first];
    if (content_[i].content == ColumnContent::kText) {
      value = NAN;
      for (std::size_t column = first; column < end; ++column)
        if (row[column] == 1.0) value = static_cast<double>(column - first);
    }
    values.push_back(value);
  }
}

}  // namespace thalweg
