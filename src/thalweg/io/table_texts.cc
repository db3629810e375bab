#include "thalweg/io/table_texts.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {

namespace {

/// What a column's numbers stand for, of dates with or without a time of day.
std::string contents_of(const Table& table, std::size_t column) {
  const ColumnContent content = table.content_of(column);
  if (content != ColumnContent::kDate) return content_name(content);
  return table.content[column].format.size() > 10 ? "times" : "dates";
}

}  // namespace

const char* content_name(ColumnContent content) {
  switch (content) {
    case ColumnContent::kText:
      return "texts";
    case ColumnContent::kDate:
      return "dates";
    default:
      return "numbers";
  }
}

std::vector<double> label_numbers(const std::vector<std::string>& texts,
                                  const std::vector<std::string>& labels) {
  std::vector<double> numbers;
  for (const std::string& text : texts) {
    const auto found = std::find(labels.begin(), labels.end(), text);
    numbers.push_back(found == labels.end() ? -1.0 : static_cast<double>(found - labels.begin()));
  }
  return numbers;
}

void check_labels(const Table& table, std::size_t column) {
  if (table.content_of(column) != ColumnContent::kText) return;
  const ColumnText& texts = table.content[column];
  const std::string name = shown(table.names[column]);
  if (std::ssize(texts.labels) < texts.different)
    fail<DataError>(
        "column '{}' has {} in {} rows: that is a name or free text, not a category; leave it out "
        "by naming others with --columns",
        name,
        texts.different > kMostLabels ? fmt::format("more than {} different texts", kMostLabels)
                                      : fmt::format("texts of more than {} bytes", kLongestLabel),
        table.rows);
  std::int64_t filled = 0;
  for (std::size_t i = column; i < table.values.size(); i += table.names.size())
    filled += std::isnan(table.values[i]) ? 0 : 1;
  if (2 * texts.different > filled)
    fail<DataError>(
        "column '{}' has {} different texts in {} rows: that is a name, not a category; leave it "
        "out by naming others with --columns",
        name, texts.different, filled);
  for (const std::string& label : texts.labels)
    if (!is_utf8(label))
      fail<DataError>(
          "column '{}': expected text in UTF-8, got '{}'; convert the file, as by iconv -f LATIN1 "
          "-t UTF-8",
          name, shown(label));
}

void use_labels(Table& table, std::size_t column, const std::vector<std::string>& labels) {
  const std::string name = shown(table.names[column]);
  if (table.content_of(column) != ColumnContent::kText)
    fail<DataError>("column '{}': expected texts ({}), got {}", name,
                    shown(fmt::format("{}", fmt::join(labels, ", "))), contents_of(table, column));
  ColumnText& texts = table.content[column];
  const std::vector<double> numbers = label_numbers(texts.labels, labels);
  for (std::int64_t row = 0; row < table.rows; ++row) {
    double& value = table.values[static_cast<std::size_t>(row) * table.names.size() + column];
    if (std::isnan(value)) continue;
    const auto label = static_cast<std::size_t>(value);
    if (numbers[label] < 0.0)
      fail<DataError>("row {}, column '{}': expected one of {}, got '{}'", row + 1, name,
                      shown(fmt::format("{}", fmt::join(labels, ", "))),
                      shown(texts.labels[label]));
    value = numbers[label];
  }
  texts.labels = labels;
  texts.different = std::ssize(labels);
}

std::vector<std::string> text_columns(const Table& table) {
  std::vector<std::string> names;
  for (std::size_t column = 0; column < table.names.size(); ++column)
    if (table.content_of(column) == ColumnContent::kText) names.push_back(table.names[column]);
  return names;
}

void append_rows(Table& table, Table more, const std::string& path) {
  if (more.names != table.names)
    fail<DataError>("{}: expected the columns {}, got {}", path, fmt::join(table.names, ", "),
                    fmt::join(more.names, ", "));
  for (std::size_t column = 0; column < table.names.size(); ++column) {
    if (contents_of(table, column) != contents_of(more, column))
      fail<DataError>("{}, column '{}': expected {} as in the other rows, got {}", path,
                      shown(table.names[column]), contents_of(table, column),
                      contents_of(more, column));
    if (table.content_of(column) != ColumnContent::kText) continue;
    ColumnText &texts = table.content[column], &others = more.content[column];
    const bool kept = std::ssize(texts.labels) == texts.different &&
                      std::ssize(others.labels) == others.different;
    if (!kept) {
      // Without all labels there are no numbers of texts.
      for (Table* part : {&table, &more})
        for (std::size_t i = column; i < part->values.size(); i += part->names.size())
          part->values[i] = NAN;
      texts.different = std::max(texts.different, others.different);
      texts.labels.clear();
      continue;
    }
    std::vector<std::string> labels;
    std::set_union(texts.labels.begin(), texts.labels.end(), others.labels.begin(),
                   others.labels.end(), std::back_inserter(labels));
    use_labels(table, column, labels);
    use_labels(more, column, labels);
  }
  table.single_precision = table.single_precision || more.single_precision;
  table.values.insert(table.values.end(), more.values.begin(), more.values.end());
  table.rows += more.rows;
}

}  // namespace thalweg
