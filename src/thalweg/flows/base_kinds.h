// The kinds of base distribution, one row each.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "thalweg/bases/classes.h"
#include "thalweg/core/kind_table.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/parameters.h"
#include "thalweg/flows/model_options.h"

namespace thalweg {

/// What a base is made from. Names of its parameters begin with "base.".
struct BaseRequest {
  ParameterStore& parameters;
  RandomSequence& random;
  std::int64_t features = 2;
  std::int64_t species_context = 0;  ///< of a context that ends with particles' species; 0: none
  const BaseOptions& options;
  ClassTable classes = {};  ///< of a base that depends on the class that the context names
  std::vector<ColumnHead> heads = {};  ///< of the columns, for members of a stack
  std::vector<bool> circular = {};     ///< which features are angles in [-pi, pi]; empty: none
};

struct BaseKind {
  std::string name, summary;
  std::vector<std::string> settings = {};  ///< keys of the settings that it reads
  std::function<std::shared_ptr<const Base>(const BaseRequest&)> make;
  bool alone = true;           ///< base.kind may be this
  bool proposes = true;        ///< base.proposal may be this: draws are never rejected
  bool by_class = false;       ///< `make` sees to the classes itself; others are moved and scaled
  bool circular = false;       ///< features may be angles
  bool unit_interval = false;  ///< features are in [0, 1], unless they are angles
  bool mean_free = false;      ///< of particles whose centre of mass is 0
};

/// What base.kind and base.proposal choose from, and what a program adds to it.
KindTable<BaseKind>& base_kinds();

/// The base of base.kind. Throws ConfigError.
std::shared_ptr<const Base> make_base(const BaseRequest& request);

}  // namespace thalweg
