#include "thalweg/runs/molecular_target.h"

#include <utility>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

std::vector<std::string> position_names(std::int64_t coordinates) {
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < coordinates; ++i)
    names.push_back(fmt::format("{}{}", "xyz"[i % 3], i / 3));
  return names;
}

class MolecularTarget : public UnsampledTarget {
 public:
  MolecularTarget(std::shared_ptr<const ForceField> force_field, double temperature)
      : UnsampledTarget("force field", position_names(force_field->coordinates()), 0.0),
        energy_(std::make_shared<ForceFieldEnergy>(std::move(force_field), temperature)) {}

 protected:
  Value build_log_density(Value x) const override { return -call(energy_, x); }

 private:
  std::shared_ptr<const ForceFieldEnergy> energy_;
};

class LogarithmicTarget : public UnsampledTarget {
 public:
  LogarithmicTarget(std::shared_ptr<const Target> target, double cut)
      : UnsampledTarget(target->name(), target->columns(), target->half_width()),
        target_(std::move(target)),
        cut_(cut) {}

 protected:
  Value build_log_density(Value x) const override {
    constexpr double kMost = 1e20;
    const Value energy = -target_->log_density(x);
    const auto number = [&](double value) { return x.graph->constant(value); };
    const Value beyond = minimum(maximum(energy - cut_, number(0.0)), number(kMost));
    return -(minimum(energy, number(cut_)) + log1p(beyond));
  }

 private:
  std::shared_ptr<const Target> target_;
  double cut_;
};

class InternalTarget : public UnsampledTarget {
 public:
  InternalTarget(std::shared_ptr<const Target> target,
                 std::shared_ptr<const InternalCoordinates> coordinates,
                 std::vector<std::string> columns)
      : UnsampledTarget(target->name(), std::move(columns), 0.0),
        target_(std::move(target)),
        coordinates_(std::move(coordinates)) {}
  std::optional<double> log_normaliser() const override { return target_->log_normaliser(); }

 protected:
  Value build_log_density(Value q) const override {
    const Mapped positions = coordinates_->to_positions(q);
    return target_->log_density(positions.value) + positions.log_det;
  }

 private:
  std::shared_ptr<const Target> target_;
  std::shared_ptr<const InternalCoordinates> coordinates_;
};

}  // namespace

std::shared_ptr<const Target> make_molecular_target(std::shared_ptr<const ForceField> force_field,
                                                    double temperature) {
  return std::make_shared<MolecularTarget>(std::move(force_field), temperature);
}

std::shared_ptr<const Target> with_logarithmic_energy(std::shared_ptr<const Target> target,
                                                      double cut) {
  return std::make_shared<LogarithmicTarget>(std::move(target), cut);
}

std::shared_ptr<const Target> in_internal_coordinates(
    std::shared_ptr<const Target> target, std::shared_ptr<const InternalCoordinates> coordinates,
    std::vector<std::string> columns) {
  if (target->features() != coordinates->positions())
    fail<ShapeError>(
        "molecule: expected an energy of {} positions, those of the {} atoms of the z-matrix, got "
        "one of {}",
        coordinates->positions(), coordinates->atoms(), target->features());
  if (std::ssize(columns) != coordinates->features())
    fail<ShapeError>("molecule: expected names of {} columns, got {}", coordinates->features(),
                     columns.size());
  return std::make_shared<InternalTarget>(std::move(target), std::move(coordinates),
                                          std::move(columns));
}

}  // namespace thalweg
