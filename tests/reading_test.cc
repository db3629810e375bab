#include "thalweg/datasets/reading.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"

namespace thalweg {
namespace {

using Names = std::vector<std::string>;

/// Rows of an index, text, a number with a stray field, and two numbers.
std::string rows_of(int count, const std::string& stray = "?") {
  std::string text = ",name,dirty,\"x,y\",z\n";
  for (int i = 0; i < count; ++i)
    text += fmt::format("{},Name {},{},{},{}\n", i, i, i == 7 ? stray : fmt::format("{}.5", i),
                        0.37 * i * i, 0.01 * (i * 31 % 100));
  return text;
}

TEST(ReadOptions, FollowTheSettings) {
  DataOptions data;
  data.missing = {"?"};
  data.condition = {"c"};
  EXPECT_EQ(read_options(data).columns, Names{});
  data.columns = {"a"};
  data.integers = {"a"};
  data.header = "no";
  const ReadOptions options = read_options(data);
  EXPECT_EQ(options.columns, (Names{"a", "c", "a"}));
  EXPECT_EQ(options.missing, Names{"?"});
  EXPECT_EQ(options.header, HeaderChoice::kNo);
  data.header = "yes";
  EXPECT_EQ(read_options(data).header, HeaderChoice::kYes);
  data.header = "perhaps";
  expect_parts(message_of<ConfigError>([&] { read_options(data); }), {"data.header", "'perhaps'"});
}

TEST(LoadPreparedData, ReadsWhatIsAskedFor) {
  const TemporaryFolder folder;
  DataOptions data;
  data.path = folder.file("t.csv", rows_of(40));
  expect_parts(message_of<DataError>([&] { load_prepared_data(data, 1); }),
               {"line 9", "'dirty'", "--missing"});
  data.columns = {"z", "x,y"};
  const PreparedData prepared = load_prepared_data(data, 1);
  ASSERT_EQ(prepared.columns.size(), 2U);
  EXPECT_EQ(prepared.columns[0].name, "z");
  EXPECT_EQ(prepared.columns[1].name, "x,y");
  EXPECT_EQ(prepared.x[2], 0.31);
  EXPECT_EQ(prepared.x[3], 0.37);
  data.condition = {"dirty"};
  EXPECT_THROW(load_prepared_data(data, 1), DataError);
  data.condition = {"durty"};
  expect_parts(message_of<ConfigError>([&] { load_prepared_data(data, 1); }),
               {"data.condition", "'durty'", "did you mean 'dirty'"});
}

TEST(LoadPreparedData, SaysWhatItLeftOut) {
  const TemporaryFolder folder;
  DataOptions data;
  std::string text = ",a,b\n";
  for (int i = 0; i < 30; ++i) text += fmt::format("{},{},{}\n", i, 0.37 * i * i, 0.11 * i);
  data.path = folder.file("t.csv", text);
  const PreparedData prepared = load_prepared_data(data, 1);
  EXPECT_EQ(prepared.columns.size(), 2U);
  ASSERT_FALSE(prepared.notes.empty());
  expect_parts(prepared.notes.front(), {"'index'", "left out", "--columns"});
  data.columns = {"index", "b"};
  EXPECT_EQ(load_prepared_data(data, 1).columns.front().name, "index");
}

}  // namespace
}  // namespace thalweg
