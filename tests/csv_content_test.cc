// What the columns of a file of text hold: numbers, texts, dates, nothing, or mistakes.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/csv.h"
#include "thalweg/io/table_texts.h"

namespace thalweg {
namespace {

using Names = std::vector<std::string>;

Table read_text(const std::string& text, const ReadOptions& options = {}) {
  const TemporaryFolder folder;
  return read_csv(folder.file("t.csv", text), options);
}

std::string error_of(const std::string& text, const ReadOptions& options = {}) {
  return message_of<DataError>([&] { read_text(text, options); });
}

/// A file of one column 'a' beside whole numbers.
std::string column(const Names& fields) {
  std::string text = "a,n\n";
  for (std::size_t i = 0; i < fields.size(); ++i) text += fmt::format("{},{}\n", fields[i], i % 3);
  return text;
}

Names numbers(int count) {
  Names result;
  for (int i = 0; i < count; ++i) result.push_back(fmt::format("{}", 0.5 * i));
  return result;
}

TEST(CsvContent, SortsTextsAndKeepsMissingOnes) {
  const Table table = read_text("kind,x\nsetosa,1\n\"a, \"\"b\"\"\",2\nNA,3\nsetosa,4\n Z ,5\n");
  ASSERT_EQ(table.content.size(), 2U);
  EXPECT_EQ(table.content_of(0), ColumnContent::kText);
  EXPECT_EQ(table.content_of(1), ColumnContent::kNumber);
  EXPECT_EQ(table.content[0].labels, (Names{"Z", "a, \"b\"", "setosa"}));
  EXPECT_EQ(table.content[0].different, 3);
  EXPECT_EQ(table.values[0], 2.0);
  EXPECT_EQ(table.values[2], 1.0);
  EXPECT_TRUE(std::isnan(table.values[4]));
  EXPECT_EQ(table.values[8], 0.0);
  EXPECT_TRUE(read_text("a,b\n1,2\n").content.empty());
  const Table logical =
      read_text("yes,flag\nyes,TRUE\nno,FALSE\nyes,TRUE\n", {.header = HeaderChoice::kYes});
  EXPECT_EQ(logical.content[0].labels, (Names{"no", "yes"}));
  EXPECT_EQ(logical.content[1].labels, (Names{"FALSE", "TRUE"}));
}

TEST(CsvContent, ReadsDatesInOneFormat) {
  const Table days = read_text("day,x\n2000-02-29,1\n,2\n1969-12-31,3\n");
  EXPECT_EQ(days.content_of(0), ColumnContent::kDate);
  EXPECT_EQ(days.content[0].format, "YYYY-MM-DD");
  EXPECT_EQ(days.values[0], 11016.0);
  EXPECT_TRUE(std::isnan(days.values[2]));
  EXPECT_EQ(days.values[4], -1.0);
  const Table times =
      read_text("x,t\n1,2001-09-09 01:46:40\n2,2001-09-09 01:46:40.25\n3,1970-01-01 00:00:00\n");
  EXPECT_EQ(times.content[1].format, "YYYY-MM-DD HH:MM:SS.ff");
  EXPECT_EQ(times.values, (std::vector<double>{1, 1e9, 2, 1e9 + 0.25, 3, 0}));
  // Formats that differ, and days that no calendar has, make texts.
  EXPECT_EQ(read_text("d,x\n2000-02-29,1\n2000/02/28,1\n").content_of(0), ColumnContent::kText);
  EXPECT_EQ(read_text("d,x\n2000-02-29,1\n2001-02-29,1\n").content_of(0), ColumnContent::kText);
  // A first row of dates and numbers is no header.
  EXPECT_EQ(read_text("2000-02-29,1\n2000-03-01,2\n").rows, 2);
}

TEST(CsvContent, WritesWhatItRead) {
  const TemporaryFolder folder;
  const std::string text =
      "kind,day,time,x\na b,2000-02-29,2001-09-09T01:46:40.250Z,0.1\n,,,nan\n"
      "c,0999/12/31,1969-12-31T23:59:59.750Z,2\n";
  const std::string fixed = std::string(text).replace(text.find("0999/12/31"), 10, "0999-12-31");
  for (const std::string name : {"t.csv", "t.csv.gz"}) {
    save_table(folder.path(name), load_table(folder.file("from.csv", fixed)));
    const Table again = load_table(folder.path(name));
    save_table(folder.path("again.csv"), again);
    EXPECT_EQ(read_bytes(folder.path("again.csv")),
              std::string(fixed).replace(fixed.find("a b"), 3, "\"a b\""));
  }
  EXPECT_TRUE(read_bytes(folder.path("t.csv.gz")).starts_with("\x1f\x8b"));
}

TEST(CsvContent, RefusesStrayTextsAmongNumbers) {
  Names fields = numbers(30);
  fields[7] = "?";
  expect_parts(error_of(column(fields)), {"t.csv, line 9", "'a'", "a number as in 29 of 30 rows",
                                          "'?'", "--missing \"?\"", "data.missing", "--columns"});
  const Table table = read_text(column(fields), {.missing = {"-", "?"}});
  EXPECT_TRUE(table.content.empty());
  EXPECT_TRUE(std::isnan(table.values[14]));
  EXPECT_EQ(table.values[16], 4.0);
  // One text that repeats among numbers is a mark, even if it repeats often.
  for (std::size_t i = 0; i < 30; i += 3) fields[i] = "?";
  fields[7] = "1";
  expect_parts(error_of(column(fields)), {"line 2", "20 of 30 rows"});
  // Different texts among numbers are texts, and so are few numbers beside one text.
  for (std::size_t i = 0; i < 30; i += 3) fields[i] = fmt::format("id{}", i);
  EXPECT_EQ(read_text(column(fields)).content_of(0), ColumnContent::kText);
  for (std::size_t i = 0; i < 30; ++i) fields[i] = i == 9 ? "3+" : fmt::format("{}", i % 3);
  EXPECT_EQ(read_text(column(fields)).content[0].labels, (Names{"0", "1", "2", "3+"}));
  // Below the rows that tell the layout as well.
  fields = numbers(3000);
  fields[2500] = "none of it";
  expect_parts(error_of(column(fields)), {"line 2502", "2999 of 3000", "'none of it'"});
}

TEST(CsvContent, TakesMissingMarksThatAreNumbers) {
  const Table table = read_text("a,b\n-999,1\n2,-999.0\n3,9999\n", {.missing = {"-999"}});
  EXPECT_TRUE(std::isnan(table.values[0]) && std::isnan(table.values[3]));
  EXPECT_EQ(table.values[5], 9999.0);
}

TEST(CsvContent, RefusesStrayFieldsAmongDates) {
  Names fields;
  for (int i = 0; i < 20; ++i) fields.push_back(fmt::format("2001-01-{:02}", i + 1));
  fields[4] = "soon";
  expect_parts(error_of(column(fields)),
               {"line 6", "'a'", "a date written YYYY-MM-DD as in 19 of 20 rows", "'soon'",
                "--missing \"soon\""});
  EXPECT_EQ(read_text(column(fields), {.missing = {"soon"}}).content_of(0), ColumnContent::kDate);
  fields[4] = "7";
  expect_parts(error_of(column(fields)), {"line 6", "'a'", "a date", "'7'"});
}

TEST(CsvContent, ReadsAgainWhatTurnsOutToBeTextsOrDates) {
  Names fields(1500, "007");
  for (std::size_t i = 1200; i < 1500; ++i) fields[i] = fmt::format("x{}", i % 2);
  const Table texts = read_text(column(fields));
  EXPECT_EQ(texts.content[0].labels, (Names{"007", "x0", "x1"}));
  EXPECT_EQ(texts.values[2 * 1201], 2.0);
  fields.assign(1500, "");
  fields[1400] = "1970-01-03";
  const Table dates = read_text(column(fields));
  EXPECT_EQ(dates.content_of(0), ColumnContent::kDate);
  EXPECT_EQ(dates.values[2 * 1400], 2.0);
  const Table asked = read_text("a,b\n01,1\n1,2\n", {.texts = {"a"}});
  EXPECT_EQ(asked.content[0].labels, (Names{"01", "1"}));
}

TEST(CsvContent, RefusesSeparatorsOfThousands) {
  for (const std::string thousands : {"1,234", "-12,345,678.9", "1.234,5"})
    expect_parts(error_of(column({"12", "\"" + thousands + "\"", "7"})),
                 {"line 3", "'a'", "'" + thousands + "'", "separators of thousands"});
  expect_parts(error_of("a;b\n1,5;2\n1.234,5;3\n"), {"line 3", "'a'", "separators of thousands"});
}

TEST(CsvContent, PassesOverColumnsThatAreNotAskedFor) {
  const std::string text =
      "day,x,\"a,b\",x2\nsoon,1,7,\"no\nnumber\"\n2000-01-01,2,8,?\n2000-01-02,3,9,4\n";
  const Table table = read_text(text, {.columns = {"a,b", "x", "unknown"}});
  EXPECT_EQ(table.names, (Names{"x", "a,b"}));
  EXPECT_EQ(table.file_names, (Names{"day", "x", "a,b", "x2"}));
  EXPECT_EQ(table.values, (std::vector<double>{1, 7, 2, 8, 3, 9}));
  EXPECT_TRUE(table.content.empty());
  // Bad rows are bad all the same.
  expect_parts(error_of(text + "1,2,3\n", {.columns = {"x"}}), {"line 6", "expected 4 fields"});
  // Names that a file does not have do not count.
  EXPECT_EQ(read_text("1,2\n3,4\n", {.columns = {"u", "v"}}).names, (Names{"x0", "x1"}));
  EXPECT_EQ(read_text("1,2\n3,4\n", {.columns = {"x1"}}).values, (std::vector<double>{2, 4}));
  // Equal names that nobody asks for.
  EXPECT_EQ(read_text("a,b,b\n1,2,3\n", {.columns = {"a"}}).values, (std::vector<double>{1}));
}

TEST(CheckLabels, RefusesNamesAndFreeText) {
  const auto error = [](const Names& fields) {
    const Table table = read_text(column(fields));
    check_labels(table, 1);
    return message_of<DataError>([&] { check_labels(table, 0); });
  };
  Names fields;
  for (int i = 0; i < 891; ++i) fields.push_back(fmt::format("Name {}", i));
  expect_parts(error(fields), {"'a'", "891 different texts in 891 rows", "--columns"});
  for (int i = 891; i < 12'000; ++i) fields.push_back(fmt::format("Name {}", i));
  expect_parts(error(fields), {"'a'", "more than 10000 different texts in 12000 rows"});
  expect_parts(error({"x", std::string(1001, 'y')}), {"texts of more than 1000 bytes"});
  expect_parts(error({"Gr\xF6\xDF", "Gr\xF6\xDF", "b", "b"}), {"'a'", "UTF-8", "iconv"});
  check_labels(read_text(column({"b", "c", "b", "c", ""})), 0);
}

TEST(UseLabels, NumbersTextsAsAnotherTable) {
  Table table = read_text("k,x\nb,1\na,2\n,3\nb,4\n");
  use_labels(table, 0, {"a", "aa", "b"});
  EXPECT_EQ(table.values[0], 2.0);
  EXPECT_EQ(table.values[2], 0.0);
  EXPECT_TRUE(std::isnan(table.values[4]));
  EXPECT_EQ(table.content[0].labels, (Names{"a", "aa", "b"}));
  expect_parts(message_of<DataError>([&] {
                 use_labels(table, 0, {"b", "c"});
               }),
               {"row 2", "'k'", "one of b, c", "'a'"});
  expect_parts(message_of<DataError>([&] { use_labels(table, 1, {"b"}); }),
               {"'x'", "expected texts", "got numbers"});
}

TEST(AppendRows, JoinsTexts) {
  Table table = read_text("k,x\nb,1\nd,2\n");
  append_rows(table, read_text("k,x\nc,3\nb,4\na,\n"), "more.csv");
  EXPECT_EQ(table.rows, 5);
  EXPECT_EQ(table.content[0].labels, (Names{"a", "b", "c", "d"}));
  for (const auto& [row, value] : {std::pair{0, 1.0}, {1, 3.0}, {2, 2.0}, {3, 1.0}, {4, 0.0}})
    EXPECT_EQ(table.values[static_cast<std::size_t>(2 * row)], value);
  EXPECT_EQ(table.values[7], 4.0);
  EXPECT_EQ(text_columns(table), Names{"k"});
  // A table with few rows is read with the texts of the first.
  append_rows(table, read_text("k,x\n1,5\n", {.texts = text_columns(table)}), "more.csv");
  EXPECT_EQ(table.content[0].labels.front(), "1");
  const auto error = [&](const std::string& text) {
    return message_of<DataError>([&] { append_rows(table, read_text(text), "more.csv"); });
  };
  expect_parts(error("k,y\na,1\n"), {"more.csv", "columns k, x", "k, y"});
  expect_parts(error("k,x\na,b\n"), {"more.csv", "'x'", "expected numbers", "texts"});
  expect_parts(error("k,x\n2000-01-01,1\n"), {"'k'", "expected texts", "dates"});
}

TEST(CsvContent, TakesQuotedFieldsOverLines) {
  const Table table =
      read_text("a,b\n\"one\ntwo\",1\n\"one\r\n\r\n# two\",2\n5\" pipe,3\n\"one\ntwo\",4\n");
  EXPECT_EQ(table.content[0].labels, (Names{"5\" pipe", "one\ntwo", "one\r\n\r\n# two"}));
  EXPECT_EQ(table.rows, 4);
  expect_parts(error_of("a,b\n\"one\n\",1,1\n"), {"line 2", "expected 2 fields", "got 3"});
  expect_parts(error_of("a,b\n1,2\n\"one,1\n2,2\n"), {"line 3", "quotation mark is not closed"});
  std::string endless = "a,b\n1,\"";
  endless.append(std::size_t{70} << 20, 'x');
  expect_parts(error_of(endless), {"line 2", "64 MB", "quotation mark"});
}

TEST(ReadCsv, ReadsPackedFilesAndTellsProgress) {
  const TemporaryFolder folder;
  Table table;
  table.names = {"a", "b"};
  table.rows = 200'000;
  for (std::int64_t i = 0; i < 400'000; ++i)
    table.values.push_back(0.001 * static_cast<double>((i * 7919) % 100'003));
  for (const std::string name : {"t.csv", "t.tsv.gz", "t.txt.GZ"}) {
    save_table(folder.path(name), table);
    std::vector<std::int64_t> seen;
    const Table read = load_table(folder.path(name), {.progress = [&](auto bytes, auto total) {
                                    EXPECT_EQ(total, std::ssize(read_bytes(folder.path(name))));
                                    seen.push_back(bytes);
                                  }});
    EXPECT_TRUE(read.values == table.values) << name;
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_EQ(seen.back(), std::ssize(read_bytes(folder.path(name))));
  }
  const std::string packed = read_bytes(folder.path("t.tsv.gz"));
  const std::string cut = folder.file("cut.csv.gz", packed.substr(0, packed.size() / 2));
  expect_parts(message_of<DataError>([&] { load_table(cut); }),
               {"cut.csv.gz", "unexpected end of file", "fetch it again"});
  const std::string zip = folder.file("z.csv", "PK\x03\x04");
  expect_parts(message_of<DataError>([&] { load_table(zip); }), {"ZIP", "unzip"});
}

}  // namespace
}  // namespace thalweg
