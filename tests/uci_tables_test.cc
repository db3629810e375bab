// The preparation of UCI tables: NumPy's random numbers as NumPy prints them, each rule on inputs
// where its effect is known, and what is said of files that are not what they should be.
#include "thalweg/datasets/uci_tables.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/numpy_random.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/text_lines.h"

namespace thalweg {
namespace {

// The numbers expected here were printed by NumPy 2.4.
TEST(NumpyRandom, GivesNumpysUniformNumbers) {
  NumpyRandom random(42);
  EXPECT_EQ(random.uniform(), 0.3745401188473625);
  EXPECT_EQ(random.uniform(), 0.9507143064099162);
  EXPECT_EQ(random.uniform(), 0.7319939418114051);
}

TEST(NumpyRandom, ShufflesAsNumpy) {
  NumpyRandom random(42);
  EXPECT_EQ(random.permutation(10), (std::vector<std::int64_t>{8, 1, 5, 0, 7, 2, 9, 4, 3, 6}));
  EXPECT_EQ(random.uniform(), 0.15599452033620265);

  NumpyRandom other(42);
  const std::vector<std::int64_t> order = other.permutation(100000);
  EXPECT_EQ(std::vector<std::int64_t>(order.begin(), order.begin() + 4),
            (std::vector<std::int64_t>{75721, 80184, 19864, 76699}));
  EXPECT_EQ(std::vector<std::int64_t>(order.end() - 3, order.end()),
            (std::vector<std::int64_t>{76820, 860, 15795}));
  EXPECT_EQ(other.uniform(), 0.5748666399084967);
  EXPECT_EQ(std::set<std::int64_t>(order.begin(), order.end()).size(), order.size());
  EXPECT_TRUE(NumpyRandom(1).permutation(0).empty());
}

void save(const std::string& path, std::int64_t rows, std::int64_t columns,
          const std::vector<double>& values) {
  const std::int64_t shape[] = {rows, columns};
  write_npy(path, shape, values);
}

/// The rows (i, j) -> 17-periodic numbers in the ranges of POWER's eight columns.
std::vector<double> periodic_power() {
  std::vector<double> values;
  for (int i = 0; i < 200; ++i)
    for (int j = 0; j < 8; ++j) {
      int value = i * (j + 3) % 17;
      if (j == 1) value %= 5;
      values.push_back(j == 2 ? value + 230 : value);
    }
  return values;
}

void expect_row(const Table& table, std::int64_t row, const std::vector<double>& expected) {
  ASSERT_EQ(table.names.size(), expected.size());
  for (std::size_t column = 0; column < expected.size(); ++column)
    EXPECT_NEAR(table.values[static_cast<std::size_t>(row) * expected.size() + column],
                expected[column], 1e-12);
}

TEST(UciTables, PowerIsWhatNumpyMakesOfTheArray) {
  const TemporaryFolder folder;
  save(folder.path("data.npy"), 200, 8, periodic_power());
  const SplitTable result = prepare_uci_table(find_uci_table("power"), folder.path(""));
  EXPECT_EQ(result.train.rows, 162);
  EXPECT_EQ(result.validation.rows, 18);
  EXPECT_EQ(result.test.rows, 20);
  EXPECT_EQ(result.train.names[0], "global_active_power");
  EXPECT_EQ(result.train.names[1], "voltage");
  EXPECT_EQ(result.train.names[5], "time");
  expect_row(result.train, 0,
             {0.974304517586648, 1.60921976005986, -1.10413829933614, 0.807138300456105,
              -0.574888862402116, 1.38831676964088});
  expect_row(result.validation, 17,
             {-1.43619320392088, 0.997719691510132, 0.130738420996062, 1.14687843520864,
              -0.905263223049615, 0.18302568345748});
  expect_row(result.test, 19,
             {-1.6371260877687, -1.65284248384609, -1.50676643818855, -1.55612810692468,
              -1.56559472175637, -1.62491094581762});
  ASSERT_EQ(result.warnings.size(), 1u);
  expect_parts(result.warnings[0], {"162 + 18 + 20", "1659917 + 184435 + 204928"});
}

TEST(UciTables, PowerTextAndArrayAgree) {
  const TemporaryFolder text, array;
  std::string lines = "Date;Time;a;b;c;d;e;f;g\r\n";
  std::vector<double> values = periodic_power();
  for (std::size_t row = 0; row < 200; ++row) {
    if (row % 40 == 5) lines += "1/1/2007;00:00:00;?;?;?;?;?;?;\r\n";
    lines += fmt::format("16/12/2006;{:02}:{:02}:00", row / 60, row % 60);
    for (std::size_t column = 0; column < 7; ++column)
      lines += fmt::format(";{:.3f}", values[row * 8 + column]);
    lines += "\r\n";
    values[row * 8 + 7] = static_cast<double>(row);
  }
  text.file("household_power_consumption.txt", lines);
  save(array.path("mine.npy"), 200, 8, values);
  const SplitTable one = prepare_uci_table(find_uci_table("power"), text.path(""));
  const SplitTable other = prepare_uci_table(find_uci_table("power"), array.path("mine.npy"));
  EXPECT_EQ(one.train.values, other.train.values);
  EXPECT_EQ(one.test.values, other.test.values);
  expect_parts(one.steps[0], {"200 rows", "5 rows with missing values"});
}

/// Mean and deviation (sum of squares over n - lost) of every column are 0 and 1.
void expect_standard(const std::vector<const Table*>& parts, int lost) {
  const std::size_t width = parts[0]->names.size();
  for (std::size_t column = 0; column < width; ++column) {
    double sum = 0.0, squares = 0.0, count = 0.0;
    for (const Table* part : parts)
      for (std::size_t i = column; i < part->values.size(); i += width) {
        sum += part->values[i];
        squares += part->values[i] * part->values[i];
        count += 1.0;
      }
    EXPECT_NEAR(sum / count, 0.0, 1e-10);
    EXPECT_NEAR(squares / (count - lost), 1.0, 1e-10);
  }
}

/// The whole path for each table, with the oddities of the originals.
SplitTable prepared_look_alike(const TemporaryFolder& folder, const std::string& name) {
  const UciTable& table = find_uci_table(name);
  write_uci_look_alike(table, 4000, 3, folder.path(""));
  SplitTable result = prepare_uci_table(table, folder.path(""));
  for (const Table* part : {&result.train, &result.validation, &result.test}) {
    EXPECT_EQ(part->columns(), table.columns);
    EXPECT_EQ(part->names, result.train.names);
    EXPECT_EQ(part->values.size(), static_cast<std::size_t>(part->rows * table.columns));
    EXPECT_FALSE(find_non_finite(*part).has_value());
  }
  return result;
}

TEST(UciTables, PreparesEveryLookAlike) {
  const TemporaryFolder power, gas, hepmass, miniboone;
  SplitTable result = prepared_look_alike(power, "power");
  expect_standard({&result.train, &result.validation}, 0);

  result = prepared_look_alike(gas, "gas");
  EXPECT_EQ(result.train.rows + result.validation.rows + result.test.rows, 1000);
  EXPECT_EQ(result.test.rows, 100);
  EXPECT_EQ(result.validation.rows, 90);
  // Of each pair of sensors that see the same, the first is left out.
  EXPECT_EQ(result.train.names.front(), "R9");
  EXPECT_EQ(result.train.names.back(), "R16");
  expect_standard({&result.train, &result.validation, &result.test}, 1);

  result = prepared_look_alike(hepmass, "hepmass");
  expect_standard({&result.train, &result.validation}, 1);
  // The tags at numbers 5, 9, ... 25 repeat their lowest value; half of the rows are signal, within
  // five deviations (odds 1e-6).
  const std::vector<std::string>& names = result.train.names;
  for (const char* tag : {"f5", "f9", "f13", "f17", "f21", "f25", "mass"})
    EXPECT_EQ(std::find(names.begin(), names.end(), tag), names.end()) << tag;
  EXPECT_NEAR(static_cast<double>(result.train.rows + result.validation.rows), 2000.0, 160.0);
  EXPECT_NEAR(static_cast<double>(result.test.rows), 1000.0, 112.0);

  result = prepared_look_alike(miniboone, "miniboone");
  expect_standard({&result.train, &result.validation}, 0);
  // 1120 signal rows without numbers 7, 158, ..., 1064.
  EXPECT_EQ(result.train.rows + result.validation.rows + result.test.rows, 1120 - 8);
}

TEST(UciTables, LookAlikesRepeatAndDependOnTheirSeed) {
  const TemporaryFolder one, two, three;
  const UciTable& table = find_uci_table("gas");
  write_uci_look_alike(table, 2000, 1, one.path(""));
  write_uci_look_alike(table, 2000, 1, two.path(""));
  write_uci_look_alike(table, 2000, 2, three.path(""));
  const std::string bytes = read_bytes(one.path("ethylene_CO.txt"));
  EXPECT_EQ(bytes, read_bytes(two.path("ethylene_CO.txt")));
  EXPECT_NE(bytes, read_bytes(three.path("ethylene_CO.txt")));
  EXPECT_THROW(write_uci_look_alike(table, 10, 1, one.path("")), ConfigError);
}

void pack(const std::string& path, const std::string& packed, std::size_t kept) {
  const std::string bytes = read_bytes(path);
  const gzFile file = gzopen(packed.c_str(), "wb");
  ASSERT_EQ(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())),
            static_cast<int>(bytes.size()));
  gzclose(file);
  if (kept > 0) std::filesystem::resize_file(packed, kept);
}

TEST(UciTables, ReadsPackedOriginals) {
  const TemporaryFolder folder;
  const UciTable& table = find_uci_table("hepmass");
  write_uci_look_alike(table, 4000, 3, folder.path(""));
  const SplitTable plain = prepare_uci_table(table, folder.path(""));
  const std::string train = folder.path("1000_train.csv");
  pack(train, train + ".gz", 0);
  std::filesystem::remove(train);
  EXPECT_EQ(prepare_uci_table(table, folder.path("")).train.values, plain.train.values);
  std::filesystem::resize_file(train + ".gz", 500000);
  expect_parts(message_of<DataError>([&] { prepare_uci_table(table, folder.path("")); }),
               {"1000_train.csv.gz", "unpacked", "fetch it again"});
}

TEST(UciTables, GasTakesTheSensorsOfAnArrayInOrder) {
  const TemporaryFolder folder;
  std::vector<double> values;
  for (int row = 0; row < 400; ++row)
    for (int column = 0; column < 19; ++column) {
      // Sensors 2k and 2k + 1 (from 0) are a wave of frequency k + 1 and the same wave upside down
      // for odd k, which the rule keeps; for even k, the same wave shifted, which it does not.
      const int sensor = column - 3, pair = sensor / 2;
      const double wave = std::sin(2.0 * M_PI * (pair + 1) * row / 400.0 + 0.001 * row);
      values.push_back(column < 3        ? row
                       : sensor % 2 == 0 ? wave
                       : (pair % 2) == 1 ? -wave
                                         : 2.0 * wave + 1.0);
    }
  save(folder.path("data.npy"), 400, 19, values);
  // Four pairs lose their first sensor, so twelve are left, which is not GAS.
  expect_parts(
      message_of<DataError>([&] { prepare_uci_table(find_uci_table("gas"), folder.path("")); }),
      {"expected 8 columns", "got 12", "R2, R3, R4, R6, R7, R8, R10, R11, R12, R14, R15, R16"});
}

TEST(UciTables, TakesFinishedSplitsAsTheyAre) {
  const TemporaryFolder folder;
  std::vector<double> values(150 * 6);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = std::sin(static_cast<double>(i * i));
  for (const char* name : {"train.npy", "val.npy", "test.npy"})
    save(folder.path(name), 150, 6, values);
  const SplitTable result = prepare_uci_table(find_uci_table("power"), folder.path(""));
  EXPECT_EQ(result.validation.values, values);
  EXPECT_THROW(prepare_uci_table(find_uci_table("gas"), folder.path("")), DataError);
}

TEST(UciTables, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto message = [&](const std::string& table) {
    return message_of<DataError>(
        [&] { prepare_uci_table(find_uci_table(table), folder.path("")); });
  };
  expect_parts(message("power"), {"household_power_consumption.txt", "data.npy", "nothing"});
  folder.file("ethylene_CO.pickle", "x");
  expect_parts(message("gas"), {"pickles are not read", "read_pickle", "numpy.save"});
  folder.file("a.zip", "PK");
  expect_parts(message("power"), {"a.zip", "unzip"});

  std::vector<double> power = periodic_power();
  power[3 * 8 + 2] = 24.0;
  save(folder.path("data.npy"), 200, 8, power);
  expect_parts(message("power"), {"row 4", "voltage", "180 to 280", "24"});
  power[3 * 8 + 2] = NAN;
  save(folder.path("data.npy"), 200, 8, power);
  expect_parts(message("power"), {"row 4", "not finite"});
  expect_parts(message("miniboone"), {"expected 43 or 50 columns, got 8"});
  std::filesystem::remove(folder.path("data.npy"));

  folder.file("MiniBooNE_PID.txt", " 300 700\n 1.0 2.0\n");
  expect_parts(message("miniboone"), {"line 2", "expected 50 fields, got 2"});
  std::string row = " 1.0";
  for (int i = 1; i < 50; ++i) row += " 2.0";
  folder.file("MiniBooNE_PID.txt", " 300 700\n" + row + "\n");
  expect_parts(message("miniboone"), {"expected 300 signal rows, got 1", "cut off"});
  folder.file("household_power_consumption.txt", "PK\3\4 and so on");
  expect_parts(message("power"), {"ZIP archive", "unzip"});
  folder.file("household_power_consumption.txt", "1/1/2007;noon;1;1;240;1;1;1;1\n");
  expect_parts(message("power"), {"line 1", "noon"});
  folder.file("1000_train.csv", "1.0,2.0\n");
  folder.file("1000_test.csv", "1.0,2.0\n");
  expect_parts(message("hepmass"), {"1000_train.csv", "# label"});
  expect_parts(message_of<ConfigError>([] { find_uci_table("powr"); }), {"power"});
  EXPECT_THROW(prepare_uci_table(find_uci_table("power"), folder.path("none")), DataError);
}

TEST(TextLines, GivesLinesOfAnyEndAndLength) {
  const TemporaryFolder folder;
  const std::string wide(3000000, 'x');
  TextLines lines(folder.file("a.txt", "one\r\n\n" + wide + "\nlast"));
  std::vector<std::string> found;
  for (std::string_view line; lines.next(line);) found.emplace_back(line);
  EXPECT_EQ(found, (std::vector<std::string>{"one", "", wide, "last"}));
  EXPECT_EQ(lines.number(), 4);
  std::string_view line;
  EXPECT_FALSE(TextLines(folder.file("empty.txt", "")).next(line));
}

}  // namespace
}  // namespace thalweg
