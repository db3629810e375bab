// Published tables as folders that runs learn from.
#pragma once

#include <cstdint>
#include <string>

#include "thalweg/datasets/uci_tables.h"

namespace thalweg {

/// Prepares and splits the table in `from` (see prepare_uci_table) into train.npy, validation.npy,
/// test.npy (single precision), columns.txt and README.txt in `out`, all of them or none. Gives
/// what was done, found and written, as lines for people. Throws ConfigError for a folder that is
/// there, unless `force` and it holds nothing else, and DataError as prepare_uci_table.
std::string prepare_table_folder(const UciTable& uci, const std::string& from,
                                 const std::string& out, bool force);

/// Writes a made-up table in the original's format, see write_uci_look_alike, to a new folder.
void write_look_alike_folder(const UciTable& uci, std::int64_t rows, std::uint64_t seed,
                             const std::string& out);

}  // namespace thalweg
