// The implicit solvents that OpenMM writes as expressions.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "thalweg/molecules/molecular_system.h"

namespace thalweg {

/// The expressions of a CustomGBForce.
struct CustomBornTexts {
  struct Expression {
    std::string name, text;
    int type;  ///< 0: of one particle, 2: of pairs without regard to exclusions
  };
  std::vector<std::string> parameters;  ///< of each particle, in order
  std::map<std::string, double> globals;
  std::vector<Expression> values, terms;
};

/// OBC1 or OBC2, with or without a term of the surface, if these are its expressions (whatever
/// the force is called), with their constants; charges and radii stay empty. Throws DataError,
/// which begins with `where`, with the first expression that is not understood.
GeneralisedBorn recognise_born(const CustomBornTexts& texts, const std::string& where);

}  // namespace thalweg
