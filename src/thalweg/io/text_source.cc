#include "thalweg/io/text_source.h"

#include <zlib.h>

#include <algorithm>
#include <array>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {

struct TextSource::Stream {
  explicit Stream(const std::string& path) : file(gzopen(path.c_str(), "rb")) {
    constexpr unsigned kPacked = 1U << 18;
    if (file != nullptr) gzbuffer(file, kPacked);
  }
  ~Stream() {
    if (file != nullptr) gzclose(file);
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  gzFile file;
};

TextSource::TextSource(std::string path) : path_(std::move(path)) {
  std::array<char, 2> start{};
  open_input(path_).read(start.data(), start.size());
  if (start[0] == 'P' && start[1] == 'K')
    fail<DataError>("{}: is a ZIP archive; unpack it first: unzip {}", path_, path_);
  stream_ = std::make_unique<Stream>(path_);
  if (stream_->file == nullptr) fail<DataError>("{}: cannot be opened", path_);
}

TextSource::~TextSource() = default;

std::size_t TextSource::read(char* bytes, std::size_t count) {
  std::size_t done = 0;
  while (done < count) {
    constexpr std::size_t kMost = std::size_t{1} << 30;
    const int got =
        gzread(stream_->file, bytes + done, static_cast<unsigned>(std::min(count - done, kMost)));
    int code = Z_OK;
    const char* const what = gzerror(stream_->file, &code);
    if (code != Z_OK && code != Z_STREAM_END)
      fail<DataError>("{}: cannot be unpacked: {}; fetch it again", path_, shown(what));
    if (got <= 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

std::int64_t TextSource::position() const { return gzoffset(stream_->file); }

}  // namespace thalweg
