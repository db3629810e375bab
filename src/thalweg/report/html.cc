#include "thalweg/report/html.h"

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <system_error>

#include "thalweg/core/error.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/report/plain_text.h"

namespace thalweg {
namespace {

constexpr std::string_view kStyle = R"(
:root { color-scheme: light dark; --text: #1f2328; --soft: #59636e; --page: #ffffff;
  --line: #d9dee3; --stripe: #f6f8fa; --accent: #0072b2; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e8ee; --soft: #9aa6b2; --page: #14181d; --line: #333b44; --stripe: #1c2229;
    --accent: #56b4e9; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 60rem; padding: 2rem 1.25rem 4rem; background: var(--page);
  color: var(--text); font: 16px/1.55 system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
header { border-bottom: 3px solid var(--accent); margin-bottom: 2rem; padding-bottom: 0.75rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
header p { color: var(--soft); margin: 0.4rem 0 0; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0.75rem; }
p { margin: 0.75rem 0; overflow-wrap: anywhere; }
.table { margin: 1.25rem 0; overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.93rem; }
caption { caption-side: top; color: var(--soft); padding-bottom: 0.4rem; text-align: left; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.8rem; text-align: left;
  vertical-align: top; }
th { border-bottom-width: 2px; font-weight: 600; }
tbody tr:nth-child(even) { background: var(--stripe); }
.n { font-variant-numeric: tabular-nums; text-align: right; white-space: nowrap; }
figure { margin: 1.5rem 0; }
figure img { background: #ffffff; border: 1px solid var(--line); border-radius: 6px;
  display: block; height: auto; max-width: 100%; }
figcaption { color: var(--soft); font-size: 0.93rem; margin-top: 0.5rem; }
@media print {
  :root { --text: #000000; --soft: #444444; --page: #ffffff; --line: #bbbbbb; --stripe: #ffffff;
    --accent: #0072b2; }
  body { max-width: none; padding: 0; font-size: 11pt; }
  figure, table { break-inside: avoid; }
  h2 { break-after: avoid; }
}
)";

std::string base64(std::string_view bytes) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      const unsigned char byte =
          i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0;
      group = (group << 8U) | byte;
    }
    for (std::size_t j = 0; j < 4; ++j) {
      text += i + j <= bytes.size() ? kLetters[(group >> (18U - 6U * j)) & 63U] : '=';
    }
  }
  return text;
}

/// Width in pixels from the header of a PNG file of at least 24 bytes.
std::uint32_t png_width(std::string_view bytes) {
  std::uint32_t width = 0;
  for (std::size_t i = 16; i < 20; ++i) {
    width = (width << 8U) | static_cast<unsigned char>(bytes[i]);
  }
  return width;
}

}  // namespace

std::string html_escaped(std::string_view text) {
  std::string escaped;
  for (const char c : clean_text(text)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

HtmlReport::HtmlReport(std::string_view title, std::string_view subtitle)
    : title_(html_escaped(title)), subtitle_(html_escaped(subtitle)) {}

void HtmlReport::section(std::string_view heading) {
  if (in_section_) body_ += "</section>\n";
  in_section_ = true;
  body_ += "<section>\n<h2>" + html_escaped(heading) + "</h2>\n";
}

void HtmlReport::paragraph(std::string_view text) {
  body_ += "<p>" + html_escaped(text) + "</p>\n";
}

void HtmlReport::table(const TextTable& table) {
  const TableLayout layout = table_layout(table);
  const auto cell_class = [&layout](std::size_t column) {
    return layout.right[column] ? " class=\"n\"" : "";
  };
  body_ += "<div class=\"table\"><table>\n";
  if (!table.caption.empty()) body_ += "<caption>" + html_escaped(table.caption) + "</caption>\n";
  body_ += "<thead><tr>";
  for (std::size_t column = 0; column < table.header.size(); ++column) {
    body_ += fmt::format("<th scope=\"col\"{}>{}</th>", cell_class(column),
                         html_escaped(table.header[column]));
  }
  body_ += "</tr></thead>\n<tbody>\n";
  for (std::size_t row = 0; row < table.rows.size(); ++row) {
    body_ += "<tr>";
    for (std::size_t column = 0; column < table.header.size(); ++column) {
      const std::string text = html_escaped(table.rows[row][column]);
      body_ += fmt::format("<td{}>{}</td>", cell_class(column),
                           layout.bold[row][column] ? "<strong>" + text + "</strong>" : text);
    }
    body_ += "</tr>\n";
  }
  body_ += "</tbody>\n</table></div>\n";
}

void HtmlReport::picture(const std::filesystem::path& file, std::string_view caption) {
  std::error_code ignored;
  std::ifstream stream(file, std::ios::binary);
  if (!std::filesystem::is_regular_file(file, ignored) || !stream) {
    fail<DataError>("report: cannot read the picture {}; draw it first", file.string());
  }
  const std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  std::string type;
  std::string size;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n") && bytes.size() >= 24) {
    type = "image/png";
    // Plots have two pixels for each unit of the page.
    size = fmt::format(" width=\"{}\"", png_width(bytes) / 2);
  } else if (bytes.find("<svg") != std::string::npos) {
    type = "image/svg+xml";
  } else {
    fail<DataError>("report: expected a PNG or SVG picture, got {}, which is neither",
                    file.string());
  }
  body_ += fmt::format("<figure><img src=\"data:{};base64,{}\"{} alt=\"{}\">", type, base64(bytes),
                       size, html_escaped(caption));
  if (!caption.empty()) body_ += "<figcaption>" + html_escaped(caption) + "</figcaption>";
  body_ += "</figure>\n";
}

std::string HtmlReport::html() const {
  // The policy forbids the page to load anything, whatever it contains.
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; "
      "style-src 'unsafe-inline'\">\n";
  page += "<title>" + title_ + "</title>\n<style>" + std::string(kStyle) +
          "</style>\n</head>\n<body>\n<header>\n<h1>" + title_ + "</h1>\n";
  if (!subtitle_.empty()) page += "<p>" + subtitle_ + "</p>\n";
  page += "</header>\n<main>\n" + body_;
  if (in_section_) page += "</section>\n";
  return page + "</main>\n</body>\n</html>\n";
}

void HtmlReport::write(const std::filesystem::path& path) const {
  write_file_atomically(path.string(), html());
}

}  // namespace thalweg
