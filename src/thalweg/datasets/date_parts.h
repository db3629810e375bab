// Parts of dates that come again: hours of the day, days of the week and of the year.
#pragma once

#include <string>
#include <vector>

#include "thalweg/datasets/prepare_data.h"
#include "thalweg/io/table.h"

namespace thalweg {

/// The columns of dates in whose place `kinds` want parts, each once, by entries "when=hour",
/// "when=weekday" or "when=yearday".
std::vector<std::string> dates_in_parts(const std::vector<std::string>& kinds);

/// Puts the parts that options.kinds ask for in the place of their column of dates, and their names
/// and periods into `options`: "when.hour" from 0 to 24, "when.weekday" from 0 (Monday) to 7,
/// "when.yearday" from 0 to 366, whole but for hours. A part of a condition is two columns,
/// "when.hour.cos" and "when.hour.sin", so that midnight has no gap. Tables that lack the column of
/// dates stay as they are. Throws DataError for columns that hold no dates, and for hours of dates
/// without a time of day.
void take_date_parts(Table& table, DataOptions& options);

}  // namespace thalweg
