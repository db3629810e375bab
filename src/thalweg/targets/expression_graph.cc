// Expressions as graphs: indices become elements of vectors, and sums over products with constants
// become products with matrices.
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "thalweg/engine/whole_power.h"
#include "thalweg/targets/expression_parts.h"

namespace thalweg::detail {
namespace {

constexpr double kLargestWholePower = 1048576.0;  // of 20 squares
constexpr std::size_t kMostTaken = 64;            // columns in any order that are taken one by one
constexpr std::size_t kMostPowers = 64;           // different whole exponents of one power

/// A graph's value for each combination of the indices in `loops`, as a vector; 1 x 1 without any.
struct Factor {
  Value value;
  Loops loops = 0;
};

/// A constant times factors, multiplied only when it has to be: a sum over an index then passes by
/// what does not depend on it.
struct Term {
  LoopValues coefficient{0, {1.0}};
  std::vector<Factor> factors = {};
};
using Terms = std::vector<Term>;  // their sum

class Builder {
 public:
  explicit Builder(Value x) : x_(x), graph_(*x.graph) {}

  Value build(const Part& energy) { return value_of(terms(energy)).value; }

 private:
  // --- Values for indices

  Value constant(const LoopValues& values) {
    if (values.values.size() == 1) return graph_.constant(values.values.front());
    return graph_.constant({static_cast<std::int64_t>(values.values.size()), 1}, values.values);
  }

  /// The value repeated over the indices that `to` has besides.
  Value expanded(const Factor& from, Loops to) {
    Value value = from.value;
    if (from.loops == 0 || from.loops == to) return value;  // one number stands for all
    for (int depth = 0; depth < static_cast<int>(extents_.size()); ++depth) {
      const Loops bit = Loops{1} << depth;
      if (!(to & bit) || (from.loops & bit)) continue;
      // What is there already: those of `to` above, those of `from` below.
      const std::int64_t above = size_of(to & (bit - 1), extents_);
      const std::int64_t below = size_of(from.loops & ~(bit - 1), extents_);
      const std::int64_t count = extents_[static_cast<std::size_t>(depth)];
      value = repeated(value, above, count, below);
    }
    return value;
  }

  /// above x below elements as above x count x below.
  Value repeated(Value value, std::int64_t above, std::int64_t count, std::int64_t below) {
    const Shape vector{above * count * below, 1};
    if (below == 1) return reshape(broadcast(reshape(value, {above, 1}), {above, count}), vector);
    if (above == 1) return reshape(broadcast(reshape(value, {1, below}), {count, below}), vector);
    std::vector<Value> parts;
    for (std::int64_t i = 0; i < above; ++i)
      parts.push_back(repeated(slice(value, i * below, below), 1, count, below));
    return concat(parts);
  }

  Value filled(const Factor& factor, Loops to) {
    const Value value = expanded(factor, to);
    return factor.loops == 0 && to != 0 ? broadcast(value, {size_of(to, extents_), 1}) : value;
  }

  // --- Terms

  static Terms one(const Factor& factor) {
    Terms result(1);
    result.front().factors.push_back(factor);
    return result;
  }
  static Terms one(const LoopValues& constant) {
    Terms result(1);
    result.front().coefficient = constant;
    return result;
  }
  static bool is_constant(const Terms& terms) {
    return terms.size() == 1 && terms.front().factors.empty();
  }

  Factor product(const std::vector<Factor>& factors) {
    Factor result = factors.front();
    for (std::size_t i = 1; i < factors.size(); ++i) {
      const Loops loops = result.loops | factors[i].loops;
      result = {expanded(result, loops) * expanded(factors[i], loops), loops};
    }
    return result;
  }

  Factor scaled(Factor factor, const LoopValues& coefficient) {
    if (coefficient.loops == 0) return {factor.value * coefficient.values.front(), factor.loops};
    const Loops loops = factor.loops | coefficient.loops;
    return {expanded(factor, loops) * constant(detail::expanded(coefficient, loops, extents_)),
            loops};
  }

  Factor value_of(const Term& term) {
    if (term.factors.empty()) return {constant(term.coefficient), term.coefficient.loops};
    return scaled(product(term.factors), term.coefficient);
  }

  Factor value_of(const Terms& terms) {
    Factor result = value_of(terms.front());
    for (std::size_t i = 1; i < terms.size(); ++i) {
      Term term = terms[i];
      const bool negative = !term.factors.empty() && term.coefficient.loops == 0 &&
                            term.coefficient.values.front() < 0.0;
      if (negative) term.coefficient.values.front() *= -1.0;
      const Factor next = value_of(term);
      const Loops loops = result.loops | next.loops;
      const Value a = expanded(result, loops), b = expanded(next, loops);
      result = {negative ? a - b : a + b, loops};
    }
    return result;
  }

  Factor factor(const Part& part) { return value_of(terms(part)); }

  LoopValues multiplied(const LoopValues& a, const LoopValues& b) const {
    Part part;
    part.operation = TreeKind::kMultiply;
    return applied(part, {a, b}, extents_);
  }

  /// Sums are worked out first, so that (x - 5e5) * 1e4 stays exact.
  Terms times_constant(Terms terms, const LoopValues& constant) {
    const bool sign = constant.loops == 0 && std::abs(constant.values.front()) == 1.0;
    if (terms.size() > 1 && !sign) terms = one(value_of(terms));
    for (Term& term : terms) term.coefficient = multiplied(term.coefficient, constant);
    return terms;
  }

  Terms multiplied(Terms a, Terms b) {
    if (is_constant(a)) return times_constant(std::move(b), a.front().coefficient);
    if (is_constant(b)) return times_constant(std::move(a), b.front().coefficient);
    Term result;
    for (Terms* terms : {&a, &b}) {
      if (terms->size() > 1) *terms = one(value_of(*terms));
      result.coefficient = multiplied(result.coefficient, terms->front().coefficient);
      result.factors.insert(result.factors.end(), terms->front().factors.begin(),
                            terms->front().factors.end());
    }
    return Terms(1, result);
  }

  // --- Parts

  Terms terms(const Part& part) {
    if (part.kind == PartKind::kConstant) return one(part.constant);
    if (part.kind == PartKind::kColumns) return one(columns(part));
    switch (part.operation) {
      case TreeKind::kSum: {
        Terms result;
        for (const Part& child : part.children)
          for (Term& term : terms(child)) result.push_back(std::move(term));
        return result;
      }
      case TreeKind::kNegative:
        return times_constant(terms(part.children[0]), {0, {-1.0}});
      case TreeKind::kMultiply:
        return multiplied(terms(part.children[0]), terms(part.children[1]));
      case TreeKind::kDivide:
        return quotient(part);
      case TreeKind::kPower:
        return one(power_of(part));
      case TreeKind::kRange:
        return range(part);
      case TreeKind::kMany:
        return one(many(part));
      case TreeKind::kChoice:
        return one(choice(part));
      case TreeKind::kFunction:
        for (const ScalarFunction& function : scalar_functions())
          if (function.name == part.name) {
            const Factor argument = factor(part.children[0]);
            return one({function.build(argument.value), argument.loops});
          }
        break;
      default:
        break;
    }
    return one(logical(part));
  }

  Factor columns(const Part& part) {
    const std::vector<std::int32_t>& wanted = part.columns;
    const auto count = static_cast<std::int64_t>(wanted.size());
    bool neighbours = true;
    for (std::size_t i = 1; i < wanted.size(); ++i)
      neighbours = neighbours && wanted[i] == wanted[i - 1] + 1;
    Factor result{{}, part.loops};
    if (neighbours) {
      result.value = slice(x_, wanted.front(), count);
    } else if (wanted.size() <= kMostTaken) {
      result.value = take(x_, wanted);
    } else {
      std::vector<double> ones(wanted.size() * static_cast<std::size_t>(x_.features()), 0.0);
      for (std::size_t i = 0; i < wanted.size(); ++i)
        ones[i * static_cast<std::size_t>(x_.features()) + static_cast<std::size_t>(wanted[i])] =
            1.0;
      result.value = dense(graph_.constant({count, x_.features()}, std::move(ones)), x_);
    }
    // In a branch, a column is the same number where the branch is not taken, but passes on no
    // derivative there, be it NaN.
    for (const Factor& condition : conditions_) {
      const Loops loops = result.loops | condition.loops;
      const Value value = filled(result, loops);
      result = {select(expanded(condition, loops), value, stop_gradient(value)), loops};
    }
    return result;
  }

  Terms quotient(const Part& part) {
    Terms above = terms(part.children[0]);
    const Part& below = part.children[1];
    if (below.kind == PartKind::kConstant) {
      LoopValues inverse = below.constant;
      for (double& value : inverse.values) value = 1.0 / value;
      return times_constant(std::move(above), inverse);
    }
    const Factor a = value_of(above), b = factor(below);
    const Loops loops = a.loops | b.loops;
    return one({expanded(a, loops) / expanded(b, loops), loops});
  }

  Factor power_of(const Part& part) {
    const Factor base = factor(part.children[0]);
    const Part& exponent = part.children[1];
    if (exponent.kind != PartKind::kConstant) {
      const Factor e = factor(exponent);
      const Loops loops = base.loops | e.loops;
      return {exp(expanded(e, loops) * log(expanded(base, loops))), loops};
    }
    const auto is_whole = [](double number) {
      return number == std::floor(number) && std::abs(number) <= kLargestWholePower;
    };
    if (exponent.loops == 0) {
      const double number = exponent.constant.values.front();
      if (is_whole(number)) return {whole_power(base.value, static_cast<int>(number)), base.loops};
      return {number == 0.5 ? sqrt(base.value) : power(base.value, number), base.loops};
    }
    const Loops loops = base.loops | exponent.loops;
    const LoopValues numbers = detail::expanded(exponent.constant, loops, extents_);
    const Value value = filled(base, loops);
    bool whole = numbers.values.size() <= kMostPowers;
    for (const double number : numbers.values) whole = whole && is_whole(number);
    if (!whole) return {exp(constant(numbers) * log(value)), loops};
    std::vector<Value> parts;
    for (std::size_t i = 0; i < numbers.values.size(); ++i)
      parts.push_back(broadcast(whole_power(slice(value, static_cast<std::int64_t>(i), 1),
                                            static_cast<int>(numbers.values[i])),
                                {1, 1}));
    return {concat(parts), loops};
  }

  Factor many(const Part& part) {
    std::vector<Factor> factors;
    Loops loops = 0;
    for (const Part& child : part.children) {
      factors.push_back(factor(child));
      loops |= factors.back().loops;
    }
    if (part.name == "logsumexp") {
      std::vector<Value> values;
      values.reserve(factors.size());
      for (const Factor& f : factors) values.push_back(filled(f, loops));
      return {log_sum_exp(concat(values, Axis::kItems), Axis::kItems), loops};
    }
    Value result = expanded(factors.front(), loops);
    for (std::size_t i = 1; i < factors.size(); ++i) {
      const Value next = expanded(factors[i], loops);
      result = part.name == "min" ? minimum(result, next) : maximum(result, next);
    }
    return {result, loops};
  }

  Factor choice(const Part& part) {
    const Factor condition = factor(part.children[0]);
    const auto branch = [&](const Part& body, Value taken) {
      conditions_.push_back({taken, condition.loops});
      const Factor result = factor(body);
      conditions_.pop_back();
      return result;
    };
    const Factor a = branch(part.children[1], condition.value);
    const Factor b = branch(part.children[2], equal(condition.value, graph_.constant(0.0)));
    const Loops loops = condition.loops | a.loops | b.loops;
    return {select(expanded(condition, loops), expanded(a, loops), expanded(b, loops)), loops};
  }

  Factor logical(const Part& part) {
    const Value zero = graph_.constant(0.0), one = graph_.constant(1.0);
    const Factor a = factor(part.children[0]);
    if (part.operation == TreeKind::kNot) return {equal(a.value, zero), a.loops};
    const Factor b = factor(part.children[1]);
    const Loops loops = a.loops | b.loops;
    const Value left = expanded(a, loops), right = expanded(b, loops);
    const auto truth = [&](Value value) { return one - equal(value, zero); };
    switch (part.operation) {
      case TreeKind::kLess:
        return {less(left, right), loops};
      case TreeKind::kLessEqual:
        return {less_equal(left, right), loops};
      case TreeKind::kEqual:
        return {equal(left, right), loops};
      case TreeKind::kNotEqual:
        return {one - equal(left, right), loops};
      case TreeKind::kAnd:
        return {truth(left) * truth(right), loops};
      default:
        return {maximum(truth(left), truth(right)), loops};
    }
  }

  // --- Over an index

  Terms range(const Part& part) {
    extents_.push_back(part.count);
    const Terms body = terms(part.children[0]);
    const Loops bit = Loops{1} << part.depth;
    Terms result, plain;
    if (part.name == "sum")
      for (const Term& term : body) {
        if (passes_sum(term, bit))
          result.push_back(summed(term, bit, part.count));
        else
          plain.push_back(term);
      }
    else
      result = one(reduced(part, value_of(body), bit));
    if (!plain.empty()) result.push_back(summed(one(value_of(plain)).front(), bit, part.count));
    extents_.pop_back();
    return result;
  }

  /// Whether a sum over the index of `bit` leaves something of a term in front of it, or is a
  /// product with constants.
  static bool passes_sum(const Term& term, Loops bit) {
    Loops inside = 0;
    bool outside = false;
    for (const Factor& factor : term.factors) {
      if (factor.loops & bit)
        inside |= factor.loops;
      else
        outside = true;
    }
    return outside || inside == 0 || ((term.coefficient.loops & bit) && inside == bit);
  }

  /// The vector with the deepest index along the items.
  Value rows(const Factor& factor, Loops bit, std::int64_t count) {
    return reshape(factor.value, {size_of(factor.loops & ~bit, extents_), count});
  }

  Term summed(const Term& term, Loops bit, std::int64_t count) {
    Term result;
    result.coefficient = term.coefficient;
    std::vector<Factor> inside;
    for (const Factor& factor : term.factors)
      (factor.loops & bit ? inside : result.factors).push_back(factor);
    const Loops outside = term.coefficient.loops & ~bit;
    if (inside.empty()) {
      Part sum;
      sum.operation = TreeKind::kRange;
      sum.name = "sum";
      sum.depth = std::countr_zero(bit);
      sum.count = count;
      result.coefficient = applied(sum, {term.coefficient}, extents_);
      return result;
    }
    Factor body = product(inside);
    if (term.coefficient.loops & bit) {
      result.coefficient = {0, {1.0}};
      if (body.loops == bit) {  // a matrix times a vector
        const Value matrix =
            graph_.constant({size_of(outside, extents_), count}, term.coefficient.values);
        result.factors.push_back({dense(matrix, body.value), outside});
        return result;
      }
      body = scaled(body, term.coefficient);
    }
    result.factors.push_back({sum(rows(body, bit, count), Axis::kItems), body.loops & ~bit});
    return result;
  }

  Factor reduced(const Part& part, const Factor& body, Loops bit) {
    const Loops all = body.loops | bit, rest = all & ~bit;
    Value value = rows({filled(body, all), all}, bit, part.count);
    if (part.name == "max") return {max(value, Axis::kItems), rest};
    if (part.name == "min") return {-max(-value, Axis::kItems), rest};
    if (part.name == "logsumexp") return {log_sum_exp(value, Axis::kItems), rest};
    // A product by halves.
    std::optional<Value> odd;
    for (std::int64_t count = part.count; count > 1; count /= 2) {
      if (count % 2 == 1) {
        const Value last = slice(value, count - 1, 1, Axis::kItems);
        odd = odd ? *odd * last : last;
      }
      value = slice(value, 0, count / 2, Axis::kItems) *
              slice(value, count / 2, count / 2, Axis::kItems);
    }
    return {odd ? value * *odd : value, rest};
  }

  Value x_;
  Graph& graph_;
  Extents extents_;
  std::vector<Factor> conditions_;  // of the branches that are being built
};

}  // namespace

Value build_expression(const Part& energy, Value x) { return Builder(x).build(energy); }

}  // namespace thalweg::detail
