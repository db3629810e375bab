#include "thalweg/datasets/derived_columns.h"

#include <fmt/format.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

namespace thalweg {

namespace {

constexpr double kTolerance = 1e-10;  // of a column's deviation

double maximum(const Eigen::VectorXd& values) { return values.cwiseAbs().maxCoeff(); }

/// The columns of a matrix, of which the first rows are enough to find what holds in all.
class Columns {
 public:
  Columns(std::span<const double> x, std::size_t width) : x_(x), width_(width) {
    constexpr std::size_t kMostRows = 20000;
    rows_ = static_cast<Eigen::Index>(std::min(kMostRows, x.size() / width));
  }

  /// Less its mean.
  Eigen::VectorXd centred(std::size_t column, double& mean) const {
    Eigen::VectorXd values(rows_);
    for (Eigen::Index row = 0; row < rows_; ++row)
      values[row] = x_[static_cast<std::size_t>(row) * width_ + column];
    mean = values.mean();
    values.array() -= mean;
    return values;
  }

  /// A column by least squares of `others`; its coefficients are one a column of the matrix.
  DerivedColumn solve(std::size_t number, const std::vector<std::size_t>& others) const {
    Eigen::MatrixXd matrix(rows_, std::ssize(others));
    std::vector<double> means, scales;
    for (std::size_t i = 0; i < others.size(); ++i) {
      auto column = matrix.col(static_cast<Eigen::Index>(i));
      column = centred(others[i], means.emplace_back());
      scales.push_back(column.norm());
      column /= scales.back();
    }
    DerivedColumn result;
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

  /// Whether a column follows from the others in all rows of the matrix, up to `error`.
  bool holds(const DerivedColumn& column, std::size_t number, double error) const {
    for (std::size_t begin = 0; begin < x_.size(); begin += width_)
      if (!(std::abs(column(x_.subspan(begin, width_)) - x_[begin + number]) <= error))
        return false;
    return true;
  }

 private:
  std::span<const double> x_;
  std::size_t width_;
  Eigen::Index rows_ = 0;
};

}  // namespace

double DerivedColumn::operator()(std::span<const double> row) const {
  double value = offset;
  for (std::size_t i = 0; i < coefficients.size(); ++i)
    if (coefficients[i] != 0.0) value += coefficients[i] * row[i];  // Others may be missing, NaN.
  return step > 0.0 ? origin + step * std::round((value - origin) / step) : value;
}

std::vector<std::size_t> find_derived(const std::vector<ColumnOptions>& columns,
                                      std::span<const double> x, double rounding,
                                      std::vector<DerivedColumn>& derived) {
  const std::size_t width = columns.size();
  const Columns data(x, width);
  std::vector<std::size_t> kept, deciding;  // `deciding`: those kept on the line
  std::vector<Eigen::VectorXd> orthogonal;  // of these, centred, of length 1
  std::vector<DerivedColumn> found;
  for (std::size_t number = 0; number < width; ++number) {
    const ColumnOptions& column = columns[number];
    if (column.is_category() || column.periodic || column.missing) {
      kept.push_back(number);
      continue;
    }
    double mean = 0.0;
    const Eigen::VectorXd own = data.centred(number, mean);
    Eigen::VectorXd rest = own;
    for (int pass = 0; pass < 2; ++pass)  // Once more for what rounding leaves.
      for (const Eigen::VectorXd& direction : orthogonal) rest -= direction.dot(rest) * direction;
    const double least = kTolerance * own.norm() / std::sqrt(static_cast<double>(own.size())) +
                         16.0 * rounding * (maximum(own) + std::abs(mean));
    if (!orthogonal.empty() && own.size() > 2 * std::ssize(columns) && maximum(rest) <= least) {
      DerivedColumn candidate = data.solve(number, deciding);
      candidate.name = column.name;
      if (column.integer) {
        candidate.origin = column.origin;
        candidate.step = column.step;
      }
      if (data.holds(candidate, number, 2.0 * least)) {
        found.push_back(std::move(candidate));
        continue;
      }
    }
    kept.push_back(number);
    if (rest.norm() <= 1e-7 * own.norm()) continue;  // What is left of it is rounding.
    deciding.push_back(number);
    orthogonal.push_back(rest / rest.norm());
  }
  for (DerivedColumn& column : found) {
    std::vector<double> of_kept;
    for (const std::size_t number : kept) of_kept.push_back(column.coefficients[number]);
    column.coefficients = std::move(of_kept);
    derived.push_back(std::move(column));
  }
  return kept;
}

std::string formula_text(const DerivedColumn& column, const std::vector<ColumnOptions>& columns) {
  std::string text;
  const auto add = [&](double factor, const std::string& name) {
    const double size = std::abs(factor);
    text += text.empty() ? (factor < 0.0 ? "-" : "") : (factor < 0.0 ? " - " : " + ");
    if (name.empty())
      text += fmt::format("{:.6g}", size);
    else
      text += size == 1.0 ? name : fmt::format("{:.6g} {}", size, name);
  };
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (column.coefficients[i] != 0.0) add(column.coefficients[i], columns[i].name);
  if (column.offset != 0.0) add(column.offset, "");
  return fmt::format("{} = {}", column.name, text);
}

}  // namespace thalweg
