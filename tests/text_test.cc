#include "thalweg/core/text.h"

#include <gtest/gtest.h>

#include <vector>

namespace thalweg {
namespace {

const std::vector<std::string> kKnown = {"training.batch_size", "training.iterations",
                                         "flow.blocks", "base.kind"};

TEST(SplitList, KeepsWhatIsInBrackets) {
  using Parts = std::vector<std::string>;
  EXPECT_EQ(split_list("a, b=[1, 2],c"), (Parts{"a", "b=[1, 2]", "c"}));
  EXPECT_EQ(split_list("A=[[1, 2], [3, 4]]"), (Parts{"A=[[1, 2], [3, 4]]"}));
  EXPECT_EQ(split_list("a,"), (Parts{"a", ""}));
  EXPECT_EQ(split_list("a=[1, 2"), (Parts{"a=[1, 2"}));
  EXPECT_EQ(split_list(""), Parts{});
}

TEST(SplitList, KeepsNamesInQuotes) {
  using Parts = std::vector<std::string>;
  EXPECT_EQ(split_list("\"a,b\", c"), (Parts{"a,b", "c"}));
  EXPECT_EQ(split_list("c,\"a, [b\"=0:1 ,d"), (Parts{"c", "a, [b=0:1", "d"}));
  EXPECT_EQ(split_list("\"say \"\"a,b\"\"\",\" c \""), (Parts{"say \"a,b\"", " c "}));
  EXPECT_EQ(split_list("\"a,b"), (Parts{"\"a", "b"}));
  EXPECT_EQ(split_list("5\" pipe,b\""), (Parts{"5\" pipe", "b\""}));
  EXPECT_EQ(split_list("?,-"), (Parts{"?", "-"}));
}

TEST(NearestName, FindsTyposAbbreviationsAndSwaps) {
  EXPECT_EQ(nearest_name("trainng.batch", kKnown), "training.batch_size");
  EXPECT_EQ(nearest_name("training.iter", kKnown), "training.iterations");
  EXPECT_EQ(nearest_name("flow.blokcs", kKnown), "flow.blocks");
  EXPECT_EQ(nearest_name("base.kind", kKnown), "base.kind");
}

TEST(NearestName, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_name("zzzzzzzzzzz", kKnown), "");
  EXPECT_EQ(nearest_name("x", {}), "");
  EXPECT_EQ(name_hint("zzzzzzzzzzz", kKnown),
            "; known: training.batch_size, training.iterations, flow.blocks, base.kind");
  EXPECT_EQ(name_hint("bse.kind", kKnown), "; did you mean 'base.kind'?");
}

}  // namespace
}  // namespace thalweg
