// One recipe a UCI table: from the files to the splits.
#pragma once

#include "thalweg/datasets/uci_source.h"
#include "thalweg/datasets/uci_tables.h"

namespace thalweg::uci {

/// Each reads what `source` holds of its table and adds points, steps and warnings to `result`.
/// Throws DataError as prepare_uci_table.
void prepare_power(const Source& source, const UciTable& uci, SplitTable& result);
void prepare_gas(const Source& source, const UciTable& uci, SplitTable& result);
void prepare_hepmass(const Source& source, const UciTable& uci, SplitTable& result);
void prepare_miniboone(const Source& source, const UciTable& uci, SplitTable& result);

}  // namespace thalweg::uci
