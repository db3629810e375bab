#include "thalweg/runs/molecule_data.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <map>
#include <numbers>

#include "thalweg/core/error.h"
#include "thalweg/core/quantiles.h"
#include "thalweg/datasets/matrix.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/model.h"
#include "thalweg/metrics/weighted_columns.h"
#include "thalweg/molecules/backbone.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/named_system.h"

namespace thalweg {
namespace {

/// Rows through a graph of one input and one or two outputs.
std::vector<std::vector<double>> through(std::int64_t width, std::span<const double> rows,
                                         ThreadPool& pool,
                                         const std::function<std::vector<Value>(Value)>& build) {
  const ParameterStore none;
  Graph graph(none);
  const std::vector<Value> outputs = build(graph.input({width, 1}));
  return RowMap(graph, outputs, pool).run({.rows = std::ssize(rows) / width, .inputs = {rows}});
}

std::shared_ptr<const InternalCoordinates> coordinates_of(const ModelOptions& model) {
  auto coordinates = make_internal_coordinates(model.molecule);
  if (!coordinates) fail<ConfigError>("molecule.rows: expected a z-matrix, got none");
  return coordinates;
}

constexpr const char* kChooseOthers =
    "they lie on a line, or are turned by half a turn against each other; choose atoms that move "
    "less against each other by --z-matrix, or molecule.anchors = \"internal\"";

/// Bonds of atoms with their lengths in nm, by the system or, without one, by the distances of the
/// PDB.
struct KnownMolecule {
  std::int64_t count = 0;
  std::vector<AtomLabel> atoms;
  std::vector<AtomPair> bonds;
  std::map<AtomPair, double> lengths;
  std::map<AtomPair, double> deviations;  ///< of each by the system at its temperature; or empty
  std::string source;
};

KnownMolecule read_molecule(const RunOptions& options) {
  const TargetOptions& target = options.target;
  const std::string& topology = options.molecule.topology;
  if (!target.system.empty()) {
    const NamedSystem named = read_named_system(target.system, target.solvent, topology);
    for (const std::string& warning : element_warnings(named))
      fail<DataError>("{}: {}", topology.empty() ? target.system : topology, warning);
    std::map<AtomPair, double> lengths, deviations;
    for (const HarmonicBond& bond : named.system.bonds) {
      const AtomPair atoms = std::minmax(bond.atoms[0], bond.atoms[1]);
      lengths[atoms] = bond.length;
      if (bond.stiffness > 0.0)
        deviations[atoms] = std::sqrt(kBoltzmann * target.system_temperature / bond.stiffness);
    }
    return {named.system.atoms(), named.atoms,           bonds_of(named.system),
            std::move(lengths),   std::move(deviations), target.system};
  }
  const PdbFile pdb = read_pdb(topology);
  const std::span<const double> first(pdb.positions.data(), 3 * pdb.atoms.size());
  std::vector<AtomPair> bonds = bonds_by_distance(pdb.atoms, first, topology);
  std::map<AtomPair, double> lengths;
  for (const auto& [a, b] : bonds) {
    const double *from = &first[3 * static_cast<std::size_t>(a)],
                 *to = &first[3 * static_cast<std::size_t>(b)];
    lengths[{a, b}] = std::hypot(from[0] - to[0], from[1] - to[1], from[2] - to[2]);
  }
  return {std::ssize(pdb.atoms), pdb.atoms, std::move(bonds), std::move(lengths), {}, topology};
}

/// Frames of the molecule's atoms, which must not overlap to be learnt from.
Frames read_checked_frames(const std::string& path, const ModelOptions& model,
                           FrameUse use = FrameUse::kLearnt) {
  const std::vector<AtomLabel> atoms = molecule_atoms(model);
  if (path.ends_with(".pdb") && !atoms.empty()) refuse_other_atoms(path, atoms);
  Frames frames = read_frames(path, std::ssize(model.molecule.rows));
  if (use == FrameUse::kLearnt) refuse_overlaps(frames.positions, frames.atoms, path);
  return frames;
}

/// Throws where a bond of the z-matrix is as long as none is, of frames to be judged where that is
/// so in most. Superposed anchors need no bonds.
void check_bond_lengths(const Frames& frames, const InternalCoordinates& coordinates,
                        std::span<const std::string> names, const std::string& path, FrameUse use) {
  const auto first = static_cast<std::size_t>(
      coordinates.anchors() != nullptr ? coordinates.anchors()->atoms() : 1);
  constexpr double kShortest = 0.05, kLongest = 0.3;  // nm
  const auto width = static_cast<std::size_t>(coordinates.positions());
  const std::int64_t allowed = use == FrameUse::kJudged ? frames.count() / 2 : 0;
  std::int64_t bad = 0;
  for (std::size_t frame = 0; frame * width < frames.positions.size(); ++frame)
    for (std::size_t i = first; i < coordinates.rows().size(); ++i) {
      const ZMatrixRow& row = coordinates.rows()[i];
      const double* a = &frames.positions[frame * width + 3 * static_cast<std::size_t>(row.atom)];
      const double* b =
          &frames.positions[frame * width + 3 * static_cast<std::size_t>(row.bond_to)];
      const double apart = std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
      if (apart >= kShortest && apart <= kLongest) continue;
      if (++bad > allowed)
        fail<DataError>(
            "{}: frame {}: atoms {} and {} are bonded and {:.3f} nm apart, expected {} to {}: are "
            "the atoms in the order of the topology, and positions in nm?",
            path, frame, names[static_cast<std::size_t>(row.atom)],
            names[static_cast<std::size_t>(row.bond_to)], apart, kShortest, kLongest);
      break;  // one a frame
    }
}

/// Lengths of a bond in at most 2 000 frames.
std::vector<double> lengths_of(const Frames& frames, const AtomPair& bond) {
  constexpr std::int64_t kMost = 2000;
  const auto width = static_cast<std::size_t>(3 * frames.atoms);
  std::vector<double> lengths;
  for (const std::int64_t frame : evenly_spaced_rows(frames.count(), kMost)) {
    const double* row = &frames.positions[static_cast<std::size_t>(frame) * width];
    const double *a = row + 3 * bond.first, *b = row + 3 * bond.second;
    lengths.push_back(std::hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]));
  }
  return lengths;
}

/// Throws where a bond of the z-matrix, superposed anchors among them, is usually not as long as it
/// is to be.
void check_usual_lengths(const Frames& frames, std::span<const ZMatrixRow> rows,
                         const KnownMolecule& molecule, const std::string& path) {
  constexpr double kOff = 0.03;  // nm; no temperature moves a median by as much
  const std::vector<std::string> names = atom_names(molecule.atoms, molecule.count);
  for (const ZMatrixRow& row : rows.subspan(1)) {
    const auto found = molecule.lengths.find(std::minmax(row.atom, row.bond_to));
    if (found == molecule.lengths.end()) continue;
    const auto& [bond, length] = *found;
    const double usual = median(lengths_of(frames, bond));
    if (std::abs(usual - length) > kOff)
      fail<DataError>(
          "{}: bond {}-{} is {:.3f} nm long in the middle of all frames, and {:.3f} nm by {}: the "
          "atoms are in another order than those of the topology",
          path, names[static_cast<std::size_t>(bond.first)],
          names[static_cast<std::size_t>(bond.second)], usual, length, molecule.source);
  }
}

/// A sentence where frames have alpha carbons of both forms, or nothing.
std::string two_forms_text(const Frames& frames, std::span<const AtomLabel> atoms) {
  const std::vector<AlphaCarbon> carbons = alpha_carbons(atoms);
  if (carbons.empty()) return "";
  const std::vector<double> forms =
      alpha_carbon_forms(frames.positions, std::ssize(atoms), carbons);
  std::vector<std::string> both;
  for (std::size_t carbon = 0; carbon < carbons.size(); ++carbon) {
    std::int64_t positive = 0;
    for (std::size_t i = carbon; i < forms.size(); i += carbons.size())
      positive += forms[i] > 0.0 ? 1 : 0;
    if (const std::int64_t others = std::min(positive, frames.count() - positive); others > 0)
      both.push_back(
          fmt::format("of {} in {} of {} frames", carbons[carbon].residue, others, frames.count()));
  }
  if (both.empty()) return "";
  return fmt::format(
      "the alpha carbon {} has the other form, L or D, than in the rest: a density of both is "
      "learnt, in which each weighs as much as it has frames; leave out what is not meant, as "
      "mirror images",
      fmt::join(both, ", "));
}

/// A sentence where bonds hardly move, as constraints hold them, or nothing.
std::string stiff_bonds_text(const Frames& frames, std::span<const ZMatrixRow> rows,
                             const KnownMolecule& molecule) {
  constexpr double kStiff = 0.1;  // of the deviation that the system's spring has
  constexpr std::int64_t kFewest = 20;
  std::int64_t stiff = 0;
  if (frames.count() < kFewest) return "";
  for (const ZMatrixRow& row : rows.subspan(1)) {
    const auto found = molecule.deviations.find(std::minmax(row.atom, row.bond_to));
    if (found == molecule.deviations.end()) continue;
    const auto& [bond, deviation] = *found;
    const std::vector<double> lengths = lengths_of(frames, bond);
    const auto count = static_cast<double>(lengths.size());
    double sum = 0.0, square = 0.0;
    for (const double length : lengths) sum += length / count;
    for (const double length : lengths) square += (length - sum) * (length - sum) / count;
    stiff += std::sqrt(square) < kStiff * deviation ? 1 : 0;
  }
  if (stiff == 0) return "";
  return fmt::format(
      "in {} of the bonds the length varies by less than a tenth of what the system's springs "
      "give: "
      "frames of dynamics with constraints, whose density is not that of the system, and whose "
      "likelihood has nothing but rounding of those bonds in it",
      stiff);
}

/// All that a bond, or an angle, can be.
std::string bounds_text(const std::string& name, InternalKind kind) {
  return kind == InternalKind::kBond ? fmt::format("{}=0:", name)
                                     : fmt::format("{}=0:{}", name, std::numbers::pi);
}

/// Bounds, by name of column, that keep alpha carbons in the form that they have in the rows: the
/// sign of the torsion by which one of N, C and CB is placed about the others is that of the form.
std::map<std::string, std::string> form_bounds(const Table& table,
                                               const InternalCoordinates& coordinates,
                                               std::span<const AtomLabel> atoms,
                                               const std::string& path) {
  const std::vector<AlphaCarbon> carbons = alpha_carbons(atoms);
  if (carbons.empty())
    fail<ConfigError>(
        "molecule.chirality: expected a molecule with alpha carbons, residues with N, CA, C and CB "
        "by the names of atoms in --topology, got none");
  std::map<std::string, std::string> bounds;
  for (const AlphaCarbon& carbon : carbons) {
    const auto of_form = [&](const InternalCoordinate& coordinate) {
      const ZMatrixRow& row = coordinate.row;
      const auto arm = [&](std::int32_t atom) {
        const auto number = static_cast<std::size_t>(atom);
        return number == carbon.n || number == carbon.c || number == carbon.cb;
      };
      return coordinate.kind == InternalKind::kTorsion &&
             static_cast<std::size_t>(row.bond_to) == carbon.ca && arm(row.atom) &&
             arm(row.angle_to) && arm(row.torsion_to);
    };
    const auto found = std::ranges::find_if(coordinates.coordinates(), of_form);
    if (found == coordinates.coordinates().end())
      fail<ConfigError>(
          "molecule.chirality: expected a z-matrix that places one of N, C and CB of {} by CA and "
          "the two others, whose torsion tells the form{}",
          carbon.residue,
          coordinates.anchors() != nullptr
              ? ": superposed anchors have none; give one of them a row, or set "
                "molecule.anchors = \"internal\""
              : "; without molecule.z_matrix one is made");
    const auto column = static_cast<std::size_t>(found - coordinates.coordinates().begin());
    const std::vector<double> values = take_column(table.values, table.names.size(), column);
    const bool positive = std::sin(values.front()) > 0.0;
    for (std::size_t row = 0; row < values.size(); ++row)
      if ((std::sin(values[row]) > 0.0) != positive)
        fail<DataError>(
            "{}: frame {}: the alpha carbon of {} has another form, L or D, than in frame 0, and "
            "molecule.chirality = \"fixed\" wants one: leave out such frames",
            path, row, carbon.residue);
    const std::string& name = table.names[column];
    bounds[name] = positive ? fmt::format("{}=0:{}", name, std::numbers::pi)
                            : fmt::format("{}={}:0", name, -std::numbers::pi);
  }
  return bounds;
}

constexpr std::int64_t kMostAnchors = 50;

/// The first `count` atoms of the z-matrix along their principal components over frames of `path`,
/// superposed on their mean.
EckartFrame principal_anchors(const Frames& frames, std::span<const ZMatrixRow> rows,
                              std::int64_t count, const std::string& path) {
  std::vector<std::int32_t> places;
  for (const ZMatrixRow& row : rows.first(static_cast<std::size_t>(count)))
    places.push_back(row.atom);
  std::vector<double> positions;
  for (std::int64_t frame = 0; frame < frames.count(); ++frame)
    for (const std::int32_t place : places) {
      const auto at = frames.positions.begin() + 3 * (frame * frames.atoms + place);
      positions.insert(positions.end(), at, at + 3);
    }
  std::vector<double> reference(positions.begin(), positions.begin() + 3 * count);
  ThreadPool pool(1);
  const std::string source = fmt::format("{}: anchors", path);
  // The mean of positions that are superposed on it: a few rounds from the first frame.
  constexpr int kRounds = 100;
  constexpr double kNear = 1e-9, kFar = 1e-6;  // nm
  for (int round = 0; round < kRounds; ++round) {
    const EckartFrame frame(reference, {}, source);
    const std::vector<double> components =
        std::move(through(3 * count, positions, pool, [&](Value x) {
          return std::vector<Value>{frame.superpose(reshape(x, {count, 3})).components};
        })[0]);
    const auto width = static_cast<std::size_t>(frame.features());
    std::vector<double> means(width, 0.0);
    for (std::size_t i = 0; i < components.size(); ++i) {
      if (std::isnan(components[i]))
        fail<DataError>(
            "{}: frame {}: the anchors, atoms {}, cannot be superposed on those of other frames: "
            "{}",
            path, i / width, fmt::join(places, ", "), kChooseOthers);
      means[i % width] += components[i] / static_cast<double>(frames.count());
    }
    double moved = 0.0;
    for (const double mean : means) moved = std::max(moved, std::abs(mean));
    if (moved > (round + 1 < kRounds ? kNear : kFar)) {
      reference = frame.reference();
      for (std::size_t j = 0; j < width; ++j)
        for (std::size_t k = 0; k < reference.size(); ++k)
          reference[k] += means[j] * frame.directions()[j * reference.size() + k];
      continue;
    }
    std::vector<double> covariance(width * width, 0.0);
    for (std::size_t i = 0; i < components.size(); i += width)
      for (std::size_t j = 0; j < width; ++j)
        for (std::size_t k = 0; k < width; ++k)
          covariance[j * width + k] += (components[i + j] - means[j]) *
                                       (components[i + k] - means[k]) /
                                       static_cast<double>(frames.count());
    return {frame.reference(), principal_directions(frame, covariance), source};
  }
  fail<DataError>("{}: the anchors, atoms {}, have no mean that all frames are superposed on: {}",
                  path, fmt::join(places, ", "), kChooseOthers);
}

/// The circular means of the torsions of frames, one a row of the z-matrix from the fourth on; 0 of
/// anchors that have none.
std::vector<double> torsion_means(const Frames& frames, const ModelOptions& model,
                                  const std::string& path) {
  const auto coordinates = coordinates_of(model);
  ThreadPool pool(1);
  const Table table = internal_table(frames.positions, model, pool, path);
  std::vector<double> means;
  for (std::size_t i = 3; i < coordinates->rows().size(); ++i) {
    const auto found = std::ranges::find_if(coordinates->coordinates(), [&](const auto& each) {
      return each.kind == InternalKind::kTorsion && each.row.atom == coordinates->rows()[i].atom;
    });
    if (found == coordinates->coordinates().end()) {
      means.push_back(0.0);
      continue;
    }
    const std::vector<double> values =
        take_column(table.values, table.names.size(),
                    static_cast<std::size_t>(found - coordinates->coordinates().begin()));
    means.push_back(
        circular_mean(std::vector(values.size(), 1.0), values, -std::numbers::pi, std::numbers::pi)
            .direction);
  }
  return means;
}

/// Some of a file's frames, evenly spread, and the forces of the run's system at them, kJ/mol/nm:
/// frames x atoms x 3.
struct SystemForces {
  std::vector<std::int64_t> frames;
  std::vector<double> positions, forces;

  SystemForces(const TargetOptions& target, const Frames& all, std::int64_t most) {
    const ForceField field(read_named_system(target.system, target.solvent, "").system);
    const std::int64_t count = std::min(most, all.count());
    for (std::int64_t i = 0; i < count; ++i) frames.push_back((i * all.count()) / count);
    positions = rows_of(all);
    forces.resize(positions.size());
    ThreadPool pool(1);
    field.evaluate_rows<double>(positions, {}, {}, forces, pool);
  }

  std::vector<double> rows_of(const Frames& all) const {
    const auto width = static_cast<std::ptrdiff_t>(3 * all.atoms);
    std::vector<double> rows;
    for (const std::int64_t frame : frames) {
      const auto from = all.positions.begin() + static_cast<std::ptrdiff_t>(frame) * width;
      rows.insert(rows.end(), from, from + width);
    }
    return rows;
  }
};

/// How forces differ from those of the run's system, if they do. Throws DataError where they are
/// others altogether: another sign, unit or order.
std::string other_forces_text(const RunOptions& options, const Frames& frames,
                              const Frames& forces) {
  constexpr std::int64_t kFrames = 64;
  constexpr double kSame = 0.02, kMost = 0.5;
  const TargetOptions& target = options.target;
  if (target.system.empty()) return "";
  const SystemForces own(target, frames, kFrames);
  const std::vector<double> given = own.rows_of(forces);
  double off = 0.0, size = 0.0;
  for (std::size_t i = 0; i < given.size(); ++i) {
    off += (given[i] - own.forces[i]) * (given[i] - own.forces[i]);
    size += own.forces[i] * own.forces[i];
  }
  const double share = std::sqrt(off / size);
  if (share < kSame) return "";
  const std::string text =
      fmt::format("{}: the forces differ from those of {} by {:.3g} % of their size",
                  options.data.forces, target.system, 100.0 * share);
  if (!(share < kMost))
    fail<DataError>(
        "{}: expected those at the frames of {}, in kJ/mol/nm; without molecule.system, with a "
        "topology alone, forces of another energy are taken",
        text, options.data.path);
  return text;
}

/// Whether frames are not of the run's temperature by the virial of its system: x . dU/dx is in the
/// mean k_B T for each of the 3 N - 6 directions that the energy depends on.
std::string other_temperature_text(const RunOptions& options, const Frames& frames) {
  constexpr std::int64_t kFewest = 16;
  constexpr double kErrors = 5.0, kShare = 0.1;
  const TargetOptions& target = options.target;
  if (target.system.empty() || frames.count() < kFewest || frames.atoms < 3) return "";
  // About as many pairs of atoms, whatever their number.
  const std::int64_t most =
      std::clamp<std::int64_t>((std::int64_t{1} << 30) / (frames.atoms * frames.atoms), 64, 4096);
  const SystemForces own(target, frames, most);
  const auto width = static_cast<std::size_t>(3 * frames.atoms);
  const double freedoms = static_cast<double>(width) - 6.0;
  double sum = 0.0, squares = 0.0;
  for (std::size_t row = 0; row < own.forces.size(); row += width) {
    double virial = 0.0;
    for (std::size_t i = row; i < row + width; ++i) virial -= own.positions[i] * own.forces[i];
    virial /= freedoms * kBoltzmann;
    sum += virial;
    squares += virial * virial;
  }
  const auto count = static_cast<double>(own.frames.size());
  const double mean = sum / count;
  const double error = std::sqrt(std::max(squares / count - mean * mean, 0.0) / (count - 1.0));
  const double off = std::abs(mean - target.system_temperature);
  if (off < kErrors * error || off < kShare * target.system_temperature) return "";
  return fmt::format(
      "{}: the frames have a virial temperature of {:.0f} +- {:.0f} K by {}, where {:g} K is said: "
      "of another temperature or system, with rigid bonds, or not in equilibrium",
      options.data.path, mean, error, target.system, target.system_temperature);
}

/// Forces in kT/nm in the frame of the coordinates; `note` is what there is to say of them.
std::vector<double> read_forces(const RunOptions& options, const InternalCoordinates& coordinates,
                                const Frames& frames, std::string& note) {
  const DataOptions& data = options.data;
  if (!data.forces.ends_with(".npy"))
    fail<DataError>(
        "{}: expected forces of a molecule in a .npy file, in kJ/mol/nm: trajectories are of "
        "positions, in Angstrom",
        data.forces);
  const Frames given = read_frames(data.forces, coordinates.atoms(), "forces");
  if (given.count() != frames.count())
    fail<DataError>("{}: expected forces of {} frames, as {} has, got {}", data.forces,
                    frames.count(), data.path, given.count());
  note = other_forces_text(options, frames, given);
  const double beta = 1.0 / (kBoltzmann * options.target.system_temperature);
  const ParameterStore none;
  Graph graph(none);
  const Value positions = graph.input({coordinates.positions(), 1});
  const Value forces = graph.input({coordinates.positions(), 1});
  ThreadPool pool(1);
  return std::move(
      RowMap(graph, {beta * coordinates.to_frame(positions, forces)}, pool)
          .run({.rows = frames.count(), .inputs = {frames.positions, given.positions}})[0]);
}

}  // namespace

bool is_molecule(const RunOptions& options) {
  return !options.target.system.empty() || !options.molecule.topology.empty() ||
         !options.model.molecule.rows.empty();
}

void check_anchors(const MoleculeFiles& molecule) {
  if (molecule.anchors == "principal" && molecule.z_matrix.empty())
    fail<ConfigError>(
        "molecule.anchors: \"principal\" is of atoms that a z-matrix has no row for: name one by "
        "--z-matrix");
}

void settle_molecule(RunOptions& options) {
  const DataOptions& data = options.data;
  for (const auto& [key, given] : {std::pair{"data.condition", !data.condition.empty()},
                                   {"data.columns", !data.columns.empty()},
                                   {"data.weights", !data.weights.empty()},
                                   {"data.particles", data.particles > 0},
                                   {"data.integers", !data.integers.empty()},
                                   {"data.kinds", !data.kinds.empty()}})
    if (given)
      fail<ConfigError>("{}: is of tables, and cannot be combined with a molecule's positions",
                        key);
  MoleculeOptions& model = options.model.molecule;
  const bool principal = options.molecule.anchors == "principal";
  if (!model.rows.empty() && principal == model.anchor_reference.empty())
    fail<ConfigError>(
        "molecule.anchors: \"{}\" is another way to place the anchors than molecule.rows came "
        "with: leave out molecule.rows, molecule.torsion_centres and molecule.anchor_reference, so "
        "that they are found anew, or set molecule.anchors = \"{}\"",
        options.molecule.anchors, principal ? "internal" : "principal");
  if (!model.rows.empty()) return;
  for (const auto& [key, given] :
       {std::pair{"molecule.torsion_centres", !model.torsion_centres.empty()},
        {"molecule.anchor_reference", !model.anchor_reference.empty()},
        {"molecule.anchor_directions", !model.anchor_directions.empty()}})
    if (given)
      fail<ConfigError>(
          "{}: is found from the data, and goes with molecule.rows alone: leave it out", key);
  check_anchors(options.molecule);
  const KnownMolecule molecule = read_molecule(options);
  const std::string& file = options.molecule.z_matrix;
  const ZMatrix matrix =
      file.empty() ? ZMatrix{.rows = make_z_matrix(molecule.count, molecule.bonds, molecule.source)}
                   : read_z_matrix(file, molecule.count, molecule.bonds);
  if (principal && (matrix.anchors < 3 || matrix.anchors > kMostAnchors))
    fail<ConfigError>(
        "molecule.anchors: \"principal\" is of 3 to {} atoms that molecule.z_matrix has no row "
        "for, got {} of them in {}",
        kMostAnchors, matrix.anchors, file);
  // Superposed anchors need no bonds to each other.
  const std::span<const ZMatrixRow> placed =
      std::span(matrix.rows).subspan(principal ? static_cast<std::size_t>(matrix.anchors) : 0);
  check_z_matrix_bonds(placed, molecule.bonds, atom_names(molecule.atoms, molecule.count),
                       file.empty() ? molecule.source : file);
  for (const ZMatrixRow& row : matrix.rows) model.rows.push_back(text_of(row));
  model.atoms.clear();
  for (const AtomLabel& atom : molecule.atoms) model.atoms.push_back(text_of(atom));
  const bool line = options.molecule.torsions == "line";
  if (!principal && !line) return;
  const Frames frames = read_checked_frames(data.path, options.model);
  if (principal) {
    const EckartFrame anchors = principal_anchors(frames, matrix.rows, matrix.anchors, data.path);
    model.anchor_reference = anchors.reference();
    model.anchor_directions = anchors.directions();
  }
  if (line) model.torsion_centres = torsion_means(frames, options.model, data.path);
}

std::vector<AtomLabel> molecule_atoms(const ModelOptions& model) {
  std::vector<AtomLabel> atoms;
  for (const std::string& text : model.molecule.atoms) atoms.push_back(atom_label(text));
  if (!atoms.empty() && atoms.size() != model.molecule.rows.size())
    fail<ConfigError>("molecule.atoms: expected {} names, one a row of the z-matrix, got {}",
                      model.molecule.rows.size(), atoms.size());
  return atoms;
}

std::vector<std::string> internal_names(const InternalCoordinates& coordinates,
                                        std::span<const AtomLabel> atoms) {
  const std::vector<std::string> called = atom_names(atoms, coordinates.atoms());
  const std::vector<BackboneAngles> backbone = backbone_angles(atoms);
  std::vector<std::string> names;
  for (const InternalCoordinate& coordinate : coordinates.coordinates()) {
    const ZMatrixRow& row = coordinate.row;
    if (coordinate.kind == InternalKind::kComponent) {
      names.push_back(fmt::format("component {}", row.atom + 1));
      continue;
    }
    std::string name = coordinate.kind == InternalKind::kBond    ? "bond"
                       : coordinate.kind == InternalKind::kAngle ? "angle"
                                                                 : "torsion";
    for (const std::int32_t atom : {row.atom, row.bond_to, row.angle_to, row.torsion_to})
      if (atom >= 0)
        name += (name.find(' ') == std::string::npos ? " " : "-") +
                called[static_cast<std::size_t>(atom)];
    const std::array<std::int64_t, 4> forward = {row.atom, row.bond_to, row.angle_to,
                                                 row.torsion_to};
    const std::array<std::int64_t, 4> back = {row.torsion_to, row.angle_to, row.bond_to, row.atom};
    for (const BackboneAngles& angles : backbone) {
      if (angles.phi == forward || angles.phi == back) name = "phi " + angles.residue;
      if (angles.psi == forward || angles.psi == back) name = "psi " + angles.residue;
    }
    names.push_back(std::move(name));
  }
  return names;
}

std::vector<double> internal_rows(const InternalCoordinates& coordinates,
                                  std::span<const double> positions, ThreadPool& pool,
                                  std::vector<double>* log_volume) {
  auto found = through(coordinates.positions(), positions, pool, [&](Value x) {
    const Mapped internal = coordinates.to_internal(x);
    return std::vector<Value>{internal.value, -internal.log_det};
  });
  if (log_volume != nullptr) *log_volume = std::move(found[1]);
  return std::move(found[0]);
}

std::vector<double> position_rows(const InternalCoordinates& coordinates,
                                  std::span<const double> internal, ThreadPool& pool) {
  return std::move(through(coordinates.features(), internal, pool, [&](Value q) {
    return std::vector<Value>{coordinates.to_positions(q).value};
  })[0]);
}

std::vector<double> log_volumes(const InternalCoordinates& coordinates,
                                std::span<const double> internal, ThreadPool& pool,
                                VolumePart part) {
  return std::move(through(coordinates.features(), internal, pool, [&](Value q) {
    return std::vector<Value>{part == VolumePart::kAll ? coordinates.log_volume(q)
                                                       : coordinates.log_frame_volume(q)};
  })[0]);
}

Frames read_molecule_frames(const std::string& path, const ModelOptions& model, FrameUse use) {
  const auto coordinates = coordinates_of(model);
  const std::vector<AtomLabel> atoms = molecule_atoms(model);
  Frames frames = read_checked_frames(path, model, use);
  check_bond_lengths(frames, *coordinates, atom_names(atoms, coordinates->atoms()), path, use);
  return frames;
}

Table internal_table(std::span<const double> positions, const ModelOptions& model, ThreadPool& pool,
                     const std::string& source) {
  const auto coordinates = coordinates_of(model);
  Table table;
  for (const ColumnOptions& column : model.columns) table.names.push_back(column.name);
  if (table.names.empty()) table.names = internal_names(*coordinates, molecule_atoms(model));
  table.values = internal_rows(*coordinates, positions, pool);
  table.rows = std::ssize(table.values) / table.columns();
  const auto lost =
      std::ranges::find_if(table.values, [](double value) { return std::isnan(value); });
  if (lost != table.values.end())
    fail<DataError>("{}: frame {}: the anchors cannot be superposed on their reference: {}", source,
                    (lost - table.values.begin()) / table.columns(), kChooseOthers);
  // What single precision leaves of positions is no spacing of values.
  table.single_precision = true;
  return table;
}

Table read_internal_table(const std::string& path, const ModelOptions& model, FrameUse use) {
  ThreadPool pool(1);
  return internal_table(read_molecule_frames(path, model, use).positions, model, pool, path);
}

PreparedData load_molecule_data(const RunOptions& options, std::uint64_t seed) {
  const auto coordinates = coordinates_of(options.model);
  DataOptions data = options.data;
  if (std::filesystem::is_directory(data.path))
    fail<DataError>(
        "{}: expected a trajectory of a molecule in a file .npy, .dcd, .nc, .ncrst or .pdb, got a "
        "folder",
        data.path);
  Table table;
  std::string stiff, other_forces, other_temperature, forms_of_frames;
  std::vector<double> forces;
  {
    const Frames frames = read_molecule_frames(data.path, options.model);
    ThreadPool pool(1);
    table = internal_table(frames.positions, options.model, pool, data.path);
    if (options.model.columns.empty()) {
      const KnownMolecule molecule = read_molecule(options);
      check_usual_lengths(frames, coordinates->rows(), molecule, data.path);
      stiff = stiff_bonds_text(frames, coordinates->rows(), molecule);
      other_temperature = other_temperature_text(options, frames);
      forms_of_frames = two_forms_text(frames, molecule_atoms(options.model));
    }
    if (!data.forces.empty()) forces = read_forces(options, *coordinates, frames, other_forces);
  }
  const auto bounds_of_forms = [&](const Table& frames, const std::string& path) {
    return options.molecule.chirality == "fixed"
               ? form_bounds(frames, *coordinates, molecule_atoms(options.model), path)
               : std::map<std::string, std::string>();
  };
  const std::map<std::string, std::string> forms = bounds_of_forms(table, data.path);
  const std::int64_t own_rows = table.rows;
  GivenRows given;
  const auto append = [&](const std::string& path) -> std::int64_t {
    if (path.empty()) return 0;
    const Table more = read_internal_table(path, options.model);
    if (bounds_of_forms(more, path) != forms)
      fail<DataError>(
          "{}: its alpha carbons have another form, L or D, than those of {}, and "
          "molecule.chirality = \"fixed\" wants one",
          path, data.path);
    table.values.insert(table.values.end(), more.values.begin(), more.values.end());
    table.rows += more.rows;
    return more.rows;
  };
  given.validation = append(data.validation);
  given.test = append(data.test);
  data.validation.clear();
  data.test.clear();
  data.find_integers = data.find_kinds = data.find_derived = data.marginal_maps = data.closed =
      false;
  const std::vector<std::string> asked = data.bounds;
  for (std::size_t i = 0; i < table.names.size(); ++i) {
    const std::string& name = table.names[i];
    const InternalKind kind = coordinates->coordinates()[i].kind;
    if (kind == InternalKind::kComponent) continue;
    if (const auto form = forms.find(name); form != forms.end()) {
      data.bounds.push_back(form->second);
    } else if (kind == InternalKind::kTorsion && options.molecule.torsions == "line") {
      continue;
    } else if (kind == InternalKind::kTorsion) {
      data.periodic.push_back(fmt::format("{}={}:{}", name, -std::numbers::pi, std::numbers::pi));
    } else if (std::ranges::none_of(
                   asked, [&](const std::string& text) { return text.starts_with(name + "="); })) {
      data.bounds.push_back(bounds_text(name, kind));
    }
  }
  PreparedData prepared = prepare_data(std::move(table), data, seed, given);
  for (ColumnOptions& column : prepared.columns) column.open = !column.periodic;
  std::map<InternalKind, std::int64_t> counts;
  for (const InternalCoordinate& each : coordinates->coordinates()) ++counts[each.kind];
  const std::string components =
      fmt::format("{} components of {} superposed atoms, ", counts[InternalKind::kComponent],
                  coordinates->anchors() ? coordinates->anchors()->atoms() : 0);
  prepared.notes.insert(
      prepared.notes.begin(),
      fmt::format("{} frames of {} atoms as {}{} bonds, {} angles and {} torsions{}", prepared.rows,
                  coordinates->atoms(), coordinates->anchors() ? components : "",
                  counts[InternalKind::kBond], counts[InternalKind::kAngle],
                  counts[InternalKind::kTorsion],
                  options.model.molecule.atoms.empty()
                      ? "; give --topology FILE.pdb for names of atoms, phi and psi"
                      : ""));
  for (const std::string& note : {stiff, other_forces, other_temperature, forms_of_frames})
    if (!note.empty()) prepared.notes.push_back(note);
  if (!data.forces.empty()) {
    if (data.drop_missing || data.drop_duplicates)
      fail<ConfigError>("data.forces: cannot be combined with {}, which leaves frames out",
                        data.drop_missing ? "data.drop_missing" : "data.drop_duplicates");
    if (prepared.rows != own_rows)
      fail<ConfigError>(
          "data.forces: cannot be combined with data.validation and data.test, whose "
          "frames the forces would have to follow");
    prepared.forces = std::move(forces);
  }
  return prepared;
}

}  // namespace thalweg
