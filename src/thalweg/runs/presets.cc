#include "thalweg/runs/presets.h"

#include <algorithm>

namespace thalweg {

namespace {

/// The two-dimensional experiments of Stimper, Schoelkopf, Hernandez-Lobato 2022, section 4.1, with
/// the settings of their code: eight blocks of coupling, swap and ActNorm, weight decay as a
/// penalty inside of Adam.
RunOptions plane(const char* target, bool resampled) {
  RunOptions options;
  options.target.name = target;
  options.model.flow.blocks = 8;
  options.model.flow.hidden = {32, 32};
  options.model.base.kind = resampled ? "resampled" : "normal";
  options.model.base.hidden = {256, 256};
  options.training.iterations = 20000;
  options.training.batch_size = 1024;
  options.training.learning_rate = 1e-3;
  options.training.weight_decay = 1e-3;
  return options;
}

/// The residual flow there.
RunOptions plane_residual(const char* target) {
  RunOptions options = plane(target, false);
  options.model.flow.kind = "residual";
  options.model.flow.blocks = 16;
  options.training.weight_decay = 1e-5;
  return options;
}

/// Circular splines on two angles.
RunOptions angles() {
  RunOptions options = plane("two_angles", false);
  options.model.columns = angle_columns(2);
  options.model.flow.kind = "spline";
  options.model.flow.act_norm = false;
  options.training.iterations = 3000;
  options.training.weight_decay = 0.0;
  return options;
}

/// The double well of Wu, Koehler, Noe 2020 with their settings: three blocks of two couplings,
/// each followed by 20 Metropolis moves; steps by likelihood, then by likelihood and energy in
/// equal parts.
RunOptions double_well() {
  RunOptions options;
  options.target.name = "double_well";
  options.target.samples = 10000;
  options.model.flow.blocks = 6;
  options.model.flow.hidden = {64, 64};
  options.model.flow.scale_map = "tanh";
  options.model.flow.act_norm = false;
  options.model.stochastic.kinds = {"metropolis"};
  options.model.stochastic.every = 2;
  options.model.stochastic.moves.steps = 20;
  options.model.stochastic.moves.step_size = 0.25;
  options.model.stochastic.prior_layer = true;
  options.training.objective = "mixed";
  options.training.iterations = 600;
  options.training.likelihood_steps = 300;
  options.training.batch_size = 128;
  options.training.learning_rate = 5e-3;
  return options;
}

}  // namespace

const std::vector<Preset>& presets() {
  static const std::vector<Preset> list = {
      {"rings-normal", "two rings, real NVP with a Gaussian base",
       [] { return plane("two_rings", false); }},
      {"rings-resampled", "two rings, real NVP with a resampled base",
       [] { return plane("two_rings", true); }},
      {"moons-normal", "dual moon, real NVP with a Gaussian base",
       [] { return plane("dual_moon", false); }},
      {"moons-resampled", "dual moon, real NVP with a resampled base",
       [] { return plane("dual_moon", true); }},
      {"circle-normal", "eight Gaussians on a circle, real NVP with a Gaussian base",
       [] { return plane("circle_of_gaussians", false); }},
      {"circle-resampled", "eight Gaussians on a circle, real NVP with a resampled base",
       [] { return plane("circle_of_gaussians", true); }},
      {"rings-residual", "two rings, residual flow with a Gaussian base",
       [] { return plane_residual("two_rings"); }},
      {"angles", "two angles, circular splines on a uniform base", angles},
      {"double-well", "two wells, a stochastic flow: real NVP and Metropolis moves", double_well},
      {"tabular", "your own points (--data): sizes and stopping are chosen from the data",
       [] { return RunOptions(); }},
  };
  return list;
}

const Preset* find_preset(std::string_view name) {
  const auto found = std::find_if(presets().begin(), presets().end(),
                                  [&](const Preset& preset) { return preset.name == name; });
  return found == presets().end() ? nullptr : &*found;
}

}  // namespace thalweg
