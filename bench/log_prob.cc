// bench_log_prob RUN POINTS [CALLS [THREADS]]: microseconds of a run's log densities of a file's
// points, in a process that keeps them, as Python does: the median of some calls, as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/runs/log_densities.h"

int main(int count, char** values) {
  using namespace thalweg;
  using Clock = std::chrono::steady_clock;
  if (count < 3) {
    fmt::print(stderr, "bench_log_prob: expected RUN POINTS [CALLS [THREADS]]\n");
    return 1;
  }
  const int calls = count > 3 ? std::atoi(values[3]) : 200;
  try {
    ThreadPool pool(count > 4 ? std::atoi(values[4]) : 0);
    const LoadedRun run = load_run(values[1]);
    const Table table = run.read_table(values[2]);
    DensityEvaluator density = run_density(run, pool);
    std::vector<double> times;
    for (int call = -calls / 4; call < calls; ++call) {  // the first ones warm up
      const auto start = Clock::now();
      log_densities(run, table, density, pool);
      const std::chrono::duration<double, std::micro> time = Clock::now() - start;
      if (call >= 0) times.push_back(time.count());
    }
    std::sort(times.begin(), times.end());
    fmt::print("{{\"rows\": {}, \"median_us\": {:.1f}}}\n", table.rows, times[times.size() / 2]);
  } catch (const Error& error) {
    fmt::print(stderr, "bench_log_prob: {}\n", error.what());
    return 1;
  }
}
