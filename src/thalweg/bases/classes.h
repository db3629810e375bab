// Classes that a discrete context names, and a base that is placed anew in each.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "thalweg/bases/base.h"

namespace thalweg {

/// The contexts that a class-conditional base knows: a row of values a class. The default has none.
class ClassTable {
 public:
  ClassTable() = default;
  /// `values` is classes x context_features, row-major. Throws ConfigError for sizes that do not
  /// fit, values that are not finite, and equal rows.
  ClassTable(std::int64_t context_features, std::vector<double> values);

  bool empty() const { return values_.empty(); }
  std::int64_t count() const;
  std::int64_t context_features() const { return context_features_; }
  std::span<const double> context(std::int64_t number) const;
  /// The class that a row of context_features() values names: equal to the last bit.
  std::optional<std::int64_t> find(std::span<const double> context) const;
  /// Whether two rows are the same once they are rounded to float.
  bool coincide_in_float() const;
  /// count() x 1: 1 for the class that `context`, context_features() x 1, names and 0 for others;
  /// NaN where it names none.
  Value one_hot(Value context) const;
  /// The contexts side by side, context_features() x count(), shared.
  Value contexts(Graph& graph) const;

 private:
  std::int64_t context_features_ = 0;
  std::vector<double> values_;
};

/// A base shifted and scaled by class: z = mean_c + exp(log_scale_c) y with y of the inner base.
/// Means and log scales, features x classes, start at 0 and are trained.
class ClassAffine : public Base {
 public:
  /// Throws ConfigError without classes, and for an inner base with a context or a rejection step.
  ClassAffine(ParameterStore& parameters, const std::string& name, ClassTable classes,
              std::shared_ptr<const Base> inner);
  bool reparameterised() const override { return inner_->reparameterised(); }

 protected:
  Value build_log_prob(Value z, Value context) const override;
  Value build_draw(Graph& graph, Domain domain, Value context) const override;

 private:
  ClassTable classes_;
  std::shared_ptr<const Base> inner_;
  ParameterId means_, log_scales_;
};

}  // namespace thalweg
