// Parts of dates, against a calendar.
#include "thalweg/datasets/date_parts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

/// "x", and "when" of these dates, in days or seconds.
Table dated(const std::vector<double>& dates, const char* format) {
  Table table;
  table.names = {"x", "when"};
  table.content = {{}, {.content = ColumnContent::kDate, .format = format}};
  table.rows = std::ssize(dates);
  for (const double date : dates) table.values.insert(table.values.end(), {1.5, date});
  return table;
}

TEST(DateParts, FollowTheCalendar) {
  // Wednesday 31 December 1969, Thursday 1 January 1970, Tuesday 31 December 2024, a leap year, and
  // Thursday 26 November 2026.
  Table table = dated({-1.0, 0.0, 20088.0, 20783.0, NAN}, "YYYY-MM-DD");
  DataOptions options;
  options.kinds = {"when=weekday", "x=continuous", "when=yearday"};
  options.columns = {"when", "x"};
  EXPECT_EQ(dates_in_parts(options.kinds), std::vector<std::string>{"when"});
  take_date_parts(table, options);
  EXPECT_EQ(table.names, (std::vector<std::string>{"x", "when.weekday", "when.yearday"}));
  EXPECT_EQ(options.columns, (std::vector<std::string>{"when.weekday", "when.yearday", "x"}));
  EXPECT_EQ(options.kinds, std::vector<std::string>{"x=continuous"});
  EXPECT_EQ(options.periodic, (std::vector<std::string>{"when.weekday=0:7", "when.yearday=0:366"}));
  EXPECT_EQ(table.content_of(1), ColumnContent::kNumber);
  const double weekdays[] = {2.0, 3.0, 1.0, 3.0}, days[] = {364.0, 0.0, 365.0, 329.0};
  for (std::size_t row = 0; row < 4; ++row) {
    EXPECT_EQ(table.values[3 * row], 1.5);
    EXPECT_EQ(table.values[3 * row + 1], weekdays[row]) << row;
    EXPECT_EQ(table.values[3 * row + 2], days[row]) << row;
  }
  EXPECT_TRUE(std::isnan(table.values[13]));
}

TEST(DateParts, OfConditionsHaveNoGapAtMidnight) {
  // 06:30 on the second day, and a quarter of an hour before midnight of the day before the first.
  Table table = dated({86400.0 + 6.5 * 3600.0, -900.0}, "YYYY-MM-DD HH:MM:SS");
  DataOptions options;
  options.kinds = {"when=hour"};
  options.condition = {"when"};
  take_date_parts(table, options);
  EXPECT_EQ(options.condition, (std::vector<std::string>{"when.hour.cos", "when.hour.sin"}));
  EXPECT_TRUE(options.periodic.empty());
  for (const auto& [row, hour] : {std::pair{0u, 6.5}, {1u, 23.75}}) {
    const double angle = 2.0 * std::numbers::pi * hour / 24.0;
    EXPECT_NEAR(table.values[3 * row + 1], std::cos(angle), 1e-12);
    EXPECT_NEAR(table.values[3 * row + 2], std::sin(angle), 1e-12);
  }
}

TEST(DateParts, RefusesWhatIsNoDate) {
  DataOptions options;
  options.kinds = {"when=hour"};
  Table days = dated({1.0}, "YYYY-MM-DD");
  EXPECT_THROW(take_date_parts(days, options), DataError);
  options.kinds = {"x=weekday"};
  EXPECT_THROW(take_date_parts(days, options), DataError);
  // What has no such column, as samples, stays.
  options.kinds = {"other=weekday"};
  take_date_parts(days, options);
  EXPECT_EQ(days.names, (std::vector<std::string>{"x", "when"}));
}

TEST(DateParts, AreColumnsThatWrapAround) {
  std::vector<double> times;
  RandomSequence random(2, Stream::kTarget);
  for (int row = 0; row < 400; ++row) times.push_back(86400.0 * 3000.0 * random.uniform());
  DataOptions options;
  options.kinds = {"when=hour", "when=weekday"};
  options.drop_constant = true;
  const PreparedData data = prepare_data(dated(times, "YYYY-MM-DD HH:MM:SS"), options, 1);
  ASSERT_EQ(data.columns.size(), 2u);
  EXPECT_EQ(data.columns[0].name, "when.hour");
  for (const ColumnOptions& column : data.columns) EXPECT_TRUE(column.periodic);
  EXPECT_EQ(data.columns[0].upper, 24.0);
  EXPECT_FALSE(data.columns[0].integer);
  EXPECT_TRUE(data.columns[1].integer);
}

}  // namespace
}  // namespace thalweg
