#include "thalweg/targets/energy_library.h"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>

#include "thalweg/core/error.h"
#include "thalweg/targets/energy_function.h"
#include "thalweg/targets/outside_energy.h"

namespace thalweg {
namespace {

constexpr std::int64_t kMostFeatures = 1000000;

class EnergyLibrary : public OutsideFunction {
 public:
  explicit EnergyLibrary(std::string path) : path_(std::move(path)) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path_, error))
      fail<DataError>(
          "{}: there is no such library; compile it with cc -O2 -shared -fPIC energy.c -lm -o {}",
          path_, std::filesystem::path(path_).filename().string());
    // Without a folder, a name would be looked up among the system's libraries.
    handle_ = dlopen(std::filesystem::absolute(path_).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
      const char* reason = dlerror();
      fail<DataError>("{}: cannot be loaded: {}; is it a shared library for this machine?", path_,
                      reason == nullptr ? "for no stated reason" : reason);
    }
    energy_ = reinterpret_cast<decltype(energy_)>(dlsym(handle_, "thalweg_energy"));
    if (energy_ == nullptr) {
      dlclose(handle_);
      fail<DataError>(
          "{}: expected a function thalweg_energy, found none; is it declared as in "
          "energy_function.h, in C++ as extern \"C\"?",
          path_);
    }
  }
  ~EnergyLibrary() override { dlclose(handle_); }
  EnergyLibrary(const EnergyLibrary&) = delete;
  EnergyLibrary& operator=(const EnergyLibrary&) = delete;

  /// What the library says of itself; 0 if nothing.
  std::int64_t stated_features() const {
    const auto function = reinterpret_cast<decltype(&thalweg_energy_features)>(
        dlsym(handle_, "thalweg_energy_features"));
    if (function == nullptr) return 0;
    const std::int64_t features = function();
    if (features < 1 || features > kMostFeatures)
      fail<DataError>("{}: thalweg_energy_features: expected a number from 1 to {}, got {}", path_,
                      kMostFeatures, features);
    return features;
  }

  void evaluate(const double* points, std::int64_t count, std::int64_t features, double* values,
                double* gradients) const override {
    // What the function forgets to fill is noticed.
    constexpr double kUnset = std::numeric_limits<double>::quiet_NaN();
    std::fill_n(values, count, kUnset);
    std::fill_n(gradients, count * features, kUnset);
    std::array<char, 512> message{};
    const int code = energy_(points, count, features, values, gradients, message.data(),
                             static_cast<long>(message.size()));
    message.back() = '\0';
    if (code != 0)
      fail<NumericalError>("{}: thalweg_energy returned {}: {}", path_, code,
                           message.front() == '\0' ? "it left no message" : message.data());
    const auto size = static_cast<std::size_t>(count);
    const std::size_t numbers = size * static_cast<std::size_t>(features);
    require_usable_energies(path_, {points, numbers}, {values, size}, {gradients, numbers});
  }

 private:
  std::string path_;
  void* handle_ = nullptr;
  decltype(&thalweg_energy) energy_ = nullptr;
};

}  // namespace

std::unique_ptr<Target> load_energy_library(const std::string& path, std::int64_t features,
                                            const std::vector<std::string>& variables,
                                            double half_width) {
  auto library = std::make_shared<const EnergyLibrary>(path);
  const std::array<std::pair<const char*, std::int64_t>, 3> sources = {{
      {"energy_features", features},
      {"variables", static_cast<std::int64_t>(variables.size())},
      {"thalweg_energy_features", library->stated_features()},
  }};
  const std::pair<const char*, std::int64_t>* first = nullptr;
  for (const auto& source : sources) {
    if (source.second == 0) continue;
    if (first == nullptr) first = &source;
    if (source.second != first->second)
      fail<ConfigError>("{}: how many numbers has a point? {} says {}, {} says {}", path,
                        first->first, first->second, source.first, source.second);
  }
  if (first == nullptr)
    fail<ConfigError>(
        "{}: expected energy_features, the numbers of a point, since the library has no "
        "thalweg_energy_features",
        path);
  std::vector<std::string> columns = variables;
  for (std::int64_t i = 0; variables.empty() && i < first->second; ++i)
    columns.push_back(fmt::format("x{}", i));
  return make_outside_target(std::move(library), std::move(columns), half_width);
}

}  // namespace thalweg
