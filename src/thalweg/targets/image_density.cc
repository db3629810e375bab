#include "thalweg/targets/image_density.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

/// Index into a row of `count` that is mirrored at both ends, ends repeated: d c b a | a b c d.
std::int64_t mirrored(std::int64_t i, std::int64_t count) {
  i %= 2 * count;
  if (i < 0) i += 2 * count;
  return i < count ? i : 2 * count - 1 - i;
}

/// Convolution with a Gaussian cut off at four deviations, along one axis and then the other.
GreyImage blurred(const GreyImage& image, double sigma) {
  if (sigma <= 0.0) return image;
  const std::int64_t radius = std::lround(4.0 * sigma);
  std::vector<double> kernel;
  double sum = 0.0;
  for (std::int64_t i = -radius; i <= radius; ++i) {
    const double z = static_cast<double>(i) / sigma;
    sum += kernel.emplace_back(std::exp(-0.5 * z * z));
  }
  for (double& value : kernel) value /= sum;

  const auto columns = static_cast<std::size_t>(image.columns);
  GreyImage down{image.rows, image.columns, std::vector<double>(image.values.size(), 0.0)};
  for (std::int64_t row = 0; row < image.rows; ++row) {
    double* to = down.values.data() + row * image.columns;
    for (std::int64_t i = -radius; i <= radius; ++i) {
      const double* from = image.values.data() + mirrored(row + i, image.rows) * image.columns;
      const double weight = kernel[static_cast<std::size_t>(i + radius)];
      for (std::size_t column = 0; column < columns; ++column) to[column] += weight * from[column];
    }
  }
  GreyImage across{image.rows, image.columns, std::vector<double>(image.values.size(), 0.0)};
  std::vector<double> padded(static_cast<std::size_t>(image.columns + 2 * radius));
  for (std::int64_t row = 0; row < image.rows; ++row) {
    const double* from = down.values.data() + row * image.columns;
    for (std::int64_t i = 0; i < std::ssize(padded); ++i)
      padded[static_cast<std::size_t>(i)] = from[mirrored(i - radius, image.columns)];
    double* to = across.values.data() + row * image.columns;
    for (std::size_t i = 0; i < kernel.size(); ++i)
      for (std::size_t column = 0; column < columns; ++column)
        to[column] += kernel[i] * padded[column + i];
  }
  return across;
}

/// `image` on a white sheet, in its middle.
GreyImage embedded(const GreyImage& image, std::int64_t columns, std::int64_t rows) {
  GreyImage sheet{rows, columns, std::vector<double>(static_cast<std::size_t>(rows * columns), 1)};
  const std::int64_t left = (columns - image.columns) / 2, top = (rows - image.rows) / 2;
  for (std::int64_t row = 0; row < image.rows; ++row)
    std::copy_n(image.values.begin() + row * image.columns, image.columns,
                sheet.values.begin() + (top + row) * columns + left);
  return sheet;
}

GreyImage cropped(const GreyImage& image, const std::vector<std::int64_t>& box,
                  const std::string& name) {
  if (box.size() != 4 || box[0] < 0 || box[1] < 0 || box[2] < 2 || box[3] < 2 ||
      box[2] > image.columns - box[0] || box[3] > image.rows - box[1])
    fail<ConfigError>(
        "{}: crop: expected left, top, width and height, at least 2 each way, within {} x {} "
        "pixels",
        name, image.columns, image.rows);
  GreyImage part{box[3], box[2], {}};
  for (std::int64_t row = 0; row < box[3]; ++row) {
    const auto from = image.values.begin() + (box[1] + row) * image.columns + box[0];
    part.values.insert(part.values.end(), from, from + box[2]);
  }
  return part;
}

/// Densities up to a factor at the centres of pixels, the bottom row first.
GreyImage densities_of(GreyImage image, const ImageOptions& options, const std::string& name) {
  if (!options.crop.empty()) image = cropped(image, options.crop, name);
  if (image.rows < 2 || image.columns < 2)
    fail<DataError>("{}: expected a picture of at least 2 x 2 pixels, got {} x {}", name,
                    image.columns, image.rows);
  for (double& value : image.values)
    if (value > options.threshold) value = 255.0;
  const auto [least, most] = std::minmax_element(image.values.begin(), image.values.end());
  if (*least == *most)
    fail<DataError>("{}: expected a picture, but all of it is of brightness {}", name, *least);
  const double brightest = *most;
  for (double& value : image.values) value /= brightest;
  if (!options.embed.empty()) {
    if (options.embed.size() != 2 || options.embed[0] < image.columns ||
        options.embed[1] < image.rows)
      fail<ConfigError>("{}: embed: expected a width and a height of at least {} x {} pixels", name,
                        image.columns, image.rows);
    image = embedded(image, options.embed[0], options.embed[1]);
  }
  GreyImage density = blurred(image, options.sigma);
  for (double& value : density.values) value = 1.0 - value;
  for (const double sigma : {10.0, 20.0, 50.0}) {
    const GreyImage background = blurred(image, sigma);
    for (std::size_t i = 0; i < density.values.size(); ++i)
      density.values[i] += 0.01 * background.values[i];
  }
  for (std::int64_t row = 0; row < density.rows / 2; ++row)
    std::swap_ranges(density.values.begin() + row * density.columns,
                     density.values.begin() + (row + 1) * density.columns,
                     density.values.end() - (row + 1) * density.columns);
  return density;
}

/// A density on the plane, in units of x.
class ImageDensity : public OutsideFunction {
 public:
  ImageDensity(const GreyImage& image, const ImageOptions& options, const std::string& name)
      : pixels_(densities_of(image, options, name)) {
    const auto longer = static_cast<double>(std::max(pixels_.columns, pixels_.rows));
    scale_ = options.scale > 0.0 ? options.scale : longer / 5.0;
    wall_ = longer / 200.0;
    if (options.centre.empty())
      centre_ = {0.5 * static_cast<double>(pixels_.columns - 1),
                 0.5 * static_cast<double>(pixels_.rows - 1)};
    else if (options.centre.size() == 2)
      centre_ = {options.centre[0], options.centre[1]};
    else
      fail<ConfigError>("{}: centre: expected pixels from left and bottom, got {} numbers", name,
                        options.centre.size());
    // A cell outside of the frame is as wide as its Gaussian is long.
    const double tail = wall_ * std::sqrt(0.5 * std::numbers::pi);
    for (std::int64_t row = -1; row < pixels_.rows; ++row)
      for (std::int64_t column = -1; column < pixels_.columns; ++column) {
        double mass = 0.0;
        for (const double corner : corners(row, column)) mass += 0.25 * corner;
        if (outside(row, pixels_.rows)) mass *= tail;
        if (outside(column, pixels_.columns)) mass *= tail;
        total_ += mass;
        cumulative_.push_back(total_);
      }
    total_ /= scale_ * scale_;
  }

  double half_width() const {
    double result = 0.0;
    for (const std::size_t axis : {std::size_t{0}, std::size_t{1}})
      result = std::max({result, centre_[axis], last(axis) - centre_[axis]});
    return (result + 5.0 * wall_) / scale_;
  }

  std::vector<double> sample(RandomSequence& random) const {
    const double mass = random.uniform() * cumulative_.back();
    const auto found = std::upper_bound(cumulative_.begin(), cumulative_.end() - 1, mass);
    const std::int64_t cell = found - cumulative_.begin();
    const std::int64_t row = cell / (pixels_.columns + 1) - 1;
    const std::int64_t column = cell % (pixels_.columns + 1) - 1;
    const std::array<double, 4> corner = corners(row, column);
    const double u =
        place(column, pixels_.columns, corner[0] + corner[2], corner[1] + corner[3], random);
    // Beyond the frame both corners are the same, wherever u is.
    const double share = std::clamp(u - static_cast<double>(column), 0.0, 1.0);
    const double v = place(row, pixels_.rows, corner[0] + share * (corner[1] - corner[0]),
                           corner[2] + share * (corner[3] - corner[2]), random);
    return {(u - centre_[0]) / scale_, (v - centre_[1]) / scale_};
  }

  /// Energies, of which the density is normalised.
  void evaluate(const double* points, std::int64_t count, std::int64_t, double* values,
                double* gradients) const override {
    for (std::int64_t i = 0; i < count; ++i) {
      double wall = 0.0;
      std::array<double, 2> share{}, slope{};
      std::array<std::int64_t, 2> cell{};
      std::array<bool, 2> inside{};
      for (const std::size_t axis : {std::size_t{0}, std::size_t{1}}) {
        const double pixel =
            points[2 * i + static_cast<std::int64_t>(axis)] * scale_ + centre_[axis];
        const double nearest = std::clamp(pixel, 0.0, last(axis));
        const double distance = (pixel - nearest) / wall_;
        wall += 0.5 * distance * distance;
        slope[axis] = distance / wall_;
        inside[axis] = pixel == nearest;
        cell[axis] = static_cast<std::int64_t>(std::min(std::floor(nearest), last(axis) - 1.0));
        share[axis] = nearest - static_cast<double>(cell[axis]);
      }
      const std::array<double, 4> corner = corners(cell[1], cell[0]);
      const double below = corner[0] + share[0] * (corner[1] - corner[0]);
      const double above = corner[2] + share[0] * (corner[3] - corner[2]);
      const double density = below + share[1] * (above - below);
      values[i] = wall - std::log(density / total_);
      const double right = corner[1] - corner[0], higher_right = corner[3] - corner[2];
      if (inside[0]) slope[0] -= (right + share[1] * (higher_right - right)) / density;
      if (inside[1]) slope[1] -= (above - below) / density;
      gradients[2 * i] = slope[0] * scale_;
      gradients[2 * i + 1] = slope[1] * scale_;
    }
  }

 private:
  static bool outside(std::int64_t cell, std::int64_t pixels) {
    return cell < 0 || cell >= pixels - 1;
  }

  double last(std::size_t axis) const {
    return static_cast<double>((axis == 0 ? pixels_.columns : pixels_.rows) - 1);
  }

  /// Densities at the corners of a cell: left and right below, left and right above. Cells -1 and
  /// pixels - 1 are those beyond the frame.
  std::array<double, 4> corners(std::int64_t row, std::int64_t column) const {
    const auto at = [&](std::int64_t r, std::int64_t c) {
      r = std::clamp<std::int64_t>(r, 0, pixels_.rows - 1);
      c = std::clamp<std::int64_t>(c, 0, pixels_.columns - 1);
      return pixels_.values[static_cast<std::size_t>(r * pixels_.columns + c)];
    };
    return {at(row, column), at(row, column + 1), at(row + 1, column), at(row + 1, column + 1)};
  }

  /// A coordinate in pixels within a cell along one axis, where the density goes from `low` to
  /// `high` in a straight line, or beyond the frame.
  double place(std::int64_t cell, std::int64_t pixels, double low, double high,
               RandomSequence& random) const {
    if (cell < 0) return -wall_ * std::abs(random.normal());
    if (cell >= pixels - 1)
      return static_cast<double>(pixels - 1) + wall_ * std::abs(random.normal());
    // The larger of two uniform numbers has a density that rises from 0, the smaller one that falls
    // to 0; mixed, they give any straight line.
    const double first = random.uniform(), second = random.uniform();
    const double share =
        random.uniform() * (low + high) < high ? std::max(first, second) : std::min(first, second);
    return static_cast<double>(cell) + share;
  }

  GreyImage pixels_;  // densities up to a factor, all positive, bottom row first
  std::array<double, 2> centre_{};
  double scale_ = 1.0, wall_ = 1.0;  // pixels
  std::vector<double> cumulative_;   // masses of cells up to each, row by row, frame included
  double total_ = 0.0;               // integral over x of what pixels_ gives
};

class ImageTarget : public Target {
 public:
  ImageTarget(const std::string& name, std::shared_ptr<const ImageDensity> density)
      : Target(name, 2), density_(std::move(density)) {}

  std::vector<double> sample(RandomSequence& random) const override {
    return density_->sample(random);
  }
  std::optional<double> log_normaliser() const override { return 0.0; }
  double half_width() const override { return density_->half_width(); }

 protected:
  Value build_log_density(Value x) const override { return -call(density_, x); }

 private:
  std::shared_ptr<const ImageDensity> density_;
};

}  // namespace

std::unique_ptr<Target> make_image_target(const GreyImage& image, const ImageOptions& options,
                                          const std::string& name) {
  return std::make_unique<ImageTarget>(name, std::make_shared<ImageDensity>(image, options, name));
}

}  // namespace thalweg
