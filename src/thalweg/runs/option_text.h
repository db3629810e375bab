// Values of settings as TOML, and what keys want in words.
#pragma once

#include <string>
#include <vector>

#include "thalweg/runs/option_table.h"

namespace thalweg {

/// A text in quotes, escaped.
std::string quoted(const std::string& text);

/// A value as TOML, from which the same bits are read.
std::string value_text(const OptionPlace& place);

/// What a key of this range and these choices wants, as "a whole number from 1 to 10".
std::string expectation(double lowest, double highest, const std::vector<std::string>& choices,
                        const OptionPlace& place);
template <typename Key>
std::string expectation(const Key& key, const OptionPlace& place) {
  return expectation(key.lowest, key.highest, key.known(), place);
}

}  // namespace thalweg
