#include "thalweg/report/text_table.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/report/plain_text.h"

namespace thalweg {
namespace {

bool is_blank(std::string_view cell) {
  return cell.empty() || cell == "-" || cell == "–" || cell == "—";
}

/// The number a cell begins with, if nothing but its error or a percent sign follows.
std::optional<double> number_of(std::string_view cell) {
  std::string digits;
  for (std::size_t i = 0; i < cell.size(); ++i) {
    // A space between two digits separates groups.
    const bool group = cell[i] == ' ' && i > 0 && i + 1 < cell.size() && cell[i - 1] >= '0' &&
                       cell[i - 1] <= '9' && cell[i + 1] >= '0' && cell[i + 1] <= '9';
    if (!group) digits += cell[i];
  }
  std::string_view rest = digits;
  if (rest.starts_with('+')) rest.remove_prefix(1);
  if (rest.starts_with("−")) {
    rest.remove_prefix(std::string_view("−").size());
    digits = "-" + std::string(rest);
    rest = digits;
  }
  double value = 0.0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  if (error == std::errc::invalid_argument) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (rest.empty() || rest == "%" || rest == " %") return value;
  for (const std::string_view sign : {" ± ", " +- ", "±", "+-"}) {
    if (rest.starts_with(sign) && number_of(rest.substr(sign.size()))) return value;
  }
  return std::nullopt;
}

std::vector<std::string> clean_cells(const std::vector<std::string>& cells) {
  std::vector<std::string> clean;
  for (const std::string& cell : cells) clean.push_back(clean_text(cell));
  return clean;
}

std::string trim_end(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string escape_markdown(std::string_view text) {
  std::string escaped;
  for (const char c : clean_text(text)) {
    if (std::string_view("\\`*_<>[]|~&").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

TableLayout table_layout(const TextTable& table) {
  const std::size_t columns = table.header.size();
  if (columns == 0) fail<ConfigError>("table '{}': no columns; give a header", table.caption);
  if (!table.best.empty() && table.best.size() != columns) {
    fail<ShapeError>("table '{}': {} columns, but best values for {}", table.caption, columns,
                     table.best.size());
  }
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    if (table.rows[row].size() != columns) {
      fail<ShapeError>("table '{}', row {}: expected {} cells as in the header, got {}",
                       table.caption, row + 1, columns, table.rows[row].size());
    }
  }

  TableLayout layout{
      .right = std::vector<bool>(columns, false),
      .bold = std::vector<std::vector<bool>>(table.rows.size(), std::vector<bool>(columns, false))};
  for (std::size_t column = 0; column < columns; ++column) {
    bool any_number = false;
    bool all_numbers = true;
    std::optional<double> best;
    const BestValue wanted = table.best.empty() ? BestValue::kNone : table.best[column];
    const double sign = wanted == BestValue::kLowest ? -1.0 : 1.0;
    for (const auto& row : table.rows) {
      const std::optional<double> value = number_of(row[column]);
      any_number = any_number || value;
      all_numbers = all_numbers && (value || is_blank(row[column]));
      if (value && std::isfinite(*value) && (!best || sign * *value > sign * *best)) best = value;
    }
    layout.right[column] = any_number && all_numbers;
    for (std::size_t row = 0; row < table.rows.size() && wanted != BestValue::kNone; ++row) {
      layout.bold[row][column] = best && number_of(table.rows[row][column]) == best;
    }
  }
  return layout;
}

std::string plain_table(const TextTable& table) {
  const TableLayout layout = table_layout(table);
  const std::size_t columns = table.header.size();
  std::vector<std::vector<std::string>> lines = {clean_cells(table.header)};
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    lines.push_back(clean_cells(table.rows[row]));
    for (std::size_t column = 0; column < columns; ++column) {
      if (table.best.empty() || table.best[column] == BestValue::kNone) continue;
      lines.back()[column] += layout.bold[row][column] ? '*' : ' ';
    }
  }
  // Heads of columns with marks end above the digits, not above the mark.
  for (std::size_t column = 0; column < columns && !table.best.empty(); ++column) {
    if (table.best[column] != BestValue::kNone) lines[0][column] += ' ';
  }
  std::vector<std::size_t> widths(columns, 0);
  for (const auto& line : lines) {
    for (std::size_t column = 0; column < columns; ++column) {
      widths[column] = std::max(widths[column], text_width(line[column]));
    }
  }

  std::string text;
  if (!table.caption.empty()) text += clean_text(table.caption) + "\n";
  for (std::size_t line = 0; line < lines.size(); ++line) {
    std::string out;
    std::string rule;
    for (std::size_t column = 0; column < columns; ++column) {
      const std::string& cell = lines[line][column];
      const std::string padding(widths[column] - text_width(cell), ' ');
      if (column > 0) out += "  ";
      out += layout.right[column] ? padding + cell : cell + padding;
      rule += (column > 0 ? "  " : "") + std::string(widths[column], '-');
    }
    text += trim_end(out) + "\n";
    if (line == 0) text += rule + "\n";
  }
  return text;
}

std::string markdown_table(const TextTable& table) {
  const TableLayout layout = table_layout(table);
  std::string text;
  if (!table.caption.empty()) text += escape_markdown(table.caption) + "\n\n";
  std::string rule = "|";
  text += "|";
  for (std::size_t column = 0; column < table.header.size(); ++column) {
    text += " " + escape_markdown(table.header[column]) + " |";
    rule += layout.right[column] ? " ---: |" : " --- |";
  }
  text += "\n" + rule + "\n";
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    text += "|";
    for (std::size_t column = 0; column < table.header.size(); ++column) {
      const std::string mark = layout.bold[row][column] ? "**" : "";
      text += " " + mark + escape_markdown(table.rows[row][column]) + mark + " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace thalweg
