#include "thalweg/datasets/rounding.h"

#include <algorithm>
#include <cmath>

namespace thalweg {

std::size_t nearest_of(std::span<const double> values, double value) {
  auto above = static_cast<std::size_t>(std::ranges::lower_bound(values, value) - values.begin());
  if (above == values.size() || (above > 0 && value - values[above - 1] <= values[above] - value))
    --above;
  return above;
}

namespace {

constexpr double kSingleRounding = 0x1p-24;

/// The power of ten that makes a value whole with so many digits.
int exponent_of(double value, std::int64_t digits) {
  return static_cast<int>(digits) - 1 - static_cast<int>(std::floor(std::log10(std::abs(value))));
}

/// value * 10^exponent, of which positive powers up to 22 are exact in double.
double scaled(double value, int exponent) {
  const double power = std::pow(10.0, std::abs(exponent));
  return exponent < 0 ? value / power : value * power;
}

bool has_digits(double value, std::int64_t digits, double rounding) {
  if (value == 0.0) return true;
  const double whole = scaled(value, exponent_of(value, digits));
  return std::abs(whole - std::round(whole)) <= 4.0 * rounding * std::abs(whole);
}

}  // namespace

bool is_whole(std::span<const double> values, double rounding) {
  return std::all_of(values.begin(), values.end(), [&](double value) {
    return value == std::floor(value) && std::abs(value) <= 1.0 / rounding;
  });
}

bool is_constant(std::span<const double> values, double rounding) {
  const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
  if (least == values.end() || *least == *greatest) return true;
  const double largest = std::max(std::abs(*least), std::abs(*greatest));
  return *greatest - *least <= std::max(1e-12, 8.0 * rounding) * largest &&
         !is_whole(values, rounding);
}

std::optional<std::int64_t> significant_digits(std::span<const double> values, double rounding) {
  constexpr std::size_t kLeastValues = 20;
  if (values.size() < kLeastValues) return std::nullopt;
  const std::int64_t most = rounding >= kSingleRounding ? 5 : 6;
  std::int64_t digits = 1;
  for (const double value : values)
    while (!has_digits(value, digits, rounding))
      if (++digits > most) return std::nullopt;
  return digits;
}

std::optional<std::int64_t> decimals_of(std::span<const double> values, std::int64_t digits) {
  constexpr int kMost = 9;
  int decimals = 0;
  for (const double value : values) {
    if (value == 0.0) continue;
    // A power of ten less for each zero at the end.
    int own = exponent_of(value, digits);
    double whole = std::round(scaled(value, own));
    for (; own > decimals && std::fmod(whole, 10.0) == 0.0; --own) whole /= 10.0;
    decimals = std::max(decimals, own);
    if (decimals > kMost) return std::nullopt;
  }
  return decimals;
}

double round_to_digits(double value, std::int64_t digits, double (*by)(double)) {
  if (value == 0.0 || !std::isfinite(value)) return value;
  const int exponent = exponent_of(value, digits);
  return scaled(by(scaled(value, exponent)), -exponent);
}

double rounding_of(std::span<const double> values, double rounding) {
  const bool floats = std::all_of(values.begin(), values.end(), [](double value) {
    return value == static_cast<double>(static_cast<float>(value));
  });
  return floats ? std::max(rounding, kSingleRounding) : rounding;
}

}  // namespace thalweg
