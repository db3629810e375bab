#include "thalweg/datasets/date_parts.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {

namespace {

constexpr double kDay = 86400.0;  // seconds

/// One part of a date.
struct DatePart {
  const char* name;
  double period;
  double (*of)(double days);  ///< of days since 1970-01-01, with their fraction
};

std::chrono::sys_days day_of(double days) {
  return std::chrono::sys_days(std::chrono::days(static_cast<int>(std::floor(days))));
}

constexpr DatePart kParts[] = {
    {"hour", 24.0, [](double days) { return 24.0 * (days - std::floor(days)); }},
    {"weekday", 7.0,
     [](double days) {
       return static_cast<double>(std::chrono::weekday(day_of(days)).iso_encoding()) - 1.0;
     }},
    {"yearday", 366.0,
     [](double days) {
       const std::chrono::sys_days day = day_of(days);
       const std::chrono::year year = std::chrono::year_month_day(day).year();
       const std::chrono::sys_days first = year / std::chrono::January / 1;
       return static_cast<double>((day - first).count());
     }},
};

bool has_time(const ColumnText& text) { return text.format.find("HH") != std::string::npos; }

/// The column and the part that an entry of kinds names; none if it is of another kind.
std::pair<std::string, const DatePart*> part_of(const std::string& entry) {
  const std::size_t equals = entry.rfind('=');
  if (equals == std::string::npos) return {"", nullptr};
  for (const DatePart& part : kParts)
    if (entry.substr(equals + 1) == part.name) return {entry.substr(0, equals), &part};
  return {"", nullptr};
}

/// A column in the making.
struct Made {
  std::string name;
  std::size_t from = 0;  // number of the column that it is made of
  const DatePart* part = nullptr;
  enum Turn { kPlain, kCosine, kSine } turn = kPlain;
  bool in_seconds = false;

  double operator()(double value) const {
    if (part == nullptr || std::isnan(value)) return value;
    const double own = part->of(in_seconds ? value / kDay : value);
    const double angle = 2.0 * std::numbers::pi * own / part->period;
    return turn == kPlain ? own : turn == kCosine ? std::cos(angle) : std::sin(angle);
  }
};

}  // namespace

std::vector<std::string> dates_in_parts(const std::vector<std::string>& kinds) {
  std::vector<std::string> names;
  for (const std::string& entry : kinds) {
    const auto [name, part] = part_of(entry);
    if (part != nullptr && std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

void take_date_parts(Table& table, DataOptions& options) {
  const std::vector<std::string> dates = dates_in_parts(options.kinds);
  std::vector<Made> columns;
  std::vector<std::string> kinds;
  for (const std::string& entry : options.kinds)
    if (part_of(entry).second == nullptr) kinds.push_back(entry);
  for (std::size_t number = 0; number < table.names.size(); ++number) {
    const std::string& name = table.names[number];
    if (std::ranges::find(dates, name) == dates.end()) {
      columns.push_back({.name = name, .from = number});
      continue;
    }
    if (table.content_of(number) != ColumnContent::kDate)
      fail<DataError>("data.kinds: column '{}' holds no dates, of which there could be parts",
                      name);
    const bool in_condition = std::ranges::find(options.condition, name) != options.condition.end();
    std::vector<std::string> names;
    for (const std::string& entry : options.kinds) {
      const auto [of, part] = part_of(entry);
      if (part == nullptr || of != name) continue;
      if (part == kParts && !has_time(table.content[number]))
        fail<DataError>(
            "data.kinds: column '{}' has dates without a time of day, which have no hour", name);
      const std::string own = fmt::format("{}.{}", name, part->name);
      if (in_condition) {
        for (const auto& [ending, turn] : {std::pair{".cos", Made::kCosine}, {".sin", Made::kSine}})
          columns.push_back({.name = own + ending, .from = number, .part = part, .turn = turn});
        names.insert(names.end(), {own + ".cos", own + ".sin"});
        continue;
      }
      columns.push_back({.name = own, .from = number, .part = part});
      names.push_back(own);
      options.periodic.push_back(fmt::format("{}=0:{}", own, part->period));
    }
    for (auto* chosen : {&options.columns, &options.condition})
      if (const auto found = std::ranges::find(*chosen, name); found != chosen->end())
        chosen->insert(chosen->erase(found), names.begin(), names.end());
  }
  options.kinds = std::move(kinds);
  if (columns.size() == table.names.size() &&
      std::ranges::all_of(columns, [](const Made& made) { return made.part == nullptr; }))
    return;
  const std::size_t width = table.names.size();
  const std::vector<double> values = std::move(table.values);
  const std::vector<ColumnText> content = std::move(table.content);
  table.names.clear();
  table.values.clear();
  table.content.clear();
  for (Made& made : columns) {
    made.in_seconds = has_time(content[made.from]);
    table.names.push_back(made.name);
    table.content.push_back(made.part == nullptr ? content[made.from] : ColumnText{});
  }
  table.values.reserve(static_cast<std::size_t>(table.rows) * columns.size());
  for (std::size_t row = 0; row < static_cast<std::size_t>(table.rows); ++row)
    for (const Made& made : columns) table.values.push_back(made(values[row * width + made.from]));
}

}  // namespace thalweg
