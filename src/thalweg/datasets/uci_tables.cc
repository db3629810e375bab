#include "thalweg/datasets/uci_tables.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <functional>
#include <optional>
#include <string_view>

#include "thalweg/core/error.h"
#include "thalweg/core/numpy_random.h"
#include "thalweg/core/text.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/text_lines.h"

namespace thalweg {

namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kPublishedSeed = 42;
constexpr std::int64_t kFewestRows = 100;
constexpr std::int64_t kRepeatsAllowed = 5;   // of a column's smallest value
constexpr double kCorrelationAllowed = 0.98;  // of a sensor with another
// The paper took the first tenth of HEPMASS's 7 and 3.5 million rows.
constexpr std::int64_t kHepmassTrainRows = 700000, kHepmassTestRows = 350000;
constexpr double kSurelyOutlier = -100.0;  // MINIBOONE marks failed events by -999

/// Splits at `separator`; a blank stands for any run of blanks and tabs.
void split_fields(std::string_view line, char separator, std::vector<std::string_view>& fields) {
  fields.clear();
  const std::string_view separators = separator == ' ' ? " \t" : std::string_view(&separator, 1);
  std::size_t position = 0;
  for (;;) {
    if (separator == ' ') {
      position = line.find_first_not_of(separators, position);
      if (position == std::string_view::npos) return;
    }
    const std::size_t end = std::min(line.find_first_of(separators, position), line.size());
    fields.push_back(line.substr(position, end - position));
    if (end == line.size()) return;
    position = end + 1;
  }
}

std::optional<double> scan_number(std::string_view field) {
  while (field.starts_with(' ')) field.remove_prefix(1);
  while (field.ends_with(' ')) field.remove_suffix(1);
  double value = 0.0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error != std::errc() || end != field.data() + field.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

double take_number(const TextLines& lines, std::string_view field) {
  if (const auto value = scan_number(field)) return *value;
  fail<DataError>("{}: expected a number, got '{}'; fetch the file again", lines.place(),
                  shown(field));
}

void expect_fields(const TextLines& lines, const std::vector<std::string_view>& fields,
                   std::size_t expected) {
  if (fields.size() != expected)
    fail<DataError>("{}: expected {} fields, got {}; is this the UCI original, and complete?",
                    lines.place(), expected, fields.size());
}

std::size_t index(std::int64_t row, const Table& table, std::size_t column) {
  return static_cast<std::size_t>(row) * table.names.size() + column;
}

/// The table with the given columns only, in their order.
Table with_columns(const Table& table, const std::vector<std::size_t>& columns) {
  Table result;
  result.rows = table.rows;
  for (const std::size_t column : columns) result.names.push_back(table.names[column]);
  result.values.reserve(static_cast<std::size_t>(table.rows) * columns.size());
  for (std::int64_t row = 0; row < table.rows; ++row)
    for (const std::size_t column : columns)
      result.values.push_back(table.values[index(row, table, column)]);
  return result;
}

/// The rows [begin, end).
Table with_rows(const Table& table, std::int64_t begin, std::int64_t end) {
  Table result;
  result.names = table.names;
  result.rows = end - begin;
  result.values.assign(table.values.begin() + static_cast<std::ptrdiff_t>(begin * table.columns()),
                       table.values.begin() + static_cast<std::ptrdiff_t>(end * table.columns()));
  return result;
}

std::int64_t tenth_of(std::int64_t rows) {
  return static_cast<std::int64_t>(0.1 * static_cast<double>(rows));
}

struct MeanAndDeviation {
  double mean = 0.0, deviation = 0.0;
};

/// Over the first `rows` rows; the sum of squares is divided by rows - `lost`.
std::vector<MeanAndDeviation> measure(const Table& table, std::int64_t rows, int lost) {
  std::vector<MeanAndDeviation> result(table.names.size());
  for (std::size_t column = 0; column < result.size(); ++column) {
    double sum = 0.0, squares = 0.0;
    for (std::int64_t row = 0; row < rows; ++row) sum += table.values[index(row, table, column)];
    const double mean = sum / static_cast<double>(rows);
    for (std::int64_t row = 0; row < rows; ++row) {
      const double offset = table.values[index(row, table, column)] - mean;
      squares += offset * offset;
    }
    const double deviation = std::sqrt(squares / static_cast<double>(rows - lost));
    if (!std::isfinite(deviation) || deviation <= 0.0)
      fail<DataError>("column '{}': its standard deviation is {}; expected values that vary",
                      table.names[column], deviation);
    result[column] = {mean, deviation};
  }
  return result;
}

void standardise(Table& table, const std::vector<MeanAndDeviation>& columns) {
  for (std::size_t i = 0; i < table.values.size(); ++i) {
    const MeanAndDeviation& column = columns[i % columns.size()];
    table.values[i] = (table.values[i] - column.mean) / column.deviation;
  }
}

/// The numbers of the columns whose smallest value does not occur more than five times.
std::vector<std::size_t> columns_without_repeats(const Table& table) {
  std::vector<std::size_t> result;
  for (std::size_t column = 0; column < table.names.size(); ++column) {
    double smallest = table.values[column];
    std::int64_t count = 0;
    for (std::int64_t row = 0; row < table.rows; ++row) {
      const double value = table.values[index(row, table, column)];
      if (value < smallest) {
        smallest = value;
        count = 0;
      }
      count += value == smallest;
    }
    if (count <= kRepeatsAllowed) result.push_back(column);
  }
  return result;
}

/// What is left after the first column that correlates with another is taken out, and again.
std::vector<std::size_t> columns_without_doubles(const Table& table) {
  const std::size_t width = table.names.size();
  const std::vector<MeanAndDeviation> columns = measure(table, table.rows, 0);
  std::vector<double> products(width * width);
  std::vector<double> scaled(width);
  for (std::int64_t row = 0; row < table.rows; ++row) {
    for (std::size_t i = 0; i < width; ++i)
      scaled[i] = (table.values[index(row, table, i)] - columns[i].mean) / columns[i].deviation;
    for (std::size_t i = 0; i < width; ++i)
      for (std::size_t j = 0; j < i; ++j) products[i * width + j] += scaled[i] * scaled[j];
  }
  const double limit = kCorrelationAllowed * static_cast<double>(table.rows);
  std::vector<std::size_t> left(width);
  for (std::size_t i = 0; i < width; ++i) left[i] = i;
  const auto is_double = [&](std::size_t i) {
    return std::any_of(left.begin(), left.end(), [&](std::size_t j) {
      return i != j && products[std::max(i, j) * width + std::min(i, j)] > limit;
    });
  };
  for (;;) {
    const auto found = std::find_if(left.begin(), left.end(), is_double);
    if (found == left.end()) return left;
    left.erase(found);
  }
}

/// Where a folder holds what.
class Source {
 public:
  explicit Source(const std::string& from) : from_(from) {
    std::error_code error;
    if (!fs::exists(from, error))
      fail<DataError>("{}: there is no such folder; --from names the one with the files", from);
    is_file_ = !fs::is_directory(from, error);
  }

  /// The first of `names` that is there.
  std::optional<std::string> find(const std::vector<std::string>& names) const {
    if (is_file_) {
      if (from_.ends_with(".npy") && names.front() == "data.npy") return from_;
      const std::string own = fs::path(from_).filename().string();
      if (std::find(names.begin(), names.end(), own) != names.end()) return from_;
      return std::nullopt;
    }
    for (const std::string& name : names)
      if (fs::exists(fs::path(from_) / name)) return (fs::path(from_) / name).string();
    return std::nullopt;
  }

  std::optional<std::string> find_packed(const std::string& name) const {
    return find({name, name + ".gz"});
  }

  /// Says what to do, by what lies there instead.
  [[noreturn]] void fail_missing(const UciTable& table) const {
    const std::vector<fs::path> paths = entries();
    for (const fs::path& path : paths) {
      const std::string kind = path.extension().string(), name = path.string();
      if (kind == ".zip")
        fail<DataError>("{}: unpack it first: unzip {} -d {}", name, name,
                        path.parent_path().empty() ? "." : path.parent_path().string());
      if (kind == ".pickle" || kind == ".pkl")
        fail<DataError>(
            "{}: pickles are not read; save the array as data.npy: python3 -c \"import numpy, "
            "pandas; numpy.save('data.npy', pandas.read_pickle('{}')"
            ".drop(columns=['Time', 'Meth', 'Eth'], errors='ignore').to_numpy())\"",
            name, name);
      if (kind == ".hdf5" || kind == ".h5")
        fail<DataError>(
            "{}: HDF5 is not read; save its parts: python3 -c \"import h5py, numpy; f = "
            "h5py.File('{}'); [numpy.save(part + '.npy', f[part]) for part in ('train', "
            "'validation', 'test')]\"",
            name, name);
    }
    fail<DataError>(
        "{}: expected {}, or data.npy, or train.npy, validation.npy and test.npy; found {}", from_,
        table.original, paths.empty() ? "nothing" : paths.front().filename().string());
  }

 private:
  std::vector<fs::path> entries() const {
    if (is_file_) return {from_};
    std::vector<fs::path> paths;
    for (const auto& entry : fs::directory_iterator(from_)) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    return paths;
  }

  std::string from_;
  bool is_file_ = false;
};

void expect_rows(const std::string& path, std::int64_t rows) {
  if (rows < kFewestRows)
    fail<DataError>("{}: expected at least {} usable rows, got {}", path, kFewestRows, rows);
}

/// An array with one of the given numbers of columns.
Table load_array(const std::string& path, const std::vector<std::int64_t>& widths) {
  Table table = load_table(path);
  if (std::find(widths.begin(), widths.end(), table.columns()) == widths.end())
    fail<DataError>("{}: expected {} columns, got {}; is it another table?", path,
                    fmt::join(widths, " or "), table.columns());
  if (const auto cell = find_non_finite(table))
    fail<DataError>("{}: row {}, column {}: the value is not finite; remove the row", path,
                    cell->row + 1, cell->column + 1);
  expect_rows(path, table.rows);
  return table;
}

/// Cuts the last tenth off for the test and the last tenth of the rest for validation.
void split_rows(const Table& all, SplitTable& result) {
  const std::int64_t test_begin = all.rows - tenth_of(all.rows);
  const std::int64_t validation_begin = test_begin - tenth_of(test_begin);
  result.train = with_rows(all, 0, validation_begin);
  result.validation = with_rows(all, validation_begin, test_begin);
  result.test = with_rows(all, test_begin, all.rows);
  result.steps.push_back(
      "the last 10 % of the rows are for the test, the last 10 % of the others for validation");
}

// ---- POWER

struct PowerColumn {
  const char* name;
  double lower, upper;  ///< a range that every true reading is well inside of
};
constexpr PowerColumn kPowerColumns[] = {
    {"global_active_power", 0, 20}, {"global_reactive_power", 0, 5},
    {"voltage", 180, 280},          {"global_intensity", 0, 100},
    {"sub_metering_1", 0, 200},     {"sub_metering_2", 0, 200},
    {"sub_metering_3", 0, 200},     {"time", 0, 86400}};

std::vector<std::string> power_names() {
  std::vector<std::string> names;
  for (const PowerColumn& column : kPowerColumns) names.emplace_back(column.name);
  return names;
}

double minutes_of(const TextLines& lines, std::string_view clock) {
  std::vector<std::string_view> parts;
  split_fields(clock, ':', parts);
  if (parts.size() != 3)
    fail<DataError>("{}: expected a time as 17:24:00, got '{}'", lines.place(), shown(clock));
  return 60.0 * take_number(lines, parts[0]) + take_number(lines, parts[1]);
}

Table read_power(const std::string& path, SplitTable& result) {
  TextLines lines(path);
  Table table;
  table.names = power_names();
  std::vector<std::string_view> fields;
  std::int64_t dropped = 0;
  for (std::string_view line; lines.next(line);) {
    if (line.empty()) continue;
    split_fields(line, ';', fields);
    expect_fields(lines, fields, 9);
    if (lines.number() == 1 && fields[0] == "Date") continue;
    const auto is_missing = [](std::string_view field) { return field.empty() || field == "?"; };
    if (std::any_of(fields.begin() + 2, fields.end(), is_missing)) {
      ++dropped;
      continue;
    }
    for (std::size_t field = 2; field < 9; ++field)
      table.values.push_back(take_number(lines, fields[field]));
    table.values.push_back(minutes_of(lines, fields[1]));
    ++table.rows;
  }
  expect_rows(path, table.rows);
  result.steps.push_back(fmt::format(
      "{}: {} rows; {} rows with missing values and the date are dropped, the time is in minutes",
      path, table.rows, dropped));
  return table;
}

void prepare_power(const Source& source, const UciTable& uci, SplitTable& result) {
  Table table;
  std::string path;
  if (const auto array = source.find({"data.npy"})) {
    path = *array;
    table = load_array(path, {8});
    table.names = power_names();
    result.steps.push_back(fmt::format("{}: {} rows", path, table.rows));
  } else if (const auto text = source.find_packed(uci.original)) {
    path = *text;
    table = read_power(path, result);
  } else {
    source.fail_missing(uci);
  }
  for (std::int64_t row = 0; row < table.rows; ++row)
    for (std::size_t column = 0; column < table.names.size(); ++column) {
      const PowerColumn& known = kPowerColumns[column];
      const double value = table.values[index(row, table, column)];
      if (value < known.lower || value > known.upper)
        fail<DataError>(
            "{}: row {}, column '{}': expected a value from {} to {}, got {}; the columns are to "
            "be {}",
            path, row + 1, known.name, known.lower, known.upper, value,
            fmt::join(table.names, ", "));
    }

  NumpyRandom random(kPublishedSeed);
  const std::vector<std::int64_t> order = random.permutation(table.rows);
  Table kept;
  kept.rows = table.rows;
  constexpr std::size_t kKept[] = {0, 2, 4, 5, 6, 7};
  for (const std::size_t column : kKept) kept.names.push_back(table.names[column]);
  kept.values.reserve(order.size() * kept.names.size());
  for (const std::int64_t row : order)
    for (const std::size_t column : kKept)
      kept.values.push_back(table.values[index(row, table, column)]);
  table = {};
  for (std::int64_t row = 0; row < kept.rows; ++row)
    kept.values[index(row, kept, 1)] += 0.01 * random.uniform();
  for (std::int64_t row = 0; row < kept.rows; ++row)
    kept.values[index(row, kept, 0)] += 0.001 * random.uniform();
  for (std::int64_t row = 0; row < kept.rows; ++row)
    for (const std::size_t column : {2, 3, 4})
      kept.values[index(row, kept, column)] += random.uniform();
  result.steps.push_back(
      "rows are shuffled by NumPy's RandomState(42); global_reactive_power and global_intensity "
      "are left out; from the same stream, uniform noise is added to voltage (below 0.01), "
      "global_active_power (0.001) and the sub-meters (1)");
  standardise(kept, measure(kept, kept.rows - tenth_of(kept.rows), 0));
  split_rows(kept, result);
  result.steps.push_back(
      "columns are standardised by mean and deviation of training and validation rows");
}

// ---- GAS

constexpr std::size_t kGasSensors = 16;

/// Calls `use` with the fields of each row of measurements, which has no letters in it.
void for_gas_rows(const std::string& path,
                  const std::function<void(const TextLines&, std::string_view)>& use) {
  TextLines lines(path);
  for (std::string_view line; lines.next(line);) {
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    if (lines.number() == 1 && line.find("ime") != std::string_view::npos) continue;
    use(lines, line);
  }
}

Table read_gas(const std::string& path, SplitTable& result) {
  std::int64_t rows = 0;
  for_gas_rows(path, [&](const TextLines&, std::string_view) { ++rows; });
  Table table;
  // As pandas' sample(frac=0.25, random_state=42), which rounds half to even.
  table.rows = static_cast<std::int64_t>(std::nearbyint(0.25 * static_cast<double>(rows)));
  expect_rows(path, table.rows);
  for (std::size_t sensor = 0; sensor < kGasSensors; ++sensor)
    table.names.push_back(fmt::format("R{}", sensor + 1));
  table.values.resize(static_cast<std::size_t>(table.rows) * kGasSensors);
  std::vector<std::int64_t> place(static_cast<std::size_t>(rows));
  {
    const std::vector<std::int64_t> order = NumpyRandom(kPublishedSeed).permutation(rows);
    for (std::size_t i = 0; i < order.size(); ++i)
      place[static_cast<std::size_t>(order[i])] = static_cast<std::int64_t>(i);
  }
  std::vector<std::string_view> fields;
  std::size_t number = 0;
  for_gas_rows(path, [&](const TextLines& lines, std::string_view line) {
    const std::int64_t row = place.at(number++);
    if (row >= table.rows) return;
    split_fields(line, ' ', fields);
    expect_fields(lines, fields, 3 + kGasSensors);
    for (std::size_t sensor = 0; sensor < kGasSensors; ++sensor)
      table.values[index(row, table, sensor)] = take_number(lines, fields[3 + sensor]);
  });
  result.steps.push_back(fmt::format(
      "{}: a quarter of the {} rows, drawn and put in order by NumPy's RandomState(42); time and "
      "concentrations are left out",
      path, rows));
  result.warnings.push_back(
      "the published rows are another random quarter, whose seed is not known: expect log "
      "likelihoods that differ from the published ones by sampling only");
  return table;
}

void prepare_gas(const Source& source, const UciTable& uci, SplitTable& result) {
  Table table;
  if (const auto array = source.find({"data.npy"})) {
    table = load_array(*array, {16, 19});
    std::vector<std::size_t> sensors;
    for (std::size_t column = table.names.size() - kGasSensors; column < table.names.size();
         ++column)
      sensors.push_back(column);
    const bool wide = table.names.size() > kGasSensors;
    table = with_columns(table, sensors);
    for (std::size_t sensor = 0; sensor < kGasSensors; ++sensor)
      table.names[sensor] = fmt::format("R{}", sensor + 1);
    result.steps.push_back(fmt::format("{}: {} rows{}", *array, table.rows,
                                       wide ? "; the first three columns are left out" : ""));
  } else if (const auto text = source.find_packed(uci.original)) {
    table = read_gas(*text, result);
  } else {
    source.fail_missing(uci);
  }
  const std::vector<std::size_t> left = columns_without_doubles(table);
  table = with_columns(table, left);
  result.steps.push_back(fmt::format(
      "sensors with a correlation above {} with another are left out one by one; left: {}",
      kCorrelationAllowed, fmt::join(table.names, ", ")));
  standardise(table, measure(table, table.rows, 1));
  result.steps.push_back(
      "columns are standardised by mean and deviation of all rows, as published");
  split_rows(table, result);
}

// ---- HEPMASS

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

// ---- MINIBOONE

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

/// Splits that someone else has made.
bool take_finished(const Source& source, const UciTable& uci, SplitTable& result) {
  const auto train = source.find({"train.npy"}), test = source.find({"test.npy"});
  const auto validation = source.find({"validation.npy", "val.npy"});
  if (!train || !validation || !test) return false;
  result.train = load_array(*train, {uci.columns});
  result.validation = load_array(*validation, {uci.columns});
  result.test = load_array(*test, {uci.columns});
  result.steps.push_back(
      fmt::format("{}, {} and {} are taken as they are", *train, *validation, *test));
  return true;
}

}  // namespace

const std::vector<UciTable>& uci_tables() {
  static const std::vector<UciTable> tables = {
      {"power", "household_power_consumption.txt", 6, 1659917, 184435, 204928},
      {"gas", "ethylene_CO.txt", 8, 852174, 94685, 105206},
      {"hepmass", "1000_train.csv and 1000_test.csv", 21, 315123, 35013, 174987},
      {"miniboone", "MiniBooNE_PID.txt", 43, 29556, 3284, 3648}};
  return tables;
}

const UciTable& find_uci_table(const std::string& name) {
  std::vector<std::string> known;
  for (const UciTable& table : uci_tables()) {
    if (table.name == name) return table;
    known.push_back(table.name);
  }
  fail<ConfigError>("unknown table '{}'{}", name, name_hint(name, known));
}

SplitTable prepare_uci_table(const UciTable& table, const std::string& from) {
  const Source source(from);
  SplitTable result;
  if (!take_finished(source, table, result)) {
    if (table.name == "power") prepare_power(source, table, result);
    if (table.name == "gas") prepare_gas(source, table, result);
    if (table.name == "hepmass") prepare_hepmass(source, table, result);
    if (table.name == "miniboone") prepare_miniboone(source, table, result);
  }
  if (result.train.columns() != table.columns)
    fail<DataError>("{}: expected {} columns after the preprocessing, got {} ({}); is it {}?", from,
                    table.columns, result.train.columns(), fmt::join(result.train.names, ", "),
                    table.original);
  if (result.train.rows != table.train || result.validation.rows != table.validation ||
      result.test.rows != table.test)
    result.warnings.push_back(fmt::format(
        "{} + {} + {} rows where {} + {} + {} are published: log likelihoods do not compare with "
        "published ones",
        result.train.rows, result.validation.rows, result.test.rows, table.train, table.validation,
        table.test));
  return result;
}

}  // namespace thalweg
