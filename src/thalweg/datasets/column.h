// What is known of one column of data.
#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <vector>

namespace thalweg {

/// One column of data. A model works on standardised columns inside; x and log p(x) are always in
/// the units of the data.
struct ColumnOptions {
  std::string name;
  bool integer = false;  ///< evenly spaced values, origin + k step: uniform noise on [0, step) is
                         ///< added in training, samples are rounded down to such values
  double origin = 0.0, step = 1.0;  ///< of evenly spaced values; whole numbers as they stand
  double lower = -INFINITY,
         upper = INFINITY;  ///< bounds that samples respect; a log or logit map is inside the model
  /// Its bounds do not belong to it: smooth maps, too, take it from the line that its log or logit
  /// leads to, where its density falls as a normal's far out.
  bool open = false;
  double mean = 0.0, scale = 1.0;  ///< of the column after its bounds' map: the model removes them
  /// wraps around between its bounds, both of which it then needs, as an angle does from -180 to
  /// 180: the map inside the model is one to [-pi, pi], mean and scale are not used
  bool periodic = false;
  /// Not empty: the column is a category, which has one of these values alone, ascending. To a
  /// model it is its number k among them and noise, k + u.
  std::vector<double> values = {};
  /// Of a column of text: what stands for 0, 1, ...; empty for numbers. A column of a condition has
  /// one: it is 1 where the text is this one, and 0 elsewhere.
  std::vector<std::string> labels = {};
  std::string date = {};  ///< how a date is written; empty for numbers
  /// Values of a continuous column that have a mass each, ascending. To a model each is an interval
  /// of length `gap`, by which what lies above it moves up.
  std::vector<double> atoms = {};
  double gap = 1.0;
  /// Values may be missing, NaN. A model knows that as one more value: the last of `values` of a
  /// category, of others the first of `atoms`, just below all that a value can be.
  bool missing = false;
  std::int64_t digits = 0;     ///< significant digits of a continuous column's values; 0: not known
  std::int64_t decimals = -1;  ///< that values are written with at most; -1: not known
  std::vector<double> levels = {};  ///< of a spaced column, what samples are rounded to, ascending
  double lowest = -INFINITY, highest = INFINITY;  ///< what samples are clipped to
  /// The marginal map: standardised coordinates, ascending, and what they become inside the model.
  /// Empty: none. Of a category `scores` are from -1 to 1, else near normal scores.
  std::vector<double> knots = {}, scores = {};
  bool smooth = true;  ///< whether slopes of the marginal map change gradually at its knots

  /// Whether it stands for one text of a condition.
  bool indicates() const { return labels.size() == 1 && values.empty(); }
  /// Whether the marginal map leads to cells of (-1, 1).
  bool has_cells() const {
    return !scores.empty() && scores.front() == -1.0 && scores.back() == 1.0;
  }
  bool is_category() const { return !values.empty(); }
  /// Whether values stand for intervals of a coordinate: see coordinate_of.
  bool has_intervals() const { return integer || is_category() || !atoms.empty(); }
  /// The angle in [-pi, pi) of a value of a periodic column.
  double angle(double value) const {
    const double turns = (value - lower) / (upper - lower);
    return 2.0 * std::numbers::pi * (turns - std::floor(turns) - 0.5);
  }
  /// `value`, after its bounds' map, in units of the column's spread.
  double standardised(double value) const { return (value - mean) / scale; }
};

/// Whether single precision keeps the values of such a column to 1e-4 of their spread, and evenly
/// spaced ones exactly.
bool fits_single_precision(const ColumnOptions& column);

/// x0, x1, ..., each an angle in [-pi, pi].
std::vector<ColumnOptions> angle_columns(std::int64_t features);

}  // namespace thalweg
