// From an energy's text to a tree: a descent with one function for each level of precedence.
#include <charconv>
#include <optional>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/targets/expression_tree.h"

namespace thalweg::detail {
namespace {

constexpr int kDeepest = 200;  // of parentheses and signs within each other

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_one_of(char c, std::string_view list) { return list.find(c) != std::string_view::npos; }

Tree node(TreeKind kind, std::size_t place, std::vector<Tree> children) {
  return {.kind = kind, .place = place, .children = std::move(children)};
}

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Tree parse() {
    Tree result = expression();
    if (next() != '\0') complain("an operator or the end");
    return result;
  }

 private:
  /// The next character that is no space; zero at the end.
  char next() {
    while (place_ < text_.size() && is_one_of(text_[place_], " \t\r\n")) ++place_;
    return place_ < text_.size() ? text_[place_] : '\0';
  }

  bool take(char wanted) {
    if (next() != wanted) return false;
    ++place_;
    return true;
  }

  bool take(std::string_view wanted) {
    next();
    if (!text_.substr(place_).starts_with(wanted)) return false;
    place_ += wanted.size();
    return true;
  }

  /// The name that begins here; empty if there is none.
  std::string_view peek_name() {
    if (!is_letter(next())) return {};
    std::size_t end = place_;
    while (end < text_.size() && (is_letter(text_[end]) || is_digit(text_[end]))) ++end;
    return text_.substr(place_, end - place_);
  }

  bool take_word(std::string_view word) {
    if (peek_name() != word) return false;
    place_ += word.size();
    return true;
  }

  [[noreturn]] void complain(const char* expected) {
    const char got = next();
    fail_in_expression(text_, place_,
                       fmt::format("expected {}, got {}", expected,
                                   got == '\0' ? "the end" : fmt::format("'{}'", got)));
  }

  template <typename Parse>
  Tree deeper(const Parse& parse) {
    if (++depth_ > kDeepest)
      fail_in_expression(
          text_, place_,
          fmt::format("more than {} parentheses and signs within each other", kDeepest));
    Tree result = parse();
    --depth_;
    return result;
  }

  Tree expression() {
    Tree result = conjunction();
    while (take_word("or")) {
      const std::size_t place = place_ - 2;
      result = node(TreeKind::kOr, place, {std::move(result), conjunction()});
    }
    return result;
  }

  Tree conjunction() {
    Tree result = negation();
    while (take_word("and")) {
      const std::size_t place = place_ - 3;
      result = node(TreeKind::kAnd, place, {std::move(result), negation()});
    }
    return result;
  }

  Tree negation() {
    next();
    const std::size_t place = place_;
    if (!take_word("not")) return comparison();
    return node(TreeKind::kNot, place, {deeper([&] { return negation(); })});
  }

  Tree comparison() {
    Tree left = sum();
    next();
    const std::size_t place = place_;
    std::optional<std::pair<TreeKind, bool>> found;  // and whether the operands change places
    if (take("<="))
      found = {TreeKind::kLessEqual, false};
    else if (take(">="))
      found = {TreeKind::kLessEqual, true};
    else if (take("=="))
      found = {TreeKind::kEqual, false};
    else if (take("!="))
      found = {TreeKind::kNotEqual, false};
    else if (take('<'))
      found = {TreeKind::kLess, false};
    else if (take('>'))
      found = {TreeKind::kLess, true};
    if (!found) return left;
    Tree right = sum();
    if (is_one_of(next(), "<>=!"))
      fail_in_expression(text_, place_,
                         "comparisons are of two values: join them by and, as 0 < x and x < 1");
    if (found->second) std::swap(left, right);
    return node(found->first, place, {std::move(left), std::move(right)});
  }

  Tree sum() {
    next();
    Tree result = node(TreeKind::kSum, place_, {});
    result.children.push_back(product());
    for (;;) {
      next();
      const std::size_t place = place_;
      if (take('+'))
        result.children.push_back(product());
      else if (take('-'))
        result.children.push_back(node(TreeKind::kNegative, place, {product()}));
      else
        break;
    }
    return result.children.size() > 1 ? result : Tree(std::move(result.children.front()));
  }

  Tree product() {
    Tree result = signed_factor();
    for (;;) {
      next();
      const std::size_t place = place_;
      if (take('*'))
        result = node(TreeKind::kMultiply, place, {std::move(result), signed_factor()});
      else if (take('/'))
        result = node(TreeKind::kDivide, place, {std::move(result), signed_factor()});
      else
        return result;
    }
  }

  Tree signed_factor() {
    if (take('+')) return deeper([&] { return signed_factor(); });
    const std::size_t place = place_;
    if (!take('-')) return factor();
    return node(TreeKind::kNegative, place, {deeper([&] { return signed_factor(); })});
  }

  Tree factor() {
    Tree base = primary();
    next();
    const std::size_t place = place_;
    if (!take("**") && !take('^')) return base;
    return node(TreeKind::kPower, place,
                {std::move(base), deeper([&] { return signed_factor(); })});
  }

  Tree primary() {
    const char first = next();
    if (take('(')) {
      Tree inner = deeper([&] { return expression(); });
      if (!take(')')) complain("')' or an operator");
      return inner;
    }
    if (is_digit(first) || first == '.') return number();
    if (!is_letter(first)) complain("a number, a variable, a function or '('");
    Tree result{.kind = TreeKind::kName, .place = place_, .name = std::string(peek_name())};
    for (const char* word : {"and", "or", "not"})
      if (result.name == word) complain("a number, a variable, a function or '('");
    place_ += result.name.size();
    if (take('(')) return call(std::move(result));
    if (take('[')) {
      do result.children.push_back(deeper([&] { return expression(); }));
      while (take(','));
      if (!take(']')) complain("']', ',' or an operator");
    }
    return result;
  }

  Tree number() {
    Tree result{.place = place_};
    const char* begin = text_.data() + place_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), result.number);
    if (error != std::errc{}) complain("a number that a double can hold");
    place_ += static_cast<std::size_t>(end - begin);
    return result;
  }

  Tree call(Tree result) {
    std::vector<Tree>& arguments = result.children;
    do arguments.push_back(deeper([&] { return expression(); }));
    while (take(','));
    if (!take(')')) complain("')', ',' or an operator");
    const std::string& name = result.name;
    const bool ranges = name == "sum" || name == "product";
    const bool many = name == "min" || name == "max" || name == "logsumexp";
    result.kind = many ? TreeKind::kMany : TreeKind::kFunction;
    if (name == "where") {
      if (arguments.size() != 3)
        fail_in_expression(
            text_, result.place,
            fmt::format("where takes a condition and two values, as where(x > 0, x, -x), got {} "
                        "arguments",
                        arguments.size()));
      result.kind = TreeKind::kChoice;
    } else if (arguments.size() == 4 && (ranges || many) &&
               arguments.front().kind == TreeKind::kName && arguments.front().children.empty()) {
      // Whether min(i, 1, 9, ...) has an index or a fourth argument depends on what i is.
      result.kind = TreeKind::kRange;
      result.index = arguments.front().name;
    } else if (ranges) {
      fail_in_expression(text_, result.place,
                         fmt::format("{} takes the name of an index, its first and last value, "
                                     "and what to add or multiply, as {}(i, 1, 9, x[i]^2)",
                                     name, name));
    } else if (!many && arguments.size() != 1) {
      fail_in_expression(text_, result.place,
                         fmt::format("{} takes one argument, got {}", name, arguments.size()));
    }
    return result;
  }

  std::string_view text_;
  std::size_t place_ = 0;
  int depth_ = 0;
};

}  // namespace

Tree parse_expression(std::string_view text) { return Parser(text).parse(); }

std::string place_in_expression(std::string_view text, std::size_t place) {
  constexpr std::size_t kShown = 24;
  const std::string_view before = text.substr(0, place);
  const bool cut = before.size() > kShown;
  std::string result = fmt::format("character {}", place + 1);
  if (before.empty()) return result;
  std::string shown =
      (cut ? "..." : "") + std::string(cut ? before.substr(before.size() - kShown) : before);
  for (char& c : shown)
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  return result + fmt::format(", after '{}'", shown);
}

void fail_in_expression(std::string_view text, std::size_t place, const std::string& what) {
  fail<ConfigError>("energy: {}: {}", place_in_expression(text, place), what);
}

}  // namespace thalweg::detail
