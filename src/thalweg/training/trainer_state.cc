#include "thalweg/training/trainer_state.h"

namespace thalweg {

const std::vector<double>& TrainerState::result() const {
  if (!best.empty()) return best;
  return average.empty() ? parameters : average;
}

}  // namespace thalweg
