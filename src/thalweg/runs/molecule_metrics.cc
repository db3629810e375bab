#include "thalweg/runs/molecule_metrics.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/datasets/matrix.h"
#include "thalweg/metrics/marginal_divergence.h"
#include "thalweg/metrics/particle_observables.h"
#include "thalweg/molecules/backbone.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/sampling/flow_sampler.h"

namespace thalweg {
namespace {

std::size_t bin_of(double angle, std::int64_t bins) {
  const double turn = (angle + std::numbers::pi) / (2.0 * std::numbers::pi);
  const double place = (turn - std::floor(turn)) * static_cast<double>(bins);
  return std::min(static_cast<std::size_t>(place), static_cast<std::size_t>(bins - 1));
}

CircleDistance count_distance(const std::vector<std::size_t>& values,
                              const std::vector<std::size_t>& reference, std::size_t bins) {
  if (values.empty() || reference.empty())
    fail<ShapeError>("angles: expected values to compare, got {} and {}", values.size(),
                     reference.size());
  std::vector<double> p(bins, 0.0), q(bins, 0.0);
  for (const std::size_t bin : reference) p[bin] += 1.0 / static_cast<double>(reference.size());
  for (const std::size_t bin : values) q[bin] += 1.0 / static_cast<double>(values.size());
  CircleDistance result;
  for (std::size_t i = 0; i < bins; ++i) {
    result.variation += 0.5 * std::abs(p[i] - q[i]);
    if (p[i] > 0.0)
      result.divergence +=
          p[i] * std::log(p[i] / std::max(q[i], 0.5 / static_cast<double>(values.size())));
  }
  return result;
}

/// Angles that are none are left out.
std::vector<std::size_t> circle_bins(std::span<const double> values, std::int64_t bins) {
  std::vector<std::size_t> result;
  for (const double value : values)
    if (std::isfinite(value)) result.push_back(bin_of(value, bins));
  return result;
}

std::vector<std::size_t> torus_bins(const BackboneRows& rows, std::int64_t bins) {
  std::vector<std::size_t> result;
  for (std::size_t i = 0; i < rows.phi.size(); ++i)
    if (std::isfinite(rows.phi[i]) && std::isfinite(rows.psi[i]))
      result.push_back(bin_of(rows.phi[i], bins) * static_cast<std::size_t>(bins) +
                       bin_of(rows.psi[i], bins));
  return result;
}

/// The share of forms that are not those that most of the data have at their carbon; by rows x
/// carbons, L, 1, where the data are none.
double share_of_other_forms(const std::vector<double>& forms, const std::vector<double>& of_data,
                            std::size_t carbons) {
  std::vector<double> sums(carbons, 0.0);
  for (std::size_t i = 0; i < of_data.size(); ++i) sums[i % carbons] += of_data[i];
  std::size_t others = 0;
  for (std::size_t i = 0; i < forms.size(); ++i)
    others += (forms[i] > 0.0) != (sums[i % carbons] >= 0.0) ? 1 : 0;
  return static_cast<double>(others) / static_cast<double>(forms.size());
}

/// The share of drawn rows that are not the columns of their own positions, `back`: torsions on a
/// line beyond half a turn, components of anchors that would be superposed otherwise.
double share_of_lost(const LoadedRun& run, std::span<const double> drawn,
                     std::span<const double> back) {
  constexpr double kApart = 1e-6;
  const auto& coordinates = run.model->flow().coordinates()->coordinates();
  const std::size_t width = coordinates.size();
  std::int64_t lost = 0;
  for (std::size_t row = 0; row < drawn.size(); row += width) {
    bool same = true;
    for (std::size_t i = 0; i < width; ++i) {
      double apart = back[row + i] - drawn[row + i];
      if (coordinates[i].kind == InternalKind::kTorsion && run.options.molecule.torsions != "line")
        apart = std::remainder(apart, 2.0 * std::numbers::pi);
      same = same && std::abs(apart) < kApart;
    }
    lost += same ? 0 : 1;
  }
  return static_cast<double>(lost) / static_cast<double>(drawn.size() / width);
}

/// Divergences of all columns' marginals, and of torsions one by one as they are published.
void add_marginals(std::vector<Metric>& metrics, const LoadedRun& run, std::span<const double> x,
                   std::span<const double> drawn, bool as_published) {
  const std::vector<ColumnOptions>& columns = run.options.model.columns;
  const auto& coordinates = run.model->flow().coordinates()->coordinates();
  std::vector<double> nats, published;
  std::vector<Metric> torsions;
  double mean = 0.0, by_chance = 0.0, published_mean = 0.0;
  const auto width = static_cast<double>(columns.size());
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const bool torsion = coordinates[i].kind == InternalKind::kTorsion;
    const std::vector<double> theirs = take_column(x, columns.size(), i);
    const std::vector<double> own = take_column(drawn, columns.size(), i);
    const MarginalDivergence found = marginal_divergence(standardised_pair(own, theirs, torsion));
    nats.push_back(found.nats);
    published.push_back(found.as_published);
    mean += found.nats / width;
    by_chance += found.by_chance / width;
    published_mean += found.as_published / width;
    if (!torsion) continue;
    const std::string& name = columns[i].name;
    torsions.push_back({"divergence of " + name, name + ", nats",
                        circle_distance(own, theirs, kTorsionBins).divergence, 0.0, 4});
    torsions.push_back({"published divergence of " + name, name + ", as published",
                        torsion_divergence_as_published(own, theirs), 0.0, 4});
  }
  metrics.push_back({"marginal_divergence",
                     fmt::format("KL of {} marginals, mean, nats", columns.size()), mean, 0.0, 5});
  metrics.push_back({"median_marginal_divergence", "  median", median(nats), 0.0, 5});
  metrics.push_back({"marginal_chance", "  of so many equal samples", by_chance, 0.0, 5});
  if (!as_published) return;
  metrics.push_back({"marginal_divergence_as_published", "KL of marginals as published, mean",
                     published_mean, 0.0, 5});
  metrics.push_back({"median_marginal_divergence_as_published",
                     "KL of marginals as published, median", median(published), 0.0, 5});
  metrics.insert(metrics.end(), torsions.begin(), torsions.end());
}

}  // namespace

std::vector<BackboneRows> backbone_rows(const LoadedRun& run, std::span<const double> positions) {
  const std::vector<AtomLabel> atoms = molecule_atoms(run.options.model);
  return backbone_rows(positions, std::ssize(atoms), backbone_angles(atoms));
}

std::vector<TorsionRows> torsion_rows(const LoadedRun& run, std::span<const double> rows) {
  const std::vector<ColumnOptions>& columns = run.options.model.columns;
  const auto& coordinates = run.model->flow().coordinates()->coordinates();
  std::vector<TorsionRows> result;
  for (std::size_t column = 0; column < columns.size(); ++column) {
    if (coordinates[column].kind != InternalKind::kTorsion) continue;
    TorsionRows& own = result.emplace_back();
    own.name = columns[column].name;
    for (std::size_t i = column; i < rows.size(); i += columns.size())
      own.values.push_back(rows[i]);
  }
  return result;
}

CircleDistance circle_distance(std::span<const double> values, std::span<const double> reference,
                               std::int64_t bins) {
  return count_distance(circle_bins(values, bins), circle_bins(reference, bins),
                        static_cast<std::size_t>(bins));
}

CircleDistance torus_distance(const BackboneRows& values, const BackboneRows& reference,
                              std::int64_t bins) {
  for (const BackboneRows* rows : {&values, &reference})
    if (rows->phi.size() != rows->psi.size())
      fail<ShapeError>("angles: expected as many psi as phi, got {} and {}", rows->psi.size(),
                       rows->phi.size());
  return count_distance(torus_bins(values, bins), torus_bins(reference, bins),
                        static_cast<std::size_t>(bins * bins));
}

std::vector<double> molecule_energies(const LoadedRun& run, std::span<const double> rows,
                                      ThreadPool& pool) {
  const std::shared_ptr<const Target> target = run.target();
  if (!target || rows.empty()) return {};
  std::vector<double> energies = log_volumes(*run.model->flow().coordinates(), rows, pool);
  const std::vector<double> log_density = target_log_density(target, pool)(rows);
  for (std::size_t i = 0; i < energies.size(); ++i) energies[i] -= log_density[i];
  return energies;
}

std::vector<double> chirality(const LoadedRun& run, std::span<const double> positions) {
  const std::vector<AtomLabel> atoms = molecule_atoms(run.options.model);
  const std::vector<AlphaCarbon> carbons = alpha_carbons(atoms);
  if (carbons.empty()) return {};  // without names of atoms there is no width of a row either
  return alpha_carbon_forms(positions, std::ssize(atoms), carbons);
}

double frame_gain(const LoadedRun& run, std::span<const double> rows, ThreadPool& pool) {
  const std::vector<double> volumes =
      log_volumes(*run.model->flow().coordinates(), rows, pool, VolumePart::kFrame);
  double sum = 0.0;
  for (const double volume : volumes) sum += volume;
  return sum / static_cast<double>(volumes.size());
}

std::vector<Metric> molecule_metrics(const LoadedRun& run, const HeldOut& points,
                                     std::int64_t draws, bool as_published, std::uint64_t seed,
                                     ThreadPool& pool) {
  std::vector<Metric> metrics;
  const InternalCoordinates& coordinates = *run.model->flow().coordinates();
  const std::vector<double> drawn =
      FlowSampler(*run.model, pool, seed, Precision::kDouble).next(draws);
  const std::vector<double> positions = position_rows(coordinates, drawn, pool);
  const std::vector<double> known = position_rows(coordinates, points.x, pool);
  if (!points.x.empty()) {
    double variation = 0.0, divergence = 0.0, worst = -1.0;
    std::string worst_name;
    const std::vector<TorsionRows> theirs = torsion_rows(run, points.x);
    const std::vector<TorsionRows> own = torsion_rows(run, drawn);
    for (std::size_t i = 0; i < own.size(); ++i) {
      const CircleDistance distance =
          circle_distance(own[i].values, theirs[i].values, kTorsionBins);
      variation += distance.variation / static_cast<double>(own.size());
      divergence += distance.divergence / static_cast<double>(own.size());
      if (distance.variation > worst) worst_name = own[i].name;
      worst = std::max(worst, distance.variation);
    }
    if (!own.empty()) {
      metrics.push_back({"torsion_variation",
                         fmt::format("total variation of torsions, {} bins", kTorsionBins),
                         variation, 0.0, 4});
      metrics.push_back({"worst_torsion_variation", "  of " + worst_name, worst, 0.0, 4});
      metrics.push_back(
          {"torsion_divergence", "KL(data || samples) of torsions, nats", divergence, 0.0, 4});
    }
    add_marginals(metrics, run, points.x, drawn, as_published);
    const std::vector<BackboneRows> data = backbone_rows(run, known);
    const std::vector<BackboneRows> samples = backbone_rows(run, positions);
    for (std::size_t i = 0; i < data.size(); ++i) {
      const CircleDistance distance = torus_distance(samples[i], data[i], kRamachandranBins);
      const std::string suffix = data.size() == 1 ? "" : fmt::format("_{}", i);
      metrics.push_back({"ramachandran_variation" + suffix,
                         fmt::format("total variation of phi, psi, {} x {}", kRamachandranBins,
                                     kRamachandranBins),
                         distance.variation, 0.0, 4});
      metrics.push_back({"ramachandran_divergence" + suffix,
                         "KL(data || samples) of phi, psi, nats", distance.divergence, 0.0, 4});
      if (as_published)
        metrics.push_back({"ramachandran_divergence_as_published" + suffix,
                           "phi, psi as published, thousandths",
                           plane_divergence_as_published(samples[i].phi, samples[i].psi,
                                                         data[i].phi, data[i].psi),
                           0.0, 3});
    }
  }
  if (coordinates.anchors() != nullptr || run.options.molecule.torsions == "line")
    metrics.push_back({"lost_draws", "share of draws beyond what positions have",
                       share_of_lost(run, drawn, internal_rows(coordinates, positions, pool)), 0.0,
                       5});
  if (const std::vector<double> forms = chirality(run, positions); !forms.empty()) {
    const std::size_t carbons = alpha_carbons(molecule_atoms(run.options.model)).size();
    metrics.push_back({"wrong_chirality", "share of alpha carbons of another form than the data's",
                       share_of_other_forms(forms, chirality(run, known), carbons), 0.0, 5});
  }
  const std::vector<double> energies = molecule_energies(run, drawn, pool);
  if (energies.empty()) return metrics;
  metrics.push_back({"median_energy", "median energy of samples, kT", median(energies), 0.0, 3});
  const std::vector<double> others = molecule_energies(run, points.x, pool);
  if (others.empty()) return metrics;
  metrics.push_back({"held_out_median_energy", "  of held-out rows", median(others), 0.0, 3});
  metrics.push_back({"energy_variation", "total variation of energies",
                     histogram_distance(energies, others), 0.0, 4});
  return metrics;
}

}  // namespace thalweg
