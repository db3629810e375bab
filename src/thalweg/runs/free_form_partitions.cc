// Encoders of three Gaussians that are not invertible, by quadrature.
#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/normal_quantile.h"
#include "thalweg/runs/computed_experiments.h"

namespace thalweg {
namespace {

constexpr std::array<double, 3> kMeans = {-3.0, 0.0, 3.0}, kShares = {0.3, 0.5, 0.2};
constexpr double kDeviation = 0.25;
constexpr double kReach = 5.0;  // deviations beyond which there is nothing
constexpr int kCells = 2000;    // of each component

double normal_density(double t) {
  return std::exp(-0.5 * t * t) / std::sqrt(2.0 * std::numbers::pi);
}
double normal_share(double t) { return 0.5 * std::erfc(-t / std::numbers::sqrt2); }

/// Components that an encoder maps to the base together.
struct Part {
  std::vector<std::size_t> components;
  double share = 0.0;

  /// The distribution function of these components.
  double below(double x) const {
    double sum = 0.0;
    for (const std::size_t i : components)
      sum += kShares[i] / share * normal_share((x - kMeans[i]) / kDeviation);
    return sum;
  }
  /// x with below(x) = the share of the base below z, by bisection.
  double place_of(double z) const {
    const double wanted = normal_share(z);
    double low = kMeans.front() - 10.0 * kDeviation, high = kMeans.back() + 10.0 * kDeviation;
    for (int step = 0; step < 60; ++step) {
      const double middle = 0.5 * (low + high);
      (below(middle) < wanted ? low : high) = middle;
    }
    return 0.5 * (low + high);
  }
};

struct Partition {
  std::vector<Part> parts;

  const Part& of(std::size_t component) const {
    return *std::ranges::find_if(parts, [&](const Part& part) {
      return std::ranges::find(part.components, component) != part.components.end();
    });
  }
  double encode(std::size_t component, double x) const {
    return normal_quantile(of(component).below(x));
  }
  /// The mean of x given z, which reconstructs best.
  double decode(double z) const {
    double mean = 0.0;
    for (const Part& part : parts) mean += part.share * part.place_of(z);
    return mean;
  }
};

/// From its name, as "13-2".
Partition partition_of(const std::string& name) {
  Partition result;
  result.parts.emplace_back();
  std::array<int, 3> seen{};
  for (const char c : name) {
    if (c == '-') {
      result.parts.emplace_back();
      continue;
    }
    const int number = c - '1';
    if (number < 0 || number > 2 || seen[static_cast<std::size_t>(number)]++ > 0)
      fail<ConfigError>("free_form_partitions: expected a partition of 123 as 12-3, got '{}'",
                        name);
    const auto component = static_cast<std::size_t>(number);
    result.parts.back().components.push_back(component);
    result.parts.back().share += kShares[component];
  }
  if (seen != std::array{1, 1, 1})
    fail<ConfigError>("free_form_partitions: expected a partition of 123 as 12-3, got '{}'", name);
  return result;
}

/// Calls `visit` with the component, x and the weight of each cell of a quadrature over the data.
template <typename Visit>
void integrate(const Visit& visit) {
  const double whole = 1.0 - 2.0 * normal_share(-kReach);
  for (std::size_t component = 0; component < 3; ++component)
    for (int cell = 0; cell < kCells; ++cell) {
      const double t = kReach * (2.0 * (cell + 0.5) / kCells - 1.0);
      visit(component, kMeans[component] + kDeviation * t,
            kShares[component] * normal_density(t) / whole * 2.0 * kReach / kCells);
    }
}

struct Losses {
  double likelihood = 0.0, reconstruction = 0.0;
};

/// The two parts of the loss, from the encoder, its slope by differences, and the decoder.
Losses losses_of(const Partition& partition) {
  constexpr double kStep = 1e-5;
  Losses result;
  integrate([&](std::size_t component, double x, double weight) {
    const double z = partition.encode(component, x);
    const double slope =
        (partition.encode(component, x + kStep) - partition.encode(component, x - kStep)) /
        (2.0 * kStep);
    const double off = partition.decode(z) - x;
    result.likelihood -= weight * (std::log(normal_density(z)) + std::log(std::abs(slope)));
    result.reconstruction += weight * off * off;
  });
  return result;
}

/// What theorem 7.6 takes: entropies of the data and of the partition, and the least reconstruction
/// error, by an integral over the base.
struct Theorem {
  double data_entropy = 0.0, partition_entropy = 0.0, reconstruction = 0.0;
};

Theorem theorem_of(const Partition& partition) {
  Theorem result;
  integrate([&](std::size_t component, double x, double weight) {
    const double t = (x - kMeans[component]) / kDeviation;
    result.data_entropy -= weight * std::log(kShares[component] * normal_density(t) / kDeviation);
  });
  for (const Part& part : partition.parts)
    result.partition_entropy -= part.share * std::log(part.share);
  constexpr double kFar = 8.0;
  for (int cell = 0; cell < kCells; ++cell) {
    const double z = kFar * (2.0 * (cell + 0.5) / kCells - 1.0);
    double mean = 0.0, square = 0.0;
    for (const Part& part : partition.parts) {
      const double x = part.place_of(z);
      mean += part.share * x;
      square += part.share * x * x;
    }
    result.reconstruction += normal_density(z) * 2.0 * kFar / kCells * (square - mean * mean);
  }
  return result;
}

constexpr std::array<const char*, 5> kPartitions = {"123", "12-3", "1-23", "13-2", "1-2-3"};

}  // namespace

std::vector<Metric> partition_metrics(const std::string& row, const std::string& column,
                                      std::int64_t /*seed*/, ThreadPool& /*pool*/) {
  const double weight = weight_of("free_form_partitions", column);
  const Partition partition = partition_of(row);
  const Losses losses = losses_of(partition);
  const Theorem theorem = theorem_of(partition);
  const double loss = losses.likelihood + weight * losses.reconstruction;
  const double expected =
      theorem.data_entropy - theorem.partition_entropy + weight * theorem.reconstruction;
  const bool whole = partition.parts.size() == 1;
  return {{"loss", "loss of the encoder", loss},
          {"theorem", "theorem 7.6", expected},
          {"off_percent", "difference, %", 100.0 * std::abs(loss / expected - 1.0)},
          {"negative_log_likelihood", "its likelihood part", losses.likelihood},
          {"reconstruction", "its reconstruction", losses.reconstruction},
          {"partition_entropy", "entropy of the partition", theorem.partition_entropy},
          {"critical_weight", "critical weight",
           whole ? NAN : theorem.partition_entropy / theorem.reconstruction}};
}

std::vector<DrawnPlot> draw_partitions(ThreadPool& /*pool*/) {
  LineChart encoders{.title = "Encoders of each partition, broken where there are no data",
                     .x_label = "x",
                     .y_label = "f(x)"};
  LineChart decoders{.title = "Their best decoders", .x_label = "z", .y_label = "g(z)"};
  LineChart losses{.title = "Losses", .x_label = "weight of the reconstruction", .y_label = "nats"};
  for (std::size_t number = 0; number < kPartitions.size(); ++number) {
    const char* name = kPartitions[number];
    const Partition partition = partition_of(name);
    const auto line = [&] { return LineSeries{.name = name, .colour = number}; };
    LineSeries encoder = line(), decoder = line(), loss = line();
    for (std::size_t component = 0; component < 3; ++component) {
      for (int i = 0; i <= 100; ++i) {
        const double x = kMeans[component] + 4.5 * kDeviation * (0.02 * i - 1.0);
        encoder.x.push_back(x);
        encoder.y.push_back(partition.encode(component, x));
      }
      encoder.x.push_back(kMeans[component] + kReach * kDeviation);
      encoder.y.push_back(NAN);
    }
    for (int i = 0; i <= 200; ++i) {
      decoder.x.push_back(0.04 * i - 4.0);
      decoder.y.push_back(partition.decode(decoder.x.back()));
    }
    const Theorem theorem = theorem_of(partition);
    for (int i = 0; i <= 100; ++i) {
      loss.x.push_back(0.004 * i);
      loss.y.push_back(theorem.data_entropy - theorem.partition_entropy +
                       loss.x.back() * theorem.reconstruction);
    }
    encoders.series.push_back(std::move(encoder));
    decoders.series.push_back(std::move(decoder));
    losses.series.push_back(std::move(loss));
  }
  return {{"encoders", std::move(encoders)},
          {"decoders", std::move(decoders)},
          {"losses", std::move(losses)}};
}

}  // namespace thalweg
