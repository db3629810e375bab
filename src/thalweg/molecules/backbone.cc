#include "thalweg/molecules/backbone.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

using Vector = std::array<double, 3>;

Vector cross(const Vector& a, const Vector& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}
double dot(const Vector& a, const Vector& b) { return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]; }

struct Residue {
  std::string name, chain, insertion;
  std::int64_t number;
  std::optional<std::int64_t> n, ca, c, cb;
};

std::vector<Residue> residues_of(std::span<const AtomLabel> atoms) {
  std::vector<Residue> residues;
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    const AtomLabel& atom = atoms[i];
    if (residues.empty() || residues.back().number != atom.residue_number ||
        residues.back().insertion != atom.insertion || residues.back().name != atom.residue ||
        residues.back().chain != atom.chain)
      residues.push_back(
          {atom.residue, atom.chain, atom.insertion, atom.residue_number, {}, {}, {}, {}});
    const auto index = static_cast<std::int64_t>(i);
    if (atom.name == "N") residues.back().n = index;
    if (atom.name == "CA") residues.back().ca = index;
    if (atom.name == "C") residues.back().c = index;
    if (atom.name == "CB") residues.back().cb = index;
  }
  return residues;
}

/// As "ALA 2", and "ALA 2 B" where there are several chains.
std::string label_of(const std::string& name, std::int64_t number, const std::string& insertion,
                     const std::string& chain, bool chains) {
  return fmt::format("{} {}{}{}", name, number, insertion,
                     chains && !chain.empty() ? " " + chain : "");
}

}  // namespace

std::vector<BackboneAngles> backbone_angles(std::span<const AtomLabel> atoms,
                                            std::span<const HarmonicBond> bonds) {
  const std::vector<Residue> residues = residues_of(atoms);
  const bool chains = has_chains(atoms);
  const auto bonded = [&](std::int64_t c, std::int64_t n) {
    return bonds.empty() || std::ranges::any_of(bonds, [&](const HarmonicBond& bond) {
             const auto [one, other] = bond.atoms;
             return (one == c && other == n) || (one == n && other == c);
           });
  };
  std::vector<BackboneAngles> angles;
  for (std::size_t i = 1; i + 1 < residues.size(); ++i) {
    const Residue &before = residues[i - 1], &own = residues[i], &after = residues[i + 1];
    if (before.chain != own.chain || after.chain != own.chain) continue;
    if (!before.c || !own.n || !own.ca || !own.c || !after.n) continue;
    if (!bonded(*before.c, *own.n) || !bonded(*own.c, *after.n)) continue;
    angles.push_back({label_of(own.name, own.number, own.insertion, own.chain, chains),
                      {*before.c, *own.n, *own.ca, *own.c},
                      {*own.n, *own.ca, *own.c, *after.n}});
  }
  return angles;
}

std::vector<AlphaCarbon> alpha_carbons(std::span<const AtomLabel> atoms) {
  const bool chains = has_chains(atoms);
  const auto number = [](std::optional<std::int64_t> atom) {
    return static_cast<std::size_t>(*atom);
  };
  std::vector<AlphaCarbon> result;
  for (const Residue& own : residues_of(atoms))
    if (own.n && own.ca && own.c && own.cb)
      result.push_back({label_of(own.name, own.number, own.insertion, own.chain, chains),
                        number(own.n), number(own.ca), number(own.c), number(own.cb)});
  return result;
}

double dihedral_angle(std::span<const double> row, const std::array<std::int64_t, 4>& atoms) {
  const auto apart = [&](std::size_t a, std::size_t b) {
    Vector result;
    for (std::size_t axis = 0; axis < 3; ++axis)
      result[axis] = row[3 * static_cast<std::size_t>(atoms[a]) + axis] -
                     row[3 * static_cast<std::size_t>(atoms[b]) + axis];
    return result;
  };
  const Vector f = apart(0, 1), g = apart(1, 2), h = apart(3, 2);
  const Vector a = cross(f, g), b = cross(h, g);
  if (dot(a, a) == 0.0 || dot(b, b) == 0.0) return NAN;
  return std::atan2(-std::sqrt(dot(g, g)) * dot(b, f), dot(a, b));
}

std::vector<double> alpha_carbon_forms(std::span<const double> positions, std::int64_t atoms,
                                       std::span<const AlphaCarbon> carbons) {
  std::vector<double> result;
  for (std::size_t row = 0; row < positions.size(); row += 3 * static_cast<std::size_t>(atoms))
    for (const auto& [residue, n, ca, c, cb] : carbons) {
      std::array<std::array<double, 3>, 3> arms{};
      const std::array<std::size_t, 3> ends = {n, c, cb};
      for (std::size_t arm = 0; arm < 3; ++arm)
        for (std::size_t axis = 0; axis < 3; ++axis)
          arms[arm][axis] = positions[row + 3 * ends[arm] + axis] - positions[row + 3 * ca + axis];
      const auto& [a, b, d] = arms;
      const double volume = a[0] * (b[1] * d[2] - b[2] * d[1]) +
                            a[1] * (b[2] * d[0] - b[0] * d[2]) + a[2] * (b[0] * d[1] - b[1] * d[0]);
      result.push_back(volume >= 0.0 ? 1.0 : -1.0);
    }
  return result;
}

std::vector<BackboneRows> backbone_rows(std::span<const double> positions, std::int64_t atoms,
                                        std::span<const BackboneAngles> angles) {
  std::vector<BackboneRows> result;
  const auto width = static_cast<std::size_t>(3 * atoms);
  for (const BackboneAngles& each : angles) {
    BackboneRows& own = result.emplace_back();
    own.residue = each.residue;
    for (std::size_t row = 0; row < positions.size(); row += width) {
      own.phi.push_back(dihedral_angle(positions.subspan(row, width), each.phi));
      own.psi.push_back(dihedral_angle(positions.subspan(row, width), each.psi));
    }
  }
  return result;
}

}  // namespace thalweg
