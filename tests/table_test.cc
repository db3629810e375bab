#include "thalweg/io/table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

using Shape = std::vector<std::int64_t>;
using Names = std::vector<std::string>;
using Values = std::vector<double>;

const double kNan = std::nan("");

Table make_table(const Names& names, const Values& values) {
  Table table;
  table.names = names;
  table.values = values;
  table.rows = std::ssize(values) / std::ssize(names);
  return table;
}

TEST(LoadTable, NumbersStandForMissingValuesInArrays) {
  const TemporaryFolder folder;
  write_npy(folder.path("a.npy"), Shape{4, 1}, Values{-999.9, 1.0, -999.0, 2.0},
            FloatType::kFloat32);
  const Table table = load_table(folder.path("a.npy"), {.missing = {"-999.9", "-999", "none"}});
  EXPECT_TRUE(std::isnan(table.values[0]));
  EXPECT_EQ(table.values[1], 1.0);
  EXPECT_TRUE(std::isnan(table.values[2]));
  EXPECT_EQ(table.values[3], 2.0);
}

TEST(LoadTable, ReadsByExtension) {
  const TemporaryFolder folder;
  write_npy(folder.path("a.NPY"), Shape{2, 3}, Values{1, 2, 3, 4, 5, 6}, FloatType::kFloat32);
  const Table array = load_table(folder.path("a.NPY"));
  EXPECT_EQ(array.names, (Names{"x0", "x1", "x2"}));
  EXPECT_EQ(array.rows, 2);
  EXPECT_EQ(array.values, (Values{1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(array.single_precision);
  EXPECT_FALSE(array.integer_dtype);
  const Table row = load_table(folder.path("a.NPY") + "[1]");
  EXPECT_EQ(row.names, Names{"x0"});
  EXPECT_EQ(row.values, (Values{4, 5, 6}));
  for (const std::string name : {"t.csv", "t.TSV", "t.txt"}) {
    const Table text = load_table(folder.file(name, "a\tb\n1\t2\n"));
    EXPECT_EQ(text.names, (Names{"a", "b"}));
    EXPECT_EQ(text.values, (Values{1, 2}));
  }
}

TEST(LoadTable, ExplainsWhatIsNoTable) {
  const TemporaryFolder folder;
  const std::string path = folder.path("a.npy");
  write_npy(path, Shape{2, 2, 1}, Values{1, 2, 3, 4});
  expect_parts(message_of<DataError>([&] { load_table(path); }), {path, "(2, 2, 1)", path + "[0]"});
  EXPECT_EQ(load_table(path + "[1]").values, (Values{3, 4}));
  const Table particles = load_table(path, {.particle_dimensions = 1});
  EXPECT_EQ(particles.names, (Names{"x0", "x1"}));
  EXPECT_EQ(particles.values, (Values{1, 2, 3, 4}));
  expect_parts(message_of<DataError>([&] { load_table(path, {.particle_dimensions = 2}); }),
               {"(2, 2, 1)", "data.particles = 1"});
  write_npy(path, Shape{1, 2, 2, 1}, Values{1, 2, 3, 4});
  expect_parts(message_of<DataError>([&] { load_table(path); }), {path + "[0,0]"});
  write_npy(path, Shape{}, Values{1});
  expect_parts(message_of<DataError>([&] { load_table(path); }), {"single number"});
  for (const Shape& shape : {Shape{0}, Shape{0, 1'000'000'000'000'000}, Shape{5, 0}}) {
    write_npy(path, shape, Values{});
    expect_parts(message_of<DataError>([&] { load_table(path); }), {"at least one row"});
  }
  expect_parts(message_of<DataError>([&] { load_table("data.xlsx"); }),
               {"data.xlsx", ".npy", ".csv", ".tsv", ".txt"});
  expect_parts(message_of<DataError>([&] { load_table("a.npy.gz"); }), {"unpack it first"});
  expect_parts(message_of<DataError>([&] { load_table("dir/a.parquet"); }),
               {"'.parquet'", "pandas.read_parquet('dir/a.parquet').to_csv('dir/a.csv'"});
  expect_parts(message_of<DataError>([&] { load_table("plain"); }), {"plain", "expected"});
  expect_parts(message_of<DataError>([&] { load_table("t.csv[3]"); }), {"t.csv[3]", "expected"});
}

TEST(SaveTable, NamesTheKindsThatItWrites) {
  const std::string message =
      message_of<DataError>([] { save_table("out.xlsx", make_table({"a"}, {1.0})); });
  expect_parts(message, {"out.xlsx", "to write", ".csv", "'.xlsx'"});
  EXPECT_EQ(message.find("read_excel"), std::string::npos);
}

TEST(SaveTable, ReadsBackTheSame) {
  const TemporaryFolder folder;
  const Table table = make_table({"a", "b"}, {0.1, 2, -3e-9, 4, 5, 6});
  for (const std::string name : {"t.npy", "t.csv", "t.tsv", "t.txt"}) {
    save_table(folder.path(name), table);
    const Table read = load_table(folder.path(name));
    EXPECT_EQ(read.values, table.values);
    EXPECT_EQ(read.rows, 3);
    EXPECT_EQ(read.names, name == "t.npy" ? default_names(2) : table.names);
  }
  EXPECT_EQ(read_bytes(folder.path("t.tsv")), "a\tb\n0.1\t2\n-3e-09\t4\n5\t6\n");
  save_table(folder.path("t.npy"), table, FloatType::kFloat32);
  EXPECT_TRUE(load_table(folder.path("t.npy")).single_precision);
  EXPECT_EQ(load_table(folder.path("t.npy")).rounding(), 0x1p-24);
  EXPECT_THROW(save_table(folder.path("t.pdf"), table), DataError);
  EXPECT_THROW(save_table(folder.path("t.npy[0]"), table), DataError);
  EXPECT_EQ(folder.names().size(), 4U);
}

TEST(SaveTable, WritesTextsAndDatesAsTheyWere) {
  const TemporaryFolder folder;
  Table table = make_table({"kind", "day", "n"}, {1, 20088, 0.5, kNan, kNan, kNan, 2, -1, 7});
  table.content = {{ColumnContent::kText, {"a b", "c", "d\"e"}},
                   {.content = ColumnContent::kDate, .format = "YYYY/MM/DD"},
                   {}};
  save_table(folder.path("t.csv"), table);
  EXPECT_EQ(read_bytes(folder.path("t.csv")),
            "kind,day,n\nc,2024/12/31,0.5\n,,nan\n\"d\"\"e\",1969/12/31,7\n");
  for (const double wrong : {-1.0, 3.0, 0.5, double(INFINITY)}) {
    table.values[0] = wrong;
    expect_parts(message_of<DataError>([&] { save_table(folder.path("t.csv"), table); }),
                 {"t.csv", "'kind'", "one of 3 texts"});
  }
  table.content.pop_back();
  EXPECT_THROW(save_table(folder.path("t.csv"), table), ShapeError);
  Table missing = make_table({"kind"}, {kNan});
  missing.content = {{ColumnContent::kText, {"a"}}};
  save_table(folder.path("m.tsv"), missing);
  EXPECT_EQ(read_bytes(folder.path("m.tsv")), "kind\nNA\n");
}

TEST(TableWriter, StreamsAndLeavesNothingUnfinished) {
  const TemporaryFolder folder;
  for (const std::string name : {"t.npy", "t.csv"}) {
    {
      TableWriter unfinished(folder.path(name), {"a"});
      unfinished.append(Values{1});
    }
    EXPECT_EQ(folder.names(), std::vector<std::string>{}) << "something was left behind";
  }
  for (const std::string name : {"t.npy", "t.csv"}) {
    TableWriter writer(folder.path(name), {"a", "b"});
    for (int i = 0; i < 100; ++i) writer.append(Values{1.0 * i, 2, 3, 4});
    writer.finish();
    EXPECT_EQ(load_table(folder.path(name)).rows, 200);
    EXPECT_EQ(load_table(folder.path(name)).values[308], 77.0);
  }
}

TEST(SummariseColumn, GivesMoments) {
  // Second column: 1, 2, 3, 4, 4 with mean 2.8 and mean squared deviation 1.36.
  const Table table = make_table({"a", "b"}, {kNan, 1, 0.5, 2, INFINITY, 3, 0.5, 4, -INFINITY, 4});
  const ColumnSummary b = summarise_column(table, 1);
  EXPECT_EQ(b.minimum, 1.0);
  EXPECT_EQ(b.maximum, 4.0);
  EXPECT_DOUBLE_EQ(b.mean, 2.8);
  EXPECT_DOUBLE_EQ(b.standard_deviation, std::sqrt(1.36));
  EXPECT_EQ(b.distinct, 4);
  EXPECT_EQ(b.non_finite, 0);
  EXPECT_TRUE(b.is_integer);
  EXPECT_FALSE(b.is_constant);
  const ColumnSummary a = summarise_column(table, 0);
  EXPECT_EQ(a.non_finite, 3);
  EXPECT_EQ(a.distinct, 1);
  EXPECT_EQ(a.mean, 0.5);
  EXPECT_EQ(a.standard_deviation, 0.0);
  EXPECT_TRUE(a.is_constant);
  EXPECT_FALSE(a.is_integer);
  EXPECT_THROW(summarise_column(table, 2), ShapeError);
}

TEST(SummariseColumn, StaysExactAtExtremes) {
  const ColumnSummary none = summarise_column(make_table({"a"}, {kNan, kNan}), 0);
  EXPECT_TRUE(std::isnan(none.minimum) && std::isnan(none.mean));
  EXPECT_EQ(none.distinct, 0);
  EXPECT_FALSE(none.is_integer || none.is_constant);
  const ColumnSummary zero = summarise_column(make_table({"a"}, {-0.0, 0.0}), 0);
  EXPECT_EQ(zero.distinct, 1);
  EXPECT_TRUE(zero.is_constant && zero.is_integer);
  const ColumnSummary offset = summarise_column(make_table({"a"}, {1e9 + 0.25, 1e9 + 0.75}), 0);
  EXPECT_EQ(offset.mean, 1e9 + 0.5);
  EXPECT_EQ(offset.standard_deviation, 0.25);
  const ColumnSummary constant = summarise_column(make_table({"a"}, Values(1000, 0.1)), 0);
  EXPECT_EQ(constant.mean, 0.1);
  EXPECT_EQ(constant.standard_deviation, 0.0);
}

TEST(DuplicateRows, AreFoundBitForBit) {
  Table table = make_table({"a", "b"}, {1, 2, 3, 4, 1, 2, 2, 1, 0.0, 1, -0.0, 1, 3, 4, 1, 2, 5, 6});
  EXPECT_EQ(count_duplicate_rows(table), 3);
  EXPECT_EQ(remove_duplicate_rows(table), 3);
  EXPECT_EQ(table.rows, 6);
  EXPECT_EQ(table.values, (Values{1, 2, 3, 4, 2, 1, 0.0, 1, -0.0, 1, 5, 6}));
  EXPECT_EQ(remove_duplicate_rows(table), 0);
  EXPECT_EQ(table.rows, 6);
  Table missing = make_table({"a"}, {kNan, kNan, 1});
  EXPECT_EQ(remove_duplicate_rows(missing), 1);
  EXPECT_EQ(missing.rows, 2);
}

TEST(DuplicateRows, AgreeWithASet) {
  RandomSequence random(5, Stream::kTarget);
  Table table = make_table({"a", "b", "c"}, Values(60'000));
  std::set<Values> rows;
  for (double& value : table.values) value = static_cast<double>(random.below(30));
  for (auto row = table.values.begin(); row != table.values.end(); row += 3) {
    rows.emplace(row, row + 3);
  }
  EXPECT_EQ(remove_duplicate_rows(table), 20'000 - std::ssize(rows));
  for (auto row = table.values.begin(); row != table.values.end(); row += 3) {
    EXPECT_EQ(rows.erase(Values(row, row + 3)), 1U);
  }
  EXPECT_EQ(rows, std::set<Values>{}) << "rows that are lost";
}

TEST(FindNonFinite, GivesTheFirstCell) {
  Table table = make_table({"a", "b"}, {1, 2, 3, 4, 5, 6});
  EXPECT_FALSE(find_non_finite(table));
  table.values[3] = INFINITY;
  table.values[4] = kNan;
  ASSERT_TRUE(find_non_finite(table));
  EXPECT_EQ(find_non_finite(table)->row, 1);
  EXPECT_EQ(find_non_finite(table)->column, 1);
}

}  // namespace
}  // namespace thalweg
