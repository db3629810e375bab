// A picture for tests.
#pragma once

#include <png.h>

#include <string>
#include <vector>

/// A PNG of 40 x 30 pixels, white but for a black corner.
inline bool write_corner_picture(const std::string& file) {
  std::vector<unsigned char> pixels(40 * 30, 255);
  for (std::size_t i = 0; i < pixels.size(); ++i)
    if (i % 40 > 20 && i / 40 > 10) pixels[i] = 0;
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = 40;
  png.height = 30;
  png.format = PNG_FORMAT_GRAY;
  return png_image_write_to_file(&png, file.c_str(), 0, pixels.data(), 0, nullptr) != 0;
}
