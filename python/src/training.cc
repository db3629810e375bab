#include "training.h"

#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "interrupts.h"
#include "python_energy.h"
#include "thalweg/runs/molecule_exploration.h"
#include "thalweg/runs/plan.h"
#include "thalweg/runs/training_run.h"
#include "thalweg/runs/training_text.h"

namespace thalweg::python {
namespace {

const char* name_of(StopReason reason) {
  switch (reason) {
    case StopReason::kIterations:
      return "iterations";
    case StopReason::kPatience:
      return "patience";
    case StopReason::kTimeBudget:
      return "time_budget";
    case StopReason::kCallback:
      return "interrupted";
  }
  return "";
}

nb::typed<nb::dict, nb::str, nb::any> train(
    const std::vector<std::pair<std::string, OptionValue>>& settings, const std::string& source,
    const std::string& out, bool resume, bool force, bool keep_points, bool report, int threads,
    const nb::object& energy, const std::string& energy_name, const nb::object& progress) {
  RunRequest request{.source = source,
                     .out = out,
                     .resume = resume,
                     .force = force,
                     .keep_points = keep_points,
                     .energy_function = python_energy(energy, energy_name, true)};
  for (const auto& [key, value] : settings) request.settings.push_back({key, value});

  Interrupts interrupts;
  RunCallbacks callbacks;
  std::optional<RunPlan> plan;
  auto last = std::chrono::steady_clock::time_point();
  const auto tell = [&](double share, const std::string& text, const TrainingProgress* training) {
    constexpr std::chrono::milliseconds kInterval(100);
    const auto now = std::chrono::steady_clock::now();
    if (progress.is_none() || now - last < kInterval) return;
    last = now;
    const nb::gil_scoped_acquire lock;
    nb::dict told;
    told["share"] = share;
    told["text"] = text;
    if (training != nullptr) {
      told["step"] = training->step;
      told["iterations"] = training->iterations;
      told["loss"] = training->loss;
      told["validation_loss"] = training->validation_loss;
      told["learning_rate"] = training->learning_rate;
      told["steps_per_second"] = training->steps_per_second;
    }
    interrupts.call(progress, told);
  };
  callbacks.progress = [&](const TrainingProgress& training) {
    if (progress.is_none()) return;
    tell(training_share(training), training_text(training, plan->options.training.objective),
         &training);
  };
  callbacks.exploring = [&](double share, const std::string& phase) {
    tell(share, "exploring: " + phase, nullptr);
  };
  callbacks.fitting = [&](double share, const std::string& what) {
    tell(share, "fitting: " + what, nullptr);
  };
  callbacks.interrupted = [&] { return interrupts(); };

  SimulationCallbacks simulation;
  simulation.progress = [&](const SimulationProgress& done) {
    tell(static_cast<double>(done.step) / static_cast<double>(done.steps), "simulating", nullptr);
  };
  std::vector<std::string> notes, warnings;
  simulation.note = [&](const std::string& note) { notes.push_back(note); };
  simulation.warning = [&](const std::string& warning) { warnings.push_back(warning); };
  simulation.interrupted = callbacks.interrupted;

  TrainingOutcome outcome;
  outcome.reason = StopReason::kCallback;
  {
    const nb::gil_scoped_release unlocked;
    check_output(request);
    ThreadPool pool(threads);
    if (!wants_positions(request) || give_positions(request, pool, simulation)) {
      plan = plan_run(request);
      plan->report = report;
      outcome = run_training(*plan, pool, callbacks);
    }
  }
  nb::dict result;
  result["reason"] = name_of(outcome.reason);
  result["steps"] = outcome.steps;
  result["seconds"] = outcome.seconds;
  result["shortened"] = outcome.shortened;
  result["folder"] = outcome.folder;
  const auto append = [](std::vector<std::string>& to, const std::vector<std::string>& more) {
    to.insert(to.end(), more.begin(), more.end());
  };
  if (plan) {
    if (plan->data) append(notes, plan->data->notes);
    append(warnings, plan->warnings);
  }
  append(warnings, outcome.evaluation.warnings);
  result["notes"] = notes;
  result["warnings"] = warnings;
  result["raised"] = interrupts.raised();
  return result;
}

}  // namespace

void add_training(nb::module_& module) {
  module.def("train", &train, nb::arg("settings"), nb::arg("source"), nb::arg("out"),
             nb::arg("resume"), nb::arg("force"), nb::arg("keep_points"), nb::arg("report"),
             nb::arg("threads"), nb::arg("energy").none(), nb::arg("energy_name"),
             nb::arg("progress").none(), "Trains a run and writes its folder.");
}

}  // namespace thalweg::python
