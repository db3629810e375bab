// What came of an experiment, as text and as a page.
#pragma once

#include <string>

#include "thalweg/runs/reproduction.h"

namespace thalweg {

/// Title, tables and notes, each table as plain text.
std::string experiment_text(const Reproduction& reproduction);

/// Writes table.txt, report.html, which stands alone, and plots/ into the experiment's page folder;
/// without pictures where there is no gnuplot. Throws DataError if they cannot be written.
void write_experiment_page(const Reproduction& reproduction, ThreadPool& pool);

}  // namespace thalweg
