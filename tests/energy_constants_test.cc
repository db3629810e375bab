// Constants of a user's energy: from settings, TOML and tables, and what is refused.
#include "thalweg/runs/energy_constants.h"

#include <gtest/gtest.h>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/runs/target_options.h"

namespace thalweg::testing {
namespace {

std::string message_of(const std::vector<std::string>& settings, const std::string& file = "") {
  try {
    read_constants(settings, file);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(EnergyConstants, AreNumbersListsAndMatrices) {
  const TemporaryFolder folder;
  const std::string toml =
      folder.file("constants.toml", "b = 3\ny = [1, 2.5, -3e2]\nA = [[1, 2], [3, 4], [5, 6]]\n");
  const auto got = read_constants({"a=2.5", "w = [inf, 1]", "B=[[1, 2]]"}, toml);
  ASSERT_EQ(got.size(), 6u);
  EXPECT_EQ(got[0].name, "a");
  EXPECT_TRUE(got[0].shape.empty());
  EXPECT_EQ(got[0].values, std::vector<double>{2.5});
  EXPECT_EQ(got[1].shape, std::vector<std::int64_t>{2});
  EXPECT_EQ(got[1].values.front(), INFINITY);
  EXPECT_EQ(got[2].shape, (std::vector<std::int64_t>{1, 2}));
  for (const NamedConstant& constant : got) {
    if (constant.name == "A") {
      EXPECT_EQ(constant.shape, (std::vector<std::int64_t>{3, 2}));
      EXPECT_EQ(constant.values, (std::vector<double>{1, 2, 3, 4, 5, 6}));
    }
    if (constant.name == "y") {
      EXPECT_EQ(constant.values, (std::vector<double>{1, 2.5, -300}));
    }
  }
  const auto table = read_constants({}, folder.file("data.csv", "dose,response\n1,2\n3,4\n5,6\n"));
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[1].name, "response");
  EXPECT_EQ(table[1].values, (std::vector<double>{2, 4, 6}));
}

TEST(EnergyConstants, AreNamedAndOfRegularShape) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of({"a"}), "constants: expected name=value, as a=2.5, got 'a'");
  EXPECT_EQ(message_of({"2a=1"}),
            "constants: '2a' is not a name: letters, digits and _, a letter first");
  EXPECT_EQ(message_of({"a=1", "a=2"}), "constants: 'a' has a value already");
  const std::string kinds =
      "constants: 'a': expected a number, a list of numbers or a list of rows";
  for (const char* text : {"a='text'", "a=[]", "a=[[[1]]]", "a=[1, 'b']"})
    EXPECT_EQ(message_of({text}), kinds) << text;
  for (const char* text : {"a=[[1, 2], [3]]", "a=[1, [2]]", "a=[[1], 2]", "a=[[1], [2, 3]]"})
    EXPECT_EQ(message_of({text}), "constants: 'a': expected rows of equal length") << text;
  EXPECT_EQ(message_of({"a=x"}).substr(0, 12), "constants: '");
  const std::string gaps = folder.file("gaps.csv", "a,b\n1,2\n3,\n");
  EXPECT_EQ(message_of({}, gaps), gaps + ": column 'b' lacks values");
  EXPECT_NE(message_of({}, folder.path("missing.toml")), "no error");
}

TEST(EnergyConstants, BelongToAnExpression) {
  TargetOptions options;
  options.energy = "sum(i, 0, 1, (x[i] - m[i])^2)";
  options.constants = {"m=[1, 2]"};
  EXPECT_EQ(make_target(options)->features(), 2);
  options.energy.clear();
  options.name = "double_well";
  EXPECT_THROW(make_target(options), ConfigError);
}

}  // namespace
}  // namespace thalweg::testing
