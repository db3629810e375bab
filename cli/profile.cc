// thalweg profile: free energies along torsions.
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "thalweg/runs/torsion_profile.h"

namespace thalweg::cli {

void add_profile(CLI::App& app) {
  CLI::App* command = app.add_subcommand("profile", "Free energies along torsions of a molecule");
  auto request = std::make_shared<TorsionProfileRequest>();
  command
      ->add_option("FILE", request->files,
                   "positions: a trajectory, or samples of a molecule; .npy, .dcd, .nc or .pdb. "
                   "Several are set side by side")
      ->required();
  command->add_option("--topology", request->topology, "a PDB with the names of the atoms")
      ->required();
  command
      ->add_option("--torsion", request->torsions,
                   "four atoms, as 1:C-2:N-2:CA-2:C or by their numbers from 0 as 4-6-8-14, or a "
                   "backbone angle as \"phi ALA 2\"; may be given several times")
      ->required()
      ->allow_extra_args(false);
  command
      ->add_option("--log-weights", request->log_weights,
                   ".npy with the logarithms of the weights of a FILE's frames, as `sample` writes "
                   "it; given again for each further FILE, in their order; FILEs may be more")
      ->allow_extra_args(false);
  command
      ->add_option("--chains", request->chains,
                   "replicas or chains whose frames take turns in the files: errors are by how "
                   "they differ, where they are at least 4")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 20));
  command->add_option("--out", request->out, ".csv to write; pictures go beside it")->required();
  command->footer(
      "Examples:\n"
      "  thalweg profile md/trajectory.npy --chains 16 --topology start.pdb \\\n"
      "      --torsion \"phi ALA 2\" --torsion 16-14-8-6 --out profile.csv\n"
      "  thalweg profile samples.dcd --log-weights samples.dcd.log_weight.npy \\\n"
      "      --topology start.pdb --torsion 1:CH3-1:C-2:N-2:CA --out omega.csv");
  command->callback([request] {
    const StopsByInterrupt stops;
    const TorsionProfiles found = torsion_profiles(*request);
    fmt::print("{}: free energies in kT, with standard errors\n", request->out);
    for (const TorsionProfile& profile : found.torsions)
      if (!profile.picture.empty()) fmt::print("  {}: {}\n", profile.torsion, profile.picture);
    if (found.torsions.front().picture.empty())
      fmt::print(stderr, "note: no pictures, for which gnuplot is needed\n");
    for (const FrameWeights& weights : found.weights) {
      fmt::print(
          "  {}: effective share {:.4f} of the frames (Kish, the largest weights smoothed){}\n",
          weights.file, weights.effective_share,
          weights.pareto_k ? fmt::format(", Pareto k {:.3f}", *weights.pareto_k) : "");
      if (!weights.reliable)
        fmt::print(stderr,
                   "warning: {}: {}, so that neither the free energies nor their errors are "
                   "reliable\n",
                   weights.file,
                   weights.pareto_k ? "the weights have a tail too heavy for what they give"
                                    : "too few frames to tell what their weights are worth");
    }
  });
}

}  // namespace thalweg::cli
