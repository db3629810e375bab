// Made-up files in the formats of the UCI originals.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/datasets/uci_tables.h"
#include "thalweg/io/atomic_file.h"

namespace thalweg {

namespace {

constexpr std::int64_t kFewestRows = 2000, kMostRows = 10000000;

std::string path_in(const std::string& folder, const std::string& name) {
  return (std::filesystem::path(folder) / name).string();
}

/// Two modes, the higher one wider and skewed to the right.
double bimodal(RandomSequence& random, double share_of_low) {
  const double normal = random.normal();
  return random.uniform() < share_of_low ? 0.3 * normal - 1.0 : std::exp(0.5 * normal);
}

void write_power(const std::string& folder, std::int64_t rows, std::uint64_t seed) {
  AtomicFile file(path_in(folder, "household_power_consumption.txt"));
  file.write(
      "Date;Time;Global_active_power;Global_reactive_power;Voltage;Global_intensity;"
      "Sub_metering_1;Sub_metering_2;Sub_metering_3\n");
  for (std::int64_t row = 0; row < rows; ++row) {
    RandomSequence random(seed, Stream::kSampling, static_cast<std::uint64_t>(row));
    const std::int64_t minute = (row + 17 * 60 + 24) % 1440;
    // Days of one month, over and over: the date is not used.
    file.write(fmt::format("{}/{}/2007;{:02}:{:02}:00;", 1 + row / 1440 % 28, 1 + row / 40320 % 12,
                           minute / 60, minute % 60));
    if (random.uniform() < 0.0125) {
      file.write("?;?;?;?;?;?;\n");
      continue;
    }
    const double hour = static_cast<double>(minute) / 60.0;
    const double awake = 1.0 / (1.0 + std::exp(-2.0 * (hour - 7.0)));
    const double heater =
        random.uniform() < 0.1 + 0.5 * awake ? 6.0 + 12.0 * random.uniform() : 0.0;
    const double kitchen = random.uniform() < 0.1 * awake ? 35.0 + 3.0 * random.normal() : 0.0;
    const double laundry = 1.0 + random.normal();
    const double power =
        std::clamp(0.06 * (heater + kitchen) + std::exp(-1.2 + 0.5 * awake + 0.4 * random.normal()),
                   0.08, 12.0);
    const double voltage = std::clamp(242.0 - 1.5 * power + 2.5 * random.normal(), 215.0, 260.0);
    const double reactive = random.uniform() < 0.25 ? 0.0 : 0.05 + 0.1 * random.uniform();
    file.write(fmt::format("{:.3f};{:.3f};{:.3f};{:.3f};{:.3f};{:.3f};{:.3f}\n", power, reactive,
                           voltage, std::round(5000.0 * power / voltage) / 5.0,
                           0.0 + std::clamp(std::round(kitchen), 0.0, 90.0),
                           0.0 + std::clamp(std::round(laundry), 0.0, 80.0), std::round(heater)));
  }
  file.commit();
}

void write_gas(const std::string& folder, std::int64_t rows, std::uint64_t seed) {
  AtomicFile file(path_in(folder, "ethylene_CO.txt"));
  file.write("Time (seconds), CO conc (ppm), Ethylene conc (ppm), sensor readings (16 channels)\n");
  for (std::int64_t row = 0; row < rows; ++row) {
    RandomSequence random(seed, Stream::kSampling, static_cast<std::uint64_t>(row));
    const double co = static_cast<double>(row / 500 % 5) * 100.0;
    const double ethylene = static_cast<double>(row / 900 % 4) * 5.0;
    file.write(fmt::format("{:.2f} {:.2f} {:.2f}", 0.01 * static_cast<double>(row), co, ethylene));
    // Eight pairs of sensors that see the same quantity.
    std::array<double, 16> readings{};
    const double common = bimodal(random, 0.4);
    for (std::size_t pair = 0; pair < 8; ++pair) {
      const double own = bimodal(random, 0.1 * static_cast<double>(pair));
      const double seen = 1500.0 + 300.0 * (common + own) + co + 20.0 * ethylene;
      readings[pair] = seen + 4.0 * random.normal();
      readings[pair + 8] = 1.5 * seen + 6.0 * random.normal() - 50.0;
    }
    for (const double reading : readings) file.write(fmt::format(" {:.2f}", reading));
    file.write("\n");
  }
  file.commit();
}

/// 27 features, of which six take their lowest value often; the test file has the mass as well.
void write_hepmass_file(const std::string& path, std::int64_t rows, std::uint64_t seed,
                        bool with_mass) {
  constexpr std::size_t kFeatures = 27;
  AtomicFile file(path);
  file.write("# label");
  for (std::size_t feature = 0; feature < kFeatures; ++feature)
    file.write(fmt::format(",f{}", feature));
  file.write(with_mass ? ",mass\n" : "\n");
  for (std::int64_t row = 0; row < rows; ++row) {
    RandomSequence random(seed, Stream::kSampling, static_cast<std::uint64_t>(row));
    const bool signal = random.uniform() < 0.5;
    file.write(signal ? "1.000000000000000000e+00" : "0.000000000000000000e+00");
    const double energy = bimodal(random, signal ? 0.3 : 0.7);
    for (std::size_t feature = 0; feature < kFeatures; ++feature) {
      double value = 0.0;
      if (feature % 4 == 1 && feature > 4) {
        value = random.uniform() < 0.5 ? -1.0 : 1.1;  // whether a jet was tagged
      } else if (feature % 3 == 2) {
        // Angles have an edge that smooth flows find hard.
        value = std::numbers::pi * (2.0 * random.uniform() - 1.0) / 1.82;
      } else {
        value = 0.6 * energy + 0.8 * bimodal(random, 0.5);
      }
      file.write(fmt::format(",{:.18e}", value));
    }
    file.write(with_mass ? ",1.000000000000000000e+03\n" : "\n");
  }
  file.commit();
}

void write_miniboone(const std::string& folder, std::int64_t rows, std::uint64_t seed) {
  constexpr std::size_t kFeatures = 50;
  AtomicFile file(path_in(folder, "MiniBooNE_PID.txt"));
  const std::int64_t signal = rows * 28 / 100;
  file.write(fmt::format(" {} {}\n", signal, rows - signal));
  for (std::int64_t row = 0; row < rows; ++row) {
    RandomSequence random(seed, Stream::kSampling, static_cast<std::uint64_t>(row));
    const bool outlier = row % 151 == 7;
    const std::array<double, 3> common = {bimodal(random, row < signal ? 0.3 : 0.7),
                                          random.normal(), bimodal(random, 0.5)};
    for (std::size_t feature = 0; feature < kFeatures; ++feature) {
      double value = common[feature % 3] + 0.7 * bimodal(random, 0.5);
      if (feature % 7 == 3) value = random.uniform() < 0.2 ? 0.0 : std::exp(value);
      file.write(fmt::format(" {: .6E}", outlier ? -999.0 : value));
    }
    file.write("\n");
  }
  file.commit();
}

}  // namespace

void write_uci_look_alike(const UciTable& table, std::int64_t rows, std::uint64_t seed,
                          const std::string& folder) {
  if (rows < kFewestRows || rows > kMostRows)
    fail<ConfigError>("rows of a look-alike: expected {} to {}, got {}", kFewestRows, kMostRows,
                      rows);
  if (table.name == "power") write_power(folder, rows, seed);
  if (table.name == "gas") write_gas(folder, rows, seed);
  if (table.name == "miniboone") write_miniboone(folder, rows, seed);
  if (table.name == "hepmass") {
    write_hepmass_file(path_in(folder, "1000_train.csv"), rows, seed, false);
    write_hepmass_file(path_in(folder, "1000_test.csv"), rows / 2, seed + 1, true);
  }
}

}  // namespace thalweg
