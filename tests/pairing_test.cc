// Pairs of draws and rows: the least distances, alignment of particles, and what never changes
// places.
#include "thalweg/training/pairing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

std::vector<double> normals(std::int64_t count, std::uint64_t sample) {
  RandomSequence random(5, Stream::kEvaluation, sample);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = random.normal();
  return values;
}

double squared_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

std::vector<double> row_of(const std::vector<double>& rows, std::size_t row, std::size_t width) {
  return {rows.begin() + static_cast<std::ptrdiff_t>(row * width),
          rows.begin() + static_cast<std::ptrdiff_t>((row + 1) * width)};
}

TEST(Pairing, OptimalTransportIsTheLeastOfAllPermutations) {
  ThreadPool pool(2);
  for (std::uint64_t sample = 0; sample < 10; ++sample) {
    constexpr std::size_t kCount = 6, kFeatures = 3;
    const std::vector<double> draws = normals(kCount * kFeatures, 2 * sample);
    const std::vector<double> rows = normals(kCount * kFeatures, 2 * sample + 1);
    const std::vector<double> paired =
        paired_draws(Pairing::kOptimalTransport,
                     {.count = kCount, .features = kFeatures, .draws = draws, .rows = rows}, pool);
    std::vector<std::size_t> order(kCount);
    std::iota(order.begin(), order.end(), 0);
    double least = 1e300;
    bool among = false;
    do {
      std::vector<double> permuted;
      for (const std::size_t i : order) {
        const std::vector<double> row = row_of(draws, i, kFeatures);
        permuted.insert(permuted.end(), row.begin(), row.end());
      }
      least = std::min(least, squared_distance(permuted, rows));
      among = among || permuted == paired;
    } while (std::next_permutation(order.begin(), order.end()));
    EXPECT_TRUE(among);
    EXPECT_NEAR(squared_distance(paired, rows), least, 1e-12);
    EXPECT_LT(least, squared_distance(draws, rows));
  }
}

TEST(Pairing, NeverAcrossConditions) {
  ThreadPool pool(2);
  constexpr std::size_t kCount = 60, kFeatures = 2;
  const std::vector<double> draws = normals(kCount * kFeatures, 1);
  const std::vector<double> rows = normals(kCount * kFeatures, 2);
  // Three classes; 0.0 and -0.0 are not the same.
  std::vector<double> context;
  for (std::size_t row = 0; row < kCount; ++row)
    context.insert(context.end(), {row % 3 == 0 ? 0.0 : row % 3 == 1 ? -0.0 : 1.0, 7.0});
  const std::vector<double> paired = paired_draws(Pairing::kOptimalTransport,
                                                  {.count = kCount,
                                                   .features = kFeatures,
                                                   .context_features = 2,
                                                   .draws = draws,
                                                   .rows = rows,
                                                   .context = context},
                                                  pool);
  std::size_t moved = 0;
  std::vector<bool> used(kCount, false);
  for (std::size_t row = 0; row < kCount; ++row) {
    bool found = false;
    for (std::size_t other = row % 3; other < kCount; other += 3)
      if (!used[other] && row_of(draws, other, kFeatures) == row_of(paired, row, kFeatures)) {
        used[other] = found = true;
        moved += other != row ? 1 : 0;
        break;
      }
    EXPECT_TRUE(found) << row;
  }
  EXPECT_GT(moved, kCount / 2);
  // A continuous condition: all keep their own.
  const std::vector<double> each = normals(kCount, 3);
  EXPECT_EQ(paired_draws(Pairing::kOptimalTransport,
                         {.count = kCount,
                          .features = kFeatures,
                          .context_features = 1,
                          .draws = draws,
                          .rows = rows,
                          .context = each},
                         pool),
            draws);
}

TEST(Pairing, AlignsParticles) {
  ThreadPool pool(2);
  constexpr std::size_t kCount = 5, kParticles = 4, kFeatures = 3 * kParticles;
  // Rows are draws that are far apart, turned a little, reflected a little off, and permuted, in
  // another order of rows: each finds its own, and lies upon it.
  std::vector<double> draws = normals(kCount * kFeatures, 4), rows;
  for (double& value : draws) value *= 10.0;
  const double c = std::cos(0.05), s = std::sin(0.05);
  for (std::size_t row = 0; row < kCount; ++row) {
    const std::vector<double> draw = row_of(draws, (row + 2) % kCount, kFeatures);
    for (const std::size_t i : {2, 0, 3, 1})
      rows.insert(rows.end(), {c * draw[3 * i] - s * draw[3 * i + 1],
                               s * draw[3 * i] + c * draw[3 * i + 1], draw[3 * i + 2]});
  }
  const PairingRows given{
      .count = kCount, .features = kFeatures, .dimensions = 3, .draws = draws, .rows = rows};
  const std::vector<double> paired = paired_draws(Pairing::kEquivariant, given, pool);
  EXPECT_LT(squared_distance(paired, rows), 1e-20);

  // Of any others: nearer than without a rotation, and as long as before.
  const std::vector<double> others = normals(kCount * kFeatures, 5);
  PairingRows free = given;
  free.rows = others;
  const std::vector<double> plain = paired_draws(Pairing::kOptimalTransport, free, pool);
  const std::vector<double> aligned = paired_draws(Pairing::kEquivariant, free, pool);
  EXPECT_LT(squared_distance(aligned, others), squared_distance(plain, others));
  double before = 0.0, after = 0.0;
  for (const double value : draws) before += value * value;
  for (const double value : aligned) after += value * value;
  EXPECT_NEAR(after / before, 1.0, 1e-12);
}

// Four particles that have only changed places: all do so back where they are alike, and those of
// one type alone where they are not.
TEST(Pairing, ExchangesParticlesOfOneTypeAlone) {
  ThreadPool pool(1);
  const std::vector<double> draw = {0.0, 0.0, 9.0, 0.0, 0.0, 5.0, 7.0, 7.0};
  std::vector<double> row;
  for (const std::size_t i : {2U, 0U, 1U, 3U})
    row.insert(row.end(), {draw[2 * i], draw[2 * i + 1]});
  PairingRows given{.count = 1, .features = 8, .dimensions = 2, .draws = draw, .rows = row};
  EXPECT_LT(squared_distance(paired_draws(Pairing::kEquivariant, given, pool), row), 1e-20);
  given.types = {0, 1, 0, 1};
  const std::vector<double> typed = paired_draws(Pairing::kEquivariant, given, pool);
  EXPECT_GT(squared_distance(typed, row), 1.0);
  // Distances within the draw tell which particle went where, however it was turned: the best
  // exchange within {0, 2} and within {1, 3} by itself.
  const auto apart = [](const std::vector<double>& x, std::size_t i, std::size_t j) {
    return std::hypot(x[2 * i] - x[2 * j], x[2 * i + 1] - x[2 * j + 1]);
  };
  const auto squared = [&](std::size_t i, std::size_t j) {
    return std::pow(row[2 * i] - draw[2 * j], 2) + std::pow(row[2 * i + 1] - draw[2 * j + 1], 2);
  };
  std::vector<std::size_t> from = {0, 1, 2, 3};
  for (const auto& [i, j] : {std::pair{0U, 2U}, {1U, 3U}})
    if (squared(i, j) + squared(j, i) < squared(i, i) + squared(j, j)) std::swap(from[i], from[j]);
  EXPECT_NE(from[0], 0U);
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t j = 0; j < 4; ++j)
      EXPECT_NEAR(apart(typed, i, j), apart(draw, from[i], from[j]), 1e-12);
  given.types = {0, 1, 0};
  EXPECT_THROW(paired_draws(Pairing::kEquivariant, given, pool), ShapeError);
}

TEST(Pairing, GivesTheSameBitsForAnyNumberOfThreadsAndKeepsWhatIsNotFinite) {
  constexpr std::size_t kCount = 40, kFeatures = 6;
  const std::vector<double> draws = normals(kCount * kFeatures, 6);
  std::vector<double> rows = normals(kCount * kFeatures, 7);
  rows[3 * kFeatures + 1] = NAN;
  rows[9 * kFeatures] = INFINITY;
  const PairingRows given{
      .count = kCount, .features = kFeatures, .dimensions = 2, .draws = draws, .rows = rows};
  ThreadPool one(1), three(3);
  for (const Pairing pairing : {Pairing::kOptimalTransport, Pairing::kEquivariant}) {
    const std::vector<double> paired = paired_draws(pairing, given, one);
    EXPECT_EQ(paired, paired_draws(pairing, given, three));
    for (const std::size_t row : {3, 9})
      EXPECT_EQ(row_of(paired, row, kFeatures), row_of(draws, row, kFeatures));
  }
}

// Of one condition with many rows: each block is paired as if it were alone.
TEST(Pairing, PairsManyRowsInBlocks) {
  constexpr std::size_t kCount = 600, kFeatures = 2, kBlock = 200;
  static_assert(kCount > 2 * kPairingBlock && kBlock <= kPairingBlock);
  const std::vector<double> draws = normals(kCount * kFeatures, 8);
  const std::vector<double> rows = normals(kCount * kFeatures, 9);
  ThreadPool one(1), three(3);
  const PairingRows given{.count = kCount, .features = kFeatures, .draws = draws, .rows = rows};
  const std::vector<double> paired = paired_draws(Pairing::kOptimalTransport, given, one);
  EXPECT_EQ(paired, paired_draws(Pairing::kOptimalTransport, given, three));
  std::vector<double> expected;
  for (std::size_t begin = 0; begin < kCount; begin += kBlock) {
    const auto part = [&](const std::vector<double>& all) {
      return std::span(all).subspan(begin * kFeatures, kBlock * kFeatures);
    };
    const std::vector<double> block = paired_draws(
        Pairing::kOptimalTransport,
        {.count = kBlock, .features = kFeatures, .draws = part(draws), .rows = part(rows)}, one);
    expected.insert(expected.end(), block.begin(), block.end());
  }
  EXPECT_EQ(paired, expected);
}

TEST(Pairing, RefusesSizesThatDisagree) {
  ThreadPool pool(1);
  const std::vector<double> values(6);
  EXPECT_THROW(paired_draws(Pairing::kOptimalTransport,
                            {.count = 3, .features = 3, .draws = values, .rows = values}, pool),
               ShapeError);
  EXPECT_THROW(paired_draws(Pairing::kEquivariant,
                            {.count = 2, .features = 3, .draws = values, .rows = values}, pool),
               ShapeError);
}

}  // namespace
}  // namespace thalweg
