#include "thalweg/targets/many_well.h"

#include "thalweg/core/error.h"
#include "thalweg/targets/two_dimensional.h"

namespace thalweg {
namespace {

class ManyWell : public Target {
 public:
  explicit ManyWell(std::int64_t pairs) : Target("many_well", 2 * pairs), pairs_(pairs) {}

  std::vector<double> sample(RandomSequence& random) const override {
    std::vector<double> result;
    for (std::int64_t pair = 0; pair < pairs_; ++pair)
      for (const double value : well_->sample(random)) result.push_back(value);
    return result;
  }

  std::optional<double> log_normaliser() const override {
    return static_cast<double>(pairs_) * *well_->log_normaliser();
  }
  double half_width() const override { return well_->half_width(); }

 protected:
  Value build_log_density(Value x) const override {
    Value total = x.graph->constant(0.0);
    for (std::int64_t pair = 0; pair < pairs_; ++pair)
      total = total + well_->log_density(slice(x, 2 * pair, 2));
    return total;
  }

 private:
  std::int64_t pairs_;
  std::unique_ptr<Target> well_ = make_double_well();
};

}  // namespace

std::unique_ptr<Target> make_many_well(std::int64_t pairs) {
  if (pairs < 1) fail<ConfigError>("many_well: expected at least 1 double well, got {}", pairs);
  return std::make_unique<ManyWell>(pairs);
}

}  // namespace thalweg
