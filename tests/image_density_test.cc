// Pictures as densities: what decoders give, the recipe by hand, slopes, normaliser and samples.
#include "thalweg/targets/image_density.h"

#include <gtest/gtest.h>
#include <png.h>
#include <turbojpeg.h>

#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "run_graph.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/engine/derivatives.h"

namespace thalweg::testing {
namespace {

using Bytes = std::vector<unsigned char>;

std::string png_of(int columns, int rows, png_uint_32 format, const Bytes& pixels) {
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(columns);
  png.height = static_cast<png_uint_32>(rows);
  png.format = format;
  png_alloc_size_t size = 0;
  EXPECT_TRUE(png_image_write_to_memory(&png, nullptr, &size, 0, pixels.data(), 0, nullptr));
  std::string file(size, '\0');
  EXPECT_TRUE(png_image_write_to_memory(&png, file.data(), &size, 0, pixels.data(), 0, nullptr));
  return file.substr(0, size);
}

std::string jpeg_of(int columns, int rows, const Bytes& grey) {
  const tjhandle encoder = tjInitCompress();
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  EXPECT_EQ(tjCompress2(encoder, grey.data(), columns, 0, rows, TJPF_GRAY, &bytes, &size,
                        TJSAMP_GRAY, 100, TJFLAG_ACCURATEDCT),
            0);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  tjFree(bytes);
  tjDestroy(encoder);
  return file;
}

std::string message_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

/// A dark disc off the middle on a grey ramp, 60 x 40.
GreyImage disc() {
  GreyImage image{40, 60, {}};
  for (int row = 0; row < 40; ++row)
    for (int column = 0; column < 60; ++column)
      image.values.push_back(std::hypot(row - 12, column - 20) < 8 ? 0.0 : 100.0 + 2.0 * column);
  return image;
}

std::vector<double> log_densities(const Target& target, const std::vector<double>& points) {
  const ParameterStore parameters;
  Graph graph(parameters);
  const Value x = graph.input({2, 1});
  return run_graph(graph, {target.log_density(x)}, {points}, {std::ssize(points) / 2})[0];
}

TEST(ImageFile, ReadsPngAndJpeg) {
  const TemporaryFolder folder;
  const Bytes colours = {255, 0, 0, 0, 30, 60, 9, 9, 9, 255, 255, 255, 3, 6, 0, 90, 90, 93};
  const GreyImage png = read_image(folder.file("a.png", png_of(3, 2, PNG_FORMAT_RGB, colours)));
  EXPECT_EQ(png.rows, 2);
  EXPECT_EQ(png.columns, 3);
  EXPECT_EQ(png.values, (std::vector<double>{85, 30, 9, 255, 3, 91}));
  // What is transparent is white.
  const Bytes clear = {0, 0, 0, 0, 0, 0, 0, 255};
  EXPECT_EQ(read_image(folder.file("b.png", png_of(2, 1, PNG_FORMAT_RGBA, clear))).values,
            (std::vector<double>{255, 0}));
  Bytes grey;
  for (int i = 0; i < 24 * 16; ++i) grey.push_back(static_cast<unsigned char>(i % 24 * 8));
  const GreyImage jpeg = read_image(folder.file("c.jpg", jpeg_of(24, 16, grey)));
  EXPECT_EQ(jpeg.rows, 16);
  EXPECT_EQ(jpeg.columns, 24);
  for (std::size_t i = 0; i < grey.size(); ++i) EXPECT_NEAR(jpeg.values[i], grey[i], 3.0);
}

TEST(ImageFile, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  Bytes grey(64 * 64);
  std::iota(grey.begin(), grey.end(), static_cast<unsigned char>(0));
  const std::string png = png_of(64, 64, PNG_FORMAT_GRAY, grey), jpeg = jpeg_of(64, 64, grey);
  for (const std::string& whole : {png, jpeg})
    for (const double share : {0.5, 0.9, 0.1}) {
      const auto length = static_cast<std::size_t>(share * static_cast<double>(whole.size()));
      const std::string path = folder.file("short", whole.substr(0, length));
      const std::string message = message_of([&] { read_image(path); });
      EXPECT_NE(message.find("is the file whole?"), std::string::npos) << message;
    }
  std::string damaged = png;
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] + 1);
  EXPECT_THROW(read_image(folder.file("damaged.png", damaged)), DataError);
  EXPECT_NE(message_of([&] { read_image(folder.file("text", "GIF89a")); }).find("PNG or JPEG"),
            std::string::npos);
  EXPECT_THROW(read_image(folder.file("empty", "")), DataError);
  EXPECT_THROW(read_image(folder.path("none.png")), DataError);
}

TEST(ImageDensity, FollowsTheRecipe) {
  // Blurs by their definition, with the picture mirrored, at a few pixels.
  const GreyImage image = disc();
  ImageOptions options;
  options.sigma = 2.0;
  options.scale = 10.0;
  options.centre = {5.0, 7.0};
  const auto target = make_image_target(image, options, "disc");
  const auto brightness = [&](int row, int column) {
    const auto mirror = [](int i, int count) {
      while (i < 0 || i >= count) i = i < 0 ? -1 - i : 2 * count - 1 - i;
      return i;
    };
    return image.values[static_cast<std::size_t>(mirror(row, 40) * 60 + mirror(column, 60))] /
           218.0;
  };
  const auto blur = [&](int row, int column, double sigma) {
    const int radius = static_cast<int>(4.0 * sigma + 0.5);
    double sum = 0.0, weights = 0.0;
    for (int i = -radius; i <= radius; ++i)
      for (int j = -radius; j <= radius; ++j) {
        const double weight = std::exp(-0.5 * (i * i + j * j) / (sigma * sigma));
        weights += weight;
        sum += weight * brightness(row + i, column + j);
      }
    return sum / weights;
  };
  std::vector<double> points, expected;
  for (const auto& [row, column] : {std::pair{12, 20}, {0, 0}, {39, 59}, {20, 41}, {13, 28}}) {
    points.insert(points.end(), {(column - 5.0) / 10.0, (39 - row - 7.0) / 10.0});
    expected.push_back(std::log(
        1.0 - blur(row, column, 2.0) +
        0.01 * (blur(row, column, 10.0) + blur(row, column, 20.0) + blur(row, column, 50.0))));
  }
  const std::vector<double> found = log_densities(*target, points);
  for (std::size_t i = 1; i < found.size(); ++i)
    EXPECT_NEAR(found[i] - found[0], expected[i] - expected[0], 1e-10) << i;
  EXPECT_NEAR(target->half_width(), (54.0 + 5.0 * 0.3) / 10.0, 1e-12);
}

TEST(ImageDensity, CropsEmbedsAndWhitens) {
  // 4 x 4 black, white at 226 and above, on a sheet of 8 x 8; unblurred but for the background.
  GreyImage image{6, 5, std::vector<double>(30, 226.0)};
  for (int row = 1; row < 5; ++row)
    for (int column = 0; column < 4; ++column)
      image.values[static_cast<std::size_t>(row * 5 + column)] = column == 0 ? 225.0 : 0.0;
  ImageOptions options;
  options.sigma = 0.0;
  options.scale = 1.0;
  options.crop = {0, 1, 5, 4};
  options.embed = {9, 8};
  options.centre = {0.0, 0.0};
  const auto target = make_image_target(image, options, "crop");
  // Black at columns 3 to 5 of the sheet, nearly white at 2, white beyond; rows 2 to 5.
  const std::vector<double> found = log_densities(*target, {4, 4, 2, 3, 6, 3, 4, 1, 4, 6, 5, 5});
  const double white = std::exp(found[2]) / std::exp(found[0]);
  EXPECT_LT(white, 0.035);
  EXPECT_NEAR(std::exp(found[1] - found[0]), white + 30.0 / 255.0, 0.01);
  EXPECT_NEAR(std::exp(found[3] - found[0]), white, 0.002);
  EXPECT_NEAR(std::exp(found[4] - found[0]), white, 0.002);
  EXPECT_NEAR(found[5], found[0], 0.002);
}

TEST(ImageDensity, IntegratesToOneAndHasItsSlopes) {
  ImageOptions options;
  options.sigma = 1.0;
  options.scale = 20.0;
  const auto target = make_image_target(disc(), options, "disc");
  // The wall, 0.3 pixels wide, with 40 points a pixel; kinks and its cut cost 1e-4.
  double integral = 0.0;
  std::vector<double> points;
  constexpr double kStep = 0.025 / 20.0;
  for (double x = -32.0 / 20.0 + 0.5 * kStep; x < 32.0 / 20.0; x += kStep)
    for (double y = -22.0 / 20.0 + 0.5 * kStep; y < 22.0 / 20.0; y += kStep)
      points.insert(points.end(), {x, y});
  for (const double value : log_densities(*target, points))
    integral += std::exp(value) * kStep * kStep;
  EXPECT_NEAR(integral, 1.0, 1e-4);

  const ParameterStore parameters;
  Graph graph(parameters);
  const Value x = graph.input({2, 1});
  const Value slope = gradient(target->log_density(x), {x})[0];
  for (const auto& [first, second] :
       {std::pair{0.013, 0.221}, {-0.4, 0.3}, {1.47, -0.31}, {1.52, 1.03}, {-3.0, 0.2}}) {
    const std::vector<double> found = run_graph(graph, {slope}, {{first, second}}, {1})[0];
    constexpr double kMove = 1e-6;
    const std::vector<double> around =
        log_densities(*target, {first + kMove, second, first - kMove, second, first, second + kMove,
                                first, second - kMove});
    const double size = 1.0 + std::abs(found[0]) + std::abs(found[1]);
    EXPECT_NEAR(found[0], (around[0] - around[1]) / (2.0 * kMove), 1e-6 * size);
    EXPECT_NEAR(found[1], (around[2] - around[3]) / (2.0 * kMove), 1e-6 * size);
  }
}

TEST(ImageDensity, SamplesFollowTheDensity) {
  // Chi-square over 16 x 11 cells that reach over the frame: with n cells its mean is about n, its
  // variance 2 n; 6 deviations are passed by chance less than once in 10^6.
  ImageOptions options;
  options.sigma = 1.0;
  options.scale = 20.0;
  const auto target = make_image_target(disc(), options, "disc");
  constexpr int kColumns = 16, kRows = 11, kFine = 80, kSamples = 40000;
  const double width = 64.0 / 20.0 / kColumns, height = 44.0 / 20.0 / kRows;
  std::vector<double> points;
  for (int i = 0; i < kColumns * kFine; ++i)
    for (int j = 0; j < kRows * kFine; ++j)
      points.insert(points.end(),
                    {-1.6 + width * (i + 0.5) / kFine, -1.1 + height * (j + 0.5) / kFine});
  const std::vector<double> values = log_densities(*target, points);
  std::vector<double> expected(kColumns * kRows, 0.0), count(kColumns * kRows, 0.0);
  for (std::size_t i = 0; i < values.size(); ++i)
    expected[i / (kRows * kFine) / kFine * kRows + i % (kRows * kFine) / kFine] +=
        kSamples * std::exp(values[i]) * width * height / (kFine * kFine);
  for (int s = 0; s < kSamples; ++s) {
    RandomSequence random(22, Stream::kTarget, static_cast<std::uint64_t>(s));
    const std::vector<double> x = target->sample(random);
    const auto column = static_cast<std::size_t>((x[0] + 1.6) / width);
    const auto row = static_cast<std::size_t>((x[1] + 1.1) / height);
    ASSERT_TRUE(column < kColumns && row < kRows);
    count[column * kRows + row] += 1.0;
  }
  double statistic = 0.0, cells = 0.0;
  for (std::size_t i = 0; i < count.size(); ++i) {
    if (expected[i] < 20.0) continue;
    statistic += std::pow(count[i] - expected[i], 2) / expected[i];
    cells += 1.0;
  }
  EXPECT_GE(cells, 100.0);
  EXPECT_LT(statistic, cells + 6.0 * std::sqrt(2.0 * cells) + 18.0);
}

TEST(ImageDensity, RefusesOptionsThatDoNotFit) {
  const auto message = [](const ImageOptions& options) {
    return message_of([&] { make_image_target(disc(), options, "disc"); });
  };
  EXPECT_NE(message({.crop = {0, 0, 61, 2}}).find("60 x 40"), std::string::npos);
  EXPECT_NE(message({.crop = {0, 0}}).find("crop"), std::string::npos);
  EXPECT_NE(message({.embed = {50, 50}}).find("embed"), std::string::npos);
  EXPECT_NE(message({.centre = {1.0}}).find("centre"), std::string::npos);
  const GreyImage blank{5, 5, std::vector<double>(25, 230.0)};
  EXPECT_THROW(make_image_target(blank, {}, "blank"), DataError);
}

}  // namespace
}  // namespace thalweg::testing
