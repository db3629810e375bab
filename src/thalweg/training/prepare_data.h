// From a table of numbers to points a flow can learn: which columns, what they are made of, which
// rows serve what.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "thalweg/io/table.h"
#include "thalweg/training/run_options.h"

namespace thalweg {

/// Points with what is known of their columns. Values are those of the file; noise, bounds and
/// standardisation belong to the model and its training.
struct PreparedData {
  std::int64_t rows = 0;
  std::vector<double> x;        ///< rows x columns, row-major
  std::vector<double> context;  ///< rows x context columns
  std::vector<ColumnOptions> columns, context_columns;
  std::vector<std::int64_t> train, validation, test;  ///< numbers of rows, each in random order
  std::vector<std::string> notes;                     ///< what was found and done, a sentence each

  std::int64_t features() const { return static_cast<std::int64_t>(columns.size()); }
  std::int64_t context_features() const {
    return static_cast<std::int64_t>(context_columns.size());
  }
};

/// How many of a table's last rows have a purpose already: first those to validate on, then those
/// to test on. For a purpose without rows here, a share of the other rows is drawn.
struct GivenRows {
  std::int64_t validation = 0, test = 0;
};

/// Sets the bounds and periods that `options` give to columns of these names. Throws ConfigError
/// for unknown columns and unreadable bounds.
void bound_columns(std::vector<ColumnOptions>& columns, const DataOptions& options);

/// Chooses columns by name, checks that values are finite and inside of declared bounds, finds
/// columns of evenly spaced values, splits the rows by `seed`, and measures mean and scale of each
/// column after noise and bounds. Throws ConfigError
/// for unknown columns and unreadable bounds; DataError, with row (from 1) and column, for values
/// that cannot be used, constant columns and too few rows.
PreparedData prepare_data(const Table& table, const DataOptions& options, std::uint64_t seed,
                          const GivenRows& given = {});

/// prepare_data() of the rows of the files options.path, options.validation and options.test; the
/// latter two may be empty. If options.path is a folder, its train.npy, validation.npy and test.npy
/// (one of the latter two may be missing) stand for what options do not name. Throws as load_table
/// and prepare_data; DataError if the files have other columns than the first; ConfigError for
/// drop_duplicates beside given rows.
PreparedData load_prepared_data(const DataOptions& options, std::uint64_t seed);

/// Sets what the data decide of a model: its columns, those of its condition, and for a
/// class-conditional base the classes, which are the different conditions of all rows in order.
/// Throws ConfigError for such a base without a condition, or with more than 1000 different ones,
/// as of a continuous condition.
void fit_model_to_data(ModelOptions& model, const PreparedData& data);

/// Rows of `matrix` (any number x `width`) with the given numbers.
std::vector<double> take_rows(std::span<const double> matrix, std::int64_t width,
                              std::span<const std::int64_t> rows);

/// Adds uniform noise on [0, step) to the evenly spaced columns of `x`, rows x columns: the same
/// for the same seed and row.
void dequantise(std::vector<double>& x, const std::vector<ColumnOptions>& columns,
                std::uint64_t seed);

/// The columns of `data` from another table, in the same order, x and context; of the context alone
/// without `with_x`. A table whose columns have no names may hold just these columns. Throws
/// DataError for missing columns and values that are not finite.
struct ModelRows {
  std::int64_t rows = 0;
  std::vector<double> x, context;
};
ModelRows rows_for_model(const Table& table, const ModelOptions& model, bool with_x = true);

/// Sets flow, base and training for `rows` training rows of `data`'s shape: a flow of a size, and
/// a training of minutes, that serve tables of 1 to 64 columns and 1000 to 10^6 rows. Stochastic
/// layers that the options have stay.
void choose_for_data(RunOptions& options, const PreparedData& data);

}  // namespace thalweg
