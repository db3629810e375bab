// Work that can be asked to end before it is done.
#pragma once

#include <functional>

#include "thalweg/core/error.h"

namespace thalweg {

/// What such work throws then.
class InterruptedError : public Error {
 public:
  using Error::Error;
};

/// While this lives, the thread that made it asks `interrupted` before each task that it takes of a
/// ThreadPool it calls. Once that is true no further task begins, and ThreadPool::parallel() throws
/// InterruptedError. Of scopes within each other the innermost one counts.
class InterruptScope {
 public:
  explicit InterruptScope(std::function<bool()> interrupted);
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

 private:
  std::function<bool()> interrupted_;
  const std::function<bool()>* before_;
};

/// Throws InterruptedError if the calling thread's scope says so.
void check_interrupted();

}  // namespace thalweg
