// Programs flush subnormal numbers on every thread, and leave the caller's mode as it was.
#include "thalweg/core/subnormals.h"

#include <gtest/gtest.h>

#include "thalweg/engine/program.h"

namespace thalweg {
namespace {

TEST(Subnormals, AreFlushedInProgramsAndNowhereElse) {
#if !defined(__SSE2__) && !defined(__aarch64__)
  GTEST_SKIP() << "this processor's mode is not set";
#endif
  ParameterStore parameters;
  Graph graph(parameters);
  const Value product = graph.input({1, 1}) * 1e-20;
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    Executor<float> executor(std::make_shared<Program<float>>(graph, std::vector<Value>{product}),
                             pool);
    const std::vector<float> x(1000, 1e-20F);
    std::vector<float> y(x.size(), 1.0F);
    const BatchInput<float> inputs[] = {{x.data()}};
    const std::int64_t count = 1000;
    float* const outputs[] = {y.data()};
    executor.run({.inputs = inputs, .counts = {&count, 1}, .outputs = outputs});
    for (const float value : y) EXPECT_EQ(0.0F, value);
  }
  volatile float small = 1e-20F;
  EXPECT_GT(small * small, 0.0F);
}

}  // namespace
}  // namespace thalweg
