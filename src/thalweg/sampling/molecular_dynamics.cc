#include "thalweg/sampling/molecular_dynamics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/kernels/kernels.h"
#include "thalweg/molecules/molecular_system.h"

namespace thalweg {
namespace {

constexpr std::int64_t kMostWalkers = std::int64_t{1} << 20;
constexpr std::size_t kMostTemperatures = 64;
constexpr auto kStream = static_cast<std::uint32_t>(Stream::kChains);
/// Index of the first level's numbers for exchanges, beyond those of any coordinate.
constexpr std::uint32_t kExchangeIndex = 1U << 31;

/// Random numbers of different steps are those of different samples; step 0 draws velocities.
std::uint64_t sample_of(std::int64_t step, std::int64_t walker) {
  return static_cast<std::uint64_t>(step) * static_cast<std::uint64_t>(kMostWalkers) +
         static_cast<std::uint64_t>(walker);
}

void check(const DynamicsOptions& options) {
  const auto& temperatures = options.temperatures;
  if (temperatures.empty() || temperatures.size() > kMostTemperatures)
    fail<ConfigError>("temperatures: expected 1 to {}, got {}", kMostTemperatures,
                      temperatures.size());
  for (std::size_t i = 0; i < temperatures.size(); ++i)
    if (!(temperatures[i] > (i > 0 ? temperatures[i - 1] : 0.0)) || !std::isfinite(temperatures[i]))
      fail<ConfigError>("temperatures: expected rising numbers above 0, got {}{}", temperatures[i],
                        i > 0 ? fmt::format(" after {}", temperatures[i - 1]) : "");
  const auto levels = static_cast<std::int64_t>(temperatures.size());
  if (options.replicas < 1 || options.replicas > kMostWalkers / levels)
    fail<ConfigError>("replicas: expected 1 to {} at each of {} temperatures, got {}",
                      kMostWalkers / levels, levels, options.replicas);
  if (!(options.time_step > 0.0) || !std::isfinite(options.time_step))
    fail<ConfigError>("time step: expected a number above 0, got {}", options.time_step);
  if (!(options.friction >= 0.0) || !std::isfinite(options.friction))
    fail<ConfigError>("friction: expected a number of at least 0, got {}", options.friction);
  if (options.equilibration < 0 || options.exchange_every < 1)
    fail<ConfigError>(
        "steps of equilibration and between exchanges: expected at least 0 and 1, got "
        "{} and {}",
        options.equilibration, options.exchange_every);
  if (options.ensemble == Ensemble::kMicrocanonical && levels > 1)
    fail<ConfigError>("temperatures: expected one in the microcanonical ensemble, got {}", levels);
}

}  // namespace

MolecularDynamics::MolecularDynamics(const Potential& potential, std::vector<double> masses,
                                     const DynamicsOptions& options, ThreadPool& pool)
    : potential_(potential),
      pool_(pool),
      options_(options),
      coordinates_(potential.coordinates()),
      block_(potential.block()),
      masses_(std::move(masses)) {
  check(options_);
  if (static_cast<std::int64_t>(masses_.size()) != coordinates_)
    fail<ShapeError>("molecular dynamics: expected a mass for each of {} coordinates, got {}",
                     coordinates_, masses_.size());
  for (std::size_t i = 0; i < masses_.size(); ++i)
    if (!(masses_[i] > 0.0) || !std::isfinite(masses_[i]))
      fail<ConfigError>("molecular dynamics: coordinate {}: expected a mass above 0, got {}", i,
                        masses_[i]);
  const auto levels = static_cast<std::int64_t>(options_.temperatures.size());
  walkers_ = levels * options_.replicas;
  decay_ = std::exp(-options_.friction * options_.time_step);
  for (const double mass : masses_) {
    half_kick_.push_back(0.5 * options_.time_step / mass);
    noise_.push_back(std::sqrt((1.0 - decay_ * decay_) / mass));
  }
  for (std::int64_t walker = 0; walker < walkers_; ++walker)
    heat_.push_back(std::sqrt(options_.boltzmann * temperature(walker)));
  const auto size = static_cast<std::size_t>(walkers_ * coordinates_);
  x_.resize(size);
  v_.resize(size);
  forces_.resize(size);
  energies_.resize(static_cast<std::size_t>(walkers_));
  exchanges_.resize(static_cast<std::size_t>(levels - 1));
}

MolecularDynamics::Tile MolecularDynamics::tile(std::int64_t index) const {
  return {index * block_, std::min(block_, walkers_ - index * block_)};
}

std::size_t MolecularDynamics::place(std::int64_t walker, std::int64_t coordinate) const {
  const Tile own = tile(walker / block_);
  return static_cast<std::size_t>(own.first * coordinates_ + coordinate * own.count + walker -
                                  own.first);
}

std::vector<double> MolecularDynamics::rows_of(const std::vector<double>& tiled) const {
  std::vector<double> rows(tiled.size());
  for (std::int64_t walker = 0; walker < walkers_; ++walker)
    for (std::int64_t c = 0; c < coordinates_; ++c)
      rows[static_cast<std::size_t>(walker * coordinates_ + c)] = tiled[place(walker, c)];
  return rows;
}

void MolecularDynamics::set_rows(std::span<const double> rows, std::vector<double>& tiled) const {
  if (rows.size() != tiled.size())
    fail<ShapeError>("molecular dynamics: expected {} walkers of {} coordinates, got {} numbers",
                     walkers_, coordinates_, rows.size());
  for (std::int64_t walker = 0; walker < walkers_; ++walker)
    for (std::int64_t c = 0; c < coordinates_; ++c)
      tiled[place(walker, c)] = rows[static_cast<std::size_t>(walker * coordinates_ + c)];
}

void MolecularDynamics::evaluate_all() {
  pool_.parallel(tiles(), [&](std::int64_t index, int) {
    const Tile own = tile(index);
    const auto begin = static_cast<std::size_t>(own.first * coordinates_);
    potential_.evaluate(&x_[begin], own.count, &energies_[static_cast<std::size_t>(own.first)],
                        &forces_[begin]);
  });
}

void MolecularDynamics::note_losses(std::int64_t first, std::int64_t count, std::int64_t step) {
  for (auto i = static_cast<std::size_t>(first); i < static_cast<std::size_t>(first + count); ++i)
    if (!std::isfinite(energies_[i]) && losses_[i].step < 0) losses_[i] = {step, energies_[i]};
}

void MolecularDynamics::start(std::span<const double> rows) {
  set_rows(rows, x_);
  pool_.parallel(tiles(), [&](std::int64_t index, int) {
    const Tile own = tile(index);
    const auto begin = static_cast<std::size_t>(own.first * coordinates_);
    kernels::random_normal(options_.seed, kStream, sample_of(0, own.first), coordinates_, own.count,
                           &v_[begin], own.count);
    for (std::int64_t c = 0; c < coordinates_; ++c)
      for (std::int64_t i = 0; i < own.count; ++i)
        v_[begin + static_cast<std::size_t>(c * own.count + i)] *=
            heat_[static_cast<std::size_t>(own.first + i)] /
            std::sqrt(masses_[static_cast<std::size_t>(c)]);
  });
  step_ = 0;
  std::ranges::fill(exchanges_, ExchangeCounts{});
  evaluate_all();
  losses_.assign(energies_.size(), {});
  note_losses(0, walkers_, step_);
}

void MolecularDynamics::restore(std::int64_t step, std::span<const double> positions,
                                std::span<const double> velocities,
                                std::vector<ExchangeCounts> exchanges) {
  set_rows(positions, x_);
  set_rows(velocities, v_);
  if (step < 0 || exchanges.size() != exchanges_.size())
    fail<ShapeError>(
        "molecular dynamics: expected a step of at least 0 and {} counts of exchanges, "
        "got {} and {}",
        exchanges_.size(), step, exchanges.size());
  step_ = step;
  exchanges_ = std::move(exchanges);
  evaluate_all();
  losses_.assign(energies_.size(), {});
  note_losses(0, walkers_, step_);
}

void MolecularDynamics::step_tile(const Tile& own, std::int64_t first_step, std::int64_t steps) {
  const std::int64_t n = own.count;
  const auto begin = static_cast<std::size_t>(own.first * coordinates_);
  double* x = &x_[begin];
  double* v = &v_[begin];
  double* forces = &forces_[begin];
  double* energies = &energies_[static_cast<std::size_t>(own.first)];
  const double* heat = &heat_[static_cast<std::size_t>(own.first)];
  thread_local std::vector<double> normals;
  normals.resize(static_cast<std::size_t>(coordinates_ * n));
  const double half_step = 0.5 * options_.time_step;
  for (std::int64_t step = first_step + 1; step <= first_step + steps; ++step) {
    const bool langevin =
        options_.ensemble == Ensemble::kCanonical || step <= options_.equilibration;
    if (langevin)
      kernels::random_normal(options_.seed, kStream, sample_of(step, own.first), coordinates_, n,
                             normals.data(), n);
    for (std::int64_t c = 0; c < coordinates_; ++c) {
      const double kick = half_kick_[static_cast<std::size_t>(c)];
      const double noise = noise_[static_cast<std::size_t>(c)];
      for (std::int64_t k = c * n; k < (c + 1) * n; ++k) {
        v[k] += kick * forces[k];
        x[k] += half_step * v[k];
        if (langevin)
          v[k] = decay_ * v[k] + noise * heat[k - c * n] * normals[static_cast<std::size_t>(k)];
        x[k] += half_step * v[k];
      }
    }
    potential_.evaluate(x, n, energies, forces);
    note_losses(own.first, n, step);
    for (std::int64_t c = 0; c < coordinates_; ++c) {
      const double kick = half_kick_[static_cast<std::size_t>(c)];
      for (std::int64_t k = c * n; k < (c + 1) * n; ++k) v[k] += kick * forces[k];
    }
  }
}

void MolecularDynamics::advance(std::int64_t steps) {
  const bool exchanging = options_.temperatures.size() > 1;
  while (steps > 0) {
    const std::int64_t every = options_.exchange_every;
    const std::int64_t now = exchanging ? std::min(steps, every - step_ % every) : steps;
    pool_.parallel(tiles(), [&](std::int64_t index, int) { step_tile(tile(index), step_, now); });
    step_ += now;
    steps -= now;
    if (exchanging && step_ % every == 0) exchange();
  }
}

void MolecularDynamics::exchange() {
  const std::int64_t round = step_ / options_.exchange_every;
  const auto levels = static_cast<std::int64_t>(options_.temperatures.size());
  for (std::int64_t level = round % 2; level + 1 < levels; level += 2) {
    const double beta =
        1.0 / (options_.boltzmann * options_.temperatures[static_cast<std::size_t>(level)]);
    const double next =
        1.0 / (options_.boltzmann * options_.temperatures[static_cast<std::size_t>(level + 1)]);
    ExchangeCounts& counts = exchanges_[static_cast<std::size_t>(level)];
    for (std::int64_t replica = 0; replica < options_.replicas; ++replica) {
      const std::int64_t a = level * options_.replicas + replica, b = a + options_.replicas;
      const double log_ratio = (beta - next) * (energies_[static_cast<std::size_t>(a)] -
                                                energies_[static_cast<std::size_t>(b)]);
      const auto words = random_words(options_.seed, kStream, sample_of(round, replica),
                                      kExchangeIndex + static_cast<std::uint32_t>(level));
      ++counts.tries;
      // NaN is refused.
      if (!(std::log(uniform_from_words(words[0], words[1])) < log_ratio)) continue;
      ++counts.accepted;
      swap_walkers(a, b);
    }
  }
}

void MolecularDynamics::swap_walkers(std::int64_t a, std::int64_t b) {
  const double warmer = heat_[static_cast<std::size_t>(b)] / heat_[static_cast<std::size_t>(a)];
  for (std::int64_t c = 0; c < coordinates_; ++c) {
    const std::size_t at = place(a, c), other = place(b, c);
    std::swap(x_[at], x_[other]);
    std::swap(forces_[at], forces_[other]);
    std::swap(v_[at], v_[other]);
    v_[at] /= warmer;
    v_[other] *= warmer;
  }
  std::swap(energies_[static_cast<std::size_t>(a)], energies_[static_cast<std::size_t>(b)]);
}

void MolecularDynamics::centre(std::int64_t dimensions) {
  for (std::int64_t walker = 0; walker < walkers_; ++walker)
    for (std::int64_t axis = 0; axis < dimensions; ++axis) {
      double sum = 0.0, mass = 0.0;
      for (std::int64_t c = axis; c < coordinates_; c += dimensions) {
        sum += masses_[static_cast<std::size_t>(c)] * x_[place(walker, c)];
        mass += masses_[static_cast<std::size_t>(c)];
      }
      for (std::int64_t c = axis; c < coordinates_; c += dimensions)
        x_[place(walker, c)] -= sum / mass;
    }
  // The energy's last digits may depend on the place, and a restored walker must not differ.
  evaluate_all();
}

std::vector<double> MolecularDynamics::kinetic_energies() const {
  std::vector<double> result(static_cast<std::size_t>(walkers_), 0.0);
  // The last half of a kick is taken back: what is left had the noise, and keeps to its law.
  const bool in_the_middle =
      options_.ensemble == Ensemble::kCanonical && options_.friction > 0.0 && step_ > 0;
  for (std::int64_t walker = 0; walker < walkers_; ++walker)
    for (std::int64_t c = 0; c < coordinates_; ++c) {
      const std::size_t at = place(walker, c);
      const double kick = in_the_middle ? half_kick_[static_cast<std::size_t>(c)] : 0.0;
      const double v = v_[at] - kick * forces_[at];
      result[static_cast<std::size_t>(walker)] +=
          0.5 * masses_[static_cast<std::size_t>(c)] * v * v;
    }
  return result;
}

std::vector<double> MolecularDynamics::virials() const {
  std::vector<double> result(static_cast<std::size_t>(walkers_), 0.0);
  for (std::int64_t walker = 0; walker < walkers_; ++walker)
    for (std::int64_t c = 0; c < coordinates_; ++c)
      result[static_cast<std::size_t>(walker)] -= x_[place(walker, c)] * forces_[place(walker, c)];
  return result;
}

}  // namespace thalweg
