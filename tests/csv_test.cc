#include "thalweg/io/csv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/csv_writer.h"

namespace thalweg {
namespace {

using Names = std::vector<std::string>;
using Values = std::vector<double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Table read_text(const std::string& text) {
  const TemporaryFolder folder;
  return read_csv(folder.file("t.csv", text));
}

std::string error_of(const std::string& text) {
  return message_of<DataError>([&] { read_text(text); });
}

void expect_table(const std::string& text, const Names& names, const Values& values) {
  const Table table = read_text(text);
  EXPECT_EQ(table.names, names) << text;
  EXPECT_EQ(table.values, values) << text;
  EXPECT_EQ(table.rows * table.columns(), std::ssize(table.values)) << text;
}

TEST(ReadCsv, FindsSeparatorsAndHeaders) {
  const Values values = {1, 2.5, -3, 4e-3};
  for (const std::string separator : {",", ";", "\t", " ", "   ", " , ", "; ", " \t "}) {
    const std::string rows = fmt::format("1{0}2.5\n-3{0}4e-3\n", separator);
    expect_table(rows, {"x0", "x1"}, values);
    expect_table(fmt::format("a{}b\n{}", separator, rows), {"a", "b"}, values);
  }
  expect_table("1\n2\n", {"x0"}, {1, 2});
  expect_table("speed\n1\n2\n", {"speed"}, {1, 2});
}

TEST(ReadCsv, ReadsBlanksOfAnyLength) {
  expect_table("  1  2 \n 3 \t 4\n5 6  \n", {"x0", "x1"}, {1, 2, 3, 4, 5, 6});
  const Table table = read_text("\"long name\" b\n 1  NA\n");
  EXPECT_EQ(table.names, (Names{"long name", "b"}));
  EXPECT_EQ(table.values[0], 1.0);
  EXPECT_TRUE(std::isnan(table.values[1]));
}

TEST(ReadCsv, ToleratesHowFilesAreMade) {
  const Values values = {1, 2, 3, 4};
  expect_table("a,b\r\n1,2\r\n3,4\r\n", {"a", "b"}, values);
  expect_table(
      "\xEF\xBB\xBF"
      "a,b\n1,2\n3,4",
      {"a", "b"}, values);
  expect_table(
      "\xEF\xBB\xBF"
      "1,2\n3,4",
      {"x0", "x1"}, values);
  expect_table("# made by hand\n\na,b\n1,2\n  # middle\n\n3,4\n\n", {"a", "b"}, values);
  expect_table("\"a, b\",\"say \"\"c\"\"\"\n\"1\",2\n 3 , \"4\" \n", {"a, b", "say \"c\""}, values);
  expect_table(",b\n1,2\n3,4\n", {"x0", "b"}, values);
  expect_table("a;b\n+1;2.\n3;.4e1\n", {"a", "b"}, values);
  expect_table("\"a,b\";c\n1;2\n3;4\n", {"a,b", "c"}, values);
}

TEST(ReadCsv, KeepsMissingAndInfiniteValues) {
  const Table table = read_text("a,b,c\n,NA,nan\nNaN,n/a,-nan\n1,inf,-Infinity\n\"\", ,2\n");
  ASSERT_EQ(table.rows, 4);
  for (const std::size_t i : {0, 1, 2, 3, 4, 5, 9, 10})
    EXPECT_TRUE(std::isnan(table.values[i])) << i;
  EXPECT_EQ(table.values[6], 1.0);
  EXPECT_EQ(table.values[7], kInfinity);
  EXPECT_EQ(table.values[8], -kInfinity);
  // A first row of numbers and missing values is no header.
  EXPECT_EQ(read_text("nan,1,,inf,NA\n").names.size(), 5U);
  EXPECT_EQ(read_text("nan,1,,inf,NA\n").rows, 1);
  const Table tabs = read_text("a\tb\n\t\n1\t\n");
  EXPECT_EQ(tabs.rows, 2);
  EXPECT_TRUE(std::isnan(tabs.values[0]) && std::isnan(tabs.values[1]) &&
              std::isnan(tabs.values[3]));
}

TEST(ReadCsv, ReadsNumbersExactly) {
  expect_table("0.1,1e23,4.9406564584124654e-324,1.7976931348623157e308,123456789012345678\n",
               default_names(5),
               {0.1, 1e23, 4.9406564584124654e-324, 1.7976931348623157e308, 123456789012345678.0});
}

TEST(ReadCsv, NamesLineAndColumnOfBadFields) {
  expect_parts(error_of("# note\na,b\n1,2\n\n3,x7\n"), {"t.csv, line 5", "'b'", "'x7'", "number"});
  expect_parts(error_of("1,2\n3,4..5\n"), {"line 2", "'x1'", "'4..5'"});
  const std::string rows = "a,b\n1,2\n3,4\n5,6\n";
  for (const std::string bad : {"0x10", "+-1", "1 2", "--1", "1f", "1,5", "\x1b[31m"}) {
    expect_parts(error_of(rows + "1,\"" + bad + "\"\n"),
                 {"line 5", "'b'", "expected a number as in 3 of 4 rows"});
  }
  expect_parts(error_of(rows + "1,\x1b[31m\n"), {"expected a number", "got '?[31m'"});
  expect_parts(error_of(rows + "1,1e400\n"), {"line 5", "'b'", "range of double", "'1e400'"});
  // A first row beyond the range of double is data, not names.
  for (const std::string number : {"1e400", "-1e400", "+1e400", "1e-400"}) {
    expect_parts(error_of("2," + number + "\n3,4\n"), {"line 1", "'x1'", "'" + number + "'"});
    expect_table("a," + number + "\n3,4\n", {"a", number}, {3, 4});
  }
}

TEST(ReadCsv, NamesLineOfRaggedRows) {
  expect_parts(error_of("a,b\n1,2\n3\n"), {"line 3", "expected 2 fields", "got 1"});
  expect_parts(error_of("a,b\n1,2\n3,4,5,6\n"), {"line 3", "expected 2 fields", "got 4"});
  expect_parts(error_of("a,b\n1,2,\n"), {"line 2", "expected 2 fields", "got 3"});
  expect_parts(error_of("1 2\n1 2 3 \n"), {"line 2", "expected 2 fields", "got 3"});
}

TEST(ReadCsv, ExplainsUnusableFiles) {
  expect_parts(error_of(""), {"t.csv", "is empty"});
  expect_parts(error_of("\n# nothing\n"), {"comments and empty lines alone"});
  expect_parts(error_of("a,b\n"), {"a header alone"});
  expect_parts(error_of("a,b,a\n1,2,3\n"), {"columns 1 and 3", "'a'", "rename"});
  expect_parts(error_of("x1,\n1,2\n"), {"columns 1 and 2", "'x1'"});
  expect_parts(error_of("a,\"b\n1,2\n"), {"line 1", "quotation mark"});
  expect_parts(error_of(std::string("\xFF\xFE"
                                    "a\0,\0b\0\n\0",
                                    10)),
               {"t.csv", "UTF-16", "iconv -f UTF-16 -t UTF-8"});
  expect_parts(error_of(std::string("a,b\n1,2\n3,\0004\n", 14)), {"line 3", "UTF-8", "zero bytes"});
  expect_parts(error_of("Gr\xF6\xDF"
                        "e,b\n1,2\n"),
               {"line 1", "UTF-8"});
  EXPECT_EQ(read_text("Gr\xC3\xB6\xC3\x9F"
                      "e,b\n1,2\n")
                .names[0],
            "Gr\xC3\xB6\xC3\x9F"
            "e");
  const TemporaryFolder folder;
  expect_parts(message_of<DataError>([&] { read_csv(folder.path("no.csv")); }), {"No such file"});
  expect_parts(message_of<DataError>([&] { read_csv(folder.path("")); }), {"got a folder"});
}

TEST(ReadCsv, ReadsFilesLargerThanItsBuffer) {
  std::string text = "a,b,c\n";
  Values expected;
  for (int row = 0; row < 150'000; ++row) {
    for (const int column : {0, 1, 2}) {
      expected.push_back(row * 0.25 + column);
      text += fmt::format("{}{}", expected.back(), column == 2 ? "\n" : ",");
    }
  }
  const Table table = read_text(text);
  EXPECT_EQ(table.rows, 150'000);
  EXPECT_TRUE(table.values == expected);
  const std::string wide(3'000'000, ' ');
  expect_table("1," + wide + "2\n", {"x0", "x1"}, {1, 2});
}

TEST(CsvWriter, WritesWhatReadsBackToTheSameBits) {
  const TemporaryFolder folder;
  const Names names = {"plain", "with blank", "a,b", "say \"c\"", "#d"};
  const Values rows = {0.1, 1.0 / 3.0, -0.0,       1e300, 5e-324,
                       1,   kInfinity, -kInfinity, 1e22,  123456789};
  for (const char separator : {',', '\t'}) {
    const std::string path = folder.path("w.csv");
    // Nothing, then what commas separate: which a file keeps until finish().
    const std::string before = std::filesystem::exists(path) ? read_bytes(path) : "";
    CsvWriter writer(path, names, FloatType::kFloat64, separator);
    writer.append(rows);
    writer.append({});
    writer.append(std::span(rows).first(5));
    EXPECT_THROW(writer.append(std::span(rows).first(4)), ShapeError);
    EXPECT_EQ(std::filesystem::exists(path) ? read_bytes(path) : "", before);
    writer.finish();
    const Table table = read_csv(path);
    EXPECT_EQ(table.names, names);
    EXPECT_EQ(table.rows, 3);
    for (std::size_t i = 0; i < 15; ++i) {
      EXPECT_EQ(table.values[i], rows[i % 10]) << i;
      EXPECT_EQ(std::signbit(table.values[i]), std::signbit(rows[i % 10])) << i;
    }
  }
  EXPECT_EQ(folder.names(), Names{"w.csv"});
}

TEST(CsvWriter, WritesShortNumbers) {
  const TemporaryFolder folder;
  const std::string path = folder.path("w.csv");
  CsvWriter doubles(path, {"a", "b"});
  doubles.append(Values{0.1, 3, std::nan(""), -2.5e-7});
  doubles.finish();
  EXPECT_EQ(read_bytes(path), "a,b\n0.1,3\nnan,-2.5e-07\n");
  CsvWriter floats(path, {"a"}, FloatType::kFloat32);
  floats.append(Values{static_cast<double>(0.1F)});
  floats.finish();
  EXPECT_EQ(read_bytes(path), "a\n0.1\n");
  EXPECT_THROW(CsvWriter(path, {}), ShapeError);
}

}  // namespace
}  // namespace thalweg
