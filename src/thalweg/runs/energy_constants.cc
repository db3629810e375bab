#include "thalweg/runs/energy_constants.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/table.h"
#include "thalweg/runs/toml_text.h"

namespace thalweg {
namespace {

bool is_name(const std::string& text) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  return !text.empty() && letter(text.front()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

/// Appends the numbers of a node and finds its extents.
void read_values(const toml::node& node, NamedConstant& constant, std::size_t depth,
                 const std::string& where) {
  if (node.is_number()) {
    if (depth != constant.shape.size())
      fail<ConfigError>("{}: '{}': expected rows of equal length", where, constant.name);
    constant.values.push_back(*node.value<double>());
    return;
  }
  const toml::array* list = node.as_array();
  if (list == nullptr || depth == 2 || list->empty())
    fail<ConfigError>("{}: '{}': expected a number, a list of numbers or a list of rows", where,
                      constant.name);
  const auto count = static_cast<std::int64_t>(list->size());
  const bool first = constant.values.empty() && depth == constant.shape.size();
  if (first) constant.shape.resize(depth + 1, count);
  if (depth >= constant.shape.size() || constant.shape[depth] != count)
    fail<ConfigError>("{}: '{}': expected rows of equal length", where, constant.name);
  for (const toml::node& element : *list) read_values(element, constant, depth + 1, where);
}

class Constants {
 public:
  void add(NamedConstant constant, const std::string& where) {
    if (!is_name(constant.name))
      fail<ConfigError>("{}: '{}' is not a name: letters, digits and _, a letter first", where,
                        constant.name);
    for (const NamedConstant& other : list_)
      if (other.name == constant.name)
        fail<ConfigError>("{}: '{}' has a value already", where, constant.name);
    list_.push_back(std::move(constant));
  }

  void add(const std::string& name, const toml::node& node, const std::string& where) {
    NamedConstant constant;
    constant.name = name;
    read_values(node, constant, 0, where);
    add(std::move(constant), where);
  }

  std::vector<NamedConstant> take() { return std::move(list_); }

 private:
  std::vector<NamedConstant> list_;
};

}  // namespace

std::vector<NamedConstant> read_constants(const std::vector<std::string>& settings,
                                          const std::string& file) {
  Constants constants;
  for (const std::string& text : settings) {
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos)
      fail<ConfigError>("constants: expected name=value, as a=2.5, got '{}'", text);
    std::string name = text.substr(0, equals);
    while (name.ends_with(' ')) name.pop_back();
    const std::string where = "constants: '" + text.substr(0, 40) + "'";
    constants.add(name, *parse_toml("value = " + text.substr(equals + 1), where).get("value"),
                  "constants");
  }
  if (file.ends_with(".toml")) {
    const toml::table table = parse_toml(read_file(file), file);
    for (const auto& [key, node] : table) constants.add(std::string(key.str()), node, file);
  } else if (!file.empty()) {
    const Table table = load_table(file);
    for (std::size_t column = 0; column < table.names.size(); ++column) {
      if (table.content_of(column) != ColumnContent::kNumber)
        fail<DataError>("{}: column '{}' holds {}; expected numbers", file, table.names[column],
                        table.content_of(column) == ColumnContent::kText ? "texts" : "dates");
      NamedConstant constant;
      constant.name = table.names[column];
      constant.shape.push_back(table.rows);
      for (std::int64_t row = 0; row < table.rows; ++row)
        constant.values.push_back(
            table.values[static_cast<std::size_t>(row) * table.names.size() + column]);
      if (std::any_of(constant.values.begin(), constant.values.end(),
                      [](double value) { return std::isnan(value); }))
        fail<DataError>("{}: column '{}' lacks values", file, constant.name);
      constants.add(std::move(constant), file);
    }
  }
  return constants.take();
}

}  // namespace thalweg
