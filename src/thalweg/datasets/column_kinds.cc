#include "thalweg/datasets/column_kinds.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/datasets/column_bounds.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/datasets/even_spacing.h"
#include "thalweg/datasets/rounding.h"
#include "thalweg/io/input_file.h"

namespace thalweg {

namespace {

constexpr std::size_t kMostCategories = 40;
constexpr std::size_t kLeastRowsOfCategory = 5;
constexpr double kLeastAtomShare = 0.01;
constexpr std::size_t kLeastAtomRows = 8;
constexpr std::size_t kMostAtoms = 16;

/// Different values, ascending, and how often each occurs.
using Counts = std::vector<std::pair<double, std::size_t>>;

Counts counts_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  Counts counts;
  for (const double value : values) {
    if (counts.empty() || counts.back().first != value) counts.emplace_back(value, 0);
    ++counts.back().second;
  }
  return counts;
}

bool may_be_category(const Counts& counts, std::size_t rows, int rules) {
  constexpr std::size_t kFewCategories = 12, kRowsAThousandth = 1000;
  std::size_t least = kLeastRowsOfCategory;
  if (rules >= 5 && counts.size() > kFewCategories)
    least = std::max(least, rows / kRowsAThousandth);
  return counts.size() <= kMostCategories &&
         std::ranges::all_of(counts, [&](const auto& entry) { return entry.second >= least; });
}

/// The first few texts of a column, for people.
std::string texts_of(const ColumnOptions& column) {
  constexpr std::size_t kShown = 10;
  const std::span all(column.labels);
  return shown(fmt::format("{}{}", fmt::join(all.first(std::min(kShown, all.size())), ", "),
                           all.size() > kShown ? ", ..." : ""));
}

void make_category(ColumnOptions& column, const Counts& counts) {
  column.integer = false;
  column.origin = 0.0;
  column.step = 1.0;
  for (const auto& [value, count] : counts) column.values.push_back(value);
  // Nothing else can come, so bounds have nothing to add.
  column.lower = -INFINITY;
  column.upper = INFINITY;
}

/// A power of two near the spread of values, in units of their step if they have one, as the length
/// of an atom's interval.
double gap_of(const ColumnOptions& column, const Counts& counts) {
  const double unit = column.integer ? column.step : 1.0;
  const double spread = (counts.back().first - counts.front().first) / unit;
  const double power = std::round(std::log2(spread / 8.0));
  return unit * std::exp2(column.integer ? std::max(0.0, power) : power);
}

/// Makes missing values one more value with a mass.
void add_missing(ColumnOptions& column, const Counts& counts) {
  column.missing = true;
  if (column.is_category()) {
    column.values.push_back(column.labels.empty() ? column.values.back() + 1.0
                                                  : static_cast<double>(column.labels.size()));
    return;
  }
  if (column.atoms.empty()) column.gap = gap_of(column, counts);
  const bool bounded = std::isfinite(column.lower);
  const double least = bounded                        ? column.lower
                       : std::isfinite(column.lowest) ? column.lowest
                                                      : counts.front().first;
  const double below = std::min(least - 0x1p-20 * column.gap, std::nextafter(least, -INFINITY));
  column.atoms.insert(column.atoms.begin(), below);
  if (!bounded) return;
  column.lowest = column.lower;
  column.lower = below;
}

void find_atoms(ColumnOptions& column, const std::vector<double>& values, const Counts& counts,
                bool find, bool closed) {
  const auto rows = static_cast<double>(values.size());
  std::vector<std::pair<std::size_t, double>> common;
  for (const auto& [value, count] : counts) {
    const bool on_bound = !closed && (value == column.lower || value == column.upper);
    if (on_bound ||
        (find && count >= kLeastAtomRows && static_cast<double>(count) >= kLeastAtomShare * rows))
      common.emplace_back(on_bound ? values.size() + 1 : count, value);
  }
  if (common.empty()) return;
  std::ranges::sort(common, std::greater<>());
  if (common.size() > kMostAtoms) common.resize(kMostAtoms);
  for (const auto& [count, value] : common) column.atoms.push_back(value);
  std::ranges::sort(column.atoms);
  column.gap = gap_of(column, counts);
}

/// What samples of a spaced column are rounded to, where its values repeat.
void find_levels(ColumnOptions& column, const Counts& counts, std::size_t rows) {
  constexpr std::size_t kMostLevels = 1000;
  constexpr double kMostUnseen = 0.05, kMostOfSteps = 0.6, kExact = 1e-9;
  const auto once = static_cast<double>(
      std::ranges::count_if(counts, [](const auto& entry) { return entry.second == 1; }));
  const double steps = 1.0 + (counts.back().first - counts.front().first) / column.step;
  const bool rounded = std::ranges::any_of(counts, [&](const auto& entry) {
    const double value = value_at(column, coordinate_of(column, entry.first, 0.5));
    return std::abs(value - entry.first) > kExact * (std::abs(entry.first) + kExact * column.step);
  });
  const bool sparse = static_cast<double>(counts.size()) <= kMostOfSteps * steps;
  if (counts.size() > kMostLevels || once > kMostUnseen * static_cast<double>(rows) ||
      !(sparse || rounded))
    return;
  for (const auto& [value, count] : counts) column.levels.push_back(value);
}

/// What samples of a continuous column are rounded to.
void find_digits(ColumnOptions& column, const std::vector<double>& values, double rounding) {
  const auto digits = significant_digits(values, rounding_of(values, rounding));
  if (!digits) return;
  column.digits = *digits;
  column.decimals = decimals_of(values, *digits).value_or(-1);
}

/// Where samples end: at what the values never leave, as far as they show it.
void find_limits(ColumnOptions& column, const Counts& counts) {
  const double least = counts.front().first, greatest = counts.back().first;
  const auto has_mass = [&](double value) {
    return std::binary_search(column.atoms.begin(), column.atoms.end(), value);
  };
  if (column.integer || has_mass(least))
    column.lowest = least;
  else if (least >= 0.0)
    column.lowest = 0.0;
  if (column.integer || has_mass(greatest))
    column.highest = greatest;
  else if (greatest <= 0.0)
    column.highest = 0.0;
}

}  // namespace

void find_kind(ColumnOptions& column, const std::vector<double>& values,
               const ColumnKindRequest& request, std::vector<std::string>& notes) {
  const Counts counts = counts_of(values);
  if (!column.labels.empty() && !request.declared.empty() && request.declared != "category")
    fail<ConfigError>("data.kinds: column '{}' holds texts, which are a category; it cannot be {}",
                      column.name, request.declared);
  if (!column.labels.empty() && !column.periodic &&
      (std::isfinite(column.lower) || std::isfinite(column.upper)))
    fail<ConfigError>(
        "data.bounds: column '{}' holds texts ({}), which have no bounds; leave it out",
        column.name, texts_of(column));
  if (!column.labels.empty() || request.declared == "category") {
    if (column.periodic)
      fail<ConfigError>("data.periodic: column '{}' is a category, which cannot wrap around",
                        column.name);
    constexpr std::size_t kMostDeclared = 1000;
    if (counts.size() > kMostDeclared)
      fail<DataError>(
          "column '{}' has {} different values; expected at most {} of a category: leave it out "
          "of --columns, or give it another kind (data.kinds)",
          column.name, counts.size(), kMostDeclared);
    check_bounds(column, values);
    make_category(column, counts);
    if (request.missing) add_missing(column, counts);
    return;
  }
  if (request.missing && column.periodic)
    fail<DataError>(
        "column '{}' wraps around, and values of it are missing, which such a column cannot learn; "
        "leave out rows without one with --drop-missing",
        column.name);
  const bool whole = request.declared == "whole";
  std::vector<std::string> spike;
  if (request.declared != "continuous")
    find_spacing(column, values, whole, request.find_spacing || request.declared == "spaced",
                 request.rounding, spike);
  if (request.declared == "spaced" && !column.integer)
    fail<DataError>("column '{}' is declared evenly spaced, but no step is found in its values",
                    column.name);
  const bool bounded = std::isfinite(column.lower) || std::isfinite(column.upper);
  const bool closed = request.closed && !request.missing && std::isfinite(column.lower) &&
                      std::isfinite(column.upper);
  const bool single = request.missing && counts.size() == 1;  // There or not, and nothing else.
  if (single || (column.integer && request.declared.empty() && request.find_kinds &&
                 !column.periodic && may_be_category(counts, values.size(), request.rules))) {
    check_bounds(column, values);
    make_category(column, counts);
    if (request.missing) add_missing(column, counts);
    return;
  }
  if (!column.integer && !column.periodic)
    find_atoms(column, values, counts, request.find_kinds && request.declared.empty(), closed);
  if (column.integer && request.rules >= 5 && request.find_kinds && request.declared.empty())
    find_levels(column, counts, values.size());
  if (!column.integer && !column.periodic && request.find_kinds && request.declared.empty())
    find_digits(column, values, request.rounding);
  if (request.find_kinds && !column.periodic && !bounded) find_limits(column, counts);
  if (request.missing) add_missing(column, counts);
  check_bounds(column, values, closed);
  if (column.atoms.empty()) notes.insert(notes.end(), spike.begin(), spike.end());
}

std::string measure_text(const std::vector<ColumnOptions>& columns) {
  std::vector<std::string> masses, steps, atoms, missing;
  for (const ColumnOptions& column : columns) {
    if (column.is_category()) masses.push_back(column.name);
    if (column.integer) steps.push_back(column.name);
    if (column.missing && !column.is_category()) missing.push_back(column.name);
    if (std::ssize(column.atoms) > (column.missing ? 1 : 0)) atoms.push_back(column.name);
  }
  std::vector<std::string> parts;
  const auto add = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) parts.push_back(fmt::format("{} of {}", what, fmt::join(names, ", ")));
  };
  add("masses", masses);
  add("masses over the step", steps);
  add("masses at the common values", atoms);
  add("masses of a missing value", missing);
  if (parts.empty()) return "";
  if (masses.size() + steps.size() < columns.size()) parts.emplace_back("densities elsewhere");
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace thalweg
