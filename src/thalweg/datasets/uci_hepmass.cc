// HEPMASS: collisions of particles.

#include "thalweg/core/error.h"
#include "thalweg/datasets/uci_recipes.h"
#include "thalweg/datasets/uci_steps.h"
#include "thalweg/io/input_file.h"

namespace thalweg::uci {

namespace {

// The paper took the first tenth of the 7 and 3.5 million rows.
constexpr std::int64_t kHepmassTrainRows = 700000, kHepmassTestRows = 350000;

/// The signal's features among the first `limit` rows.
Table read_hepmass(const std::string& path, std::int64_t limit, SplitTable& result) {
  TextLines lines(path);
  Table table;
  std::vector<std::string_view> fields;
  std::string_view line;
  if (lines.next(line)) split_fields(line, ',', fields);
  if (fields.size() < 2 || fields[0].find("label") == std::string_view::npos)
    fail<DataError>("{}: expected a first line '# label,f0,f1,...', got '{}'", path, shown(line));
  for (std::size_t field = 1; field < fields.size(); ++field)
    table.names.emplace_back(fields[field]);
  // Rows may have more fields than the header has names; the rest is no feature.
  const std::size_t width = table.names.size();
  std::int64_t rows = 0;
  while (rows < limit && lines.next(line)) {
    if (line.empty()) continue;
    ++rows;
    split_fields(line, ',', fields);
    if (fields.size() < width + 1) expect_fields(lines, fields, width + 1);
    const double label = take_number(lines, fields[0]);
    if (label != 0.0 && label != 1.0)
      fail<DataError>("{}: expected a label 0 or 1, got {}", lines.place(), label);
    if (label == 0.0) continue;
    for (std::size_t field = 1; field <= width; ++field)
      table.values.push_back(take_number(lines, fields[field]));
    ++table.rows;
  }
  expect_rows(path, table.rows);
  result.steps.push_back(
      fmt::format("{}: {} signal rows of the first {} rows", path, table.rows, rows));
  return table;
}

void drop_mass(Table& table) {
  std::vector<std::size_t> kept;
  for (std::size_t column = 0; column < table.names.size(); ++column)
    if (table.names[column] != "mass") kept.push_back(column);
  if (kept.size() < table.names.size()) table = with_columns(table, kept);
}

}  // namespace

void prepare_hepmass(const Source& source, const UciTable& uci, SplitTable& result) {
  const auto train_path = source.find_packed("1000_train.csv");
  const auto test_path = source.find_packed("1000_test.csv");
  if (!train_path || !test_path) source.fail_missing(uci);
  Table train = read_hepmass(*train_path, kHepmassTrainRows, result);
  Table test = read_hepmass(*test_path, kHepmassTestRows, result);
  drop_mass(train);
  drop_mass(test);
  if (test.names.size() == train.names.size() + 1) {
    std::vector<std::size_t> kept(train.names.size());
    for (std::size_t column = 0; column < kept.size(); ++column) kept[column] = column;
    test = with_columns(test, kept);
  }
  if (test.names.size() != train.names.size())
    fail<DataError>("{}: expected {} features as in {}, got {}", *test_path, train.names.size(),
                    *train_path, test.names.size());
  const std::vector<std::size_t> left = columns_without_repeats(train);
  result.steps.push_back(fmt::format(
      "label and mass are left out, and {} features whose smallest value occurs more than {} times",
      train.names.size() - left.size(), kRepeatsAllowed));
  train = with_columns(train, left);
  test = with_columns(test, left);
  test.names = train.names;
  const std::vector<MeanAndDeviation> columns = measure(train, train.rows, 1);
  standardise(train, columns);
  standardise(test, columns);
  result.steps.push_back(
      "columns are standardised by mean and deviation of the training file; its last 10 % are for "
      "validation");
  const std::int64_t begin = train.rows - tenth_of(train.rows);
  result.validation = with_rows(train, begin, train.rows);
  result.train = with_rows(train, 0, begin);
  result.test = std::move(test);
}

}  // namespace thalweg::uci
