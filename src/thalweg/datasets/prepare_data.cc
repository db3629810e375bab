#include "thalweg/datasets/prepare_data.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numeric>
#include <set>
#include <span>
#include <string_view>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/core/systematic_rows.h"
#include "thalweg/datasets/column_bounds.h"
#include "thalweg/datasets/column_coding.h"
#include "thalweg/datasets/column_kinds.h"
#include "thalweg/datasets/column_names.h"
#include "thalweg/datasets/column_texts.h"
#include "thalweg/datasets/date_parts.h"
#include "thalweg/datasets/marginal_map.h"
#include "thalweg/datasets/missing_values.h"
#include "thalweg/datasets/particle_rows.h"
#include "thalweg/datasets/reading.h"
#include "thalweg/datasets/rounding.h"
#include "thalweg/datasets/standardisation.h"
#include "thalweg/io/table_texts.h"

namespace thalweg {

namespace {

/// Fewer rows cannot be split and standardised sensibly.
constexpr std::int64_t kFewestRows = 20;

/// What a square in double leaves room for.
constexpr double kLargestValue = 1e150;

/// Whether values of a column may be missing is asked elsewhere.
void check_values(const std::string& column, const std::vector<double>& values) {
  for (std::size_t row = 0; row < values.size(); ++row) {
    const double value = values[row];
    if (std::isnan(value)) continue;
    if (!std::isfinite(value))
      fail<DataError>(
          "row {}, column '{}': the value is {}; expected a finite number: remove the row or "
          "fill the value in",
          row + 1, column, value);
    if (std::abs(value) > kLargestValue)
      fail<DataError>(
          "row {}, column '{}': the value {} is too large to standardise in double; expected at "
          "most {} in magnitude: rescale the column",
          row + 1, column, value, kLargestValue);
  }
}

/// What settings say of the kind of a column.
struct DeclaredKind {
  std::string kind;      ///< empty: it is found
  bool missing = false;  ///< whether a missing value is one more, with a mass
};

/// Columns of a table, in this order. Takes its values if these are all.
Table select_columns(Table table, const std::vector<std::size_t>& columns) {
  const std::size_t width = table.names.size();
  std::vector<std::size_t> all(width);
  std::iota(all.begin(), all.end(), std::size_t{0});
  if (columns == all) return table;
  Table selected;
  selected.rows = table.rows;
  selected.single_precision = table.single_precision;
  for (const std::size_t column : columns) {
    selected.names.push_back(table.names[column]);
    if (!table.content.empty()) selected.content.push_back(table.content[column]);
  }
  selected.values.reserve(static_cast<std::size_t>(table.rows) * columns.size());
  for (std::size_t row = 0; row < static_cast<std::size_t>(table.rows); ++row)
    for (const std::size_t column : columns)
      selected.values.push_back(table.values[row * width + column]);
  return selected;
}

/// Takes the last column of `table` as the rows' weights.
void take_weights(Table& table, PreparedData& data) {
  const std::string name = table.names.back();
  if (table.content_of(table.names.size() - 1) != ColumnContent::kNumber)
    fail<DataError>("data.weights: column '{}' holds texts or dates; expected numbers", name);
  data.weights = take_column(table.values, table.names.size(), table.names.size() - 1);
  check_weights(name, data.weights);
  const std::size_t width = table.names.size();
  std::vector<std::size_t> others(width - 1);
  std::iota(others.begin(), others.end(), std::size_t{0});
  table = select_columns(std::move(table), others);
  double sum = 0.0, squares = 0.0;
  for (const double weight : data.weights) {
    sum += weight;
    squares += weight * weight;
  }
  for (double& weight : data.weights) weight *= static_cast<double>(table.rows) / sum;
  const double effective = sum * sum / squares;
  data.notes.push_back(
      fmt::format("weighted by '{}': {} rows count as {:.0f} alike", name, table.rows, effective));
  if (effective < static_cast<double>(kFewestRows))
    fail<DataError>(
        "data.weights: by the weights in '{}', {} rows count as {:.1f} alike; expected at least {} "
        "to learn from",
        name, table.rows, effective, kFewestRows);
}

/// Takes columns with one value in all rows out of `table`, whose first `features` are to be
/// modelled, or throws DataError unless `drop`.
void leave_out_constant(Table& table, std::size_t& features, bool drop,
                        std::vector<std::string>& notes) {
  struct Constant {
    std::string name;
    double value;
    std::ptrdiff_t others;  ///< rows that hold it but for rounding
  };
  std::vector<Constant> constant;
  std::vector<std::size_t> left;
  std::size_t to_model = 0;
  for (std::size_t column = 0; column < table.names.size(); ++column) {
    const std::vector<double> values = take_column(table.values, table.names.size(), column);
    check_values(table.names[column], values);
    const std::vector<double> given = without_missing(values);
    if (given.empty())
      fail<DataError>("column '{}': every value is missing; leave it out of --columns",
                      table.names[column]);
    // That a value is there or is missing is something to learn.
    if (given.size() < values.size() || !is_constant(values, table.rounding())) {
      left.push_back(column);
      to_model += column < features ? 1 : 0;
      continue;
    }
    const auto equal = std::count(values.begin(), values.end(), values.front());
    constant.push_back({table.names[column], values.front(), std::ssize(values) - equal});
  }
  for (const Constant& column : constant) {
    const std::string what = fmt::format(
        "column '{}' has a single value, {}{}", column.name, column.value,
        column.others == 0 ? "" : fmt::format(" (but for rounding in {} rows)", column.others));
    if (!drop)
      fail<DataError>(
          "{}, and so nothing to learn; leave it out with --drop-constant (data.drop_constant = "
          "true){}",
          what,
          constant.size() == 1 ? "" : fmt::format(", as {} other columns", constant.size() - 1));
    notes.push_back(what + ", and is left out");
  }
  features = to_model;
  table = select_columns(std::move(table), left);
}

/// Refuses a column, `width` of which `matrix` has, that varies only where nothing is learnt.
void require_variation(const ColumnOptions& column, std::span<const double> matrix,
                       std::size_t width, std::size_t number, const PreparedData& data,
                       double rounding) {
  const auto values_of = [&](const std::vector<std::int64_t>& rows) {
    return take_column(matrix, width, number, rows);
  };
  const std::vector<double> train = values_of(data.train);
  if (!is_constant(train, rounding)) return;
  std::int64_t others = 0;
  for (const auto* rows : {&data.validation, &data.test})
    for (const double value : values_of(*rows))
      others += !is_constant(std::array{train.front(), value}, rounding);
  fail<DataError>(
      "column '{}' has a single value, {}, in all {} rows to train on, and others in {} of the {} "
      "rows to validate and test on alone, so that they cannot be learnt; name columns without it "
      "(--columns, --condition), add rows to train on in which it varies, or draw others (--seed)",
      column.name, train.front(), train.size(), others, data.validation.size() + data.test.size());
}

/// What settings declare of each column.
std::vector<DeclaredKind> declared_kinds(const std::vector<std::string>& names,
                                         const DataOptions& options) {
  std::vector<DeclaredKind> declared(names.size());
  for (const std::size_t column : column_numbers(names, options.integers, "data.integers"))
    declared[column].kind = "whole";
  for (const std::string& entry : options.kinds) {
    const std::size_t equals = entry.rfind('=');
    const std::string kind = equals == std::string::npos ? "" : entry.substr(equals + 1);
    if (kind != "continuous" && kind != "spaced" && kind != "whole" && kind != "category" &&
        kind != "missing")
      fail<ConfigError>(
          "data.kinds: '{}': expected name=kind, the kind being one of continuous, spaced, whole, "
          "category, missing, hour, weekday and yearday, as month=category",
          entry);
    DeclaredKind& own = declared[column_number(names, entry.substr(0, equals), "data.kinds")];
    if (kind == "missing")
      own.missing = true;
    else
      own.kind = kind;
  }
  return declared;
}

/// What was found of columns that are not simply continuous, a sentence for each kind.
void note_kinds(PreparedData& data) {
  std::vector<std::string> spaced, categories, masses, missing, digits, levels;
  for (std::size_t number = 0; number < data.columns.size(); ++number) {
    const ColumnOptions& column = data.columns[number];
    if (column.is_category())
      categories.push_back(
          fmt::format("'{}' ({})", column.name, column.values.size() - (column.missing ? 1 : 0)));
    else if (column.integer)
      spaced.push_back(fmt::format("'{}' ({:.4g} apart)", column.name, column.step));
    const auto atoms =
        std::span(column.atoms).subspan(column.missing && !column.atoms.empty() ? 1 : 0);
    if (!atoms.empty())
      masses.push_back(fmt::format("'{}' (at {:.6g})", column.name, fmt::join(atoms, ", ")));
    if (column.missing)
      missing.push_back(fmt::format(
          "'{}' ({:.3g} %)", column.name,
          100.0 * static_cast<double>(count_missing(data.x, data.columns.size(), number)) /
              static_cast<double>(data.rows)));
    if (!column.levels.empty())
      levels.push_back(fmt::format("'{}' ({})", column.name, column.levels.size()));
    if (column.digits > 0) digits.push_back(fmt::format("'{}' ({})", column.name, column.digits));
  }
  if (!categories.empty())
    data.notes.push_back(fmt::format("categories, which samples take their values from, in {}",
                                     fmt::join(categories, ", ")));
  if (!spaced.empty())
    data.notes.push_back(fmt::format(
        "evenly spaced values in {}: uniform noise fills the gaps in training, and samples are "
        "rounded back",
        fmt::join(spaced, ", ")));
  if (!masses.empty())
    data.notes.push_back(
        fmt::format("values that have a mass of their own in {}", fmt::join(masses, ", ")));
  if (!missing.empty())
    data.notes.push_back(fmt::format(
        "that a value is missing is learnt, and found as often in samples, as an empty field, in "
        "{}",
        fmt::join(missing, ", ")));
  if (!levels.empty())
    data.notes.push_back(fmt::format(
        "values that repeat in {}: samples take no others, and log densities are those of before",
        fmt::join(levels, ", ")));
  if (!digits.empty())
    data.notes.push_back(
        fmt::format("numbers of few significant digits in {}: samples are rounded to as many, and "
                    "log densities are those of before",
                    fmt::join(digits, ", ")));
}

/// Takes what other columns decide out of those to learn.
void leave_out_derived(PreparedData& data, double rounding, bool tables) {
  const std::size_t width = data.columns.size();
  const auto kept = find_derived({.columns = data.columns,
                                  .x = data.x,
                                  .context_columns = data.context_columns,
                                  .context = data.context,
                                  .rounding = rounding,
                                  .tables = tables},
                                 data.derived);
  if (kept.size() == width) return;
  std::set<std::string> bounded;
  for (const ColumnOptions& column : data.columns)
    if (std::isfinite(column.lower) || std::isfinite(column.upper)) bounded.insert(column.name);
  if (!tables)  // Runs of before have derived columns after all others.
    for (DerivedColumn& column : data.derived) column.place = -1;
  std::vector<ColumnOptions> columns;
  for (const std::size_t column : kept) columns.push_back(data.columns[column]);
  auto to = data.x.begin();
  for (std::size_t begin = 0; begin < data.x.size(); begin += width)
    for (const std::size_t column : kept) *to++ = data.x[begin + column];
  data.x.erase(to, data.x.end());
  data.columns = std::move(columns);
  std::vector<ColumnOptions> others = data.columns;
  others.insert(others.end(), data.context_columns.begin(), data.context_columns.end());
  if (data.columns.empty())
    fail<DataError>(
        "{} in all rows: the condition decides all that is to be modelled, which leaves nothing to "
        "learn",
        formula_text(data.derived.front(), others));
  for (const DerivedColumn& column : data.derived)
    data.notes.push_back(fmt::format(
        "{} in all rows: '{}' has no density of its own; it is not learnt, and samples get it by "
        "this (data.find_derived = false learns it all the same){}",
        formula_text(column, others), column.name,
        bounded.contains(column.name) ? ", whatever its bounds" : ""));
}

/// Moves rows of particles to a centre of mass of 0, and says so.
void take_particles(Table& table, std::size_t features, const DataOptions& options,
                    std::vector<std::string>& notes) {
  if (!options.bounds.empty() || !options.periodic.empty())
    fail<ConfigError>("data.particles: expected no bounds or periods of positions, which move");
  for (std::size_t column = 0; column < features; ++column) {
    const std::vector<double> values = take_column(table.values, table.names.size(), column);
    if (!options.species && without_missing(values).size() < values.size())
      fail<ConfigError>(
          "data.particles: expected the same particles in all rows, got missing positions in '{}': "
          "sets of unequal size are learnt with their species (data.species = true); or leave such "
          "rows out with --drop-missing",
          table.names[column]);
    check_values(table.names[column], values);
  }
  const ParticleRowsSummary found =
      centre_particles(table.values, table.columns(), static_cast<std::int64_t>(features),
                       options.particles, options.species);
  notes.push_back(fmt::format(
      "rows are {}{} particles in {} dimensions; each was moved to a centre of mass of 0{}",
      options.species ? "up to " : "", found.particles, options.particles,
      found.largest_centre > 1e-3 * found.usual_distance
          ? fmt::format(", which was up to {:.3g} away", found.largest_centre)
          : ""));
  if (found.evaporated > 0)
    notes.push_back(fmt::format(
        "{} row{} a particle more than {:g} times the usual distance {:.3g} from all others: has a "
        "part evaporated?",
        found.evaporated, found.evaporated == 1 ? " has" : "s have", kEvaporated,
        found.usual_distance));
}

/// Whether a column is called species0, species1, ...
bool is_species(const std::string& name) {
  constexpr std::string_view kName = "species";
  return name.size() > kName.size() && name.starts_with(kName) &&
         name.find_first_not_of("0123456789", kName.size()) == std::string::npos;
}

/// Puts columns called species0, species1, ... at the end of the condition, by their numbers.
/// Throws ConfigError for rows that cannot be left out without knowing the species.
void take_species_columns(const std::vector<std::string>& names, DataOptions& options) {
  for (const auto& [key, set] : {std::pair{"data.drop_missing", options.drop_missing},
                                 {"data.drop_constant", options.drop_constant}})
    if (set)
      fail<ConfigError>(
          "{}: expected false with data.species, where positions may be missing or 0 "
          "for a particle that is not there: leave out what is to be in the file",
          key);
  std::vector<std::string> named;
  std::ranges::copy_if(names, std::back_inserter(named), is_species);
  std::erase_if(options.condition, is_species);
  std::ranges::sort(named, {}, [](const std::string& name) {
    return std::pair{name.size(), name};  // shorter numbers are smaller
  });
  options.condition.insert(options.condition.end(), named.begin(), named.end());
}

/// Throws ConfigError unless as many columns of numbers as there are particles follow at the end.
void check_species(const Table& table, std::size_t features, const DataOptions& options) {
  const auto dimensions = static_cast<std::size_t>(options.particles);
  if (options.particles < 1 || features % dimensions != 0)
    fail<ConfigError>(
        "data.species: is of particles, whose data.particles = {} dimensions divide the number of "
        "columns, got {}",
        options.particles, features);
  const std::size_t particles = features / dimensions;
  const std::size_t condition = table.names.size() - features;
  const auto named = static_cast<std::size_t>(std::ranges::count_if(table.names, is_species));
  if (!options.weights.empty() || condition < particles || (named > 0 && named != particles))
    fail<ConfigError>(
        "data.species: expected a condition that ends with the species of {} particles, and no "
        "weights, got {} columns{}: name them in data.condition, or call them species0, species1, "
        "...",
        particles, condition, named > 0 ? fmt::format(", {} of them called so", named) : "");
  for (std::size_t column = features; column < table.names.size(); ++column) {
    const std::vector<double> values = take_column(table.values, table.names.size(), column);
    const bool of_species = column + particles >= table.names.size();
    if (without_missing(values).size() < values.size() ||
        (of_species && table.content_of(column) != ColumnContent::kNumber))
      fail<DataError>("column '{}': expected a number in each row{}", table.names[column],
                      of_species ? ", 0 for a particle that is not there" : "");
    check_values(table.names[column], values);
  }
}

/// What the particles are, the last so many columns of the condition: all species of the rows to
/// train on, and those of the first of these. Throws DataError for others elsewhere, of which
/// nothing can be learnt.
void find_species(PreparedData& data, std::size_t particles) {
  const auto width = static_cast<std::size_t>(data.context_features());
  const auto of_row = [&](std::int64_t row) {
    return std::span(data.context)
        .subspan((static_cast<std::size_t>(row) + 1) * width - particles, particles);
  };
  std::set<std::int64_t> found;
  for (const std::int64_t row : data.train)
    for (const double value : of_row(row))
      if (value > 0.0) found.insert(static_cast<std::int64_t>(value));
  for (const auto* rows : {&data.validation, &data.test})
    for (const std::int64_t row : *rows)
      for (const double value : of_row(row))
        if (value > 0.0 && !found.contains(static_cast<std::int64_t>(value)))
          fail<DataError>(
              "row {}: species {} is in no row to train on, so that it cannot be learnt: leave "
              "such "
              "rows out, or draw others (--seed)",
              row + 1, value);
  data.species = {found.begin(), found.end()};
  for (const double value : of_row(data.train.front()))
    data.usual_species.push_back(static_cast<std::int64_t>(value));
}

}  // namespace

void check_weights(const std::string& column, std::span<const double> weights) {
  double sum = 0.0;
  for (std::size_t row = 0; row < weights.size(); ++row) {
    if (!(weights[row] >= 0.0) || !std::isfinite(weights[row]))
      fail<DataError>("row {}, column '{}': the weight is {}; expected a number of at least 0",
                      row + 1, column, weights[row]);
    sum += weights[row];
  }
  if (!(sum > 0.0))
    fail<DataError>("column '{}': all weights are 0, so that no row counts", column);
}

std::vector<std::int64_t> PreparedData::training_rows(std::uint64_t seed) const {
  if (weights.empty()) return train;
  std::vector<double> of_rows;
  for (const std::int64_t row : train) of_rows.push_back(weights[static_cast<std::size_t>(row)]);
  const double offset = RandomSequence(seed, Stream::kSplit, 1).uniform();
  std::vector<std::int64_t> result = systematic_rows(of_rows, offset, std::ssize(train));
  for (std::int64_t& row : result) row = train[static_cast<std::size_t>(row)];
  return result;
}

void bound_columns(std::vector<ColumnOptions>& columns, const DataOptions& options) {
  read_bounds(columns, options.bounds, options.periodic);
}

PreparedData prepare_data(Table table, const DataOptions& asked, std::uint64_t seed,
                          const GivenRows& given_rows) {
  DataOptions options = asked;
  take_date_parts(table, options);
  const std::vector<std::string> names = table.names;
  if (given_rows.validation < 0 || given_rows.test < 0 ||
      given_rows.validation + given_rows.test > table.rows)
    fail<ShapeError>("given rows: expected at most {} in all, got {} and {}", table.rows,
                     given_rows.validation, given_rows.test);
  if (options.drop_duplicates && given_rows.validation + given_rows.test > 0)
    fail<ConfigError>(
        "data.drop_duplicates cannot be combined with data.validation and data.test; drop them in "
        "the files");
  if (options.species) take_species_columns(names, options);
  const auto condition = column_numbers(names, options.condition, "data.condition");
  auto chosen = column_numbers(names, options.columns, "data.columns");
  if (chosen.empty())
    for (std::size_t column = 0; column < names.size(); ++column)
      if (std::find(condition.begin(), condition.end(), column) == condition.end())
        chosen.push_back(column);
  for (const std::size_t column : chosen)
    if (std::find(condition.begin(), condition.end(), column) != condition.end())
      fail<ConfigError>("data.condition: column '{}' is to be modelled as well; name it once",
                        names[column]);
  const std::vector<DeclaredKind> declared = declared_kinds(names, options);
  const std::size_t weighing = options.weights.empty()
                                   ? names.size()
                                   : column_number(names, options.weights, "data.weights");
  if (std::erase(chosen, weighing) > 0 && !options.columns.empty())
    fail<ConfigError>("data.weights: column '{}' is to be modelled as well", options.weights);
  if (std::ranges::find(condition, weighing) != condition.end())
    fail<ConfigError>("data.weights: column '{}' is the condition as well", options.weights);

  PreparedData data;
  data.notes = table.notes;
  std::size_t features = chosen.size();
  chosen.insert(chosen.end(), condition.begin(), condition.end());
  if (weighing < names.size()) chosen.push_back(weighing);
  table = select_columns(std::move(table), chosen);
  GivenRows parts = given_rows;
  std::vector<bool> missing_is_learnt;
  for (std::size_t i = 0; i < chosen.size(); ++i)
    missing_is_learnt.push_back(i < features && declared[chosen[i]].missing);
  if (options.drop_missing) leave_out_missing(table, parts, missing_is_learnt, data.notes);
  if (table.rows < kFewestRows)
    fail<DataError>("the data have {} rows; expected at least {} to learn from", table.rows,
                    kFewestRows);
  if (weighing < names.size()) take_weights(table, data);
  if (options.species) {
    check_species(table, features, options);
  } else {
    refuse_missing(table, features, missing_is_learnt);
    leave_out_constant(table, features, options.drop_constant, data.notes);
  }
  if (features == 0) fail<DataError>("the data have no column to model");

  for (std::size_t column = 0; column < features; ++column) {
    ColumnOptions& added = data.columns.emplace_back();
    added.name = table.names[column];
    take_content(added, table, column);
  }
  bound_columns(data.columns, options);
  if (options.particles > 0) take_particles(table, features, options, data.notes);
  for (std::size_t column = 0; column < features; ++column) {
    ColumnOptions& own = data.columns[column];
    const std::vector<double> values = take_column(table.values, table.names.size(), column);
    const std::vector<double> given = without_missing(values);
    const ColumnKindRequest request{.declared = declared[column_number(names, own.name, "")].kind,
                                    .find_spacing = options.find_integers && options.particles == 0,
                                    .find_kinds = options.find_kinds && options.particles == 0,
                                    .closed = options.closed,
                                    .missing = given.size() < values.size(),
                                    .rounding = table.rounding(),
                                    .rules = options.rules};
    // Places that are empty are no values.
    if (!options.species) find_kind(own, given, request, data.notes);
    const auto outside = std::ranges::count_if(
        given, [&](double value) { return value < own.lower || value > own.upper; });
    if (own.periodic && outside > 0)
      data.notes.push_back(fmt::format(
          "column '{}': {} of {} values are outside of its period {} and are taken as what they "
          "are after whole turns; is this the period?",
          own.name, outside, given.size(), written_bounds(own)));
  }
  if (options.drop_duplicates && !data.weights.empty())
    fail<ConfigError>("data.drop_duplicates cannot be combined with data.weights");
  if (options.drop_duplicates) {
    const std::int64_t dropped = remove_duplicate_rows(table);
    if (dropped > 0) data.notes.push_back(fmt::format("{} duplicate rows are left out", dropped));
    if (table.rows < kFewestRows)
      fail<DataError>("the data have {} different rows; expected at least {} to learn from",
                      table.rows, kFewestRows);
  }
  const std::int64_t duplicates =
      options.drop_duplicates || !data.weights.empty() ? 0 : count_duplicate_rows(table);
  const double rounding = table.rounding();
  data.rows = table.rows;
  for (std::size_t column = features; column < table.names.size(); ++column)
    for (ColumnOptions& part : condition_columns(table, column))
      data.context_columns.push_back(std::move(part));
  if (table.names.size() == features) {
    data.x = std::move(table.values);
  } else {
    data.context = condition_values(table, features, data.context_columns);
    data.x.reserve(static_cast<std::size_t>(table.rows) * features);
    for (std::size_t row = 0; row < static_cast<std::size_t>(table.rows); ++row) {
      const auto begin =
          table.values.begin() + static_cast<std::ptrdiff_t>(row * table.names.size());
      data.x.insert(data.x.end(), begin, begin + static_cast<std::ptrdiff_t>(features));
    }
  }

  if (options.find_derived) leave_out_derived(data, rounding, options.rules >= 5);
  note_kinds(data);
  data.free_rows = data.rows - parts.validation - parts.test;
  data.block_rows = options.block_rows;
  RowOrder order;
  if (data.block_rows == 0) {
    const auto free = [&](const std::vector<double>& values, std::int64_t width) {
      return std::span(values).first(static_cast<std::size_t>(data.free_rows * width));
    };
    order = find_row_order(free(data.x, data.features()), data.features(),
                           free(data.context, data.context_features()), data.context_features());
    data.block_rows = order.block_rows;
    const bool draws = (options.validation_fraction > 0.0 && parts.validation == 0) ||
                       (options.test_fraction > 0.0 && parts.test == 0);
    if (order.lag > 0 && draws) data.notes.push_back(row_order_text(order));
  }
  // A chain stays where its steps are refused.
  if (duplicates > 0 && order.lag == 0)
    data.notes.push_back(fmt::format(
        "{} rows equal an earlier one and may sit in training and test alike; --drop-duplicates "
        "leaves them out",
        duplicates));
  RowSplit split = split_rows(data.rows, options.validation_fraction, options.test_fraction, seed,
                              parts, data.block_rows);
  data.train = std::move(split.train);
  data.validation = std::move(split.validation);
  data.test = std::move(split.test);
  const std::size_t of_species =
      options.species ? features / static_cast<std::size_t>(options.particles) : 0;
  if (of_species > 0) find_species(data, of_species);
  for (std::size_t column = 0; column < data.columns.size() && of_species == 0; ++column)
    if (!data.columns[column].has_intervals())
      require_variation(data.columns[column], data.x, data.columns.size(), column, data, rounding);
  for (std::size_t column = 0; column + of_species < data.context_columns.size(); ++column)
    if (!data.context_columns[column].indicates())
      require_variation(data.context_columns[column], data.context, data.context_columns.size(),
                        column, data, rounding);
  const std::vector<std::int64_t> learnt = data.training_rows(seed);
  // Heads, which categories need, know circles by cells.
  const bool has_category = std::ranges::any_of(
      data.columns, [](const ColumnOptions& column) { return column.is_category(); });
  std::vector<std::string> logarithms;
  // A place that no row to train on takes has nothing to measure.
  for (std::size_t number = 0; number < data.columns.size() && of_species == 0; ++number) {
    ColumnOptions& column = data.columns[number];
    std::vector<double> coordinates = take_column(data.x, data.columns.size(), number, learnt);
    add_noise(column, number, seed, Stream::kDequantisation, coordinates);
    measure(column, coordinates);
    if (column.periodic ? !has_category : !options.marginal_maps && !column.is_category()) continue;
    std::vector<double> mapped = coordinates;
    for (double& value : mapped)
      value = column.periodic ? column.angle(value) : column.standardised(unbounded(value, column));
    fit_marginal_map(column, std::move(mapped), has_category);
    if (options.rules >= 5 &&
        wants_logarithm(column, take_column(data.x, data.columns.size(), number))) {
      column.lower = 0.0;
      measure(column, coordinates);
      logarithms.push_back(column.name);
    }
  }
  if (!logarithms.empty())
    data.notes.push_back(
        fmt::format("never below 0 and skewed, so learnt by their logarithms: '{}'",
                    fmt::join(logarithms, "', '")));
  for (std::size_t column = 0; column + of_species < data.context_columns.size(); ++column) {
    ColumnOptions& own = data.context_columns[column];
    const std::vector<double> learnt_values =
        take_column(data.context, data.context_columns.size(), column, learnt);
    const auto [least, greatest] = std::ranges::minmax(learnt_values);
    own.lowest = least;
    own.highest = greatest;
    // A text that only rows not trained on have has nothing to measure.
    if (!own.indicates() || least < greatest) measure(own, learnt_values);
  }
  return data;
}

}  // namespace thalweg
