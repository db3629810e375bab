#include "thalweg/core/assignment.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

constexpr std::int32_t kNone = -1;

/// Finds an assignment row by row.
class Search {
 public:
  Search(std::span<const double> costs, std::int32_t size)
      : costs_(costs),
        size_(size),
        result_{
            .column_of_row = filled(kNone), .row_potential = zeros(), .column_potential = zeros()},
        row_of_column_(filled(kNone)),
        path_(filled(kNone)),
        distance_(zeros()) {}

  Assignment run() && {
    reduce_columns();
    for (std::int32_t row = 0; row < size_; ++row)
      if (result_.column_of_row[at(row)] == kNone) augment(row);
    return std::move(result_);
  }

 private:
  static std::size_t at(std::int32_t index) { return static_cast<std::size_t>(index); }
  std::vector<std::int32_t> filled(std::int32_t value) const {
    return std::vector<std::int32_t>(at(size_), value);
  }
  std::vector<double> zeros() const { return std::vector<double>(at(size_)); }
  double cost(std::int32_t row, std::int32_t column) const {
    return costs_[at(row) * at(size_) + at(column)];
  }

  /// Each column's potential is its least cost, and it goes to the row that has it, if that is
  /// free.
  void reduce_columns() {
    std::vector<std::int32_t> least(at(size_), 0);
    for (std::int32_t column = 0; column < size_; ++column)
      result_.column_potential[at(column)] = cost(0, column);
    for (std::int32_t row = 1; row < size_; ++row)
      for (std::int32_t column = 0; column < size_; ++column)
        if (cost(row, column) < result_.column_potential[at(column)]) {
          result_.column_potential[at(column)] = cost(row, column);
          least[at(column)] = row;
        }
    for (std::int32_t column = 0; column < size_; ++column)
      if (const std::int32_t row = least[at(column)]; result_.column_of_row[at(row)] == kNone) {
        result_.column_of_row[at(row)] = column;
        row_of_column_[at(column)] = row;
      }
  }

  /// Gives `first` a column, along the shortest path to a free one that takes columns off others.
  void augment(std::int32_t first) {
    std::vector<double>& u = result_.row_potential;
    std::vector<double>& v = result_.column_potential;
    std::ranges::fill(distance_, std::numeric_limits<double>::infinity());
    open_.resize(at(size_));
    for (std::int32_t column = 0; column < size_; ++column) open_[at(column)] = column;
    reached_.clear();
    std::int32_t row = first, sink = kNone;
    double shortest = 0.0;
    while (sink == kNone) {
      std::size_t next = 0;
      double least = std::numeric_limits<double>::infinity();
      for (std::size_t k = 0; k < open_.size(); ++k) {
        const std::int32_t column = open_[k];
        double& distance = distance_[at(column)];
        const double through = shortest + (cost(row, column) - u[at(row)] - v[at(column)]);
        if (through < distance) {
          distance = through;
          path_[at(column)] = row;
        }
        // Among equals a free column ends the search.
        if (distance < least || (distance == least && row_of_column_[at(column)] == kNone)) {
          least = distance;
          next = k;
        }
      }
      shortest = least;
      const std::int32_t column = open_[next];
      open_[next] = open_.back();
      open_.pop_back();
      if (row_of_column_[at(column)] == kNone) {
        sink = column;
      } else {
        reached_.push_back(column);
        row = row_of_column_[at(column)];
      }
    }
    u[at(first)] += shortest;
    for (const std::int32_t column : reached_) {
      u[at(row_of_column_[at(column)])] += shortest - distance_[at(column)];
      v[at(column)] -= shortest - distance_[at(column)];
    }
    for (std::int32_t column = sink;;) {
      const std::int32_t owner = path_[at(column)];
      row_of_column_[at(column)] = owner;
      std::swap(column, result_.column_of_row[at(owner)]);
      if (owner == first) return;
    }
  }

  std::span<const double> costs_;
  std::int32_t size_;
  Assignment result_;
  std::vector<std::int32_t> row_of_column_, path_, open_, reached_;
  std::vector<double> distance_;
};

}  // namespace

Assignment least_assignment(std::span<const double> costs, std::int64_t size) {
  if (size < 0 || size > std::numeric_limits<std::int32_t>::max() ||
      std::ssize(costs) != size * size)
    fail<ShapeError>("assignment: expected {} x {} costs, got {}", size, size, costs.size());
  for (std::size_t i = 0; i < costs.size(); ++i)
    if (!std::isfinite(costs[i]))
      fail<NumericalError>("assignment: expected finite costs, got {} in row {}, column {}",
                           costs[i], static_cast<std::int64_t>(i) / size,
                           static_cast<std::int64_t>(i) % size);
  return Search(costs, static_cast<std::int32_t>(size)).run();
}

}  // namespace thalweg
