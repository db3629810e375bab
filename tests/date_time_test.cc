#include "thalweg/io/date_time.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "temporary_folder.h"
#include "thalweg/core/error.h"

namespace thalweg {
namespace {

std::string text_of(double value, const std::string& pattern) {
  std::string text;
  append_date_time(text, value, date_format(pattern));
  return text;
}

TEST(DateTime, AgreesWithKnownDays) {
  // Unix times as `date -u -d ... +%s` gives them.
  const std::pair<const char*, double> days[] = {{"1970-01-01", 0},       {"1970-01-02", 1},
                                                 {"1969-12-31", -1},      {"2000-02-29", 11016},
                                                 {"2000-03-01", 11017},   {"1900-03-01", -25508},
                                                 {"2024-12-31", 20088},   {"1600-02-29", -135081},
                                                 {"9999-12-31", 2932896}, {"0000-01-01", -719528}};
  for (const auto& [text, day] : days) {
    ASSERT_TRUE(parse_date_time(text)) << text;
    EXPECT_EQ(parse_date_time(text)->value, day) << text;
    EXPECT_EQ(text_of(day, "YYYY-MM-DD"), text);
  }
  const std::pair<const char*, double> times[] = {
      {"1970-01-01T00:00:00Z", 0},         {"2001-09-09 01:46:40", 1e9},
      {"2038-01-19T03:14:07", 2147483647}, {"1969-12-31 23:59:59", -1},
      {"1969-07-20T20:17:40Z", -14182940}, {"2001-09-09T01:46:40.25", 1e9 + 0.25},
      {"2001/09/09 01:46", 1e9 - 40},      {"2001-09-09 03:46:40+02:00", 1e9},
      {"2001-09-08 20:16:40-05:30", 1e9},  {"1969-12-31T23:59:59.750Z", -0.25}};
  for (const auto& [text, seconds] : times) {
    const auto date = parse_date_time(text);
    ASSERT_TRUE(date) << text;
    EXPECT_EQ(date->value, seconds) << text;
    EXPECT_EQ(text_of(seconds, pattern_of(date->format)), text);
  }
}

TEST(DateTime, RefusesWhatIsNone) {
  for (const char* const text : {"",
                                 "2001",
                                 "2001-02-29",
                                 "1900-02-29",
                                 "2001-13-01",
                                 "2001-00-10",
                                 "2001-04-31",
                                 "2001-1-1",
                                 "2001-01/01",
                                 "01/02/2001",
                                 "2001-01-01T",
                                 "2001-01-01 24:00",
                                 "2001-01-01 1:00",
                                 "2001-01-01 10:60",
                                 "2001-01-01 10:00:60",
                                 "2001-01-01 10:00:00.",
                                 "2001-01-01 10:00 Z",
                                 "2001-01-01 10:00+1",
                                 "2001-01-01x10:00",
                                 "2001-01-01 10:00:00.1234567890",
                                 "-001-01-01"})
    EXPECT_FALSE(parse_date_time(text)) << text;
}

TEST(DateTime, KeepsMicrosecondsOfOurTime) {
  for (int i = 0; i < 1000; ++i) {
    const std::string text = fmt::format("2024-06-{:02}T12:59:59.{:06}", i % 30 + 1, i * 999);
    const auto date = parse_date_time(text);
    ASSERT_TRUE(date);
    EXPECT_EQ(text_of(date->value, "YYYY-MM-DDTHH:MM:SS.ffffff"), text);
  }
  EXPECT_EQ(parse_date_time("2024-06-01 00:00:00.123456789")->format.digits, 6);
}

TEST(DateTime, RoundsToTheLastPlace) {
  EXPECT_EQ(text_of(0.4, "YYYY-MM-DD"), "1970-01-01");
  EXPECT_EQ(text_of(-0.6, "YYYY/MM/DD"), "1969/12/31");
  EXPECT_EQ(text_of(86399.6, "YYYY-MM-DD HH:MM:SS"), "1970-01-02 00:00:00");
  EXPECT_EQ(text_of(86399.6, "YYYY-MM-DD HH:MM:SS.f"), "1970-01-01 23:59:59.6");
  EXPECT_EQ(text_of(89, "YYYY-MM-DDTHH:MM"), "1970-01-01T00:01");
  EXPECT_EQ(text_of(-31, "YYYY-MM-DDTHH:MMZ"), "1969-12-31T23:59Z");
  EXPECT_EQ(text_of(NAN, "YYYY-MM-DD"), "");
  for (const double value : {2932897.0, -719529.0, 1e300, double(INFINITY)})
    expect_parts(message_of<DataError>([&] { text_of(value, "YYYY-MM-DD"); }),
                 {"days since 1970", "years 0 to 9999"});
}

TEST(DateTime, HasOneFormatAColumn) {
  const auto format = [](const char* text) { return parse_date_time(text)->format; };
  const DateFormat longer = format("2001-01-01 10:00:00.250");
  EXPECT_EQ(common_format(format("2001-01-01 10:00:00"), longer), longer);
  EXPECT_EQ(common_format(longer, format("2001-01-01 10:00:00")), longer);
  EXPECT_FALSE(common_format(format("2001-01-01"), format("2001/01/01")));
  EXPECT_FALSE(common_format(format("2001-01-01"), longer));
  EXPECT_FALSE(common_format(format("2001-01-01 10:00"), longer));
  EXPECT_FALSE(common_format(format("2001-01-01 10:00Z"), format("2001-01-01 10:00")));
  for (const char* const pattern : {"", "YYYY", "YYYY-MM-DD HH", "YYYY-DD-MM", "2001-01-01",
                                    "YYYY-MM-DD HH:MM:SS.", "YYYY-MM-DDxHH:MM"})
    expect_parts(message_of<DataError>([&] { date_format(pattern); }), {"format of dates"});
}

}  // namespace
}  // namespace thalweg
