// MINIBOONE: signals of neutrinos.

#include "thalweg/core/error.h"
#include "thalweg/datasets/uci_recipes.h"
#include "thalweg/datasets/uci_steps.h"
#include "thalweg/io/input_file.h"

namespace thalweg::uci {

namespace {

constexpr double kSurelyOutlier = -100.0;  // failed events are marked by -999
constexpr std::size_t kMinibooneFeatures = 50;

Table read_miniboone(const std::string& path, SplitTable& result) {
  TextLines lines(path);
  Table table;
  table.names = default_names(kMinibooneFeatures);
  std::vector<std::string_view> fields;
  std::string_view line;
  if (lines.next(line)) split_fields(line, ' ', fields);
  if (fields.size() != 2)
    fail<DataError>(
        "{}: expected the numbers of signal and background rows in the first line, got '{}'", path,
        shown(line));
  const auto signal = static_cast<std::int64_t>(take_number(lines, fields[0]));
  while (table.rows < signal) {
    if (!lines.next(line))
      fail<DataError>("{}: expected {} signal rows, got {}; the file is cut off: fetch it again",
                      path, signal, table.rows);
    split_fields(line, ' ', fields);
    expect_fields(lines, fields, kMinibooneFeatures);
    for (const std::string_view field : fields) table.values.push_back(take_number(lines, field));
    ++table.rows;
  }
  expect_rows(path, table.rows);
  result.steps.push_back(fmt::format("{}: {} signal rows, which come first", path, table.rows));
  return table;
}

}  // namespace

void prepare_miniboone(const Source& source, const UciTable& uci, SplitTable& result) {
  Table table;
  if (const auto array = source.find({"data.npy"})) {
    table = load_array(*array, {uci.columns, static_cast<std::int64_t>(kMinibooneFeatures)});
    result.steps.push_back(fmt::format("{}: {} rows", *array, table.rows));
  } else if (const auto text = source.find_packed(uci.original)) {
    table = read_miniboone(*text, result);
  } else {
    source.fail_missing(uci);
  }
  if (table.names.size() == kMinibooneFeatures) {
    Table kept;
    kept.names = table.names;
    for (std::int64_t row = 0; row < table.rows; ++row) {
      const auto begin = table.values.begin() + static_cast<std::ptrdiff_t>(index(row, table, 0));
      if (*begin < kSurelyOutlier) continue;
      kept.values.insert(kept.values.end(), begin, begin + kMinibooneFeatures);
      ++kept.rows;
    }
    expect_rows("MINIBOONE without its outliers", kept.rows);
    const std::vector<std::size_t> left = columns_without_repeats(kept);
    result.steps.push_back(fmt::format(
        "left out: {} outliers at -999, and {} features whose smallest value occurs more than {} "
        "times",
        table.rows - kept.rows, kept.names.size() - left.size(), kRepeatsAllowed));
    table = with_columns(kept, left);
  }
  standardise(table, measure(table, table.rows - tenth_of(table.rows), 0));
  split_rows(table, result);
  result.steps.push_back(
      "columns are standardised by mean and deviation of training and validation rows");
}

}  // namespace thalweg::uci
