// Free energies along torsions, against a closed form.
#include "thalweg/runs/torsion_profile.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/table.h"

namespace thalweg {
namespace {

std::vector<AtomLabel> labels() {
  std::vector<AtomLabel> atoms;
  for (const auto& [name, number] : {std::pair{"C", 1}, {"N", 2}, {"CA", 2}, {"C", 2}, {"N", 3}})
    atoms.push_back({.name = name, .residue = "ALA", .residue_number = number, .element = "C"});
  return atoms;
}

/// C-N-CA-C with an angle phi between the ends, and a last atom beside them.
std::vector<double> row_of(double phi) {
  return {0.1,  0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.15, 0.1 * std::cos(phi), 0.1 * std::sin(phi),
          0.15, 0.2, 0.2, 0.3};
}

class ProfileOfATorsion : public testing::Test {
 protected:
  ProfileOfATorsion() {
    write_pdb(folder_.path("names.pdb"), labels(), row_of(1.0));
    RandomSequence random(3, Stream::kEvaluation);
    std::vector<double> rows;
    for (std::int64_t i = 0; i < kCount; ++i) {
      const double phi = 2.0 * std::numbers::pi * (random.uniform() - 0.5);
      const std::vector<double> row = row_of(phi);
      rows.insert(rows.end(), row.begin(), row.end());
      log_weights_.push_back(1000.0 + 2.0 * std::cos(phi - 0.5));
    }
    write_npy(folder_.path("rows.npy"), std::vector<std::int64_t>{kCount, 5, 3}, rows);
    write_npy(folder_.path("weights.npy"), std::vector<std::int64_t>{kCount}, log_weights_);
  }

  TorsionProfileRequest request() const {
    return {.files = {folder_.path("rows.npy"), folder_.path("rows.npy")},
            .topology = folder_.path("names.pdb"),
            .torsions = {"1:C-2:N-2:CA-2:C"},
            .log_weights = {folder_.path("weights.npy")},
            .out = folder_.path("out.csv")};
  }

  static constexpr std::int64_t kCount = 60000;
  TemporaryFolder folder_;
  std::vector<double> log_weights_;
};

// Weights exp(2 cos(phi - 0.5)) of uniform angles, beside none. 60 bins of 20 groups: five standard
// errors of so few groups are passed once in 200 for some bin, eight hardly ever.
TEST_F(ProfileOfATorsion, FollowTheWeightsOfTheFrames) {
  const TorsionProfiles found = torsion_profiles(request());
  const std::vector<TorsionProfile>& profiles = found.torsions;
  ASSERT_EQ(found.weights.size(), 1U);
  // Of exp(2 cos): I_0(2)^2 / I_0(4).
  EXPECT_NEAR(found.weights[0].effective_share, 0.4598, 0.01);
  EXPECT_TRUE(found.weights[0].reliable);
  ASSERT_EQ(profiles.size(), 1U);
  ASSERT_EQ(profiles[0].series.size(), 2U);
  constexpr double kBessel = 2.2795853023360673;  // I_0(2)
  const Table table = load_table(folder_.path("out.csv"));
  ASSERT_EQ(table.columns(), 5);
  ASSERT_EQ(table.rows, 60);
  for (std::size_t bin = 0; bin < 60; ++bin) {
    const double phi = profiles[0].series[0].x[bin] * std::numbers::pi / 180.0;
    const double truth = std::log(2.0 * std::numbers::pi * kBessel) - 2.0 * std::cos(phi - 0.5);
    for (const auto& [number, expected] :
         {std::pair{0, truth}, {1, std::log(2.0 * std::numbers::pi)}}) {
      const LineSeries& series = profiles[0].series[static_cast<std::size_t>(number)];
      EXPECT_NEAR(series.y[bin], expected, 8.0 * series.errors[bin]) << bin << " " << number;
      EXPECT_LT(series.errors[bin], 0.1);
      EXPECT_EQ(table.values[bin * 5 + 1 + 2 * static_cast<std::size_t>(number)], series.y[bin]);
    }
  }
}

TEST_F(ProfileOfATorsion, NamesAreThoseOfColumnsOrNumbersOrOfTheBackbone) {
  const std::vector<AtomLabel> atoms = labels();
  const std::array<std::int64_t, 4> phi = {0, 1, 2, 3}, psi = {1, 2, 3, 4};
  EXPECT_EQ(torsion_by_name("1:C-2:N-2:CA-2:C", atoms), phi);
  EXPECT_EQ(torsion_by_name("0-1-2-3", atoms), phi);
  EXPECT_EQ(torsion_by_name("phi ALA 2", atoms), phi);
  EXPECT_EQ(torsion_by_name("psi ALA 2", atoms), psi);
  EXPECT_EQ(torsion_by_name("2:N-2-2:C-4", atoms), psi);
  for (const char* name : {"", "chi ALA 2", "0-1-2", "0-1-2-5", "0-1-2--1", "0-1-2-1", "0-1-2-3x",
                           "0-1-2-3-4", "1:C-2:N-2:CA-2:CB"})
    EXPECT_NE(message_of<ConfigError>([&] { torsion_by_name(name, atoms); }).find("--torsion"),
              std::string::npos)
        << name;
}

TEST_F(ProfileOfATorsion, RefuseWhatIsNotThere) {
  const auto changed = [&](const auto& change) {
    TorsionProfileRequest wanted = request();
    change(wanted);
    return wanted;
  };
  for (const TorsionProfileRequest& wrong :
       {changed([](auto& r) { r.files.clear(); }), changed([](auto& r) { r.torsions.clear(); }),
        changed([](auto& r) { r.out = "profile.png"; }), changed([](auto& r) { r.chains = 0; }),
        changed([](auto& r) { r.log_weights.resize(3, r.log_weights[0]); }),
        changed([](auto& r) { r.log_weights.clear(); }),
        changed([](auto& r) { r.torsions.resize(2, r.torsions[0]); })})
    message_of<ConfigError>([&] { torsion_profiles(wrong); });
  for (const std::vector<double>& weights :
       {std::vector<double>{1.0}, std::vector<double>(kCount, -INFINITY),
        std::vector<double>(kCount, NAN), std::vector<double>(kCount, INFINITY)}) {
    write_npy(folder_.path("wrong.npy"), std::vector<std::int64_t>{std::ssize(weights)}, weights);
    EXPECT_NE(
        message_of<DataError>([&] {
          torsion_profiles(changed([&](auto& r) { r.log_weights = {folder_.path("wrong.npy")}; }));
        }).find("wrong.npy"),
        std::string::npos);
  }
  EXPECT_NE(message_of<DataError>([&] {
              torsion_profiles(changed([](auto& r) { r.chains = 7; }));
            }).find("no multiple"),
            std::string::npos);
  std::vector<AtomLabel> others = labels();
  std::swap(others[0], others[4]);
  write_pdb(folder_.path("others.pdb"), others, row_of(1.0));
  EXPECT_NE(message_of<DataError>([&] {
              torsion_profiles(changed([&](auto& r) {
                r.files = {folder_.path("others.pdb")};
                r.log_weights.clear();
              }));
            }).find("in its order"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder_.path("out.csv")));
}

// Frames that were not written to the end have no angles, nor have residues that are missing.
TEST_F(ProfileOfATorsion, RefuseAnglesThatAreNone) {
  std::vector<double> rows = row_of(0.5);
  rows.resize(30, 0.0);
  write_npy(folder_.path("cut.npy"), std::vector<std::int64_t>{2, 5, 3}, rows);
  TorsionProfileRequest wanted = request();
  wanted.files = {folder_.path("cut.npy")};
  wanted.log_weights.clear();
  EXPECT_NE(message_of<DataError>([&] { torsion_profiles(wanted); }).find("cut.npy: frame 1"),
            std::string::npos);
  wanted = request();
  wanted.torsions = {"phi ALA 2"};
  torsion_profiles(wanted);
  std::vector<double> apart = row_of(1.0);
  apart[0] += 0.5;
  write_pdb(folder_.path("gap.pdb"), labels(), apart);
  wanted.topology = folder_.path("gap.pdb");
  EXPECT_NE(message_of<DataError>([&] { torsion_profiles(wanted); }).find("residues are missing"),
            std::string::npos);
  std::vector<AtomLabel> twice = labels();
  const std::vector<AtomLabel> more = labels();
  twice.insert(twice.end(), more.begin(), more.end());
  EXPECT_NE(
      message_of<ConfigError>([&] { torsion_by_name("phi ALA 2", twice); }).find("2 residues have"),
      std::string::npos);
}

// Weights that have a heavy tail count smoothed, as the verdict on them does: a frame with as much
// weight as all others does not carry its bin alone.
TEST_F(ProfileOfATorsion, RefuseFramesOfOtherUnitsOrAnotherOrder) {
  std::vector<double> angstroms, exchanged;
  for (int frame = 0; frame < 3; ++frame) {
    std::vector<double> row = row_of(1.0);
    std::swap_ranges(row.begin(), row.begin() + 3, row.begin() + 12);
    exchanged.insert(exchanged.end(), row.begin(), row.end());
    for (const double x : row_of(1.0)) angstroms.push_back(10.0 * x);
  }
  const std::vector<std::int64_t> shape = {3, 5, 3};
  write_npy(folder_.path("angstroms.npy"), shape, angstroms);
  write_npy(folder_.path("exchanged.npy"), shape, exchanged);
  for (const char* name : {"angstroms.npy", "exchanged.npy"}) {
    TorsionProfileRequest wanted = request();
    wanted.files = {folder_.path(name)};
    wanted.log_weights = {};
    expect_parts(message_of<DataError>([&] { torsion_profiles(wanted); }),
                 {name, "times as far apart as in the topology", "nm"});
  }
  EXPECT_FALSE(std::filesystem::exists(folder_.path("out.csv")));
}

TEST_F(ProfileOfATorsion, SmoothesTheLargestWeights) {
  std::vector<double> log_weights(kCount, 0.0);
  RandomSequence random(8, Stream::kEvaluation);
  for (double& value : log_weights) value = -0.6 * std::log(random.uniform());  // Pareto k of 0.6
  log_weights[0] = std::log(static_cast<double>(kCount));
  write_npy(folder_.path("tail.npy"), std::vector<std::int64_t>{kCount}, log_weights);
  TorsionProfileRequest wanted = request();
  wanted.files.resize(1);
  wanted.log_weights = {folder_.path("tail.npy")};
  const LineSeries series = torsion_profiles(wanted).torsions[0].series[0];
  for (const double value : series.y) EXPECT_NEAR(value, std::log(2.0 * std::numbers::pi), 0.5);
}

// Frames that hardly weigh, as those whose atoms overlap, say nothing of where they are.
TEST_F(ProfileOfATorsion, FramesThatHardlyWeighAreNotSeen) {
  std::vector<double> log_weights(kCount, 0.0);
  const Array rows = read_npy(folder_.path("rows.npy"));
  for (std::size_t i = 0; i < kCount; ++i)
    if (rows.values[i * 15 + 9] < 0.0) log_weights[i] = -50.0;  // more than a quarter turn away
  write_npy(folder_.path("light.npy"), std::vector<std::int64_t>{kCount, 1}, log_weights);
  TorsionProfileRequest wanted = request();
  wanted.files.resize(1);
  wanted.log_weights = {folder_.path("light.npy")};
  const LineSeries series = torsion_profiles(wanted).torsions[0].series[0];
  EXPECT_TRUE(std::isnan(series.y[0]));
  EXPECT_FALSE(std::isfinite(series.errors[0]));
  EXPECT_NEAR(series.y[30], std::log(std::numbers::pi), 5.0 * series.errors[30]);
}

}  // namespace
}  // namespace thalweg
