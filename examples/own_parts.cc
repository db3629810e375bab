// A transform and an objective of a program's own, chosen by name like those of the library: the
// run that it trains is read, sampled and reported by this program as any other.
#include <thalweg/thalweg.h>

#include <cmath>
#include <cstdio>
#include <exception>

namespace {

using thalweg::Value;

/// x = sinh((asinh(z) + skew) * exp(-log_tail)) in each column (Jones and Pewsey 2009): skewness
/// and weight of the tails, two parameters a column.
class SinhArcsinh : public thalweg::Transform {
 public:
  explicit SinhArcsinh(const thalweg::TransformRequest& request)
      : Transform(request.name, request.features),
        skew_(request.parameters.add(request.name + ".skew", request.features, 1, 0.0)),
        log_tail_(request.parameters.add(request.name + ".log_tail", request.features, 1, 0.0)) {}

 protected:
  thalweg::Mapped build_forward(Value z, Value) const override {
    const Value log_tail = z.graph->parameter(log_tail_);
    const Value bent = (arcsinh(z) + z.graph->parameter(skew_)) * exp(-log_tail);
    return {sinh(bent), determinant(log_cosh(bent) - log_tail - log_cosh(arcsinh(z)))};
  }
  thalweg::Mapped build_inverse(Value x, Value) const override {
    const Value log_tail = x.graph->parameter(log_tail_);
    const Value straight = arcsinh(x) * exp(log_tail) - x.graph->parameter(skew_);
    return {sinh(straight), determinant(log_cosh(straight) + log_tail - log_cosh(arcsinh(x)))};
  }

 private:
  static Value arcsinh(Value v) {  // From |v|, where no digits cancel.
    const Value size = log(abs(v) + sqrt(square(v) + 1.0));
    return select(step(v), size, -size);
  }
  static Value sinh(Value v) { return 0.5 * (exp(v) - exp(-v)); }
  static Value log_cosh(Value v) { return softplus(2.0 * v) - v - std::log(2.0); }
  static Value determinant(Value of_columns) { return sum(of_columns, thalweg::Axis::kFeatures); }
  thalweg::ParameterId skew_, log_tail_;
};

/// Density power divergence (Basu, Harris, Hjort, Jones 1998, eq. 2.4): likelihood that outliers
/// bend less, by powers p^beta of the density at the data and at draws of the model.
class DensityPower : public thalweg::Objective {
 public:
  std::string name() const override { return "density_power"; }
  thalweg::Loss build(thalweg::StepBuilder& step) const override {
    const auto& [y, context, log_det] = step.rows();
    const Value at_data = step.flow().log_prob(y, context, step.layers());
    const Value z = step.latent(step.draws());
    const thalweg::Mapped draw = step.flow().forward(z, {}, 0, step.layers());
    const Value at_draws = step.flow().log_base(z) - draw.log_det;
    const Value loss = batch_mean(exp(kBeta * at_draws), z.domain()) / (1.0 + kBeta) -
                       batch_mean(exp(kBeta * at_data)) / kBeta;
    return {.value = loss, .non_finite = batch_sum(1.0 - is_finite(at_data))};
  }

 private:
  static constexpr double kBeta = 0.3;
};

}  // namespace

int main(int count, char** words) {
  if (count != 3) {
    std::fputs("usage: own_parts POINTS RUN\n", stderr);
    return 2;
  }
  try {
    thalweg::block_kinds().add({.name = "sinh_arcsinh",
                                .summary = "skewness and tails, column by column",
                                .make = [](const thalweg::TransformRequest& request) {
                                  return std::make_shared<SinhArcsinh>(request);
                                }});
    thalweg::objective_kinds().add({.name = "density_power",
                                    .summary = "likelihood that outliers bend less",
                                    .make = [](const thalweg::ObjectiveOptions&,
                                               const std::shared_ptr<const thalweg::Target>&) {
                                      return std::make_unique<DensityPower>();
                                    }});
    thalweg::RunRequest request{.out = words[2]};
    request.settings.push_back({"data.path", std::string(words[1])});
    for (const char* setting :
         {"flow.kind=sinh_arcsinh", "flow.blocks=2", "flow.permutation=lu", "base.kind=normal",
          "training.objective=density_power", "training.iterations=1500"})
      request.settings.push_back(thalweg::parse_setting(setting));
    thalweg::ThreadPool pool;
    const auto outcome = thalweg::run_training(thalweg::plan_run(request), pool);
    std::printf("%s", thalweg::evaluation_text(outcome.evaluation).c_str());
    const thalweg::LoadedRun run = thalweg::load_run(outcome.folder);
    for (const auto& finding : thalweg::check_model(*run.model, {}, 4096, 1, pool))
      std::printf("%-22s %s\n", finding.name.c_str(), finding.text.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "own_parts: %s\n", error.what());
    return 1;
  }
}
