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
      {"x^101 - y^100", [](double x, double y) { return std::pow(x, 101) - std::pow(y, 100); }},
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

/// Energy and gradient against a plain function and its differences.
void expect_energy(const std::string& text, const std::vector<NamedConstant>& constants,
                   const std::function<double(const std::vector<double>&)>& function,
                   std::size_t features, double shift = 0.0) {
  const auto target = make_expression_target(text, {}, 0.0, constants);
  ASSERT_EQ(target->features(), static_cast<std::int64_t>(features)) << text;
  RandomSequence random(7, Stream::kEvaluation);
  for (int trial = 0; trial < 8; ++trial) {
    std::vector<double> point;
    for (std::size_t i = 0; i < features; ++i) point.push_back(shift + random.normal());
    const std::vector<double> got = energy_and_gradient(*target, point);
    const double value = function(point);
    EXPECT_NEAR(got[0], value, 1e-11 * (1.0 + std::abs(value))) << text;
    for (std::size_t i = 0; i < features; ++i) {
      const double h = 1e-5;
      std::vector<double> above = point, below = point;
      above[i] += h;
      below[i] -= h;
      const double slope = (function(above) - function(below)) / (2.0 * h);
      EXPECT_NEAR(got[i + 1], slope, 1e-6 * (1.0 + std::abs(value) + std::abs(slope))) << text;
    }
  }
}

TEST(Expression, SumsOverIndices) {
  using Point = std::vector<double>;
  const std::vector<NamedConstant> constants = {
      {"a", {}, {2.5}},
      {"y", {3}, {0.5, -1.0, 2.0}},
      {"A", {3, 2}, {1.0, 2.0, -0.5, 0.3, 0.0, 1.5}},
      {"P", {2, 2}, {2.0, 0.4, 0.4, 1.0}},
      {"order", {2}, {1.0, 0.0}},
  };
  const auto y = constants[1].values, A = constants[2].values, P = constants[3].values;
  expect_energy(
      "sum(i, 0, 9, x[i]^2)/2", {},
      [](const Point& x) {
        double sum = 0.0;
        for (const double v : x) sum += v * v / 2;
        return sum;
      },
      10);
  // The index in arithmetic, the neighbour, a column from outside.
  expect_energy(
      "x[0]^2 + sum(i, 1, 4, (x[i] - a*x[i-1])^2*i + x0*x[i])", constants,
      [](const Point& x) {
        double sum = x[0] * x[0];
        for (std::size_t i = 1; i < 5; ++i)
          sum += std::pow(x[i] - 2.5 * x[i - 1], 2) * static_cast<double>(i) + x[0] * x[i];
        return sum;
      },
      5);
  // A matrix times a vector within a function; regression.
  expect_energy(
      "sum(k, 0, 2, softplus(-y[k]*(sum(j, 0, 1, A[k,j]*x[j]) + 0.1))) + x0^2", constants,
      [&](const Point& x) {
        double sum = x[0] * x[0];
        for (std::size_t k = 0; k < 3; ++k)
          sum += std::log1p(std::exp(-y[k] * (A[2 * k] * x[0] + A[2 * k + 1] * x[1] + 0.1)));
        return sum;
      },
      2);
  // A quadratic form, of differences and of products.
  expect_energy(
      "0.5*sum(i, 0, 1, sum(j, 0, 1, P[i,j]*(x[i]-y[i])*(x[j]-y[j])))", constants,
      [&](const Point& x) {
        double sum = 0.0;
        for (std::size_t i = 0; i < 2; ++i)
          for (std::size_t j = 0; j < 2; ++j)
            sum += 0.5 * P[2 * i + j] * (x[i] - y[i]) * (x[j] - y[j]);
        return sum;
      },
      2);
  // Mixtures by a logsumexp over an index; a body that mixes both indices.
  expect_energy(
      "-logsumexp(k, 0, 2, -0.5*sum(j, 0, 1, (x[j] - A[k,j])^2))", constants,
      [&](const Point& x) {
        double sum = 0.0;
        for (std::size_t k = 0; k < 3; ++k)
          sum += std::exp(-0.5 * (std::pow(x[0] - A[2 * k], 2) + std::pow(x[1] - A[2 * k + 1], 2)));
        return -std::log(sum);
      },
      2);
  expect_energy(
      "sum(i, 0, 2, sum(j, 0, 1, sin(x[j]*y[i]) + A[i,j]*exp(x[j])*x[2] + 3)) + x[2]^2", constants,
      [&](const Point& x) {
        double sum = x[2] * x[2];
        for (std::size_t i = 0; i < 3; ++i)
          for (std::size_t j = 0; j < 2; ++j)
            sum += std::sin(x[j] * y[i]) + A[2 * i + j] * std::exp(x[j]) * x[2] + 3;
        return sum;
      },
      3);
  // Three indices, of which values have the outer and the inner.
  expect_energy(
      "sum(i, 0, 1, sum(j, 0, 2, sum(k, 0, 1, (x[i]*x[k+1] + y[j])^2 + tanh(x[i]*x[k]))))",
      constants,
      [&](const Point& x) {
        double sum = 0.0;
        for (std::size_t i = 0; i < 2; ++i)
          for (std::size_t j = 0; j < 3; ++j)
            for (std::size_t k = 0; k < 2; ++k)
              sum += std::pow(x[i] * x[k + 1] + y[j], 2) + std::tanh(x[i] * x[k]);
        return sum;
      },
      3);
  expect_energy(
      "product(i, 0, 4, 2 + sin(x[i])) + min(i, 0, 4, x[i]) + max(i, 1, 3, x[i]*i)", {},
      [](const Point& x) {
        double product = 1.0, least = x[0], most = x[1];
        for (std::size_t i = 0; i < 5; ++i) {
          product *= 2 + std::sin(x[i]);
          least = std::min(least, x[i]);
          if (i > 0 && i < 4) most = std::max(most, x[i] * static_cast<double>(i));
        }
        return product + least + most;
      },
      5);
  // Powers by an index, columns in another order and in steps, constants alone.
  expect_energy(
      "sum(i, 0, 3, y[1]*i*x0^i) + sum(i, 0, 1, x[order[i]]*i + x[2*i]^2) + sum(i, 1, 3, a*i)",
      constants,
      [](const Point& x) {
        double sum = x[0] + x[0] * x[0] + x[2] * x[2] + 15.0;
        for (int i = 0; i < 4; ++i) sum -= i * std::pow(x[0], i);
        return sum;
      },
      3);
}

TEST(Expression, GathersManyColumnsInAnyOrder) {
  expect_energy(
      "sum(i, 0, 99, (i + 1)*sin(x[99 - i])) + x0^2", {},
      [](const std::vector<double>& x) {
        double sum = x[0] * x[0];
        for (std::size_t i = 0; i < 100; ++i)
          sum += static_cast<double>(i + 1) * std::sin(x[99 - i]);
        return sum;
      },
      100);
}

TEST(Expression, KnowsFunctionsOfStatistics) {
  expect_energy(
      "logsumexp(x, y, -3) + softplus(4*x) + sigmoid(y)*expm1(x) + e + pi", {},
      [](const std::vector<double>& p) {
        return std::log(std::exp(p[0]) + std::exp(p[1]) + std::exp(-3.0)) +
               std::log1p(std::exp(4 * p[0])) + std::expm1(p[0]) / (1 + std::exp(-p[1])) +
               std::numbers::e + std::numbers::pi;
      },
      2);
  const auto gamma = make_expression_target("lgamma(x)");
  for (const double x : {1e-8, 0.3, 1.0, 1.5, 2.0, 7.25, 40.0, 1e5}) {
    const std::vector<double> got = energy_and_gradient(*gamma, {x});
    EXPECT_NEAR(got[0], std::lgamma(x), 1e-12 * (1 + std::abs(std::lgamma(x)))) << x;
  }
  // digamma(1) = -0.57721..., digamma(1/2) = -gamma - 2 log 2
  EXPECT_NEAR(energy_and_gradient(*gamma, {1.0})[1], -0.5772156649015329, 1e-11);
  EXPECT_NEAR(energy_and_gradient(*gamma, {0.5})[1], -1.9635100260214235, 1e-11);
}

TEST(Expression, ComparesAndChooses) {
  const auto value = [](const std::string& text, const std::vector<double>& point) {
    return energy_and_gradient(*make_expression_target(text), point)[0];
  };
  EXPECT_EQ(value("(x < y) + 2*(x <= y) + 4*(x > y) + 8*(x >= y) + 16*(x == y) + 32*(x != y)",
                  {1.0, 2.0}),
            35.0);
  EXPECT_EQ(value("(x < y) + 2*(x <= y) + 4*(x > y) + 8*(x >= y) + 16*(x == y) + 32*(x != y)",
                  {2.0, 2.0}),
            26.0);
  EXPECT_EQ(value("(x > 0 and y > 0) + 2*(x > 0 or y > 0) + 4*(not y > 0)", {1.0, -1.0}), 6.0);
  EXPECT_EQ(value("where(0 < x and x < 1, x, 3) + 0*y", {0.25, 0.0}), 0.25);
  expect_energy(
      "sum(i, 0, 4, where(x[i] > 0.2, x[i]^2, where(i < 2, -x[i], cos(x[i]))))", {},
      [](const std::vector<double>& x) {
        double sum = 0.0;
        for (std::size_t i = 0; i < 5; ++i)
          sum += x[i] > 0.2 ? x[i] * x[i] : i < 2 ? -x[i] : std::cos(x[i]);
        return sum;
      },
      5);
}

TEST(Expression, LeavesNoTraceOfABranchThatIsNotTaken) {
  // sqrt has an infinite slope at 0 and none below, exp overflows: none of it may reach a gradient.
  const auto root = make_expression_target("where(x > 0, sqrt(x)*log(x), y*x) + y^2");
  EXPECT_EQ(energy_and_gradient(*root, {-4.0, 3.0}), (std::vector<double>{-3.0, 3.0, 2.0}));
  EXPECT_EQ(energy_and_gradient(*root, {0.0, 3.0}), (std::vector<double>{9.0, 3.0, 6.0}));
  const auto large = make_expression_target("where(x < 700, exp(x), 1e300*x) + 0*y");
  EXPECT_EQ(energy_and_gradient(*large, {800.0, 1.0}), (std::vector<double>{8e302, 1e300, 0.0}));
  // Constants, by 0 and in a list, and branches within branches.
  const std::vector<NamedConstant> constants = {{"c", {3}, {0.0, 1.0, 4.0}}};
  const auto list = make_expression_target(
      "sum(i, 0, 2, where(c[i] > 0, x/c[i] + where(x > 0, 1/x, log(c[i])*x), x^2))", {}, 0.0,
      constants);
  const std::vector<double> at = energy_and_gradient(*list, {0.0});
  EXPECT_EQ(at[0], 0.0);
  EXPECT_DOUBLE_EQ(at[1], 1.25 + std::log(4.0));
  // A wall: density 0, and a slope of the other columns alone.
  const auto wall = make_expression_target("where(x > 0, x, inf) + y^2");
  EXPECT_EQ(energy_and_gradient(*wall, {1.0, 1.0}), (std::vector<double>{2.0, 1.0, 2.0}));
  const std::vector<double> behind = energy_and_gradient(*wall, {-1.0, 1.0});
  EXPECT_EQ(behind[0], INFINITY);
  EXPECT_EQ(behind[1], 0.0);
  EXPECT_EQ(behind[2], 2.0);
}

TEST(Expression, StaysExactFarFromZero) {
  const auto target = make_expression_target("0.5*((x - 5e5)*1e4)^2 + 0.5*((y - 5e5)/1e-4)^2");
  const double x = 5e5 + 1e-4, z = (x - 5e5) * 1e4;
  EXPECT_DOUBLE_EQ(energy_and_gradient(*target, {x, x})[0], z * z);
}

TEST(Expression, TellsWhereItIsUndefined) {
  const auto target = make_expression_target(
      "x0^2 + where(x1 > 0, x1, 0*x2) + sum(i, 1, 2, sqrt(x[i]) + x[i]/(x0 - 1)) - 1/x0^0.5");
  EXPECT_EQ(target->undefined_part(std::vector<double>{4.0, 1.0, 2.0}), "");
  EXPECT_EQ(target->undefined_part(std::vector<double>{4.0, 1.0, -2.0}),
            "character 47, after '...1, 0*x2) + sum(i, 1, 2, ': sqrt of -2");
  EXPECT_EQ(target->undefined_part(std::vector<double>{1.0, 0.0, 2.0}),
            "character 64, after '... 1, 2, sqrt(x[i]) + x[i]': the operator of 0 and 0");
}

TEST(Expression, SaysWhatItDoesNotUnderstand) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "energy: character 1: expected a number, a variable, a function or '(', got the end"},
      {"x +",
       "energy: character 4, after 'x +': expected a number, a variable, a function or '(', got "
       "the end"},
      {"x * / 2",
       "energy: character 5, after 'x * ': expected a number, a variable, a function or "
       "'(', got '/'"},
      {"(x + 1", "energy: character 7, after '(x + 1': expected ')' or an operator, got the end"},
      {"x 2", "energy: character 3, after 'x ': expected an operator or the end, got '2'"},
      {"2x", "energy: character 2, after '2': expected an operator or the end, got 'x'"},
      {"coz(x)", "energy: character 1: unknown function 'coz'; did you mean 'cos'?"},
      {"exp(x, 2)", "energy: character 1: exp takes one argument, got 2"},
      {"max(x",
       "energy: character 6, after 'max(x': expected ')', ',' or an operator, got the end"},
      {"phi^2", "energy: character 1: unknown name 'phi': use x, y, z, or x0, x1"},
      {"x^2 + x1",
       "energy: character 7, after 'x^2 + ': expected variables named like 'x', got "
       "'x1'"},
      {"y^2", "energy: the variable 'x' does not occur"},
      {"3 + pi", "energy: expected at least one variable in '3 + pi', got none"},
      {"1e999*x", "energy: character 1: expected a number that a double can hold"},
      {"x & y", "energy: character 3, after 'x ': expected an operator or the end, got '&'"},
      {"0 < x < 1", "energy: character 7, after '0 < x ': comparisons are of two values"},
      {"where(x > 0, x)", "energy: character 1: where takes a condition and two values"},
      {"sum(x, 3)", "energy: character 1: sum takes the name of an index"},
      {"sum(i, 1, x, x[i])",
       "energy: character 11, after 'sum(i, 1, ': expected the last value of "
       "an index that depends on numbers and constants alone"},
      {"sum(i, 1, 2.5, x[i])",
       "energy: character 11, after 'sum(i, 1, ': expected the last value "
       "of an index to be a whole number, got 2.5"},
      {"sum(i, 3, 1, x[i])",
       "energy: character 1: sum: expected an index to run upwards, got 3 to "
       "1"},
      {"sum(i, 0, 3, x[i/2])",
       "energy: character 17, after 'sum(i, 0, 3, x[i': expected an index "
       "to be a whole number, got 0.5"},
      {"x0 + x[x0]",
       "energy: character 8, after 'x0 + x[': expected an index of 'x' that depends "
       "on no variable"},
      {"x0 + x[0, 1]", "energy: character 6, after 'x0 + ': 'x' takes 1 index, got 2"},
      {"sum(i, 0, 9999999, x0)", "energy: character 1: indices run over 1e+07 values together"},
      {std::string(500, '(') + "x",
       "energy: character 202, after '...((((((((((((((((((((((((': "
       "more than 200 parentheses"},
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
  const std::vector<NamedConstant> constants = {{"y", {2}, {1.0, 2.0}}, {"phi", {}, {1.0}}};
  const auto with = [&](const std::string& text, const std::vector<std::string>& variables) {
    try {
      make_expression_target(text, variables, 0.0, constants);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(with("x0 + y[2]", {}),
            "energy: character 8, after 'x0 + y[': 'y' has the indices 0 to 1 here, got 2");
  EXPECT_EQ(
      with("x0 + y", {}),
      "energy: character 6, after 'x0 + ': 'y' is a list or matrix: take an element of it, as "
      "y[0]");
  EXPECT_EQ(with("phi^2", {"phi"}),
            "constants: 'phi' is a variable of the energy: give one another name");
  EXPECT_EQ(with("sum(i, 1, 2, theta[i]^2*y[i-1])", {"theta1", "theta2"}), "");
  RandomSequence random(1, Stream::kEvaluation);
  EXPECT_THROW(make_expression_target("x^2")->sample(random), ConfigError);
}

}  // namespace
}  // namespace thalweg
