#include "thalweg/targets/expression.h"

#include <fmt/ranges.h>

#include <utility>

#include "thalweg/targets/expression_parts.h"

namespace thalweg {
namespace {

class ExpressionTarget : public UnsampledTarget {
 public:
  ExpressionTarget(std::string text, detail::ResolvedExpression expression, double half_width)
      : UnsampledTarget("energy", std::move(expression.columns), half_width),
        text_(std::move(text)),
        energy_(std::move(expression.energy)) {}

  std::string undefined_part(std::span<const double> point) const override {
    detail::Extents extents;
    const detail::PointValue found = detail::evaluate_at(energy_, point, extents);
    if (found.undefined == nullptr) return "";
    std::string arguments;
    if (!found.arguments.empty())
      arguments = fmt::format(" of {:.6g}", fmt::join(found.arguments, " and "));
    const std::string& name = found.undefined->name;
    return fmt::format("{}: {}{}", detail::place_in_expression(text_, found.undefined->place),
                       name.empty() ? "the operator" : name, arguments);
  }

 protected:
  Value build_log_density(Value x) const override { return -detail::build_expression(energy_, x); }

 private:
  std::string text_;
  detail::Part energy_;
};

}  // namespace

std::unique_ptr<Target> make_expression_target(std::string_view energy,
                                               const std::vector<std::string>& variables,
                                               double half_width,
                                               const std::vector<NamedConstant>& constants) {
  return std::make_unique<ExpressionTarget>(
      std::string(energy), detail::resolve_expression(energy, variables, constants), half_width);
}

}  // namespace thalweg
