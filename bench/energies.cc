// What the tool's path adds to an energy's own time: a million points of a C energy against direct
// calls from as many threads, and a hundred thousand of expressions with large sums.
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/runs/row_function.h"
#include "thalweg/targets/energy_function.h"
#include "thalweg/targets/energy_library.h"
#include "thalweg/targets/expression.h"

namespace thalweg {
namespace {

/// The shortest wall time of several calls, in seconds, taken in turn so that all see the same
/// machine.
std::vector<double> shortest(int repeats, const std::vector<std::function<void()>>& calls) {
  std::vector<double> best(calls.size(), INFINITY);
  for (int repeat = 0; repeat <= repeats; ++repeat)
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      calls[i]();
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      if (repeat > 0) best[i] = std::min(best[i], seconds.count());
    }
  return best;
}

std::vector<double> normal_points(std::int64_t rows, std::int64_t features) {
  std::vector<double> points;
  RandomSequence random(1, Stream::kEvaluation);
  for (std::int64_t i = 0; i < rows * features; ++i) points.push_back(random.normal());
  return points;
}

/// Energy and gradient of rows.
std::unique_ptr<RowMap> gradient_map(const std::shared_ptr<const Target>& target,
                                     ThreadPool& pool) {
  static const ParameterStore none;
  Graph graph(none);
  const Value x = graph.input({target->features(), 1});
  const Value energy = -target->log_density(x);
  return std::make_unique<RowMap>(graph, std::vector<Value>{energy, vjp({energy}, {}, {x})[0]},
                                  pool);
}

void measure_library(const char* path, ThreadPool& pool, int repeats) {
  constexpr std::int64_t kRows = 1000000, kBlock = 4096;
  const std::shared_ptr<const Target> target = load_energy_library(path);
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  const auto energy = reinterpret_cast<decltype(&thalweg_energy)>(dlsym(handle, "thalweg_energy"));
  const std::int64_t features = target->features();
  const std::vector<double> points = normal_points(kRows, features);
  std::vector<double> energies(kRows), gradients(points.size());
  const auto direct = [&] {
    pool.parallel((kRows + kBlock - 1) / kBlock, [&](std::int64_t block, int) {
      const std::int64_t begin = block * kBlock, count = std::min(kBlock, kRows - begin);
      char message[64];
      energy(points.data() + begin * features, count, features, energies.data() + begin,
             gradients.data() + begin * features, message, sizeof(message));
    });
  };
  const RowFunction log_density = target_log_density(target, pool);
  const auto map = gradient_map(target, pool);
  const std::vector<double> seconds =
      shortest(repeats, {direct, [&] { log_density(points); },
                         [&] { map->run({.rows = kRows, .inputs = {points}}); }});
  fmt::print("a million points of a C energy of {} columns, {} threads: its own time {:.1f} ms\n",
             features, pool.threads(), 1e3 * seconds[0]);
  fmt::print("  energies                {:7.1f} ms  ratio {:.2f}\n", 1e3 * seconds[1],
             seconds[1] / seconds[0]);
  fmt::print("  energies and gradients  {:7.1f} ms  ratio {:.2f}\n", 1e3 * seconds[2],
             seconds[2] / seconds[0]);
}

void measure_expression(const char* name, const char* energy, ThreadPool& pool, int repeats) {
  constexpr std::int64_t kRows = 100000;
  const NamedConstant matrix{"A", {500, 8}, normal_points(500, 8)};
  NamedConstant labels{"y", {500}, {}};
  for (std::size_t k = 0; k < 500; ++k)
    labels.values.push_back(matrix.values[8 * k] > 0.0 ? 1.0 : -1.0);
  const auto start = std::chrono::steady_clock::now();
  const std::shared_ptr<const Target> target =
      make_expression_target(energy, {}, 0.0, {matrix, labels});
  const auto map = gradient_map(target, pool);
  const std::chrono::duration<double> compiled = std::chrono::steady_clock::now() - start;
  const std::vector<double> points = normal_points(kRows, 8);
  const std::vector<double> seconds =
      shortest(repeats, {[&] { map->run({.rows = kRows, .inputs = {points}}); }});
  fmt::print(
      "{} as an expression: {:.0f} ms to compile, 100 000 energies and gradients in {:.0f} ms\n",
      name, 1e3 * compiled.count(), 1e3 * seconds[0]);
}

}  // namespace
}  // namespace thalweg

int main(int count, char** arguments) {
  try {
    const int repeats = count > 1 ? std::atoi(arguments[1]) : 10;
    thalweg::ThreadPool pool(count > 2 ? std::atoi(arguments[2]) : 0);
    thalweg::measure_library(THALWEG_ENERGY, pool, repeats);
    thalweg::measure_expression(
        "logistic regression on 500 rows of 8",
        "sum(k, 0, 499, softplus(-y[k]*sum(j, 0, 7, A[k,j]*x[j]))) + sum(j, 0, 7, x[j]^2)/12.5",
        pool, std::max(1, repeats / 3));
    thalweg::measure_expression("a mixture of 500 Gaussians in 8 columns",
                                "-logsumexp(k, 0, 499, -sum(j, 0, 7, (x[j] - A[k,j])^2)/2)", pool,
                                std::max(1, repeats / 3));
  } catch (const thalweg::Error& error) {
    fmt::print(stderr, "bench_energies: {}\n", error.what());
    return 1;
  }
  return 0;
}
