// Functions outside of the engine that want the points of whole batches.
#pragma once

#include "thalweg/engine/primitives.h"

namespace thalweg {

/// A function whose calls cost much besides their points, or take turns. One thread calls it, with
/// the points of a whole batch or with thousands of them, while the others wait; `gradients` of
/// evaluate() is null where nobody reads them.
class BatchFunction : public OutsideFunction {};

}  // namespace thalweg
