// The four UCI tables that density estimators are compared on, prepared as in Papamakarios,
// Pavlakou and Murray 2017 (Masked Autoregressive Flow, appendix D.2 and the authors' public
// settings).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "thalweg/io/table.h"

namespace thalweg {

/// One table as it was published.
struct UciTable {
  std::string name;                      ///< "power", "gas", "hepmass" or "miniboone"
  std::string original;                  ///< the UCI file or files it is made from
  std::int64_t columns;                  ///< after preprocessing
  std::int64_t train, validation, test;  ///< published numbers of rows
};

/// All four.
const std::vector<UciTable>& uci_tables();

/// The table of this name; throws ConfigError, with a hint at the nearest of these and `known`,
/// names that the caller has besides, if there is none.
const UciTable& find_uci_table(const std::string& name, std::vector<std::string> known = {});

/// Points to train, validate and test on; all have the same columns.
struct SplitTable {
  Table train, validation, test;
  std::vector<std::string> steps;     ///< what was read and done, a sentence each
  std::vector<std::string> warnings;  ///< where this differs from what was published
};

/// Makes a table from what is in the folder `from`, the first of these that is there:
/// train.npy, validation.npy (or val.npy) and test.npy, taken as they are; data.npy, the raw array
/// that the paper's authors published (POWER, MINIBOONE) or that was saved from their pickle
/// (GAS); the UCI originals, plain or as .gz. `from` may also be such a raw array (of any name)
/// or original itself, but not for HEPMASS, which has two.
///
/// The same input gives the same output, with the bits of NumPy's RandomState(42) for POWER's order
/// and noise. From the original of GAS a quarter of the rows is drawn with RandomState(42): the
/// paper's was drawn with an unknown seed, so rows agree with it in number and law only.
///
/// Memory: about three times the used columns in double; 0.4 GB for POWER. Throws DataError, with
/// file and line or column, for missing, damaged and misshapen files, values that are not finite or
/// out of the known range, and another number of columns than the published one.
SplitTable prepare_uci_table(const UciTable& table, const std::string& from);

/// Writes made-up files of `rows` rows in the format of the UCI originals, with their oddities
/// (missing marks, strongly correlated and repeating columns, outliers, a column too many), into
/// an existing folder. The values are smooth, skewed, bimodal and dependent, but say nothing of the
/// real tables. The same seed gives the same bytes. `rows` (the test file of HEPMASS has half as
/// many) is 2000 to 10^7, else ConfigError.
void write_uci_look_alike(const UciTable& table, std::int64_t rows, std::uint64_t seed,
                          const std::string& folder);

}  // namespace thalweg
