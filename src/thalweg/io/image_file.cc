#include "thalweg/io/image_file.h"

#include <png.h>
#include <turbojpeg.h>

#include <memory>
#include <string_view>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {
namespace {

constexpr std::int64_t kMostPixels = 100000000;

void check_size(const std::string& path, std::int64_t rows, std::int64_t columns) {
  if (rows < 1 || columns < 1 || columns > kMostPixels / rows)
    fail<DataError>("{}: expected a picture of 1 to {} pixels, got {} x {}", path, kMostPixels,
                    columns, rows);
}

/// Three bytes a pixel.
struct ColourImage {
  std::int64_t rows = 0, columns = 0;
  std::vector<unsigned char> bytes;

  void resize(std::int64_t to_rows, std::int64_t to_columns) {
    rows = to_rows;
    columns = to_columns;
    bytes.resize(static_cast<std::size_t>(3 * rows * columns));
  }
};

ColourImage decode_png(const std::string& path, const std::string& file) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  const std::unique_ptr<png_image, void (*)(png_imagep)> guard(&png, png_image_free);
  const auto check = [&](int success) {
    // A warning is that of a damaged or unusual part; libpng goes on with a guess.
    if (success == 0 || PNG_IMAGE_FAILED(png))
      fail<DataError>("{}: cannot be read as PNG: {}; is the file whole?", path, png.message);
  };
  check(png_image_begin_read_from_memory(&png, file.data(), file.size()));
  check_size(path, png.height, png.width);
  ColourImage image;
  image.resize(png.height, png.width);
  png.format = PNG_FORMAT_RGB;
  const png_color white = {255, 255, 255};
  check(png_image_finish_read(&png, &white, image.bytes.data(), 0, nullptr));
  return image;
}

ColourImage decode_jpeg(const std::string& path, const std::string& file) {
  const std::unique_ptr<void, int (*)(tjhandle)> decoder(tjInitDecompress(), tjDestroy);
  if (!decoder) fail<DataError>("{}: the JPEG decoder cannot start", path);
  const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
  const auto check = [&](int code) {
    if (code != 0)
      fail<DataError>("{}: cannot be read as JPEG: {}; is the file whole?", path,
                      tjGetErrorStr2(decoder.get()));
  };
  int columns = 0, rows = 0, subsampling = 0, colours = 0;
  check(tjDecompressHeader3(decoder.get(), bytes, file.size(), &columns, &rows, &subsampling,
                            &colours));
  check_size(path, rows, columns);
  ColourImage image;
  image.resize(rows, columns);
  check(tjDecompress2(decoder.get(), bytes, file.size(), image.bytes.data(), columns, 0, rows,
                      TJPF_RGB, TJFLAG_ACCURATEDCT));
  return image;
}

}  // namespace

GreyImage read_image(const std::string& path) {
  const std::string file = read_file(path);
  const bool is_png = std::string_view(file).starts_with("\x89PNG\r\n\x1a\n");
  if (!is_png && !std::string_view(file).starts_with("\xff\xd8\xff"))
    fail<DataError>("{}: expected a PNG or JPEG picture, its first bytes are of neither", path);
  const ColourImage image = is_png ? decode_png(path, file) : decode_jpeg(path, file);
  GreyImage grey{image.rows, image.columns, {}};
  grey.values.reserve(image.bytes.size() / 3);
  for (std::size_t i = 0; i < image.bytes.size(); i += 3)
    grey.values.push_back((image.bytes[i] + image.bytes[i + 1] + image.bytes[i + 2]) / 3.0);
  return grey;
}

}  // namespace thalweg
