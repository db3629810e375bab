// Energies as expressions: values and derivatives against the C library, and what is refused.
#include "thalweg/targets/expression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/engine/program.h"

namespace thalweg {
namespace {

/// Energy and gradient at one point.
std::vector<double> energy_and_gradient(const Target& target, const std::vector<double>& point) {
  const ParameterStore parameters;
  Graph graph(parameters);
  const Value x = graph.input({target.features(), 1});
  const Value energy = -target.log_density(x);
  ThreadPool pool(1);
  Executor<double> executor(
      std::make_shared<Program<double>>(
          graph, std::vector<Value>{concat({energy, gradient(energy, {x})[0]})}),
      pool);
  const BatchInput<double> input{point.data(), nullptr};
  const std::int64_t count = 1;
  std::vector<double> result(point.size() + 1);
  double* const output = result.data();
  executor.run({.parameters = parameters.flat().data(),
                .inputs = {&input, 1},
                .counts = {&count, 1},
                .outputs = {&output, 1}});
  return result;
}

TEST(Expression, HasTheValuesAndSlopesOfTheCLibrary) {
  using Function = std::function<double(double, double)>;
  const double pi = std::numbers::pi;
  const std::vector<std::pair<const char*, Function>> cases = {
      {"0.5*x^2 + cos(3*y)", [](double x, double y) { return 0.5 * x * x + std::cos(3 * y); }},
      {"-x^2 + y", [](double x, double y) { return -(x * x) + y; }},
      {"x - y - 1", [](double x, double y) { return x - y - 1; }},
      {"x / y / 2", [](double x, double y) { return x / y / 2; }},
      {"2^3^0.5*x*y", [](double x, double y) { return std::pow(2, std::pow(3, 0.5)) * x * y; }},
      {"x**-2 * y**5", [](double x, double y) { return std::pow(x, -2) * std::pow(y, 5); }},
      {"(x*x+1)^y", [](double x, double y) { return std::pow(x * x + 1, y); }},
      {"(y*y+1)^1.7 + x^0", [](double, double y) { return std::pow(y * y + 1, 1.7) + 1; }},
      {"- - +x*-y", [](double x, double y) { return x * -y; }},
      {".5e1*x+1E-1*y", [](double x, double y) { return 5 * x + 0.1 * y; }},
      {"pi*x + y\n", [pi](double x, double y) { return pi * x + y; }},
      {"exp(x)*log(y*y+.1)",
       [](double x, double y) { return std::exp(x) * std::log(y * y + 0.1); }},
      {"log1p(x^2)-sqrt(1+y^2)",
       [](double x, double y) { return std::log1p(x * x) - std::sqrt(1 + y * y); }},
      {"abs(x)*sin(y)+tan(x/4)",
       [](double x, double y) { return std::abs(x) * std::sin(y) + std::tan(x / 4); }},
      {"sinh(x)+cosh(y)-tanh(x*y)+erf(x)",
       [](double x, double y) {
         return std::sinh(x) + std::cosh(y) - std::tanh(x * y) + std::erf(x);
       }},
      {"min(x,y,0.3)+max(x,2*y)",
       [](double x, double y) {
         return std::min({x, y, 0.3}) + std::max(x, 2 * y);
       }},
  };
  RandomSequence random(3, Stream::kEvaluation);
  for (const auto& [text, function] : cases) {
    const auto target = make_expression_target(text);
    ASSERT_EQ(target->features(), 2) << text;
    EXPECT_FALSE(target->can_sample());
    for (int i = 0; i < 20; ++i) {
      const double x = random.normal(), y = random.normal();
      const std::vector<double> got = energy_and_gradient(*target, {x, y});
      const double value = function(x, y);
      EXPECT_NEAR(got[0], value, 1e-12 * (1 + std::abs(value))) << text << " at " << x << ' ' << y;
      const double h = 1e-5;
      const double by_x = (function(x + h, y) - function(x - h, y)) / (2 * h);
      const double by_y = (function(x, y + h) - function(x, y - h)) / (2 * h);
      const double tolerance = 1e-6 * (1 + value * value + by_x * by_x + by_y * by_y);
      EXPECT_NEAR(got[1], by_x, tolerance) << text << " at " << x << ' ' << y;
      EXPECT_NEAR(got[2], by_y, tolerance) << text << " at " << x << ' ' << y;
    }
  }
}

TEST(Expression, TakesItsColumnsFromTheVariables) {
  EXPECT_EQ(make_expression_target("x^2")->columns(), std::vector<std::string>{"x"});
  EXPECT_EQ(make_expression_target("x^2+z^2+y^2")->columns(),
            (std::vector<std::string>{"x", "y", "z"}));
  EXPECT_EQ(make_expression_target("x1^2+x0^2")->columns(), (std::vector<std::string>{"x0", "x1"}));
  const auto named = make_expression_target("psi^2+2*phi", {"phi", "psi"});
  EXPECT_EQ(named->columns(), (std::vector<std::string>{"phi", "psi"}));
  EXPECT_EQ(energy_and_gradient(*named, {3.0, 5.0})[0], 31.0);
}

TEST(Expression, SaysWhatItDoesNotUnderstand) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "energy: column 1: expected a number, a variable, a function or '(', got the end in ''"},
      {"x +", "energy: column 4: expected a number, a variable, a function or '(', got the end"},
      {"x * / 2", "energy: column 5: expected a number, a variable, a function or '(', got '/'"},
      {"(x + 1", "energy: column 7: expected ')' or an operator, got the end"},
      {"x 2", "energy: column 3: expected an operator or the end, got '2'"},
      {"2x", "energy: column 2: expected an operator or the end, got 'x'"},
      {"coz(x)", "energy: column 1: unknown function 'coz'; did you mean 'cos'?"},
      {"exp(x, 2)", "energy: column 1: exp takes one argument, got 2"},
      {"max(x", "energy: column 6: expected ')', ',' or an operator, got the end"},
      {"phi^2", "energy: column 1: unknown variable 'phi': use x, y, z, or x0, x1"},
      {"x^2 + x1", "energy: column 7: expected variables named like 'x', got 'x1'"},
      {"y^2", "energy: the variable 'x' does not occur"},
      {"3 + pi", "energy: expected at least one variable in '3 + pi', got none"},
      {"1e999*x", "energy: column 1: expected a number that a double can hold"},
      {"x & y", "energy: column 3: expected an operator or the end, got '&'"},
      {std::string(500, '(') + "x", "energy: column 202: more than 200 parentheses"},
  };
  for (const auto& [text, message] : cases) {
    try {
      make_expression_target(text);
      ADD_FAILURE() << text;
    } catch (const ConfigError& error) {
      EXPECT_EQ(std::string(error.what()).substr(0, message.size()), message) << text;
    }
  }
  EXPECT_THROW(make_expression_target("phi+ps", {"phi", "psi"}), ConfigError);
  RandomSequence random(1, Stream::kEvaluation);
  EXPECT_THROW(make_expression_target("x^2")->sample(random), ConfigError);
}

}  // namespace
}  // namespace thalweg
