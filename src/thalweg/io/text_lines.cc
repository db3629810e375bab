#include "thalweg/io/text_lines.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {

namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;

}  // namespace

struct TextLines::Stream {
  explicit Stream(const std::string& path) : file(gzopen(path.c_str(), "rb")) {}
  ~Stream() {
    if (file != nullptr) gzclose(file);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  gzFile file;
};

TextLines::TextLines(const std::string& path) : path_(path) {
  std::array<char, 2> start{};
  open_input(path).read(start.data(), start.size());
  if (start[0] == 'P' && start[1] == 'K')
    fail<DataError>("{}: is a ZIP archive; unpack it first: unzip {}", path, path);
  stream_ = std::make_unique<Stream>(path);
  if (stream_->file == nullptr) fail<DataError>("{}: cannot be opened", path);
}

TextLines::~TextLines() = default;

std::string TextLines::place() const { return fmt::format("{}, line {}", path_, number_); }

/// Appends a block to what is left of the buffer; false at the end of the file.
bool TextLines::fill() {
  if (at_end_) return false;
  buffer_.erase(0, position_);
  position_ = 0;
  const std::size_t kept = buffer_.size();
  buffer_.resize(kept + kBlock);
  const int count = gzread(stream_->file, buffer_.data() + kept, static_cast<unsigned>(kBlock));
  buffer_.resize(kept + static_cast<std::size_t>(std::max(count, 0)));
  if (count < static_cast<int>(kBlock)) {
    int code = Z_OK;
    const char* const what = gzerror(stream_->file, &code);
    if (code != Z_OK && code != Z_STREAM_END)
      fail<DataError>("{}: cannot be unpacked: {}; fetch it again", path_, shown(what));
    at_end_ = count <= 0;
  }
  return !at_end_;
}

bool TextLines::next(std::string_view& line) {
  std::size_t end = buffer_.find('\n', position_);
  while (end == std::string::npos) {
    const std::size_t searched = buffer_.size() - position_;
    if (!fill()) {
      if (position_ == buffer_.size()) return false;
      end = buffer_.size();
      break;
    }
    end = buffer_.find('\n', position_ + searched);
  }
  line = std::string_view(buffer_).substr(position_, end - position_);
  position_ = std::min(end + 1, buffer_.size());
  if (line.ends_with('\r')) line.remove_suffix(1);
  ++number_;
  return true;
}

}  // namespace thalweg
