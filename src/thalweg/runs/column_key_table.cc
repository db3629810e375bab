// The one table of what is known of columns, as files have it.
#include <cmath>

#include "thalweg/runs/option_table.h"

namespace thalweg {

namespace {

constexpr double kAny = 1e300;

}  // namespace

const std::vector<ColumnKey>& column_keys() {
  // Those with a summary are left out of a file where they say nothing.
  static const std::vector<ColumnKey> keys = {
      {"name", "", [](ColumnOptions& c) -> OptionPlace { return &c.name; }},
      {"integer", "", [](ColumnOptions& c) -> OptionPlace { return &c.integer; }},
      {"origin", "", [](ColumnOptions& c) -> OptionPlace { return &c.origin; }, -kAny, kAny},
      {"step", "", [](ColumnOptions& c) -> OptionPlace { return &c.step; }, 1e-300, kAny},
      {"decimals", "decimals that values have at most",
       [](ColumnOptions& c) -> OptionPlace { return &c.decimals; }, -1, 9},
      {"lower", "", [](ColumnOptions& c) -> OptionPlace { return &c.lower; }, -INFINITY, INFINITY},
      {"upper", "", [](ColumnOptions& c) -> OptionPlace { return &c.upper; }, -INFINITY, INFINITY},
      {"periodic", "", [](ColumnOptions& c) -> OptionPlace { return &c.periodic; }},
      {"open", "bounds do not belong to it",
       [](ColumnOptions& c) -> OptionPlace { return &c.open; }},
      {"mean", "", [](ColumnOptions& c) -> OptionPlace { return &c.mean; }, -kAny, kAny},
      {"scale", "", [](ColumnOptions& c) -> OptionPlace { return &c.scale; }, 1e-300, kAny},
      {"values", "of a category", [](ColumnOptions& c) -> OptionPlace { return &c.values; }, -kAny,
       kAny},
      {"labels", "of a category of texts",
       [](ColumnOptions& c) -> OptionPlace { return &c.labels; }},
      {"date", "how a date is written", [](ColumnOptions& c) -> OptionPlace { return &c.date; }},
      {"atoms", "values with a mass", [](ColumnOptions& c) -> OptionPlace { return &c.atoms; },
       -kAny, kAny},
      {"gap", "length of an interval of theirs",
       [](ColumnOptions& c) -> OptionPlace { return &c.gap; }, 1e-300, kAny},
      {"missing", "values may be missing",
       [](ColumnOptions& c) -> OptionPlace { return &c.missing; }},
      {"levels", "that samples of evenly spaced values are rounded to",
       [](ColumnOptions& c) -> OptionPlace { return &c.levels; }, -kAny, kAny},
      {"digits", "significant digits that samples are rounded to",
       [](ColumnOptions& c) -> OptionPlace { return &c.digits; }, 0, 15},
      {"lowest", "samples are not below", [](ColumnOptions& c) -> OptionPlace { return &c.lowest; },
       -INFINITY, INFINITY},
      {"highest", "samples are not above",
       [](ColumnOptions& c) -> OptionPlace { return &c.highest; }, -INFINITY, INFINITY},
      {"knots", "of the marginal map", [](ColumnOptions& c) -> OptionPlace { return &c.knots; },
       -kAny, kAny},
      {"scores", "of the marginal map", [](ColumnOptions& c) -> OptionPlace { return &c.scores; },
       -kAny, kAny},
      {"smooth", "of the marginal map", [](ColumnOptions& c) -> OptionPlace { return &c.smooth; }},
  };
  return keys;
}

const std::vector<DerivedKey>& derived_keys() {
  static const std::vector<DerivedKey> keys = {
      {"name", "", [](DerivedColumn& c) -> OptionPlace { return &c.name; }},
      {"offset", "", [](DerivedColumn& c) -> OptionPlace { return &c.offset; }, -kAny, kAny},
      {"coefficients", "", [](DerivedColumn& c) -> OptionPlace { return &c.coefficients; }, -kAny,
       kAny},
      {"origin", "", [](DerivedColumn& c) -> OptionPlace { return &c.origin; }, -kAny, kAny},
      {"step", "", [](DerivedColumn& c) -> OptionPlace { return &c.step; }, 0.0, kAny},
      {"place", "among all columns of the data",
       [](DerivedColumn& c) -> OptionPlace { return &c.place; }, -1, kAny},
      {"source", "number of the column whose value decides by a table",
       [](DerivedColumn& c) -> OptionPlace { return &c.source; }, -1, kAny},
      {"keys", "of the table", [](DerivedColumn& c) -> OptionPlace { return &c.keys; }, -kAny,
       kAny},
      {"values", "of the table", [](DerivedColumn& c) -> OptionPlace { return &c.values; }, -kAny,
       kAny},
      {"labels", "of a column of texts", [](DerivedColumn& c) -> OptionPlace { return &c.labels; }},
      {"date", "how a date is written", [](DerivedColumn& c) -> OptionPlace { return &c.date; }},
  };
  return keys;
}

}  // namespace thalweg
