#include "thalweg/molecules/force_field.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr std::int64_t kLanes = kForceFieldLanes;

/// Room for numbers that starts at a multiple of 64 bytes; it grows and is kept.
template <typename T>
class Room {
 public:
  T* get(std::int64_t count) {
    constexpr std::size_t kLine = 64 / sizeof(T);
    const auto wanted = static_cast<std::size_t>(count) + kLine;
    if (numbers_.size() < wanted) numbers_.resize(wanted);
    const auto address = reinterpret_cast<std::uintptr_t>(numbers_.data());
    return numbers_.data() + (64 - address % 64) % 64 / sizeof(T);
  }

 private:
  std::vector<T> numbers_;
};

/// A tile of configurations with all that the loops need, one a thread.
template <typename T>
struct Tile {
  Tile(const ForceFieldTables<T>& tables, Room<T>& room) {
    const std::int64_t rows = 3 * tables.atoms;
    x = room.get((2 * rows + kForceTerms) * kLanes + force_field_scratch(tables));
    forces = x + rows * kLanes;
    energies = forces + rows * kLanes;
    scratch = energies + kForceTerms * kLanes;
  }
  T *x, *forces, *energies, *scratch;
};
template <typename T>
Tile<T> tile_of(const ForceFieldTables<T>& tables) {
  thread_local Room<T> room;
  return Tile<T>(tables, room);
}

double sum_of_terms(const auto* energies, std::int64_t lane) {
  double sum = 0.0;
  for (std::int64_t term = 0; term < kForceTerms; ++term)
    sum += static_cast<double>(energies[term * kLanes + lane]);
  return sum;
}

MolecularSystem checked(MolecularSystem system) {
  check_system(system);
  return system;
}

void check_size(const char* what, std::size_t got, std::int64_t expected, bool optional) {
  if ((optional && got == 0) || got == static_cast<std::size_t>(expected)) return;
  fail<ShapeError>("energies of molecules: {}: expected {} numbers, got {}", what, expected, got);
}

}  // namespace

ForceField::ForceField(MolecularSystem system)
    : system_(checked(std::move(system))), double_tables_(system_), float_tables_(system_) {}

template <>
const ForceFieldTables<double>& ForceField::tables() const {
  return double_tables_;
}
template <>
const ForceFieldTables<float>& ForceField::tables() const {
  return float_tables_;
}

void ForceField::evaluate(const double* x, std::int64_t count, double* energies,
                          double* forces) const {
  const Tile<double> tile = tile_of(double_tables_);
  const std::int64_t rows = coordinates();
  for (std::int64_t first = 0; first < count; first += kLanes) {
    const std::int64_t used = std::min(kLanes, count - first);
    // Lanes that nobody asked for repeat the last one.
    for (std::int64_t row = 0; row < rows; ++row)
      for (std::int64_t lane = 0; lane < kLanes; ++lane)
        tile.x[row * kLanes + lane] = x[row * count + first + std::min(lane, used - 1)];
    force_field_loops(double_tables_, tile.x, kLanes, tile.energies, tile.forces, tile.scratch);
    for (std::int64_t lane = 0; lane < used; ++lane)
      energies[first + lane] = sum_of_terms(tile.energies, lane);
    for (std::int64_t row = 0; row < rows; ++row)
      std::copy_n(tile.forces + row * kLanes, used, forces + row * count + first);
  }
}

template <typename T>
void ForceField::evaluate_rows(std::span<const T> rows, std::span<double> energies,
                               std::span<T> terms, std::span<T> forces, ThreadPool& pool) const {
  const std::int64_t width = coordinates();
  const std::int64_t count = static_cast<std::int64_t>(rows.size()) / width;
  check_size("rows", rows.size(), count * width, false);
  check_size("energies", energies.size(), count, true);
  check_size("terms", terms.size(), count * kForceTerms, true);
  check_size("forces", forces.size(), count * width, true);
  pool.parallel((count + kLanes - 1) / kLanes, [&](std::int64_t index, int) {
    const Tile<T> tile = tile_of(tables<T>());
    const std::int64_t first = index * kLanes, used = std::min(kLanes, count - first);
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      const T* row = rows.data() + (first + std::min(lane, used - 1)) * width;
      for (std::int64_t c = 0; c < width; ++c) tile.x[c * kLanes + lane] = row[c];
    }
    force_field_loops(tables<T>(), tile.x, kLanes, tile.energies, tile.forces, tile.scratch);
    for (std::int64_t lane = 0; lane < used; ++lane) {
      const std::int64_t row = first + lane;
      if (!energies.empty())
        energies[static_cast<std::size_t>(row)] = sum_of_terms(tile.energies, lane);
      for (std::int64_t term = 0; term < kForceTerms && !terms.empty(); ++term)
        terms[static_cast<std::size_t>(row * kForceTerms + term)] =
            tile.energies[term * kLanes + lane];
      for (std::int64_t c = 0; c < width && !forces.empty(); ++c)
        forces[static_cast<std::size_t>(row * width + c)] = tile.forces[c * kLanes + lane];
    }
  });
}

template void ForceField::evaluate_rows(std::span<const double>, std::span<double>,
                                        std::span<double>, std::span<double>, ThreadPool&) const;
template void ForceField::evaluate_rows(std::span<const float>, std::span<double>, std::span<float>,
                                        std::span<float>, ThreadPool&) const;

ForceFieldEnergy::ForceFieldEnergy(std::shared_ptr<const ForceField> force_field,
                                   double temperature)
    : force_field_(std::move(force_field)), beta_(1.0 / (kBoltzmann * temperature)) {
  if (!(temperature > 0.0) || !std::isfinite(temperature))
    fail<ConfigError>("temperature of a force field: expected kelvins above 0, got {}",
                      temperature);
}

void ForceFieldEnergy::evaluate(const double* points, std::int64_t count, std::int64_t features,
                                double* values, double* gradients) const {
  if (features != force_field_->coordinates())
    fail<ShapeError>("a force field of {} atoms: expected {} columns, got {}",
                     force_field_->system().atoms(), force_field_->coordinates(), features);
  ThreadPool own(1);
  const auto size = static_cast<std::size_t>(count * features);
  force_field_->evaluate_rows<double>({points, size}, {values, static_cast<std::size_t>(count)}, {},
                                      {gradients, size}, own);
  for (std::int64_t i = 0; i < count; ++i) {
    double* slopes = gradients + i * features;
    const bool finite = std::isfinite(values[i]);
    values[i] = finite ? beta_ * values[i] : std::numeric_limits<double>::infinity();
    for (std::int64_t c = 0; c < features; ++c) slopes[c] = finite ? -beta_ * slopes[c] : 0.0;
  }
}

}  // namespace thalweg
