// Settings from TOML and to TOML.
#include <fmt/ranges.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <sstream>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/runs/option_table.h"
#include "thalweg/runs/option_text.h"
#include "thalweg/runs/toml_text.h"

namespace thalweg {

namespace {

std::optional<std::int64_t> whole_number(const toml::node& node) {
  if (const auto value = node.value_exact<std::int64_t>()) return value;
  const auto real = node.value_exact<double>();
  if (real && std::abs(*real) <= kMany && *real == std::floor(*real))
    return static_cast<std::int64_t>(*real);
  return std::nullopt;
}

std::string node_text(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return quoted(*text);
  std::ostringstream stream;
  node.visit([&](const auto& value) { stream << value; });
  std::string text = stream.str();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text.size() > 60 ? text.substr(0, 57) + "..." : text;
}

template <typename T, typename Convert>
bool assign_list(std::vector<T>* value, const toml::node& node, const Convert& convert) {
  const toml::array* array = node.as_array();
  if (array == nullptr) return false;
  std::vector<T> items;
  for (const toml::node& item : *array) {
    const auto got = convert(item);
    if (!got) return false;
    items.push_back(*got);
  }
  *value = std::move(items);
  return true;
}

/// Writes `node` to its place; false if it is of the wrong type or out of range.
template <typename Key>
bool assign(const Key& key, const OptionPlace& place, const toml::node& node) {
  const auto in_range = [&](double value) { return value >= key.lowest && value <= key.highest; };
  struct Visitor {
    const Key& key;
    const toml::node& node;
    const decltype(in_range)& inside;
    bool chosen(const std::string& name) const {
      const std::vector<std::string> names = key.known();
      return names.empty() || std::ranges::find(names, name) != names.end();
    }
    bool operator()(bool* value) const {
      const auto got = node.value_exact<bool>();
      if (got) *value = *got;
      return got.has_value();
    }
    bool operator()(std::int64_t* value) const {
      const auto got = whole_number(node);
      if (!got || !inside(static_cast<double>(*got))) return false;
      *value = *got;
      return true;
    }
    bool operator()(double* value) const {
      const auto got = node.is_number() ? node.value<double>() : std::nullopt;
      if (!got || !inside(*got)) return false;
      *value = *got;
      return true;
    }
    bool operator()(std::string* value) const {
      const auto got = node.value_exact<std::string>();
      if (!got || !chosen(*got)) return false;
      *value = *got;
      return true;
    }
    bool operator()(std::vector<std::int64_t>* value) const {
      return assign_list(value, node, [&](const toml::node& item) {
        const auto got = whole_number(item);
        return got && inside(static_cast<double>(*got)) ? got : std::nullopt;
      });
    }
    bool operator()(std::vector<double>* value) const {
      return assign_list(value, node, [&](const toml::node& item) {
        const auto got = item.is_number() ? item.value<double>() : std::nullopt;
        return got && inside(*got) ? got : std::nullopt;
      });
    }
    bool operator()(std::vector<std::string>* value) const {
      return assign_list(value, node, [&](const toml::node& item) {
        const auto got = item.value_exact<std::string>();
        return got && chosen(*got) ? got : std::nullopt;
      });
    }
  };
  return std::visit(Visitor{key, node, in_range}, place);
}

template <typename Key, typename Options>
void assign_or_fail(const Key& key, Options& options, const toml::node& node,
                    const std::string& where) {
  const OptionPlace place = key.place(options);
  if (!assign(key, place, node))
    fail<ConfigError>("{}: {}: expected {}, got {}", where, key.path, expectation(key, place),
                      node_text(node));
}

template <typename Key>
const Key* find_key(const std::vector<Key>& keys, std::string_view path) {
  const auto found =
      std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.path == path; });
  return found == keys.end() ? nullptr : &*found;
}

template <typename Key>
[[noreturn]] void unknown_key(const std::vector<Key>& keys, const std::string& path,
                              const std::string& where) {
  std::vector<std::string> known;
  known.reserve(keys.size());
  for (const Key& key : keys) known.push_back(key.path);
  const std::string nearest = nearest_name(path, known);
  if (nearest.empty())
    fail<ConfigError>("{}: unknown key '{}'; `thalweg describe config` lists all keys", where,
                      path);
  fail<ConfigError>("{}: unknown key '{}'; did you mean '{}'?", where, path, nearest);
}

std::string line_of(const std::string& source, const toml::node& node) {
  return fmt::format("{}:{}", source, node.source().begin.line);
}

template <typename Column, typename Key>
void read_columns(std::vector<Column>& columns, const std::vector<Key>& keys,
                  const toml::node& node, const std::string& path, const std::string& source) {
  const toml::array* array = node.as_array();
  if (array == nullptr || !array->is_homogeneous<toml::table>())
    fail<ConfigError>("{}: {}: expected tables, each as [[{}]]", line_of(source, node), path, path);
  columns.clear();
  for (const toml::node& item : *array) {
    Column& column = columns.emplace_back();
    for (const auto& [name, value] : *item.as_table()) {
      const Key* key = find_key(keys, name.str());
      if (key == nullptr) unknown_key(keys, std::string(name.str()), line_of(source, value));
      assign_or_fail(*key, column, value, line_of(source, value));
    }
  }
}

void read_table(RunOptions& options, const toml::table& table, const std::string& prefix,
                const std::string& source, std::set<std::string>* given) {
  for (const auto& [name, node] : table) {
    const std::string path = prefix + std::string(name.str());
    if (path == "columns" || path == "context_columns") {
      read_columns(path == "columns" ? options.model.columns : options.model.context_columns,
                   column_keys(), node, path, source);
    } else if (path == "derived_columns") {
      read_columns(options.model.derived, derived_keys(), node, path, source);
    } else if (const OptionKey* key = find_key(option_keys(), path)) {
      assign_or_fail(*key, options, node, line_of(source, node));
      if (given != nullptr) given->insert(path);
    } else if (const toml::table* section = node.as_table()) {
      read_table(options, *section, path + ".", source, given);
    } else {
      unknown_key(option_keys(), path, line_of(source, node));
    }
  }
}

/// Whether a trained model's densities or weights are others with another value of it. How closely
/// a continuous flow is integrated is anybody's choice at any time.
bool decides(const std::string& path) {
  static const std::set<std::string> others = {"precision",
                                               "final_proposals",
                                               "importance_samples",
                                               "energy_library",
                                               "constants_file",
                                               "half_width",
                                               "data.path",
                                               "data.validation",
                                               "data.test",
                                               "data.forces",
                                               "data.image",
                                               "molecule.system",
                                               "molecule.topology",
                                               "molecule.z_matrix",
                                               "particles.log_integral",
                                               "particles.log_integral_error",
                                               "flow.steps",
                                               "flow.dropout",
                                               "base.dropout",
                                               "base.average_rate",
                                               "base.proposals"};
  return !path.starts_with("training.") && !path.starts_with("exploration.") &&
         !others.contains(path);
}

/// Appends "path = value" for each value in `node`.
void append_deciding(std::string& text, const std::string& path, const toml::node& node) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& [name, inner] : *table)
      append_deciding(text, path.empty() ? std::string(name.str()) : path + "." + std::string(name),
                      inner);
  } else if (const toml::array* array = node.as_array()) {
    if (!decides(path)) return;
    // Whether there is a list at all counts as well.
    text += fmt::format("{}: {}\n", path, array->size());
    for (const toml::node& item : *array) append_deciding(text, path + "[]", item);
  } else if (decides(path)) {
    // Text of numbers must not depend on the library that reads TOML.
    const auto words = node.value_exact<std::string>();
    const auto truth = node.value_exact<bool>();
    text += fmt::format("{} = {}\n", path,
                        words   ? quoted(*words)
                        : truth ? std::string(*truth ? "true" : "false")
                                : fmt::format("{}", node.value<double>().value_or(std::nan(""))));
  }
}

/// The section of a path; empty for keys on top.
std::string_view section_of(std::string_view path) {
  const std::size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
}

template <typename Column, typename Key>
void write_columns(std::string& text, const std::vector<Column>& columns,
                   const std::vector<Key>& keys, const char* name) {
  Column plain;
  for (Column column : columns) {
    text += fmt::format("\n[[{}]]\n", name);
    for (const Key& key : keys) {
      const std::string value = value_text(key.place(column));
      if (key.summary.empty() || value != value_text(key.place(plain)))
        text += fmt::format("{} = {}\n", key.path, value);
    }
  }
}

}  // namespace

void read_options(RunOptions& options, std::string_view text, const std::string& source,
                  std::set<std::string>* given) {
  read_table(options, parse_toml(text, source), "", source, given);
}

std::string deciding_settings(std::string_view text, const std::string& source) {
  std::string result;
  append_deciding(result, "", parse_toml(text, source));
  return result;
}

Setting parse_setting(std::string_view assignment) {
  const std::size_t equals = assignment.find('=');
  if (equals == std::string_view::npos)
    fail<ConfigError>("--set {}: expected key=value, as training.batch_size=512", assignment);
  const std::string path(trim(assignment.substr(0, equals)));
  const std::string value(trim(assignment.substr(equals + 1)));
  const std::string where = "--set";
  const OptionKey* key = find_key(option_keys(), path);
  if (key == nullptr) unknown_key(option_keys(), path, where);
  RunOptions options;
  const OptionPlace place = key->place(options);
  std::string text = value;
  const char first = value.empty() ? '\0' : value.front();
  if (std::holds_alternative<std::string*>(place)) {
    if (first != '"' && first != '\'') text = quoted(value);
  } else if (std::holds_alternative<std::vector<std::int64_t>*>(place) ||
             std::holds_alternative<std::vector<double>*>(place)) {
    if (first != '[') text = fmt::format("[{}]", value);
  } else if (std::holds_alternative<std::vector<std::string>*>(place) && first != '[') {
    std::vector<std::string> parts;
    for (const std::string& part : split_list(value)) parts.push_back(quoted(part));
    text = fmt::format("[{}]", fmt::join(parts, ", "));
  }
  toml::table table;
  try {
    table = toml::parse(fmt::format("value = {}", text));
  } catch (const toml::parse_error&) {
    fail<ConfigError>("{}: {}: expected {}, got '{}'", where, path, expectation(*key, place),
                      value);
  }
  assign_or_fail(*key, options, *table.get("value"), where);
  return {path, std::visit([](auto* kept) -> OptionValue { return *kept; }, place)};
}

void set_option(RunOptions& options, const Setting& setting) {
  const std::string where = "settings";
  const OptionKey* key = find_key(option_keys(), setting.key);
  if (key == nullptr) unknown_key(option_keys(), setting.key, where);
  OptionValue value = setting.value;
  const std::string text = std::visit([](auto& given) { return value_text(&given); }, value);
  assign_or_fail(*key, options, *parse_toml("value = " + text, where).get("value"), where);
}

void set_option(RunOptions& options, std::string_view assignment) {
  set_option(options, parse_setting(assignment));
}

std::string write_options(const RunOptions& options) {
  RunOptions copy = options;
  std::string text = "# Every setting of this run; `thalweg describe config` says more of each.\n";
  std::string_view section;
  for (const OptionKey& key : option_keys()) {
    if (section_of(key.path) != section) {
      section = section_of(key.path);
      text += fmt::format("\n[{}]\n", section);
    }
    const std::string line =
        fmt::format("{} = {}", key.path.substr(section.empty() ? 0 : section.size() + 1),
                    value_text(key.place(copy)));
    text += fmt::format("{:<32}  # {}\n", line, key.summary);
  }
  write_columns(text, options.model.columns, column_keys(), "columns");
  write_columns(text, options.model.context_columns, column_keys(), "context_columns");
  write_columns(text, options.model.derived, derived_keys(), "derived_columns");
  return text;
}

}  // namespace thalweg
