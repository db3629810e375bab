#include "thalweg/io/text_lines.h"

#include <algorithm>

#include "thalweg/core/error.h"

namespace thalweg {

namespace {

constexpr std::size_t kBlock = std::size_t{1} << 20;

}  // namespace

std::string TextLines::place() const { return fmt::format("{}, line {}", source_.path(), number_); }

/// Appends a block to what is left of the buffer; false at the end of the file.
bool TextLines::fill() {
  if (at_end_) return false;
  buffer_.erase(0, position_);
  position_ = 0;
  const std::size_t kept = buffer_.size();
  buffer_.resize(kept + kBlock);
  const std::size_t count = source_.read(buffer_.data() + kept, kBlock);
  buffer_.resize(kept + count);
  at_end_ = count == 0;
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
