// A report in one HTML file that needs nothing else: no network, no scripts, no other files.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "thalweg/report/text_table.h"

namespace thalweg {

/// Text with &, <, >, " and ' replaced by entities and cleaned as by clean_text.
std::string html_escaped(std::string_view text);

/// Collects the parts of a report in their order. All texts are escaped; nothing is taken for
/// markup. Not thread safe.
class HtmlReport {
 public:
  /// An empty subtitle is left out.
  explicit HtmlReport(std::string_view title, std::string_view subtitle = "");

  /// A heading; what is added next belongs to it.
  void section(std::string_view heading);
  void paragraph(std::string_view text);
  /// Best values are bold. Throws as table_layout.
  void table(const TextTable& table);
  /// A picture taken into the report, with its caption, if not empty, below. Throws DataError if
  /// the file cannot be read or is neither PNG nor SVG.
  void picture(const std::filesystem::path& file, std::string_view caption = "");

  /// The page as it stands.
  std::string html() const;
  /// Writes the page whole or not at all; throws DataError.
  void write(const std::filesystem::path& path) const;

 private:
  std::string title_;
  std::string subtitle_;
  std::string body_;
  bool in_section_ = false;
};

}  // namespace thalweg
