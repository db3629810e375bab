// How far the work of a thread is, for whoever waits for it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace thalweg {

/// While this lives, `told` hears what the thread that made it is at: before each task that this
/// thread takes of a ThreadPool it calls, the name of the innermost WorkPart and the share, 0 to 1,
/// of the call's tasks that are taken. Nothing is told outside all parts. Of scopes within each
/// other the innermost one counts.
class ProgressScope {
 public:
  using Told = std::function<void(const std::string& part, double share)>;

  explicit ProgressScope(Told told);
  ~ProgressScope();
  ProgressScope(const ProgressScope&) = delete;
  ProgressScope& operator=(const ProgressScope&) = delete;

 private:
  Told told_;
  const Told* before_;
};

/// Names what the calling thread does while this lives.
class WorkPart {
 public:
  explicit WorkPart(std::string name);
  ~WorkPart();
  WorkPart(const WorkPart&) = delete;
  WorkPart& operator=(const WorkPart&) = delete;

  /// From now on it does this.
  void rename(std::string name) { name_ = std::move(name); }

 private:
  std::string name_;
  const std::string* before_;
};

/// Tells the calling thread's scope, if there is one, that `taken` of `count` tasks are.
void tell_progress(std::int64_t taken, std::int64_t count);

}  // namespace thalweg
