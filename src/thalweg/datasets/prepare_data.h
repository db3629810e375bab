// From a table of numbers to points a flow can learn: which columns, what they are made of, which
// rows serve what.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/datasets/column.h"
#include "thalweg/datasets/derived_columns.h"
#include "thalweg/datasets/matrix.h"
#include "thalweg/datasets/row_split.h"
#include "thalweg/io/table.h"

namespace thalweg {

/// Where training points come from and how their columns are treated.
struct DataOptions {
  std::string path;  ///< a file of points, or a folder of splits; empty: none
  std::string
      validation;    ///< a file with the rows that decide when to stop; empty: a share of path
  std::string test;  ///< a file with the rows to test on; empty: a share of path
  std::vector<std::string> missing;    ///< texts that stand for missing values, besides the usual
  std::string header = "auto";         ///< of files of text: auto, or yes or no
  std::vector<std::string> columns;    ///< those to model, by name; empty: all but the condition
  std::vector<std::string> condition;  ///< columns that the density is conditioned on
  std::string weights;  ///< a column that says how much each row counts; empty: all alike
  /// A file of forces, -d energy / d x in kT, beside the rows of `path`: see load_forces; empty:
  /// none.
  std::string forces;
  std::vector<std::string> bounds;    ///< "name=lower:upper", either side may be empty
  std::vector<std::string> periodic;  ///< "name=lower:upper": wraps around between these
  /// Whether both bounds of a column belong to it, as flows of smooth maps take it: a value on one
  /// is then like any other. By the kind of flow, not a setting of its own.
  bool closed = false;
  std::vector<std::string> integers;  ///< columns to dequantise besides those found
  bool find_integers = true;          ///< dequantise columns of whole numbers with many repeats
  /// "name=kind": continuous, spaced, whole or category; what is not named is found. Or missing,
  /// also beside another kind: values may be missing, which has a mass of its own. Or of dates the
  /// parts in their place: hour, weekday or yearday (see take_date_parts)
  std::vector<std::string> kinds;
  bool find_kinds = true;     ///< look for categories, masses and limits
  bool marginal_maps = true;  ///< make each column nearly normal by itself
  bool drop_duplicates = false;
  bool drop_constant = false;
  /// What is looked for, by the format of runs that had it first: 5, tables of one column by
  /// another, what a condition decides, levels of spaced columns, logarithms of skewed ones; not
  /// before.
  int rules = 5;
  bool find_derived = true;   ///< leave out what other columns decide, and restore it in samples
  bool drop_missing = false;  ///< leave out rows with a missing value
  /// Above 0: rows are positions of particles in so many dimensions of space, x0 y0 z0 x1 ...
  std::int64_t particles = 0;
  /// Whether the condition ends with the species of such particles, one each, 0 where there is
  /// none: see species_of(). Columns called species0, species1, ... are the end of the condition
  /// then.
  bool species = false;
  double validation_fraction = 0.1;
  double test_fraction = 0.1;
  /// Consecutive rows that go to training, validation or test together: 1, each by itself; 0, as
  /// find_row_order() has it.
  std::int64_t block_rows = 0;
};

/// Points with what is known of their columns. Values are those of the file; noise, bounds and
/// standardisation belong to the model and its training.
struct PreparedData {
  std::int64_t rows = 0;
  std::vector<double> x;        ///< rows x columns, row-major
  std::vector<double> context;  ///< rows x context columns
  std::vector<ColumnOptions> columns, context_columns;
  std::vector<double> weights;              ///< of the rows, with a mean of 1; empty: all are alike
  std::vector<double> forces;               ///< rows x columns; empty: they are not known
  std::vector<std::int64_t> species;        ///< what particles can be, ascending; empty without
  std::vector<std::int64_t> usual_species;  ///< of a row to train on
  /// What the columns decide, which is not learnt: samples get it from them.
  std::vector<DerivedColumn> derived;
  std::vector<std::int64_t> train, validation, test;  ///< numbers of rows, each in random order
  std::int64_t block_rows = 1;                        ///< see split_rows()
  std::int64_t free_rows = 0;      ///< that come first, and are not given for validation or test
  std::vector<std::string> notes;  ///< what was found and done, a sentence each

  /// Rows that stand for those to train on where all rows are alike: these themselves, or by
  /// systematic resampling by their weights as many.
  std::vector<std::int64_t> training_rows(std::uint64_t seed) const;
  /// See block_of; a row that is given, or in no block, has a number of its own.
  std::int64_t block_number(std::int64_t row) const {
    return block_rows > 1 && row < free_rows ? block_of(row, block_rows, free_rows) : row;
  }
  std::int64_t features() const { return static_cast<std::int64_t>(columns.size()); }
  std::int64_t context_features() const {
    return static_cast<std::int64_t>(context_columns.size());
  }
};

/// Throws DataError, with row (from 1), for weights that are negative or no number, and if all are
/// 0.
void check_weights(const std::string& column, std::span<const double> weights);

/// Sets the bounds and periods that `options` give to columns of these names. Throws ConfigError
/// for unknown columns and unreadable bounds.
void bound_columns(std::vector<ColumnOptions>& columns, const DataOptions& options);

/// Chooses columns by name, checks that values are finite, at most 1e150 and inside of declared
/// bounds, finds columns of evenly spaced values, splits the rows by `seed`, and measures mean and
/// scale of each column after noise and bounds. Throws ConfigError for unknown columns and
/// unreadable bounds; DataError, with row (from 1) and column, for values that cannot be used,
/// values that are missing where options do not say what to do with them,
/// columns that are constant but for rounding (of table.rounding()) in all rows or in those to
/// train on, and too few rows.
/// Rows of particles are moved to their centre of mass, see centre_particles, and their columns are
/// continuous.
PreparedData prepare_data(Table table, const DataOptions& options, std::uint64_t seed,
                          const GivenRows& given = {});

/// prepare_data() of the rows of the files options.path, options.validation and options.test; the
/// latter two may be empty. If options.path is a folder, its train.npy, validation.npy and test.npy
/// (one of the latter two may be missing) stand for what options do not name. Throws as load_table
/// and prepare_data; DataError if the files have other columns than the first; ConfigError for
/// drop_duplicates beside given rows; and for options.forces as load_forces. `progress` is called
/// while files are read.
PreparedData load_prepared_data(const DataOptions& options, std::uint64_t seed,
                                const ReadProgress& progress = {});

}  // namespace thalweg
