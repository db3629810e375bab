// Names of an expression looked up, constants worked out, columns found.
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <numbers>
#include <optional>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/targets/expression_parts.h"

namespace thalweg::detail {
namespace {

constexpr int kMostLoops = 8;                  // within each other
constexpr std::int64_t kMostValues = 1 << 22;  // of one part, over all its indices
constexpr double kLargestIndex = 1e9;
constexpr std::int64_t kMostColumns = 4096;  // that default names may have

struct Index {
  std::string name;
  std::int64_t first = 0;
};

class Resolver {
 public:
  Resolver(std::string_view text, const std::vector<std::string>& variables,
           const std::vector<NamedConstant>& constants)
      : text_(text), columns_(variables), given_(!variables.empty()), constants_(constants) {
    used_.resize(columns_.size(), false);
    for (const NamedConstant& constant : constants_)
      if (std::find(columns_.begin(), columns_.end(), constant.name) != columns_.end())
        fail<ConfigError>("constants: '{}' is a variable of the energy: give one another name",
                          constant.name);
  }

  ResolvedExpression resolve() {
    ResolvedExpression result{resolve(parse_expression(text_)), {}};
    if (columns_.empty())
      fail<ConfigError>("energy: expected at least one variable in '{}', got none", text_);
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i])
        fail<ConfigError>(
            "energy: the variable '{}' does not occur, so the density could not be normalised",
            columns_[i]);
    result.columns = columns_;
    return result;
  }

 private:
  [[noreturn]] void complain(std::size_t place, const std::string& what) const {
    fail_in_expression(text_, place, what);
  }

  Part constant(std::size_t place, LoopValues values) const {
    Part part;
    part.kind = PartKind::kConstant;
    part.place = place;
    part.loops = values.loops;
    part.constant = std::move(values);
    return part;
  }

  /// The operation, or its value if all children are constants.
  Part folded(Part part) const {
    std::vector<LoopValues> values;
    for (const Part& child : part.children) {
      part.loops |= child.loops;
      if (child.kind == PartKind::kConstant) values.push_back(child.constant);
    }
    if (part.operation == TreeKind::kRange) part.loops &= ~(Loops{1} << part.depth);
    if (values.size() < part.children.size()) return part;
    return constant(part.place, applied(part, values, extents_));
  }

  Part resolve(const Tree& tree) {
    switch (tree.kind) {
      case TreeKind::kNumber:
        return constant(tree.place, {0, {tree.number}});
      case TreeKind::kName:
        return name(tree);
      case TreeKind::kRange:
        return range(tree);
      case TreeKind::kSum:
        return sum(tree);
      default:
        break;
    }
    if (tree.kind == TreeKind::kFunction) check_function(tree);
    Part part;
    part.operation = tree.kind;
    part.name = tree.name;
    part.place = tree.place;
    for (const Tree& child : tree.children) part.children.push_back(resolve(child));
    // A condition that is known chooses now.
    if (tree.kind == TreeKind::kChoice && part.children[0].kind == PartKind::kConstant &&
        part.children[0].loops == 0)
      return Part(std::move(part.children[part.children[0].constant.values[0] != 0.0 ? 1 : 2]));
    return folded(std::move(part));
  }

  /// Constants among the terms become one.
  Part sum(const Tree& tree) {
    Part part, constants;
    part.operation = constants.operation = TreeKind::kSum;
    part.place = constants.place = tree.place;
    for (const Tree& child : tree.children) {
      Part term = resolve(child);
      (term.kind == PartKind::kConstant ? constants : part).children.push_back(std::move(term));
    }
    if (!constants.children.empty()) part.children.push_back(folded(std::move(constants)));
    if (part.children.size() == 1) return Part(std::move(part.children.front()));
    return folded(std::move(part));
  }

  void check_function(const Tree& tree) const {
    std::vector<std::string> names = {"min", "max", "logsumexp", "sum", "product", "where"};
    for (const ScalarFunction& function : scalar_functions()) {
      if (function.name == tree.name) return;
      names.push_back(function.name);
    }
    complain(tree.place,
             fmt::format("unknown function '{}'{}", tree.name, name_hint(tree.name, names)));
  }

  Part range(const Tree& tree) {
    const bool many = tree.name != "sum" && tree.name != "product";
    if (many && is_known(tree.index)) {  // Four arguments, the first of which is a plain name.
      Tree values = tree;
      values.kind = TreeKind::kMany;
      return resolve(values);
    }
    const std::int64_t first = whole(tree.children[1], "the first value of an index");
    const std::int64_t last = whole(tree.children[2], "the last value of an index");
    if (last < first)
      complain(tree.place, fmt::format("{}: expected an index to run upwards, got {} to {}",
                                       tree.name, first, last));
    if (indices_.size() == kMostLoops)
      complain(tree.place, fmt::format("more than {} indices within each other", kMostLoops));
    Part part;
    part.operation = TreeKind::kRange;
    part.name = tree.name;
    part.place = tree.place;
    part.depth = static_cast<int>(indices_.size());
    part.count = last - first + 1;
    indices_.push_back({tree.index, first});
    extents_.push_back(part.count);
    check_size((Loops{1} << indices_.size()) - 1, tree.place);
    part.children.push_back(resolve(tree.children[3]));
    part = folded(std::move(part));
    indices_.pop_back();
    extents_.pop_back();
    return part;
  }

  void check_size(Loops loops, std::size_t place) const {
    double size = 1.0;
    for (std::size_t depth = 0; depth < extents_.size(); ++depth)
      if (loops >> depth & 1u) size *= static_cast<double>(extents_[depth]);
    if (size > kMostValues)
      complain(place, fmt::format("indices run over {:g} values together; at most {} are possible",
                                  size, kMostValues));
  }

  std::int64_t whole(const Tree& tree, const char* what) {
    const Part part = resolve(tree);
    if (part.kind != PartKind::kConstant || part.loops != 0)
      complain(tree.place,
               fmt::format("expected {} that depends on numbers and constants alone", what));
    return whole(part.constant.values[0], tree.place, what);
  }

  std::int64_t whole(double value, std::size_t place, const char* what) const {
    if (!(std::abs(value) < kLargestIndex) || value != std::floor(value))
      complain(place, fmt::format("expected {} to be a whole number, got {}", what, value));
    return static_cast<std::int64_t>(value);
  }

  const NamedConstant* find_constant(const std::string& name) const {
    const auto found = std::find_if(constants_.begin(), constants_.end(),
                                    [&](const NamedConstant& c) { return c.name == name; });
    return found == constants_.end() ? nullptr : &*found;
  }

  /// What a name means that is neither an index, a constant nor a variable of the user's.
  static std::optional<double> built_in(const std::string& name) {
    if (name == "pi") return std::numbers::pi;
    if (name == "e") return std::numbers::e;
    if (name == "inf") return std::numeric_limits<double>::infinity();
    return std::nullopt;
  }

  bool is_known(const std::string& name) const {
    const auto same = [&](const Index& index) { return index.name == name; };
    return std::any_of(indices_.begin(), indices_.end(), same) || find_constant(name) != nullptr ||
           std::find(columns_.begin(), columns_.end(), name) != columns_.end() || built_in(name) ||
           (!given_ && default_column(name) >= 0);
  }

  Part name(const Tree& tree) {
    if (!tree.children.empty()) return element(tree);
    for (std::size_t depth = indices_.size(); depth-- > 0;)
      if (indices_[depth].name == tree.name) {
        LoopValues values{Loops{1} << depth, {}};
        for (std::int64_t i = 0; i < extents_[depth]; ++i)
          values.values.push_back(static_cast<double>(indices_[depth].first + i));
        return constant(tree.place, std::move(values));
      }
    if (const NamedConstant* found = find_constant(tree.name)) {
      if (!found->shape.empty())
        complain(tree.place,
                 fmt::format("'{}' is a list or matrix: take an element of it, as {}", tree.name,
                             found->shape.size() == 1 ? tree.name + "[0]" : tree.name + "[0, 0]"));
      return constant(tree.place, {0, found->values});
    }
    const bool variable = std::find(columns_.begin(), columns_.end(), tree.name) != columns_.end();
    if (const auto value = built_in(tree.name); value && !variable)
      return constant(tree.place, {0, {*value}});
    Part part;
    part.kind = PartKind::kColumns;
    part.place = tree.place;
    part.columns.push_back(column(tree.name, tree.place));
    return part;
  }

  /// name[i] or name[i, j]: of a constant, or a numbered variable.
  Part element(const Tree& tree) {
    std::vector<LoopValues> indices;
    Loops loops = 0;
    for (const Tree& child : tree.children) {
      const Part index = resolve(child);
      if (index.kind != PartKind::kConstant)
        complain(child.place,
                 fmt::format("expected an index of '{}' that depends on no variable", tree.name));
      indices.push_back(index.constant);
      loops |= index.loops;
    }
    for (LoopValues& values : indices) values = expanded(values, loops, extents_);
    const NamedConstant* found = find_constant(tree.name);
    const std::size_t wanted = found == nullptr ? 1 : found->shape.size();
    if (indices.size() != wanted)
      complain(tree.place, fmt::format("'{}' takes {} {}, got {}", tree.name, wanted,
                                       wanted == 1 ? "index" : "indices", indices.size()));
    Part part;
    part.kind = found == nullptr ? PartKind::kColumns : PartKind::kConstant;
    part.place = tree.place;
    part.loops = part.constant.loops = loops;
    for (std::size_t at = 0; at < indices.front().values.size(); ++at) {
      std::int64_t place = 0;
      for (std::size_t k = 0; k < indices.size(); ++k) {
        const std::int64_t index = whole(indices[k].values[at], tree.children[k].place, "an index");
        if (found == nullptr) {
          part.columns.push_back(column(fmt::format("{}{}", tree.name, index), tree.place));
          break;
        }
        if (index < 0 || index >= found->shape[k])
          complain(tree.children[k].place, fmt::format("'{}' has the indices 0 to {} here, got {}",
                                                       tree.name, found->shape[k] - 1, index));
        place = place * found->shape[k] + index;
      }
      if (found != nullptr)
        part.constant.values.push_back(found->values[static_cast<std::size_t>(place)]);
    }
    return part;
  }

  /// The column of a variable that its default name says, or -1.
  static std::int64_t default_column(const std::string& name) {
    const std::string_view letters = "xyz";
    if (name.size() == 1 && letters.find(name) != std::string_view::npos)
      return static_cast<std::int64_t>(letters.find(name));
    if (name.size() < 2 || name.front() != 'x') return -1;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(name.data() + 1, name.data() + name.size(), number);
    return error == std::errc{} && end == name.data() + name.size() && number >= 0 &&
                   number < kMostColumns
               ? number
               : -1;
  }

  std::int32_t column(const std::string& name, std::size_t place) {
    if (!given_) {
      const std::int64_t column = default_column(name);
      const bool letter = name.size() == 1;
      if (column < 0)
        complain(place,
                 fmt::format("unknown name '{}': use x, y, z, or x0, x1, ..., name the columns "
                             "with the key variables, as variables = [\"{}\"], or give a value "
                             "with the key constants, as constants = [\"{}=2.5\"]",
                             name, name, name));
      if (!columns_.empty() && letter != (columns_.front() == "x"))
        complain(place, fmt::format("expected variables named like '{}', got '{}'",
                                    columns_.front(), name));
      while (static_cast<std::int64_t>(columns_.size()) <= column)
        columns_.push_back(letter ? std::string(1, "xyz"[columns_.size()])
                                  : fmt::format("x{}", columns_.size()));
      used_.resize(columns_.size(), false);
    }
    const auto found = std::find(columns_.begin(), columns_.end(), name);
    if (found == columns_.end()) {
      std::vector<std::string> known = columns_;
      for (const NamedConstant& constant : constants_) known.push_back(constant.name);
      if (known.size() > 20) known.resize(20);
      complain(place, fmt::format("unknown name '{}': there are {}{}", name, fmt::join(known, ", "),
                                  name_hint(name, columns_)));
    }
    const auto number = static_cast<std::size_t>(found - columns_.begin());
    used_[number] = true;
    return static_cast<std::int32_t>(number);
  }

  std::string_view text_;
  std::vector<std::string> columns_;
  std::vector<bool> used_;
  bool given_;
  const std::vector<NamedConstant>& constants_;
  std::vector<Index> indices_;
  Extents extents_;
};

}  // namespace

ResolvedExpression resolve_expression(std::string_view text,
                                      const std::vector<std::string>& variables,
                                      const std::vector<NamedConstant>& constants) {
  return Resolver(text, variables, constants).resolve();
}

}  // namespace thalweg::detail
