#include "thalweg/io/csv_writer.h"

#include <fmt/compile.h>
#include <zlib.h>

#include <cmath>
#include <iterator>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {
namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;

std::string quoted(const std::string& name) {
  if (!name.empty() && name.find_first_of(" \t,;\"#\r\n") == std::string::npos) return name;
  std::string result = "\"";
  for (const char c : name) {
    if (c == '"') result += '"';
    result += c;
  }
  return result + '"';
}

}  // namespace

/// Packs text with gzip.
class CsvWriter::Packer {
 public:
  explicit Packer(AtomicFile& file) : file_(file), packed_(kBlock, '\0') {
    constexpr int kWindowWithGzipHeader = 15 + 16, kMemory = 8;
    if (deflateInit2(&stream_, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kWindowWithGzipHeader, kMemory,
                     Z_DEFAULT_STRATEGY) != Z_OK)
      fail<DataError>("{}: cannot be packed: no memory; write it without .gz", file.path());
  }
  ~Packer() { deflateEnd(&stream_); }
  Packer(const Packer&) = delete;
  Packer& operator=(const Packer&) = delete;

  void write(std::string_view text, int flush) {
    // zlib reads what is not const in its interface.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    do {
      stream_.next_out = reinterpret_cast<Bytef*>(packed_.data());
      stream_.avail_out = static_cast<uInt>(packed_.size());
      deflate(&stream_, flush);
      file_.write(std::string_view(packed_).substr(0, packed_.size() - stream_.avail_out));
    } while (stream_.avail_out == 0);
  }

 private:
  AtomicFile& file_;
  z_stream stream_{};
  std::string packed_;
};

CsvWriter::CsvWriter(const std::string& path, const std::vector<std::string>& names, FloatType type,
                     char separator, std::vector<ColumnText> content)
    : file_(path),
      names_(names),
      type_(type),
      separator_(separator),
      content_(std::move(content)),
      formats_(content_.size()) {
  if (names.empty()) fail<ShapeError>("{}: expected at least 1 column, got 0", path);
  if (!content_.empty() && content_.size() != names.size())
    fail<ShapeError>("{}: expected the contents of {} columns, got {}", path, names.size(),
                     content_.size());
  for (std::size_t column = 0; column < content_.size(); ++column) {
    ColumnText& of_column = content_[column];
    for (std::string& label : of_column.labels) label = quoted(label);
    if (of_column.content == ColumnContent::kDate) formats_[column] = date_format(of_column.format);
  }
  if (path.ends_with(".gz") || path.ends_with(".GZ")) packer_ = std::make_unique<Packer>(file_);
  std::string header;
  for (const std::string& name : names) {
    if (!header.empty()) header += separator;
    header += quoted(name);
  }
  write(header + '\n');
}

CsvWriter::~CsvWriter() = default;

void CsvWriter::write(std::string_view text) {
  packer_ ? packer_->write(text, Z_NO_FLUSH) : file_.write(text);
}

void CsvWriter::append_value(std::string& text, double value, std::size_t column) const {
  const ColumnContent content =
      content_.empty() ? ColumnContent::kNumber : content_[column].content;
  if (content == ColumnContent::kNumber) {
    if (std::isnan(value) && !content_.empty() && content_[column].missing) return;
    const auto out = std::back_inserter(text);
    if (type_ == FloatType::kFloat32)
      fmt::format_to(out, FMT_COMPILE("{}"), static_cast<float>(value));
    else
      fmt::format_to(out, FMT_COMPILE("{}"), value);
  } else if (content == ColumnContent::kDate) {
    append_date_time(text, value, formats_[column]);
  } else if (!std::isnan(value)) {
    const std::vector<std::string>& labels = content_[column].labels;
    if (!(value >= 0.0 && value < static_cast<double>(labels.size())) || value != std::floor(value))
      fail<DataError>("{}, column '{}': expected the number of one of {} texts, from 0, got {}",
                      file_.path(), shown(names_[column]), labels.size(), value);
    text += labels[static_cast<std::size_t>(value)];
  }
}

void CsvWriter::append(std::span<const double> rows) {
  const std::size_t columns = names_.size();
  if (rows.size() % columns != 0) {
    fail<ShapeError>("{}: expected whole rows of {} values, got {} values", file_.path(), columns,
                     rows.size());
  }
  std::string text;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t before = text.size();
    append_value(text, rows[i], i % columns);
    // A line with nothing on it would be none.
    if (columns == 1 && text.size() == before) text += "NA";
    text += (i + 1) % columns == 0 ? '\n' : separator_;
    if (text.size() > kBlock || i + 1 == rows.size()) {
      write(text);
      text.clear();
    }
  }
}

void CsvWriter::finish() {
  if (packer_) packer_->write({}, Z_FINISH);
  file_.commit();
}

}  // namespace thalweg
