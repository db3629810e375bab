// Chains of particles and the integrals of their densities, against quadrature, plain importance
// sampling and what is exact.
#include "thalweg/sampling/particle_chains.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/sampling/particle_free_energy.h"
#include "thalweg/sampling/particle_replica.h"

namespace thalweg::testing {
namespace {

const ParticleOptions kDw4 = {
    .pair = "multi_double_well", .particles = 4, .dimensions = 2, .spring = 0.0};

double energy_of(const ParticleEnergy& energy, const std::vector<double>& x) {
  double value = 0.0;
  std::vector<double> slopes(x.size());
  energy.evaluate(x.data(), 1, energy.features(), &value, slopes.data());
  return value;
}

struct Mean {
  double value = 0.0, error = 0.0;
};
Mean chain_mean(const std::vector<double>& values, std::int64_t chains) {
  const auto count = static_cast<std::size_t>(chains);
  std::vector<double> means(count, 0.0);
  for (std::size_t row = 0; row < values.size(); ++row)
    means[row % count] +=
        values[row] * static_cast<double>(count) / static_cast<double>(values.size());
  const double mean = std::accumulate(means.begin(), means.end(), 0.0) / static_cast<double>(count);
  double square = 0.0;
  for (const double value : means) square += (value - mean) * (value - mean);
  return {mean, std::sqrt(square / static_cast<double>(count * (count - 1)))};
}

TEST(ParticleReplica, KeepsItsEnergiesUpToDate) {
  for (const ParticleOptions& options : {ParticleOptions{.particles = 7}, kDw4}) {
    const ParticleEnergy energy(options);
    ParticleReplica replica(energy);
    replica.draw(1.5, 3, 0);
    for (std::uint32_t sweep = 0; sweep < 200; ++sweep)
      replica.sweep({1.0, energy.spring()}, 0.3, 3, 1, sweep);
    std::vector<double> x(static_cast<std::size_t>(energy.features()));
    replica.write(x);
    const double at = energy_of(energy, x);
    EXPECT_NEAR(replica.log_density({1.0, energy.spring()}), -at, 1e-10 * (1.0 + std::abs(at)));
    for (std::int64_t d = 0; d < options.dimensions; ++d) {
      double centre = 0.0;
      for (std::int64_t i = 0; i < options.particles; ++i)
        centre += x[static_cast<std::size_t>(i * options.dimensions + d)];
      EXPECT_NEAR(centre, 0.0, 1e-12);
    }
    turn_and_shuffle(x, options.dimensions, 5, 9);
    EXPECT_NEAR(energy_of(energy, x), at, 1e-10 * (1.0 + std::abs(at)));
  }
}

TEST(ParticleChains, SpringsAloneAreNormal) {
  // |x|^2 is a gamma variable of 12 degrees of freedom, of mean 12 T / k and variance 24 (T / k)^2.
  const ParticleEnergy energy({.particles = 5, .temperature = 2.0, .strength = 0.0, .spring = 4.0});
  ThreadPool pool(2);
  const auto draws = sample_particles(
      energy, {.chains = 40, .levels = 1, .burn_in = 200, .thinning = 20, .draws = 100}, pool);
  const Mean mean = chain_mean(draws->square, 40);
  EXPECT_NEAR(mean.value, 6.0, 5.0 * mean.error);  // by chance less than once in 10^5
  EXPECT_LT(mean.error, 0.1);
  std::vector<double> squared = draws->square;
  for (double& value : squared) value = (value - 6.0) * (value - 6.0);
  const Mean variance = chain_mean(squared, 40);
  EXPECT_NEAR(variance.value, 6.0, 5.0 * variance.error);
}

TEST(ParticleChains, HaveTheExactVirialAndAKnownDistance) {
  // Two particles in the plane: the distance d has density d exp(-u(d)).
  const ParticleEnergy energy({.pair = "multi_double_well",
                               .particles = 2,
                               .dimensions = 2,
                               .temperature = 0.7,
                               .spring = 0.0});
  double total = 0.0, first = 0.0;
  for (double d = 0.0005; d < 12.0; d += 0.001) {
    const double off = std::sqrt(d * d + 1e-6) - 4.0;
    const double mass = d * std::exp(-(-4.0 * off * off + 0.9 * std::pow(off, 4)) / 0.7);
    total += mass;
    first += mass * d;
  }
  ThreadPool pool(2);
  const auto draws = sample_particles(
      energy, {.chains = 60, .thinning = 30, .draws = 150, .start_scale = 2.0}, pool);
  std::vector<double> distance;
  for (std::size_t row = 0; row < draws->energy.size(); ++row) {
    const double* x = &draws->x[4 * row];
    distance.push_back(std::hypot(x[0] - x[2], x[1] - x[3]));
  }
  const Mean mean = chain_mean(distance, 60), virial = chain_mean(draws->virial, 60);
  EXPECT_NEAR(mean.value, first / total, 5.0 * mean.error);
  EXPECT_LT(mean.error, 0.03);
  EXPECT_NEAR(virial.value, 2.0, 5.0 * virial.error);
  EXPECT_EQ(draws->levels.size(), 4u);
  EXPECT_NEAR(draws->levels[0].acceptance, 0.4, 0.1);
  EXPECT_GT(draws->levels[0].swap_rate, 0.15);
}

TEST(ParticleChains, BitsDoNotDependOnThreads) {
  const ParticleEnergy energy({});
  const ParticleChainOptions options = {
      .chains = 5, .levels = 3, .burn_in = 30, .thinning = 3, .draws = 4, .seed = 8};
  ThreadPool one(1), three(3);
  const auto a = sample_particles(energy, options, one);
  const auto b = sample_particles(energy, options, three);
  EXPECT_EQ(a->x, b->x);
  EXPECT_EQ(a->levels[1].swap_rate, b->levels[1].swap_rate);
  const auto stopped = sample_particles(energy, options, one, {.interrupted = [] { return true; }});
  EXPECT_FALSE(stopped.has_value());
  expect_parts(message_of<ConfigError>([&] { sample_particles(energy, {.chains = 1}, one); }),
               {"chains", "got 1"});
}

TEST(ParticleFreeEnergy, OfSpringsIsExact) {
  const ParticleEnergy energy({.particles = 4, .temperature = 0.5, .strength = 0.0, .spring = 3.0});
  ThreadPool pool(2);
  const auto found =
      particle_free_energy(energy, {.islands = 8, .replicas = 400, .effective_share = 0.98}, pool);
  const double exact = 4.5 * std::log(2.0 * std::numbers::pi * 0.5 / 3.0);
  EXPECT_NEAR(found->log_integral, exact, 5.0 * found->error);
  EXPECT_LT(found->error, 0.05);
}

TEST(ParticleFreeEnergy, OfTwoAndThreeIsThatByQuadrature) {
  ThreadPool pool(2);
  // Two in the plane: the subspace is the plane of u = (x_1 - x_2) / sqrt 2.
  const ParticleOptions two = {
      .pair = "multi_double_well", .particles = 2, .dimensions = 2, .spring = 0.0};
  double total = 0.0;
  for (double u = 0.0005; u < 8.0; u += 0.001) {
    const double off = std::sqrt(2.0 * u * u + 1e-6) - 4.0;
    total +=
        0.001 * 2.0 * std::numbers::pi * u * std::exp(4.0 * off * off - 0.9 * std::pow(off, 4));
  }
  const ParticleEnergy pair(two);
  for (const double scale : {1.0, 3.0}) {
    const auto found = particle_free_energy(
        pair, {.islands = 8, .replicas = 400, .effective_share = 0.97, .start_scale = scale}, pool);
    EXPECT_NEAR(found->log_integral, std::log(total), 5.0 * found->error) << scale;
    EXPECT_LT(found->error, 0.05);
  }
  // Three in the plane, but for a turn of all: lengths a and b of (x_1 - x_2) / sqrt 2 and
  // (x_1 + x_2 - 2 x_3) / sqrt 6 and the angle between them.
  const ParticleEnergy triangle(
      {.pair = "multi_double_well", .particles = 3, .dimensions = 2, .spring = 0.0});
  double space = 0.0;
  const double length = 0.03, angle = 2.0 * std::numbers::pi / 120.0;
  std::vector<double> turned(6 * 120), energies_of(120), slopes_of(6 * 120);
  for (double p = 0.5 * length; p < 5.5; p += length)
    for (double q = 0.5 * length; q < 5.5; q += length) {
      for (std::size_t t = 0; t < 120; ++t) {
        const double to = angle * static_cast<double>(t);
        const double u = p * std::sqrt(0.5), s = std::sqrt(1.0 / 6.0);
        const double v = s * q * std::cos(to), w = s * q * std::sin(to);
        std::ranges::copy(std::array{u + v, w, -u + v, w, -2.0 * v, -2.0 * w}, &turned[6 * t]);
      }
      triangle.evaluate(turned.data(), 120, 6, energies_of.data(), slopes_of.data());
      for (const double value : energies_of)
        space += length * length * angle * 2.0 * std::numbers::pi * p * q * std::exp(-value);
    }
  const auto of_triangle = particle_free_energy(
      triangle,
      {.islands = 8, .replicas = 400, .sweeps = 5, .effective_share = 0.98, .start_scale = 1.8},
      pool);
  EXPECT_NEAR(of_triangle->log_integral, std::log(space), 5.0 * of_triangle->error);
  EXPECT_LT(of_triangle->error, 0.06);
  // Three on a line, Lennard-Jones in a trap: the subspace is a plane, the integrand is nothing
  // where particles meet and smooth elsewhere.
  const ParticleOptions three = {.particles = 3, .dimensions = 1};
  const ParticleEnergy line(three);
  const double a = std::sqrt(0.5), b = std::sqrt(1.0 / 6.0), step = 0.01;
  std::vector<double> points;
  for (int i = -600; i < 600; ++i)
    for (int j = -600; j < 600; ++j) {
      const double u = step * (i + 0.5), v = step * (j + 0.5);
      points.insert(points.end(), {a * u + b * v, -a * u + b * v, -2.0 * b * v});
    }
  std::vector<double> energies(points.size() / 3), slopes(points.size());
  line.evaluate(points.data(), std::ssize(energies), 3, energies.data(), slopes.data());
  double plane = 0.0;
  for (const double value : energies) plane += step * step * std::exp(-value);
  const auto found = particle_free_energy(
      line, {.islands = 8, .replicas = 400, .sweeps = 5, .effective_share = 0.97}, pool);
  EXPECT_NEAR(found->log_integral, std::log(plane), 5.0 * found->error);
  EXPECT_LT(found->error, 0.1);
}

TEST(ParticleFreeEnergy, OfDw4IsThatOfPlainImportanceSampling) {
  // From normals of 6 free dimensions with the samples' own variance.
  const ParticleEnergy energy(kDw4);
  const double scale = 1.9;
  constexpr std::size_t kDraws = 1000000;
  RandomSequence random(4, Stream::kEvaluation);
  std::vector<double> x(8 * kDraws), energies(kDraws), slopes(x.size());
  for (double& value : x) value = scale * random.normal();
  energy.evaluate(x.data(), kDraws, 8, energies.data(), slopes.data());
  double sum = 0.0, square = 0.0;
  for (std::size_t row = 0; row < kDraws; ++row) {
    const double* own = &x[8 * row];
    double radius = 0.0;
    for (std::size_t d = 0; d < 2; ++d) {
      const double centre = 0.25 * (own[d] + own[2 + d] + own[4 + d] + own[6 + d]);
      for (std::size_t i = 0; i < 4; ++i) radius += std::pow(own[2 * i + d] - centre, 2);
    }
    const double weight = std::exp(-energies[row] + 0.5 * radius / (scale * scale) +
                                   3.0 * std::log(2.0 * std::numbers::pi * scale * scale) - 29.0);
    sum += weight;
    square += weight * weight;
  }
  const double log_integral = 29.0 + std::log(sum / static_cast<double>(kDraws));
  const double error = std::sqrt(square) / sum;
  EXPECT_LT(error, 0.06);
  ThreadPool pool(2);
  const auto found = particle_free_energy(
      energy, {.replicas = 256, .sweeps = 5, .effective_share = 0.98, .start_scale = 1.8}, pool);
  EXPECT_NEAR(found->log_integral, log_integral, 5.0 * std::hypot(error, found->error));
  EXPECT_LT(found->error, 0.06);
}

TEST(ParticleFreeEnergy, RefusesWhatItCannotDo) {
  const ParticleEnergy energy({});
  ThreadPool pool(1);
  expect_parts(message_of<ConfigError>([&] { particle_free_energy(energy, {.islands = 1}, pool); }),
               {"2 islands", "got 1"});
  EXPECT_FALSE(particle_free_energy(energy, {}, pool, {.interrupted = [] { return true; }}));
}

}  // namespace
}  // namespace thalweg::testing
