#include "thalweg/molecules/custom_born.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"

namespace thalweg {
namespace {

/// The numbers in place of each '#' of the pattern, if the text is otherwise the same.
std::optional<std::vector<double>> numbers_in(std::string_view text, std::string_view pattern) {
  std::vector<double> numbers;
  for (const char c : pattern) {
    if (c != '#') {
      if (text.empty() || text.front() != c) return std::nullopt;
      text.remove_prefix(1);
      continue;
    }
    double value = 0.0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc()) return std::nullopt;
    numbers.push_back(value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  if (!text.empty()) return std::nullopt;
  return numbers;
}

/// "main; a=...; b=..." without blanks.
struct Parts {
  std::string main;
  std::map<std::string, std::string> definitions;
};
Parts parts_of(const std::string& text) {
  Parts parts;
  std::string all;
  for (const char c : text)
    if (c != ' ' && c != '\t' && c != '\n') all += c;
  for (std::size_t begin = 0; begin <= all.size();) {
    const std::size_t end = std::min(all.find(';', begin), all.size());
    const std::string part = all.substr(begin, end - begin);
    const std::size_t equals = part.find('=');
    if (begin == 0)
      parts.main = part;
    else if (equals != std::string::npos)
      parts.definitions[part.substr(0, equals)] = part.substr(equals + 1);
    else if (!part.empty())
      parts.definitions[part] = "";
    begin = end + 1;
  }
  return parts;
}

/// One expression, whose definitions are taken one by one.
class Expression {
 public:
  Expression(const std::string& text, const CustomBornTexts& texts, const std::string& where)
      : text_(text), parts_(parts_of(text)), texts_(texts), where_(where) {}

  [[noreturn]] void refuse() const {
    fail<DataError>(
        "{}: CustomGBForce: expected the expressions of OBC1 or OBC2, got '{}', which "
        "is not supported",
        where_, shown(text_));
  }
  [[noreturn]] void refuse_salt(double kappa) const {
    fail<DataError>("{}: CustomGBForce: salt (kappa = {}) is not supported", where_, kappa);
  }
  std::optional<std::vector<double>> main(std::string_view pattern) const {
    return numbers_in(parts_.main, pattern);
  }
  /// The definition must be there and be that.
  void require(const std::string& name, std::string_view definition) {
    const auto found = parts_.definitions.find(name);
    if (found == parts_.definitions.end() || found->second != definition) refuse();
    parts_.definitions.erase(found);
  }
  /// A number that is defined in the text, or globally.
  std::optional<double> number(const std::string& name) {
    if (const auto found = parts_.definitions.find(name); found != parts_.definitions.end()) {
      const auto value = numbers_in(found->second, "#");
      if (!value) refuse();
      parts_.definitions.erase(found);
      return (*value)[0];
    }
    if (const auto found = texts_.globals.find(name); found != texts_.globals.end())
      return found->second;
    return std::nullopt;
  }
  double required(const std::string& name) {
    const auto value = number(name);
    if (!value) refuse();
    return *value;
  }
  /// Whether no definition is left that may mean something.
  void finish() const {
    if (!parts_.definitions.empty()) refuse();
  }

 private:
  std::string text_;
  Parts parts_;
  const CustomBornTexts& texts_;
  const std::string& where_;
};

void read_integral(Expression expression) {
  if (!expression.main("select(step(r+sr2-or1),0.5*(1/L-1/U+0.25*(r-sr2^2/r)*(1/(U^2)-1/(L^2))+0.5*"
                       "log(L/U)/r),0)"))
    expression.refuse();
  expression.require("U", "r+sr2");
  expression.require("L", "max(or1,D)");
  expression.require("D", "abs(r-sr2)");
  expression.finish();
}

void read_radius(Expression expression, GeneralisedBorn& solvent) {
  if (const auto found = expression.main("1/(1/or-tanh(#*psi+#*psi^3)/radius)")) {
    solvent.alpha = (*found)[0], solvent.beta = 0.0, solvent.gamma = (*found)[1];
  } else if (const auto other = expression.main("1/(1/or-tanh(#*psi-#*psi^2+#*psi^3)/radius)")) {
    solvent.alpha = (*other)[0], solvent.beta = (*other)[1], solvent.gamma = (*other)[2];
  } else if (const auto third = expression.main("1/(1/or-tanh(psi-#*psi^2+#*psi^3)/radius)")) {
    solvent.alpha = 1.0, solvent.beta = (*third)[0], solvent.gamma = (*third)[1];
  } else {
    expression.refuse();
  }
  expression.require("psi", "I*or");
  expression.require("radius", "or+offset");
  solvent.offset = expression.required("offset");
  expression.finish();
}

/// What may be defined beside every term; gives 1/solute - 1/solvent dielectric, or NaN.
double read_constants(Expression& expression, const GeneralisedBorn& solvent) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  const double solute = expression.number("soluteDielectric").value_or(kNone);
  const double outside = expression.number("solventDielectric").value_or(kNone);
  if (const double kappa = expression.number("kappa").value_or(0.0); kappa != 0.0)
    expression.refuse_salt(kappa);
  const auto offset = expression.number("offset");
  if (offset && std::abs(*offset - solvent.offset) > 1e-9) expression.refuse();
  return 1.0 / solute - 1.0 / outside;
}

}  // namespace

GeneralisedBorn recognise_born(const CustomBornTexts& texts, const std::string& where) {
  if (texts.parameters != std::vector<std::string>{"charge", "or", "sr"})
    fail<DataError>(
        "{}: CustomGBForce: expected the parameters charge, or, sr of OBC1 or OBC2; "
        "other models are not supported",
        where);
  if (texts.values.size() != 2 || texts.values[0].name != "I" || texts.values[0].type != 2 ||
      texts.values[1].name != "B" || texts.values[1].type != 0)
    fail<DataError>(
        "{}: CustomGBForce: expected the values I and B of OBC1 or OBC2; other models "
        "are not supported",
        where);
  GeneralisedBorn solvent;
  read_integral({texts.values[0].text, texts, where});
  read_radius({texts.values[1].text, texts, where}, solvent);
  bool self = false, pairs = false, surface = false;
  std::vector<double> solvations;
  for (const CustomBornTexts::Expression& term : texts.terms) {
    Expression expression(term.text, texts, where);
    constexpr std::string_view kScreening = "*(1/soluteDielectric-1/solventDielectric)*";
    const double screening = read_constants(expression, solvent);
    if (const auto of_self = expression.main(fmt::format("-0.5*#{}charge^2/B", kScreening));
        of_self && term.type == 0 && !self) {
      self = true;
      solvations.push_back((*of_self)[0] * screening);
    } else if (const auto of_pairs =
                   expression.main(fmt::format("-#{}charge1*charge2/f", kScreening));
               of_pairs && term.type == 2 && !pairs) {
      pairs = true;
      solvations.push_back((*of_pairs)[0] * screening);
      expression.require("f", "sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))");
    } else if (const auto of_surface = expression.main("#*(radius+#)^2*(radius/B)^6");
               of_surface && term.type == 0 && !surface) {
      surface = true;
      solvent.surface = (*of_surface)[0];
      solvent.probe = (*of_surface)[1];
      expression.require("radius", "or+offset");
    } else {
      expression.refuse();
    }
    expression.finish();
  }
  // NaN where a dielectric constant is missing.
  if (!self || !pairs || !(solvations[0] == solvations[1]))
    fail<DataError>(
        "{}: CustomGBForce: expected one energy of charges with themselves and one of "
        "pairs, with the same constants",
        where);
  solvent.solvation = solvations[0];
  return solvent;
}

}  // namespace thalweg
