#include "thalweg/runs/torsion_profile.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "thalweg/core/error.h"
#include "thalweg/core/interrupts.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/core/text.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/table.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/metrics/importance.h"
#include "thalweg/molecules/backbone.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/molecules/z_matrix.h"
#include "thalweg/report/gnuplot.h"
#include "thalweg/runs/ramachandran.h"

namespace thalweg {
namespace {

/// Relative weights of so many frames, the largest ones smoothed: those whose tail the verdict is
/// about.
std::vector<double> weights_of(const std::string& path, std::int64_t frames, FrameWeights& worth) {
  const Array array = read_npy(path);
  if (array.shape.empty() || array.shape.front() != frames || std::ssize(array.values) != frames)
    fail<DataError>("{}: expected a number for each of {} frames, got {}", path, frames,
                    array.values.size());
  double most = -INFINITY;
  for (const double value : array.values) {
    if (std::isnan(value) || value == INFINITY)
      fail<DataError>("{}: expected logarithms of weights, got {}", path, value);
    most = std::max(most, value);
  }
  if (most == -INFINITY) fail<DataError>("{}: all weights are 0", path);
  const SmoothedWeights smoothed = smoothed_weights(array.values);
  worth.effective_share = importance_estimate(smoothed).effective_share;
  if (!std::isnan(smoothed.pareto_k)) worth.pareto_k = smoothed.pareto_k;
  worth.reliable = smoothed.reliable;
  most = std::ranges::max(smoothed.log_weights);
  std::vector<double> weights;
  for (const double value : smoothed.log_weights) weights.push_back(std::exp(value - most));
  return weights;
}

std::string series_name(const TorsionProfileRequest& request, std::size_t file) {
  return file < request.log_weights.size()
             ? request.files[file] + " weighted by " + request.log_weights[file]
             : request.files[file];
}

void check(const TorsionProfileRequest& request) {
  if (request.files.empty() || request.torsions.empty())
    fail<ConfigError>("profile: expected files and torsions, got {} and {}", request.files.size(),
                      request.torsions.size());
  if (!request.out.ends_with(".csv"))
    fail<ConfigError>("--out: expected a .csv file, got '{}'", request.out);
  if (request.log_weights.size() > request.files.size())
    fail<ConfigError>("--log-weights: expected at most one for each of {} files, got {}",
                      request.files.size(), request.log_weights.size());
  std::vector<std::string> different;  // files, of which one may be there with its weights as well
  for (std::size_t i = 0; i < request.files.size(); ++i)
    different.push_back(series_name(request, i));
  different.insert(different.end(), request.torsions.begin(), request.torsions.end());
  std::ranges::sort(different);
  if (const auto twice = std::ranges::adjacent_find(different); twice != different.end())
    fail<ConfigError>("profile: expected different files and torsions, '{}' is there twice",
                      *twice);
  if (request.chains < 1)
    fail<ConfigError>("--chains: expected at least 1, got {}", request.chains);
}

constexpr double kLongestBond = 0.25;  // nm

/// The distance of two atoms of a frame.
double apart(const double* x, std::int64_t one, std::int64_t other) {
  const double *a = x + 3 * one, *b = x + 3 * other;
  return std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
}

/// Neighbours in a list of residues are not bonded where some are missing between them.
void refuse_gap(const std::array<std::int64_t, 4>& angle, const PdbFile& pdb,
                const std::string& name, const std::string& path) {
  const std::vector<std::string> names = atom_names(pdb.atoms, std::ssize(pdb.atoms));
  for (std::size_t i = 0; i < 3; ++i) {
    const double length = apart(pdb.positions.data(), angle[i], angle[i + 1]);
    if (length > kLongestBond)
      fail<DataError>(
          "{}: '{}' is about atoms {} and {}, which are {:.3f} nm apart and not bonded: residues "
          "are missing between them; {} names the same atoms all the same",
          path, name, names[static_cast<std::size_t>(angle[i])],
          names[static_cast<std::size_t>(angle[i + 1])], length, fmt::join(angle, "-"));
  }
}

/// Throws DataError where atoms that are near in the topology are not in half of the frames.
void refuse_other_lengths(const std::array<std::int64_t, 4>& angle, const PdbFile& pdb,
                          const Frames& frames, const std::string& name, const std::string& file) {
  constexpr double kMost = 1.8;  // times as long, or as short
  const auto width = std::ssize(pdb.positions);
  for (std::size_t i = 0; i < 3; ++i) {
    const double expected = apart(pdb.positions.data(), angle[i], angle[i + 1]);
    if (!(expected > 0.0 && expected < kLongestBond)) continue;
    std::vector<double> ratios;
    for (std::ptrdiff_t row = 0; row < std::ssize(frames.positions); row += width)
      ratios.push_back(apart(frames.positions.data() + row, angle[i], angle[i + 1]) / expected);
    const double typical = median(std::move(ratios));
    if (!(typical < kMost && typical > 1.0 / kMost))
      fail<DataError>(
          "{}: atoms {} and {} of the torsion {} are {:.3g} times as far apart as in the topology: "
          "expected positions in nm, with the atoms in the topology's order",
          file, angle[i], angle[i + 1], name, typical);
  }
}

}  // namespace

std::array<std::int64_t, 4> torsion_by_name(const std::string& name,
                                            std::span<const AtomLabel> atoms) {
  std::vector<std::array<std::int64_t, 4>> named;
  for (const BackboneAngles& angles : backbone_angles(atoms)) {
    if (name == "phi " + angles.residue) named.push_back(angles.phi);
    if (name == "psi " + angles.residue) named.push_back(angles.psi);
  }
  if (named.size() > 1)
    fail<ConfigError>("--torsion: {} residues have a '{}': name four atoms by their numbers, as {}",
                      named.size(), name, fmt::join(named.front(), "-"));
  if (!named.empty()) return named.front();
  const std::vector<std::string> parts = split(name, '-');
  if (parts.size() != 4)
    fail<ConfigError>(
        "--torsion: expected four atoms as 1:C-2:N-2:CA-2:C or 4-6-8-14, or the name of a backbone "
        "angle as 'phi ALA 2', got '{}'",
        name);
  const std::vector<std::string> names = atom_names(atoms, std::ssize(atoms));
  std::array<std::int64_t, 4> result{};
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string& part = parts[i];
    const auto found = std::ranges::find(names, part);
    std::int64_t number = found - names.begin();
    if (found == names.end()) {
      const auto [end, error] = std::from_chars(part.data(), part.data() + part.size(), number);
      if (error != std::errc() || end != part.data() + part.size() || number < 0 ||
          number >= std::ssize(atoms))
        fail<ConfigError>(
            "--torsion {}: no atom '{}': expected a number from 0 to {}, or a name as {}", name,
            part, std::ssize(atoms) - 1, names.front());
    }
    if (std::find(result.begin(), result.begin() + static_cast<std::ptrdiff_t>(i), number) !=
        result.begin() + static_cast<std::ptrdiff_t>(i))
      fail<ConfigError>("--torsion {}: expected four different atoms, '{}' is there twice", name,
                        part);
    result[i] = number;
  }
  return result;
}

TorsionProfiles torsion_profiles(const TorsionProfileRequest& request) {
  check(request);
  const PdbFile pdb = read_pdb(request.topology);
  const auto atoms = std::ssize(pdb.atoms);
  TorsionProfiles result;
  std::vector<TorsionProfile>& profiles = result.torsions;
  std::vector<std::array<std::int64_t, 4>> angles;
  for (const std::string& name : request.torsions) {
    angles.push_back(torsion_by_name(name, pdb.atoms));
    if (name.starts_with("phi ") || name.starts_with("psi "))
      refuse_gap(angles.back(), pdb, name, request.topology);
    profiles.push_back({name, {}, {}});
  }
  for (std::size_t number = 0; number < request.files.size(); ++number) {
    const std::string& file = request.files[number];
    check_interrupted();
    if (file.ends_with(".pdb")) refuse_other_atoms(file, pdb.atoms);
    const Frames frames = read_frames(file, atoms);
    if (frames.count() % request.chains != 0)
      fail<DataError>("{}: expected frames of {} chains in turns, and {} are no multiple of that",
                      file, request.chains, frames.count());
    std::vector<double> weights;
    if (number < request.log_weights.size()) {
      result.weights.push_back({.file = file});
      weights = weights_of(request.log_weights[number], frames.count(), result.weights.back());
    }
    const auto width = static_cast<std::size_t>(3 * atoms);
    for (std::size_t i = 0; i < angles.size(); ++i) {
      check_interrupted();
      refuse_other_lengths(angles[i], pdb, frames, request.torsions[i], file);
      std::vector<double> values;
      for (std::size_t row = 0; row < frames.positions.size(); row += width) {
        values.push_back(
            dihedral_angle(std::span(frames.positions).subspan(row, width), angles[i]));
        if (std::isnan(values.back()))
          fail<DataError>(
              "{}: frame {}: the atoms of the torsion {} coincide or lie on a line, which has "
              "none; is the file damaged, or of other atoms?",
              file, row / width, request.torsions[i]);
      }
      profiles[i].series.push_back(
          angle_profile(series_name(request, number), values, request.chains, weights));
    }
  }
  check_interrupted();
  std::vector<std::string> names = {"degrees"};
  for (const TorsionProfile& profile : profiles)
    for (const LineSeries& series : profile.series) {
      names.push_back(fmt::format("{} of {}", profile.torsion, series.name));
      names.push_back(names.back() + " error");
    }
  TableWriter table(request.out, names, FloatType::kFloat64);
  std::vector<double> row;
  for (std::size_t bin = 0; bin < profiles.front().series.front().x.size(); ++bin) {
    row = {profiles.front().series.front().x[bin]};
    for (const TorsionProfile& profile : profiles)
      for (const LineSeries& series : profile.series)
        row.insert(row.end(), {series.y[bin], series.errors[bin]});
    table.append(row);
  }
  table.finish();
  if (!plotting_available()) return result;
  for (std::size_t i = 0; i < profiles.size(); ++i) {
    LineChart chart = angle_profiles("Free energy along " + profiles[i].torsion);
    chart.series = profiles[i].series;
    const std::string stem = request.out.substr(0, request.out.size() - 4) +
                             (profiles.size() > 1 ? fmt::format("-{}", i + 1) : std::string());
    write_plot(chart, stem);
    profiles[i].picture = stem + ".png";
  }
  return result;
}

}  // namespace thalweg
