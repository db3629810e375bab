#include "thalweg/core/interrupts.h"

#include <utility>

namespace thalweg {
namespace {

thread_local const std::function<bool()>* current = nullptr;

}  // namespace

InterruptScope::InterruptScope(std::function<bool()> interrupted)
    : interrupted_(std::move(interrupted)), before_(std::exchange(current, &interrupted_)) {}

InterruptScope::~InterruptScope() { current = before_; }

void check_interrupted() {
  if (current != nullptr && (*current)()) fail<InterruptedError>("interrupted");
}

}  // namespace thalweg
