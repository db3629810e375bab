#include "thalweg/datasets/uci_tables.h"

#include <fmt/ranges.h>

#include "thalweg/core/error.h"
#include "thalweg/core/text.h"
#include "thalweg/datasets/uci_recipes.h"
#include "thalweg/datasets/uci_source.h"

namespace thalweg {

namespace {

struct Recipe {
  const char* name;
  void (*prepare)(const uci::Source& source, const UciTable& table, SplitTable& result);
};
constexpr Recipe kRecipes[] = {{"power", uci::prepare_power},
                               {"gas", uci::prepare_gas},
                               {"hepmass", uci::prepare_hepmass},
                               {"miniboone", uci::prepare_miniboone}};

/// Splits that someone else has made.
bool take_finished(const uci::Source& source, const UciTable& uci, SplitTable& result) {
  const auto train = source.find({"train.npy"}), test = source.find({"test.npy"});
  const auto validation = source.find({"validation.npy", "val.npy"});
  if (!train || !validation || !test) return false;
  result.train = uci::load_array(*train, {uci.columns});
  result.validation = uci::load_array(*validation, {uci.columns});
  result.test = uci::load_array(*test, {uci.columns});
  result.steps.push_back(
      fmt::format("{}, {} and {} are taken as they are", *train, *validation, *test));
  return true;
}

}  // namespace

const std::vector<UciTable>& uci_tables() {
  static const std::vector<UciTable> tables = {
      {"power", "household_power_consumption.txt", 6, 1659917, 184435, 204928},
      {"gas", "ethylene_CO.txt", 8, 852174, 94685, 105206},
      {"hepmass", "1000_train.csv and 1000_test.csv", 21, 315123, 35013, 174987},
      {"miniboone", "MiniBooNE_PID.txt", 43, 29556, 3284, 3648}};
  return tables;
}

const UciTable& find_uci_table(const std::string& name, std::vector<std::string> known) {
  for (const UciTable& table : uci_tables()) {
    if (table.name == name) return table;
    known.push_back(table.name);
  }
  fail<ConfigError>("unknown table '{}'{}", name, name_hint(name, known));
}

SplitTable prepare_uci_table(const UciTable& table, const std::string& from) {
  const uci::Source source(from);
  SplitTable result;
  if (!take_finished(source, table, result))
    for (const Recipe& recipe : kRecipes)
      if (table.name == recipe.name) recipe.prepare(source, table, result);
  if (result.train.columns() != table.columns)
    fail<DataError>("{}: expected {} columns after the preprocessing, got {} ({}); is it {}?", from,
                    table.columns, result.train.columns(), fmt::join(result.train.names, ", "),
                    table.original);
  if (result.train.rows != table.train || result.validation.rows != table.validation ||
      result.test.rows != table.test)
    result.warnings.push_back(fmt::format(
        "{} + {} + {} rows where {} + {} + {} are published: log likelihoods do not compare with "
        "published ones",
        result.train.rows, result.validation.rows, result.test.rows, table.train, table.validation,
        table.test));
  return result;
}

}  // namespace thalweg
