#include "thalweg/targets/expression.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <limits>
#include <numbers>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"

namespace thalweg {
namespace {

constexpr int kDeepest = 200;  // of parentheses and signs within each other
constexpr double kLargestWholePower = 64.0;

/// A part of an expression: what builds its graph from the variables, and its value if it has none.
struct Term {
  std::function<Value(const std::vector<Value>&)> build;
  std::optional<double> constant;
};

Term constant_term(double value) {
  return {[value](const std::vector<Value>& x) { return x.front().graph->constant(value); }, value};
}

struct Function {
  std::string name;
  Value (*build)(Value);
};

const std::vector<Function>& functions() {
  static const std::vector<Function> table = {
      {"exp", [](Value a) { return exp(a); }},
      {"log", [](Value a) { return log(a); }},
      {"log1p", [](Value a) { return log1p(a); }},
      {"sqrt", [](Value a) { return sqrt(a); }},
      {"abs", [](Value a) { return abs(a); }},
      {"sin", [](Value a) { return sin(a); }},
      {"cos", [](Value a) { return cos(a); }},
      {"tan", [](Value a) { return sin(a) / cos(a); }},
      {"sinh", [](Value a) { return 0.5 * (exp(a) - exp(-a)); }},
      {"cosh", [](Value a) { return 0.5 * (exp(a) + exp(-a)); }},
      {"tanh", [](Value a) { return tanh(a); }},
      {"erf", [](Value a) { return erf(a); }},
  };
  return table;
}

Value whole_power(Value base, int exponent) {
  if (exponent == 0) return base.graph->constant(1.0);
  if (exponent < 0) return reciprocal(whole_power(base, -exponent));
  if (exponent == 1) return base;
  const Value half = square(whole_power(base, exponent / 2));
  return exponent % 2 == 0 ? half : half * base;
}

Term power_term(Term base, Term exponent) {
  if (base.constant && exponent.constant)
    return constant_term(std::pow(*base.constant, *exponent.constant));
  if (!exponent.constant)
    return {
        [=](const std::vector<Value>& x) { return exp(exponent.build(x) * log(base.build(x))); },
        {}};
  const double number = *exponent.constant;
  const bool whole = number == std::floor(number) && std::abs(number) <= kLargestWholePower;
  return {[=](const std::vector<Value>& x) {
            const Value value = base.build(x);
            if (whole) return whole_power(value, static_cast<int>(number));
            return number == 0.5 ? sqrt(value) : power(value, number);
          },
          {}};
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<std::string> variables)
      : text_(text), variables_(std::move(variables)), given_(!variables_.empty()) {
    used_.resize(variables_.size(), false);
  }

  Term parse() {
    Term result = sum();
    if (next() != '\0') complain("an operator or the end");
    if (variables_.empty())
      fail<ConfigError>("energy: expected at least one variable in '{}', got none", text_);
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i])
        fail<ConfigError>(
            "energy: the variable '{}' does not occur, so the density could not be normalised",
            variables_[i]);
    return result;
  }

  const std::vector<std::string>& variables() const { return variables_; }

 private:
  /// The next character that is no space; zero at the end.
  char next() {
    while (place_ < text_.size() &&
           (text_[place_] == ' ' || text_[place_] == '\t' || text_[place_] == '\n'))
      ++place_;
    return place_ < text_.size() ? text_[place_] : '\0';
  }

  bool take(char wanted) {
    if (next() != wanted) return false;
    ++place_;
    return true;
  }

  [[noreturn]] void complain(const char* expected) {
    const char got = next();
    fail<ConfigError>("energy: column {}: expected {}, got {} in '{}'", place_ + 1, expected,
                      got == '\0' ? "the end" : fmt::format("'{}'", got), text_);
  }

  template <typename Parse>
  Term deeper(const Parse& parse) {
    if (++depth_ > kDeepest)
      fail<ConfigError>("energy: column {}: more than {} parentheses and signs within each other",
                        place_ + 1, kDeepest);
    Term result = parse();
    --depth_;
    return result;
  }

  template <typename Combine>
  static Term combined(Term a, Term b, const Combine& combine) {
    if (a.constant && b.constant) return constant_term(combine(*a.constant, *b.constant));
    return {[=](const std::vector<Value>& x) { return combine(a.build(x), b.build(x)); }, {}};
  }

  Term sum() {
    Term result = product();
    for (;;) {
      if (take('+'))
        result = combined(result, product(), [](auto a, auto b) { return a + b; });
      else if (take('-'))
        result = combined(result, product(), [](auto a, auto b) { return a - b; });
      else
        return result;
    }
  }

  Term product() {
    Term result = signed_factor();
    for (;;) {
      if (take('*'))
        result = combined(result, signed_factor(), [](auto a, auto b) { return a * b; });
      else if (take('/'))
        result = combined(result, signed_factor(), [](auto a, auto b) { return a / b; });
      else
        return result;
    }
  }

  Term signed_factor() {
    if (take('+')) return deeper([&] { return signed_factor(); });
    if (!take('-')) return factor();
    const Term positive = deeper([&] { return signed_factor(); });
    if (positive.constant) return constant_term(-*positive.constant);
    return {[=](const std::vector<Value>& x) { return -positive.build(x); }, {}};
  }

  Term factor() {
    Term base = primary();
    const bool stars = next() == '*' && place_ + 1 < text_.size() && text_[place_ + 1] == '*';
    if (stars) place_ += 2;
    if (!stars && !take('^')) return base;
    return power_term(std::move(base), deeper([&] { return signed_factor(); }));
  }

  Term primary() {
    const char first = next();
    if (take('(')) {
      Term inner = deeper([&] { return sum(); });
      if (!take(')')) complain("')' or an operator");
      return inner;
    }
    if ((first >= '0' && first <= '9') || first == '.') return number();
    if (!is_letter(first)) complain("a number, a variable, a function or '('");
    const std::size_t begin = place_;
    while (place_ < text_.size() &&
           (is_letter(text_[place_]) || (text_[place_] >= '0' && text_[place_] <= '9')))
      ++place_;
    const std::string name(text_.substr(begin, place_ - begin));
    return next() == '(' ? call(name, begin) : variable(name, begin);
  }

  static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  }

  Term number() {
    double value = 0.0;
    const char* begin = text_.data() + place_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), value);
    if (error != std::errc{}) complain("a number that a double can hold");
    place_ += static_cast<std::size_t>(end - begin);
    return constant_term(value);
  }

  Term call(const std::string& name, std::size_t begin) {
    std::vector<Term> arguments;
    ++place_;
    do arguments.push_back(deeper([&] { return sum(); }));
    while (take(','));
    if (!take(')')) complain("')', ',' or an operator");
    if (name == "min" || name == "max") {
      const bool least = name == "min";
      return {[=](const std::vector<Value>& x) {
                Value result = arguments.front().build(x);
                for (std::size_t i = 1; i < arguments.size(); ++i)
                  result = least ? minimum(result, arguments[i].build(x))
                                 : maximum(result, arguments[i].build(x));
                return result;
              },
              {}};
    }
    std::vector<std::string> names = {"min", "max"};
    for (const Function& function : functions()) {
      names.push_back(function.name);
      if (function.name != name) continue;
      if (arguments.size() != 1)
        fail<ConfigError>("energy: column {}: {} takes one argument, got {}", begin + 1, name,
                          arguments.size());
      return {[=, build = function.build](const std::vector<Value>& x) {
                return build(arguments.front().build(x));
              },
              {}};
    }
    fail<ConfigError>("energy: column {}: unknown function '{}'{}", begin + 1, name,
                      name_hint(name, names));
  }

  /// The column of a variable whose name says it, or -1.
  static std::int64_t numbered(const std::string& name) {
    if (name.size() < 2 || name.front() != 'x') return -1;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
    return error == std::errc{} && end == name.data() + name.size() && number < 4096 ? number : -1;
  }

  Term variable(const std::string& name, std::size_t begin) {
    if (name == "pi") return constant_term(std::numbers::pi);
    if (!given_) {
      const std::string letters = "xyz";
      const bool letter = name.size() == 1 && letters.find(name) != std::string::npos;
      const std::int64_t column =
          letter ? static_cast<std::int64_t>(letters.find(name)) : numbered(name);
      if (column < 0)
        fail<ConfigError>(
            "energy: column {}: unknown variable '{}': use x, y, z, or x0, x1, ..., or name the "
            "columns with the key variables, as variables = [\"{}\"]",
            begin + 1, name, name);
      if (!variables_.empty() && letter != (variables_.front() == "x"))
        fail<ConfigError>("energy: column {}: expected variables named like '{}', got '{}'",
                          begin + 1, variables_.front(), name);
      while (static_cast<std::int64_t>(variables_.size()) <= column)
        variables_.push_back(letter ? std::string(1, letters[variables_.size()])
                                    : fmt::format("x{}", variables_.size()));
      used_.resize(variables_.size(), false);
    }
    const auto found = std::find(variables_.begin(), variables_.end(), name);
    if (found == variables_.end())
      fail<ConfigError>("energy: column {}: unknown variable '{}': there are {}{}", begin + 1, name,
                        fmt::join(variables_, ", "), name_hint(name, variables_));
    const auto index = static_cast<std::size_t>(found - variables_.begin());
    used_[index] = true;
    return {[index](const std::vector<Value>& x) { return x[index]; }, {}};
  }

  std::string_view text_;
  std::vector<std::string> variables_;
  std::vector<bool> used_;
  bool given_;
  std::size_t place_ = 0;
  int depth_ = 0;
};

class ExpressionTarget : public UnsampledTarget {
 public:
  ExpressionTarget(Term energy, std::vector<std::string> variables, double half_width)
      : UnsampledTarget("energy", std::move(variables), half_width), energy_(std::move(energy)) {}

 protected:
  Value build_log_density(Value x) const override {
    std::vector<Value> variables;
    for (std::int64_t i = 0; i < features(); ++i) variables.push_back(slice(x, i, 1));
    return -energy_.build(variables);
  }

 private:
  Term energy_;
};

}  // namespace

std::unique_ptr<Target> make_expression_target(std::string_view energy,
                                               const std::vector<std::string>& variables,
                                               double half_width) {
  Parser parser(energy, variables);
  Term term = parser.parse();
  return std::make_unique<ExpressionTarget>(std::move(term), parser.variables(), half_width);
}

}  // namespace thalweg
