#include "thalweg/core/work_progress.h"

#include <utility>

namespace thalweg {
namespace {

thread_local const ProgressScope::Told* current_scope = nullptr;
thread_local const std::string* current_part = nullptr;

}  // namespace

ProgressScope::ProgressScope(Told told)
    : told_(std::move(told)), before_(std::exchange(current_scope, &told_)) {}

ProgressScope::~ProgressScope() { current_scope = before_; }

WorkPart::WorkPart(std::string name)
    : name_(std::move(name)), before_(std::exchange(current_part, &name_)) {}

WorkPart::~WorkPart() { current_part = before_; }

void tell_progress(std::int64_t taken, std::int64_t count) {
  if (current_scope != nullptr && current_part != nullptr)
    (*current_scope)(*current_part, static_cast<double>(taken) / static_cast<double>(count));
}

}  // namespace thalweg
