#include "thalweg/datasets/derived_columns.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <optional>

#include "thalweg/datasets/rounding.h"

namespace thalweg {

namespace {

constexpr double kTolerance = 1e-10;      // of a column's deviation
constexpr double kChance = 40.0;          // nats against a table by chance
constexpr std::size_t kMostKeys = 1000;   // of a table
constexpr std::size_t kMostRows = 20000;  // enough to find what holds in all

double maximum(const Eigen::VectorXd& values) { return values.cwiseAbs().maxCoeff(); }

/// The columns of the data, and after them those of the condition.
class Columns {
 public:
  explicit Columns(const DerivedSearch& search)
      : search_(search),
        own_(search.columns.size()),
        width_(own_ + search.context_columns.size()),
        all_rows_(search.x.size() / own_),
        rows_(std::min(kMostRows, all_rows_)) {}

  std::size_t own() const { return own_; }
  std::size_t width() const { return width_; }
  std::size_t rows() const { return rows_; }  ///< that are looked at first
  std::size_t all_rows() const { return all_rows_; }
  const ColumnOptions& options(std::size_t column) const {
    return column < own_ ? search_.columns[column] : search_.context_columns[column - own_];
  }
  double value(std::size_t row, std::size_t column) const {
    return column < own_ ? search_.x[row * own_ + column]
                         : search_.context[row * (width_ - own_) + column - own_];
  }

  DerivedColumn named(std::size_t column) const {
    DerivedColumn result;
    result.name = options(column).name;
    result.labels = options(column).labels;
    result.date = options(column).date;
    return result;
  }

  /// Values of the rows that are looked at first, less their mean.
  Eigen::VectorXd centred(std::size_t column, double& mean) const {
    Eigen::VectorXd values(static_cast<Eigen::Index>(rows_));
    for (std::size_t row = 0; row < rows_; ++row)
      values[static_cast<Eigen::Index>(row)] = value(row, column);
    mean = values.mean();
    values.array() -= mean;
    return values;
  }

  /// A column by least squares of `others`; its coefficients are one a column of all.
  DerivedColumn solve(std::size_t number, const std::vector<std::size_t>& others) const {
    Eigen::MatrixXd matrix(static_cast<Eigen::Index>(rows_), std::ssize(others));
    std::vector<double> means, scales;
    for (std::size_t i = 0; i < others.size(); ++i) {
      auto column = matrix.col(static_cast<Eigen::Index>(i));
      column = centred(others[i], means.emplace_back());
      scales.push_back(column.norm());
      column /= scales.back();
    }
    DerivedColumn result = named(number);
    result.coefficients.assign(width_, 0.0);
    const Eigen::VectorXd own = centred(number, result.offset);
    const double size = maximum(own) + std::abs(result.offset);
    const Eigen::VectorXd solved = matrix.colPivHouseholderQr().solve(own);
    for (std::size_t i = 0; i < others.size(); ++i) {
      const double share = solved[static_cast<Eigen::Index>(i)];
      if (std::abs(share) < 1e-9 * maximum(solved)) continue;
      double coefficient = share / scales[i];
      // Coefficients that people write have few digits.
      const double round = std::round(coefficient * 1e4) / 1e4;
      if (std::abs(coefficient - round) < 1e-9 * std::abs(coefficient)) coefficient = round;
      result.coefficients[others[i]] = coefficient;
      result.offset -= coefficient * means[i];
    }
    if (std::abs(result.offset) < 1e-9 * size) result.offset = 0.0;
    return result;
  }

  /// Whether a column follows from the others in all rows, up to `error`.
  bool holds(const DerivedColumn& column, std::size_t number, double error) const {
    std::vector<double> others(width_);
    for (std::size_t row = 0; row < all_rows_; ++row) {
      for (std::size_t other = 0; other < width_; ++other) others[other] = value(row, other);
      if (!(std::abs(column(others) - others[number]) <= error)) return false;
    }
    return true;
  }

 private:
  const DerivedSearch& search_;
  std::size_t own_, width_, all_rows_, rows_;
};

/// Tables of one column by another.
class Lookups {
 public:
  explicit Lookups(const Columns& data)
      : data_(data), keys_(data.width()), surprise_(data.width()) {
    for (std::size_t column = 0; column < data_.width(); ++column) {
      if (!takes_part(column)) continue;
      std::vector<double>& keys = keys_[column];
      for (std::size_t row = 0; row < data_.rows(); ++row) keys.push_back(data_.value(row, column));
      std::ranges::sort(keys);
      double same = 0.0;
      for (auto first = keys.begin(); first != keys.end();) {
        const auto last = std::upper_bound(first, keys.end(), *first);
        const auto share = static_cast<double>(last - first) / static_cast<double>(keys.size());
        same += share * share;
        first = last;
      }
      surprise_[column] = -std::log(same);
      keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    }
  }

  /// What decides a column, of those that `decided` leaves.
  std::optional<DerivedColumn> find(std::size_t number, const std::vector<bool>& decided) const {
    if (!takes_part(number)) return {};
    for (std::size_t source = 0; source < data_.width(); ++source) {
      if (source == number || (source < data_.own() && decided[source])) continue;
      auto table = lookup(source, number);
      if (table && !(source > number && source < data_.own() && lookup(number, source)))
        return table;
    }
    return {};
  }

 private:
  bool takes_part(std::size_t column) const {
    const ColumnOptions& options = data_.options(column);
    return !options.missing && !options.periodic && !options.indicates();
  }

  std::optional<DerivedColumn> lookup(std::size_t source, std::size_t number) const {
    const ColumnOptions& by = data_.options(source);
    const std::vector<double>& keys = keys_[source];
    if (source < data_.own() && !by.is_category() && !by.integer) return {};
    const auto repeats = static_cast<double>(data_.rows() - keys.size());
    if (keys.empty() || keys.size() > kMostKeys || repeats * surprise_[number] < kChance) return {};
    std::vector<double> values(keys.size(), NAN);
    for (std::size_t row = 0; row < data_.rows(); ++row) {
      const auto key = std::ranges::lower_bound(keys, data_.value(row, source)) - keys.begin();
      double& value = values[static_cast<std::size_t>(key)];
      if (std::isnan(value)) value = data_.value(row, number);
      if (value != data_.value(row, number)) return {};
    }
    std::map<double, double> table;
    for (std::size_t i = 0; i < keys.size(); ++i) table.emplace(keys[i], values[i]);
    for (std::size_t row = data_.rows(); row < data_.all_rows(); ++row) {
      const double own = data_.value(row, number);
      if (table.emplace(data_.value(row, source), own).first->second != own) return {};
    }
    DerivedColumn result = data_.named(number);
    result.source = static_cast<std::int64_t>(source);
    for (const auto& [key, value] : table) {
      result.keys.push_back(key);
      result.values.push_back(value);
    }
    return result;
  }

  const Columns& data_;
  std::vector<std::vector<double>> keys_;  // values of the rows that are looked at first, ascending
  std::vector<double> surprise_;           // nats, of two rows that have the same value
};

/// Adds the columns that tables give, of all in turn, to those found already, which depend on
/// others than these.
void find_tables(const Columns& data, std::vector<std::optional<DerivedColumn>>& found) {
  const Lookups lookups(data);
  std::vector<bool> decided(data.own()), used(data.own());
  for (std::size_t number = 0; number < data.own(); ++number) {
    if (!found[number]) continue;
    decided[number] = true;
    for (std::size_t other = 0; other < data.own(); ++other)
      used[other] = used[other] || found[number]->coefficients[other] != 0.0;
  }
  for (std::size_t number = 0; number < data.own(); ++number) {
    if (decided[number] || used[number]) continue;
    found[number] = lookups.find(number, decided);
    decided[number] = found[number].has_value();
  }
  for (auto& column : found) {  // What decides it may have been decided later.
    while (column && column->source >= 0 && static_cast<std::size_t>(column->source) < data.own() &&
           decided[static_cast<std::size_t>(column->source)]) {
      const DerivedColumn& middle = *found[static_cast<std::size_t>(column->source)];
      std::vector<double> values;
      for (const double value : middle.values) values.push_back(column->of_key(value));
      column->keys = middle.keys;
      column->values = std::move(values);
      column->source = middle.source;
    }
  }
}

}  // namespace

double DerivedColumn::of_key(double key) const {
  if (std::isnan(key)) return NAN;
  return values[nearest_of(keys, key)];
}

double DerivedColumn::operator()(std::span<const double> row) const {
  if (source >= 0) return of_key(row[static_cast<std::size_t>(source)]);
  double value = offset;
  for (std::size_t i = 0; i < coefficients.size(); ++i)
    if (coefficients[i] != 0.0) value += coefficients[i] * row[i];  // Others may be missing, NaN.
  return step > 0.0 ? origin + step * std::round((value - origin) / step) : value;
}

bool DerivedColumn::agrees(std::span<const double> row, double value) const {
  constexpr double kRelative = 1e-6;
  double size = std::abs(offset);
  if (source >= 0) {
    const double key = row[static_cast<std::size_t>(source)];
    if (!std::ranges::binary_search(keys, key)) return true;
    size = labels.empty() ? std::abs(of_key(key)) : 0.0;
  }
  for (std::size_t i = 0; i < coefficients.size(); ++i)
    if (coefficients[i] != 0.0) size += std::abs(coefficients[i] * row[i]);
  const double expected = (*this)(row);
  return std::isnan(expected) || std::abs(value - expected) <= kRelative * size;
}

ColumnOptions DerivedColumn::written() const {
  return {.name = name, .labels = labels, .date = date};
}

std::vector<std::size_t> find_derived(const DerivedSearch& search,
                                      std::vector<DerivedColumn>& derived) {
  const Columns data(search);
  std::vector<std::optional<DerivedColumn>> found(data.own());
  std::vector<std::size_t> deciding;        // those left on the line
  std::vector<Eigen::VectorXd> orthogonal;  // of these, centred, of length 1
  const auto decides = [&](std::size_t number, const Eigen::VectorXd& own, Eigen::VectorXd rest) {
    if (rest.norm() <= 1e-7 * own.norm()) return;  // What is left of it is rounding.
    deciding.push_back(number);
    orthogonal.push_back(rest / rest.norm());
  };
  const auto rest_of = [&](const Eigen::VectorXd& own) {
    Eigen::VectorXd rest = own;
    for (int pass = 0; pass < 2; ++pass)  // Once more for what rounding leaves.
      for (const Eigen::VectorXd& direction : orthogonal) rest -= direction.dot(rest) * direction;
    return rest;
  };
  double mean = 0.0;
  for (std::size_t number = data.own(); search.tables && number < data.width(); ++number) {
    if (data.options(number).periodic) continue;
    const Eigen::VectorXd own = data.centred(number, mean);
    decides(number, own, rest_of(own));
  }
  for (std::size_t number = 0; number < data.own(); ++number) {
    const ColumnOptions& column = data.options(number);
    if (column.is_category() || column.periodic || column.missing) continue;
    const Eigen::VectorXd own = data.centred(number, mean);
    Eigen::VectorXd rest = rest_of(own);
    const double least = kTolerance * own.norm() / std::sqrt(static_cast<double>(own.size())) +
                         16.0 * search.rounding * (maximum(own) + std::abs(mean));
    if (!orthogonal.empty() && data.rows() > 2 * data.width() && maximum(rest) <= least) {
      DerivedColumn candidate = data.solve(number, deciding);
      if (column.integer) {
        candidate.origin = column.origin;
        candidate.step = column.step;
      }
      if (data.holds(candidate, number, 2.0 * least)) {
        found[number] = std::move(candidate);
        continue;
      }
    }
    decides(number, own, std::move(rest));
  }
  if (search.tables) find_tables(data, found);
  std::vector<std::size_t> kept;
  for (std::size_t number = 0; number < data.own(); ++number)
    if (!found[number]) kept.push_back(number);
  std::vector<std::size_t> others = kept;
  for (std::size_t number = data.own(); number < data.width(); ++number) others.push_back(number);
  for (std::size_t number = 0; number < found.size(); ++number) {
    std::optional<DerivedColumn>& column = found[number];
    if (!column) continue;
    column->place = static_cast<std::int64_t>(number);
    if (column->source >= 0) {
      const auto source = static_cast<std::size_t>(column->source);
      column->source = std::ranges::find(others, source) - others.begin();
    } else {
      std::vector<double> of_others;
      for (const std::size_t other : others) of_others.push_back(column->coefficients[other]);
      column->coefficients = std::move(of_others);
    }
    derived.push_back(std::move(*column));
  }
  return kept;
}

std::vector<std::size_t> order_of_data(std::size_t columns,
                                       const std::vector<DerivedColumn>& derived) {
  std::vector<std::size_t> order(columns);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::pair<std::int64_t, std::size_t>> places;
  for (std::size_t i = 0; i < derived.size(); ++i)
    places.emplace_back(
        derived[i].place < 0 ? std::numeric_limits<std::int64_t>::max() : derived[i].place,
        columns + i);
  std::ranges::sort(places);
  for (const auto& [place, number] : places)
    order.insert(order.begin() + std::min<std::int64_t>(place, std::ssize(order)), number);
  return order;
}

std::string formula_text(const DerivedColumn& column, const std::vector<ColumnOptions>& columns) {
  if (column.source >= 0)
    return fmt::format("{} decided by {}", column.name,
                       columns[static_cast<std::size_t>(column.source)].name);
  std::string text;
  const auto add = [&](double factor, const std::string& name) {
    const double size = std::abs(factor);
    text += text.empty() ? (factor < 0.0 ? "-" : "") : (factor < 0.0 ? " - " : " + ");
    if (name.empty())
      text += fmt::format("{:.6g}", size);
    else
      text += size == 1.0 ? name : fmt::format("{:.6g} {}", size, name);
  };
  for (std::size_t i = 0; i < column.coefficients.size(); ++i)
    if (column.coefficients[i] != 0.0) add(column.coefficients[i], columns[i].name);
  if (column.offset != 0.0) add(column.offset, "");
  return fmt::format("{} = {}", column.name, text);
}

}  // namespace thalweg
