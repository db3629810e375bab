// How files of text are laid out: separators, decimal commas, names, indices.
#include "thalweg/io/csv_layout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/io/csv.h"

namespace thalweg {
namespace {

using Names = std::vector<std::string>;
using Values = std::vector<double>;

Table read_text(const std::string& text, const ReadOptions& options = {}) {
  const TemporaryFolder folder;
  return read_csv(folder.file("t.csv", text), options);
}

Names names_of(const std::string& text, const ReadOptions& options = {}) {
  return read_text(text, options).names;
}

std::string error_of(const std::string& text) {
  return message_of<DataError>([&] { read_text(text); });
}

TEST(CsvLayout, TakesWhatExcelWrites) {
  for (const std::string said : {"sep=;\n", "SEP=;\r\n", "\"sep=;\"\n", "\xEF\xBB\xBFsep=;\n"}) {
    const Table table = read_text(said + "a;b\n1;2\n");
    EXPECT_EQ(table.names, (Names{"a", "b"}));
    EXPECT_EQ(table.values, (Values{1, 2}));
  }
  EXPECT_EQ(names_of("sep=\t\na, b\tc\n1\t2\n"), (Names{"a, b", "c"}));
  EXPECT_EQ(names_of("\"say \"\"a;b\"\"\",c\n1,2\n"), (Names{"say \"a;b\"", "c"}));
  EXPECT_EQ(names_of("sep=,\na;c,b\n1,2\n"), (Names{"a;c", "b"}));
}

TEST(CsvLayout, FindsDecimalCommas) {
  EXPECT_EQ(read_text("a;b\n1,5;2,25\n-3;4e2\n+,5;\"1,0\"\n").values,
            (Values{1.5, 2.25, -3, 400, 0.5, 1}));
  EXPECT_EQ(read_text("a\tb\n1,5\t2\n").values, (Values{1.5, 2}));
  EXPECT_EQ(read_text("1,5;2\n3;4\n").values, (Values{1.5, 2, 3, 4}));
  const Table texts = read_text("a;b\n1,5;x, y\n2,5;z\n");
  EXPECT_EQ(texts.content_of(0), ColumnContent::kNumber);
  EXPECT_EQ(texts.content[1].labels, (Names{"x, y", "z"}));
  // One number with a point: commas are not decimal then.
  expect_parts(error_of("a;b\n1,5;2.5\n2;3\n4;5\n5;5\n"), {"line 2", "'a'", "'1,5'"});
}

TEST(CsvLayout, AsksWhetherNumbersAreNames) {
  const std::string rows = "0.31,4.1,2.2,0.7\n0.5,3.9,2.0,0.1\n0.2,4.4,2.9,0.3\n0.7,4.0,2.5,0.2\n";
  for (const std::string header : {"1990,1991,1992,1993\n", "0,1,2,3\n", "1,2,3,4\n"}) {
    expect_parts(error_of(header + rows),
                 {"t.csv, line 1", "--header yes", "--header no", "data.header"});
    EXPECT_EQ(read_text(header + rows, {.header = HeaderChoice::kYes}).rows, 4);
    EXPECT_EQ(read_text(header + rows, {.header = HeaderChoice::kNo}).rows, 5);
  }
  EXPECT_EQ(names_of("1990,1991,1992,1993\n" + rows, {.header = HeaderChoice::kYes}),
            (Names{"1990", "1991", "1992", "1993"}));
  // Whole numbers below, far away; texts beside.
  expect_parts(error_of("1990,1991\n5,7\n3,8\n9,1\n"), {"line 1", "'1990, 1991'"});
  expect_parts(error_of("country,1990,1991\nFR,5,7\nDE,3000,8\nIT,9,2500\n"), {"line 1"});
  // Behind an empty corner above an index they are names.
  EXPECT_EQ(names_of("\"\",\"1940\",\"1945\"\n\"Food\",22.2,44.5\n\"Health\",3.5,5.8\n"),
            (Names{"1940", "1945"}));
  EXPECT_EQ(names_of("\"\",\"142.24\",\"144.78\"\n\"9.4\",1,2\n\"9.5\",3,4\n"),
            (Names{"x0", "142.24", "144.78"}));
  EXPECT_EQ(names_of(",0,1,2\n0,.1,.2,.3\n1,.1,.2,.4\n"), (Names{"0", "1", "2"}));
}

TEST(CsvLayout, NeverStopsAtOrdinaryNumbers) {
  const auto rows_of = [](const std::string& text) { return read_text(text).rows; };
  EXPECT_EQ(rows_of("1,2\n3,4\n5,6\n7,8\n"), 4);
  EXPECT_EQ(rows_of("0,1\n0.1,0.995\n0.2,0.980\n0.3,0.955\n"), 4);
  EXPECT_EQ(rows_of("0,1,2\n100,101,102\n200,201,202\n300,301,302\n"), 4);
  EXPECT_EQ(rows_of("0 0 0 0\n1.5 2.5 3.5 4.5\n2.5 3.5 4.5 5.5\n3.5 4.5 5.5 6.5\n"), 4);
  EXPECT_EQ(rows_of("1,2,3,4\n5,6,7,8\n9,10,11,12\n13,14,15,16\n"), 4);
  EXPECT_EQ(rows_of("1000,2000\n1,2\n1,3\n2,2\n"), 4);
  EXPECT_EQ(rows_of("1990\n1991\n1992\n1993\n"), 4);
  EXPECT_EQ(rows_of("2000,1\n2001,2\n2002,3\n2003,4\n"), 4);
  // Tables of random numbers, whole and not, with as few digits as may be.
  RandomSequence random(3, Stream::kTarget);
  for (int table = 0; table < 300; ++table) {
    std::string text;
    const std::uint64_t columns = 1 + random.below(6), values = 2 + random.below(50);
    const double step = table % 2 == 0 ? 1.0 : 0.5;
    for (int row = 0; row < 30; ++row)
      for (std::uint64_t i = 0; i < columns; ++i)
        text += fmt::format("{}{}", step * static_cast<double>(random.below(values)),
                            i + 1 == columns ? "\n" : ",");
    EXPECT_EQ(rows_of(text), 30) << text;
  }
}

TEST(CsvLayout, TellsTextsFromNames) {
  // Names above numbers, above texts; and a first row like the others.
  EXPECT_EQ(names_of("kind,x\na,1\nb,2\n"), (Names{"kind", "x"}));
  EXPECT_EQ(names_of("kind,city\na,Rome\nb,Oslo\n"), (Names{"kind", "city"}));
  EXPECT_EQ(names_of("5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n"),
            (Names{"x0", "x1", "x2"}));
  EXPECT_EQ(names_of("x,o,o\no,x,x\nx,x,o\n"), (Names{"x0", "x1", "x2"}));
  EXPECT_EQ(names_of("39,State,77516\n50,Self,83311\n38,Private,215646\n53,Private,234721\n"),
            (Names{"x0", "x1", "x2"}));
  EXPECT_EQ(names_of("a,b\nx,y\n", {.header = HeaderChoice::kNo}), (Names{"x0", "x1"}));
  EXPECT_EQ(names_of("day,x\n2000-01-01,1\n"), (Names{"day", "x"}));
}

TEST(CsvLayout, LeavesAnIndexOut) {
  for (const std::string rows : {"0,5,a\n1,6,b\n2,7,a\n", "1,5,a\n2,6,b\n3,7,a\n"})
    for (const std::string name : {"", "\"\"", "Unnamed: 0", "index", "rownames"}) {
      const Table table = read_text(name + ",x,kind\n" + rows);
      EXPECT_EQ(table.names, (Names{"x", "kind"})) << name;
      ASSERT_EQ(table.notes.size(), 1U);
      const std::string own = name.size() < 3 ? "index" : name;
      expect_parts(table.notes[0], {"'" + own + "'", "left out", "--columns"});
      const Table asked = read_text(name + ",x,kind\n" + rows, {.columns = {own, "x"}});
      EXPECT_EQ(asked.names, (Names{own, "x"}));
      EXPECT_EQ(asked.values[3], 6.0);
      EXPECT_EQ(asked.values[2], rows[0] == '0' ? 1.0 : 2.0);
    }
  const Table cars = read_text("\"\",\"mpg\"\n\"Mazda RX4\",21\n\"Datsun 710\",22.8\n");
  EXPECT_EQ(cars.names, Names{"mpg"});
  EXPECT_EQ(cars.file_names, (Names{"index", "mpg"}));
  // R leaves the name of row names out.
  const Table shorter = read_text("\"mpg\" \"cyl\"\n\"Mazda RX4\" 21 6\n\"Datsun 710\" 22.8 4\n");
  EXPECT_EQ(shorter.names, (Names{"mpg", "cyl"}));
  EXPECT_EQ(shorter.values, (Values{21, 6, 22.8, 4}));
  EXPECT_EQ(names_of("a,b\n1,5,6\n2,7,8\n"), (Names{"a", "b"}));
  // A subset of rows, in any order, shows in twenty.
  std::string shuffled = ",x\n", coordinate = ",x\n";
  for (int i = 0; i < 25; ++i) {
    shuffled += fmt::format("{},1.5\n", (i * 77) % 101);
    coordinate += fmt::format("{},1.5\n", 0.5 * i);
  }
  EXPECT_EQ(names_of(shuffled), Names{"x"});
  EXPECT_EQ(names_of(coordinate), (Names{"x0", "x"}));
}

TEST(CsvLayout, KeepsFirstColumnsThatAreNoIndex) {
  EXPECT_EQ(names_of("id,x\n0,5\n1,6\n"), (Names{"id", "x"}));
  EXPECT_EQ(names_of("index,x\n0.5,5\n1,6\n"), (Names{"index", "x"}));
  EXPECT_EQ(names_of(",x\na,5\na,6\n"), (Names{"x0", "x"}));
  EXPECT_EQ(names_of("index\n0\n1\n"), Names{"index"});
  EXPECT_EQ(names_of(",index\n0,4\n1,5\n", {.columns = {"index_", "index"}}),
            (Names{"index_", "index"}));
  // A row with a field too many does not name rows.
  expect_parts(error_of("a,b\n7,5,6\n7,7,8\n"), {"line 2", "expected 2 fields", "got 3"});
  expect_parts(error_of("a,b\n1,2,\n2,3,\n"), {"line 2", "expected 2 fields", "got 3"});
}

TEST(CsvLayout, LeavesAnEmptyEndOut) {
  const Table table = read_text("a,b,\n1,2,\n3,4,\n");
  EXPECT_EQ(table.names, (Names{"a", "b"}));
  EXPECT_EQ(table.values, (Values{1, 2, 3, 4}));
  expect_parts(table.notes.at(0), {"last column", "left out"});
  EXPECT_EQ(names_of("a,b,\n1,2,\n3,4,5\n"), (Names{"a", "b", "x2"}));
}

}  // namespace
}  // namespace thalweg
