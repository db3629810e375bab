// Energies whose exponentials have no integral, and such as just have one.
#include "thalweg/exploration/tails.h"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/exploration/exploration.h"
#include "thalweg/exploration/exploration_file.h"
#include "thalweg/exploration/mixture.h"
#include "thalweg/targets/expression.h"

namespace thalweg {
namespace {

/// What is said of an energy of which standard normal points stand for samples.
std::string said_of(const std::string& energy, const std::vector<ColumnOptions>& columns = {}) {
  ThreadPool pool(1);
  const std::shared_ptr<const Target> target = make_expression_target(energy);
  UnboundedEnergy unbounded(target, columns, pool);
  RandomSequence random(1, Stream::kExploration);
  const Points y = normal_points(target->features(), 400, random);
  return infinite_integral(unbounded, y, 0.0, columns, target->columns(), random);
}

std::vector<ColumnOptions> bounded(double lower, double upper) {
  ColumnOptions column;
  column.name = "x";
  column.lower = lower;
  column.upper = upper;
  return {column};
}

TEST(Tails, NamesTheColumnsThatHaveNoIntegral) {
  const struct {
    const char *energy, *named;
  } cases[] = {
      {"log(1 + x^2)/2", "+x, -x"},           // 1 / sqrt(1 + x^2)
      {"0*x", "+x, -x"},                      // flat
      {"-x^2/2", "+x, -x"},                   // growing
      {"log(1 + exp(-x))", "+x "},            // a step
      {"x^2/2 + 0*y", "+y, -y"},              // of two columns one
      {"log(1 + x^2 + y^2)", "all columns"},  // 1 / r^2 in a plane
      {"1.5*log(1 + x^2 + y^2 + z^2)", "all columns"},
      {"min(x^2/2, 3)", "+x, -x"},  // a floor of the density
  };
  for (const auto& [energy, named] : cases) {
    EXPECT_NE(said_of(energy).find(named), std::string::npos) << energy << ": " << said_of(energy);
  }
  // 1/x on (0, 1], and on (0, inf).
  EXPECT_NE(said_of("log(x)", bounded(0.0, 1.0)).find("-x"), std::string::npos);
  EXPECT_NE(said_of("log(x)", bounded(0.0, INFINITY)).find("+x, -x"), std::string::npos);
}

// Samples are nearer to a pole than any distance that is looked at, as those of a chain would be.
TEST(Tails, NamesPolesWithoutAnIntegral) {
  const struct {
    const char *energy, *named;
  } cases[] = {
      {"log(abs(x)) + x^2/2", "near x = "},
      {"log(x) + x", "near x = "},  // no number below 0
      {"1.5*log(abs(x - 0.3)) + x^2/2", "near x = 0.3"},
      {"x^2/2 + log(abs(y)) + y^2/2", "near y = "},
      {"log(abs(x - y)) + (x^2 + y^2)/2", "near x = "},  // a line
      {"log(x^2 + y^2) + (x^2 + y^2)/2", "near x = "},   // 1 / r^2 in the plane
      {"x^2 + y^2 + z^2 - 1/sqrt(x^2 + y^2 + z^2)", "near x = "},
      {"-abs(x)^(-0.5) + x^2", "near x = "},
  };
  for (const auto& [energy, named] : cases)
    EXPECT_NE(said_of(energy).find(named), std::string::npos) << energy << ": " << said_of(energy);
  for (const char* energy :
       {"0.9*log(abs(x)) + x^2/2", "0.5*log(abs(x)) + 0.5*log(abs(y)) + (x^2 + y^2)/2",
        "0.9*log(x^2 + y^2) + (x^2 + y^2)/2",          // 1 / r^1.8 in the plane
        "0.5*log(x^2 + y^2) + (x^2 + y^2)/2",          // 1 / r: along no line but through 0
        "log(x^2 + y^2 + z^2) + (x^2 + y^2 + z^2)/2",  // 1 / r^2 in space
        "log(x^2 + 1e-14) + x^2/2",                    // narrow, and flat at the end
        "abs(x)", "sqrt(abs(x))", "1e6*x^2", "-1/(abs(x) + 0.1) + x^2",
        "x^2/2 + 0.9*log(abs(y)) + y^2/2"})
    EXPECT_EQ(said_of(energy), "") << energy;
  // 1 / r^1.8 around a point of a line and a circle.
  std::vector<ColumnOptions> columns = angle_columns(2);
  columns[0] = {.name = "x"};
  columns[1].name = "y";
  EXPECT_EQ(said_of("0.9*log(x^2 + 2 - 2*cos(y)) + x^2/2", columns), "");
}

TEST(Tails, SaysNothingOfThoseThatHaveOne) {
  for (const char* energy :
       {"x^2/2", "abs(x)", "log(1 + x^2)", "0.55*log(1 + x^2)", "sqrt(1 + abs(x))",
        "log(2 + abs(x)) + 2*log(log(2 + abs(x)))",  // just integrable
        "1.05*log(1 + x^2 + y^2)", "1.6*log(1 + x^2 + y^2 + z^2)", "x^2*(1 + y^4)/2 + y^2/2",
        "y^2/18 + x^2*exp(-y)/2 + y/2",                                // a funnel
        "100*(y - x^2)^2 + (1 - x)^2", "-log(exp(-x^2/2) + 1e-300)"})  // infinite in words only
    EXPECT_EQ(said_of(energy), "") << energy;
  EXPECT_EQ(said_of("0.9*log(x)", bounded(0.0, 1.0)), "");
  EXPECT_EQ(said_of("0*x", bounded(-1.0, 1.0)), "");
  EXPECT_EQ(said_of("x", bounded(0.0, INFINITY)), "");
  EXPECT_EQ(said_of("2*log(x)", bounded(1.0, INFINITY)), "");
  // A bounded column beside a broad one, whose bulk is far out in that one's units.
  std::vector<ColumnOptions> both = bounded(0.0, 1.0);
  both.emplace_back().name = "y";
  EXPECT_EQ(said_of("0.5*log(x) + (y/300)^2/2", both), "");
  std::vector<ColumnOptions> angle = angle_columns(1);
  angle[0].name = "x";
  EXPECT_EQ(said_of("cos(x)", angle), "");
}

TEST(Tails, AnExplorationKeepsWhatTheySay) {
  ThreadPool pool(2);
  const Exploration found =
      explore(make_expression_target("log(1 + x^2)/2"), {}, {.evaluations = 40000}, 1, pool)
          .value();
  ASSERT_FALSE(found.endless.empty());
  EXPECT_EQ(found.warnings.front(), found.endless);
  const TemporaryFolder folder;
  write_exploration(folder.path("found"), found);
  EXPECT_EQ(read_exploration(folder.path("found")).endless, found.endless);
}

}  // namespace
}  // namespace thalweg
