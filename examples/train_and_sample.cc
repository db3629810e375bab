// Trains a flow with a resampled base on two rings, then draws samples and evaluates densities.
#include <thalweg/thalweg.h>

#include <cstdio>

int main() {
  const auto target = thalweg::make_target("two_rings");
  std::vector<double> rows;
  for (std::uint64_t sample = 0; sample < 20000; ++sample) {
    thalweg::RandomSequence random(1, thalweg::Stream::kTarget, sample);
    for (const double value : target->sample(random)) rows.push_back(value);
  }

  thalweg::ModelOptions options;  // 2 features, 16 affine couplings
  options.base.kind = "resampled";
  thalweg::Model model(options, /*seed=*/1);
  thalweg::ThreadPool pool;
  thalweg::Trainer trainer(model, {.rows = rows}, {.iterations = 200}, pool);
  trainer.run();
  thalweg::estimate_normaliser(model, 100000, /*seed=*/2, pool);

  thalweg::FlowSampler sampler(model, pool, /*seed=*/3);
  const std::vector<double> samples = sampler.next(5);
  const std::vector<double> log_prob = thalweg::DensityEvaluator(model, pool).log_prob(samples);
  for (std::size_t i = 0; i < log_prob.size(); ++i)
    std::printf("x = (%6.3f, %6.3f)  log p(x) = %7.3f\n", samples[2 * i], samples[2 * i + 1],
                log_prob[i]);
}
