#include "thalweg/exploration/exploration_file.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/io/safetensors.h"

namespace thalweg {
namespace {

constexpr char kKind[] = "thalweg exploration";
constexpr char kVersion[] = "1";
constexpr char kAdvice[] = "copy the run's folder again, or train anew";

Tensor numbers(std::vector<std::int64_t> shape, std::vector<double> values) {
  Tensor tensor;
  tensor.shape = std::move(shape);
  tensor.values = std::move(values);
  return tensor;
}

std::string numbered(const char* kind, std::size_t number) {
  return fmt::format("{}.{}", kind, number);
}

/// The parts of a file, each with an error that names it.
class Reader {
 public:
  explicit Reader(const std::string& path) : path_(path), file_(read_safetensors(path)) {
    if (text("kind") != kKind)
      fail<DataError>("{}: expected a {}, got a '{}'; {}", path, kKind, text("kind"), kAdvice);
    if (text("format_version") != kVersion)
      fail<DataError>(
          "{}: written by a newer version of thalweg (format {}, this one reads {}); update "
          "thalweg to use it",
          path, text("format_version"), kVersion);
  }

  const std::string& text(const std::string& name) const {
    const auto found = file_.metadata.find(name);
    if (found == file_.metadata.end())
      fail<DataError>("{}: damaged: expected '{}' in its metadata, found none; {}", path_, name,
                      kAdvice);
    return found->second;
  }

  /// Empty where there is none.
  std::string text_or_none(const std::string& name) const {
    return file_.metadata.contains(name) ? text(name) : std::string();
  }

  std::vector<std::string> sentences(const char* kind) const {
    std::vector<std::string> result;
    while (file_.metadata.contains(numbered(kind, result.size())))
      result.push_back(text(numbered(kind, result.size())));
    return result;
  }

  const Tensor& tensor(const std::string& name, const std::string& dtype = "F64") const {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end())
      fail<DataError>("{}: damaged: expected the numbers '{}', found none; {}", path_, name,
                      kAdvice);
    if (found->second.dtype != dtype)
      fail<DataError>("{}: damaged: '{}': expected {}, got {}; {}", path_, name, dtype,
                      found->second.dtype, kAdvice);
    return found->second;
  }

  /// Finite numbers in this shape.
  const std::vector<double>& numbers(const std::string& name,
                                     const std::vector<std::int64_t>& shape) const {
    const Tensor& found = tensor(name);
    const auto words = [](const std::vector<std::int64_t>& sizes) {
      std::string result;
      for (const std::int64_t size : sizes)
        result += fmt::format("{}{}", result.empty() ? "" : " x ", size);
      return result;
    };
    if (found.shape != shape)
      fail<DataError>("{}: damaged: '{}': expected {} numbers, got {}; {}", path_, name,
                      words(shape), words(found.shape), kAdvice);
    if (!std::ranges::all_of(found.values, [](double value) { return std::isfinite(value); }))
      fail<DataError>("{}: damaged: '{}': expected finite numbers; {}", path_, name, kAdvice);
    return found.values;
  }

  const std::vector<std::int64_t>& integers(const std::string& name, std::int64_t count) const {
    const std::vector<std::int64_t>& found = tensor(name, "I64").integers;
    if (std::ssize(found) != count)
      fail<DataError>("{}: damaged: '{}': expected {} numbers, got {}; {}", path_, name, count,
                      found.size(), kAdvice);
    return found;
  }

 private:
  std::string path_;
  TensorFile file_;
};

}  // namespace

void write_exploration(const std::string& path, const Exploration& exploration) {
  const auto rows = static_cast<std::int64_t>(exploration.log_target.size());
  const auto modes = static_cast<std::int64_t>(exploration.modes.size());
  const std::int64_t features = exploration.features;
  if (features < 1 || std::ssize(exploration.x) != rows * features ||
      std::ssize(exploration.component) != rows)
    fail<ShapeError>("exploration: expected {} rows of {} columns, got {} numbers", rows, features,
                     exploration.x.size());
  std::vector<double> mass, mass_error, mean, deviation;
  for (const ExploredMode& mode : exploration.modes) {
    if (std::ssize(mode.mean) != features || std::ssize(mode.deviation) != features)
      fail<ShapeError>(
          "exploration: expected modes of {} columns, got means of {}, deviations of "
          "{}",
          features, mode.mean.size(), mode.deviation.size());
    mass.push_back(mode.mass);
    mass_error.push_back(mode.mass_error);
    mean.insert(mean.end(), mode.mean.begin(), mode.mean.end());
    deviation.insert(deviation.end(), mode.deviation.begin(), mode.deviation.end());
  }
  TensorFile file;
  file.metadata = {{"kind", kKind}, {"format_version", kVersion}, {"method", exploration.method}};
  const auto sentences = [&](const char* kind, const std::vector<std::string>& texts) {
    for (std::size_t i = 0; i < texts.size(); ++i) file.metadata[numbered(kind, i)] = texts[i];
  };
  sentences("doubt", exploration.doubts);
  sentences("warning", exploration.warnings);
  if (!exploration.endless.empty()) file.metadata["endless"] = exploration.endless;
  file.tensors["x"] = numbers({rows, features}, exploration.x);
  file.tensors["log_target"] = numbers({rows}, exploration.log_target);
  file.tensors["log_integral"] =
      numbers({2}, {exploration.log_integral, exploration.log_integral_error});
  file.tensors["weights"] =
      numbers({3}, {exploration.effective_share, exploration.pareto_k, exploration.infinite_share});
  file.tensors["seconds"] = numbers({1}, {exploration.seconds});
  file.tensors["modes.mass"] = numbers({modes}, std::move(mass));
  file.tensors["modes.mass_error"] = numbers({modes}, std::move(mass_error));
  file.tensors["modes.mean"] = numbers({modes, features}, std::move(mean));
  file.tensors["modes.deviation"] = numbers({modes, features}, std::move(deviation));
  const auto integers = [&](const char* name, std::vector<std::int64_t> values) {
    Tensor& tensor = file.tensors[name];
    tensor.dtype = "I64";
    tensor.shape = {std::ssize(values)};
    tensor.integers = std::move(values);
  };
  integers("evaluations", {exploration.evaluations});
  integers("confirmed", {exploration.confirmed ? 1 : 0});
  integers("component", exploration.component);
  write_safetensors(path, file);
}

Exploration read_exploration(const std::string& path) {
  const Reader reader(path);
  Exploration result;
  const std::vector<std::int64_t>& shape = reader.tensor("x").shape;
  if (shape.size() != 2 || shape[0] < 1 || shape[1] < 1)
    fail<DataError>("{}: damaged: 'x': expected rows of samples; {}", path, kAdvice);
  const std::int64_t rows = shape[0];
  result.features = shape[1];
  result.x = reader.numbers("x", shape);
  result.log_target = reader.numbers("log_target", {rows});
  const std::vector<double>& log_integral = reader.numbers("log_integral", {2});
  result.log_integral = log_integral[0];
  result.log_integral_error = log_integral[1];
  // A Pareto k may be infinite.
  const std::vector<double>& weights = reader.tensor("weights").values;
  if (weights.size() != 3)
    fail<DataError>("{}: damaged: 'weights': expected 3 numbers, got {}; {}", path, weights.size(),
                    kAdvice);
  result.effective_share = weights[0];
  result.pareto_k = weights[1];
  result.infinite_share = weights[2];
  result.seconds = reader.numbers("seconds", {1})[0];
  result.evaluations = reader.integers("evaluations", 1)[0];
  result.confirmed = reader.integers("confirmed", 1)[0] != 0;
  result.component = reader.integers("component", rows);
  if (std::ranges::any_of(result.component, [](std::int64_t component) { return component < 0; }))
    fail<DataError>("{}: damaged: 'component': expected numbers from 0 on; {}", path, kAdvice);
  const auto modes = static_cast<std::int64_t>(reader.tensor("modes.mass").values.size());
  const std::vector<double>& mass = reader.numbers("modes.mass", {modes});
  const std::vector<double>& mass_error = reader.numbers("modes.mass_error", {modes});
  const std::vector<double>& mean = reader.numbers("modes.mean", {modes, result.features});
  const std::vector<double>& deviation =
      reader.numbers("modes.deviation", {modes, result.features});
  for (std::int64_t i = 0; i < modes; ++i) {
    const auto row = [&](const std::vector<double>& values) {
      return std::vector<double>(values.begin() + i * result.features,
                                 values.begin() + (i + 1) * result.features);
    };
    const auto number = static_cast<std::size_t>(i);
    result.modes.push_back({mass[number], mass_error[number], row(mean), row(deviation)});
  }
  result.method = reader.text("method");
  result.doubts = reader.sentences("doubt");
  result.warnings = reader.sentences("warning");
  result.endless = reader.text_or_none("endless");
  return result;
}

}  // namespace thalweg
