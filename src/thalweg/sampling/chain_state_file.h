// Markov chains on disk: what is needed to go on.
#pragma once

#include <map>
#include <string>

#include "thalweg/sampling/markov_chains.h"

namespace thalweg {

/// A state with what its owner wants to remember of how the chains were begun.
struct SavedChains {
  ChainState state;
  std::map<std::string, std::string> settings;
};

/// Writes a safetensors file, atomically, which keeps every bit. Throws as write_safetensors.
void write_chain_state(const std::string& path, const SavedChains& chains);

/// Throws DataError as read_safetensors, and for a file that is no such state.
SavedChains read_chain_state(const std::string& path);

}  // namespace thalweg
