#include "thalweg/molecules/amber_topology.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/io/elements.h"
#include "thalweg/molecules/amber_sections.h"

namespace thalweg {
namespace {

constexpr double kKilocalorie = 4.184;       // kJ
constexpr double kCharge = 18.2223;          // AMBER's units of an elementary charge
constexpr double kBornCoulomb = 138.935485;  // kJ nm/mol/e^2, in OpenMM's expressions of OBC1

/// Numbers of things, by their places in POINTERS.
enum Pointer : std::size_t {
  kAtoms = 0,
  kTypes = 1,
  kBondsWithHydrogen = 2,
  kBonds = 3,
  kAnglesWithHydrogen = 4,
  kAngles = 5,
  kDihedralsWithHydrogen = 6,
  kDihedrals = 7,
  kExclusions = 10,
  kResidues = 11,
  kBondTypes = 15,
  kAngleTypes = 16,
  kDihedralTypes = 17,
  kPerturbed = 20,
  kBox = 27,
  kCap = 29,
  kExtraPoints = 30,
};

using AtomPair = std::pair<std::int32_t, std::int32_t>;

class Reader {
 public:
  explicit Reader(const std::string& path) : sections_(path) {
    pointers_ = sections_.whole("POINTERS", sections_.size("POINTERS"));
    if (pointers_.size() < 30)
      fail<DataError>("{}: POINTERS: expected at least 30 numbers, got {}; is the file cut off?",
                      path, pointers_.size());
    for (const std::int64_t pointer : pointers_)
      if (pointer < 0 || pointer > 100000000)
        fail<DataError>("{}: POINTERS: expected numbers from 0 to 1e8, got {}", path, pointer);
    refuse_unknown();
    read_types();
  }

  MolecularSystem system() {
    MolecularSystem system;
    system.source = sections_.path();
    system.masses = sections_.numbers("MASS", pointers_[kAtoms]);
    check_atom_count(system.source, system.atoms());
    read_bonds(system);
    read_angles(system);
    const std::vector<double> charges = sections_.numbers("CHARGE", pointers_[kAtoms]);
    read_dihedrals(system, charges);
    read_pairs(system, charges);
    return system;
  }

  GeneralisedBorn solvent(bool first) {
    GeneralisedBorn born;
    if (first) born.alpha = 0.8, born.beta = 0.0, born.gamma = 2.909125;
    born.engulfed = !first;
    born.solvation = (first ? kBornCoulomb : kCoulomb) * (1.0 - 1.0 / 78.5);
    born.surface = 28.3919551;
    const std::vector<double> charges = sections_.numbers("CHARGE", pointers_[kAtoms]);
    const std::vector<double> radii = sections_.numbers("RADII", pointers_[kAtoms]);
    const std::vector<double> screens = sections_.numbers("SCREEN", pointers_[kAtoms]);
    for (std::size_t i = 0; i < radii.size(); ++i) {
      const double radius = kAngstrom * radii[i] - born.offset;
      born.charge.push_back(charges[i] / kCharge);
      born.radius.push_back(radius);
      born.scaled_radius.push_back(screens[i] * radius);
    }
    return born;
  }

  std::vector<AtomLabel> labels() {
    std::vector<AtomLabel> atoms;
    for (std::string& name : sections_.texts("ATOM_NAME", pointers_[kAtoms])) {
      AtomLabel label;
      label.element = name.substr(std::min(name.find_first_not_of("0123456789"), name.size()), 1);
      label.name = std::move(name);
      atoms.push_back(std::move(label));
    }
    const auto residues = sections_.texts("RESIDUE_LABEL", pointers_[kResidues]);
    const auto firsts = sections_.whole("RESIDUE_POINTER", pointers_[kResidues]);
    for (std::size_t r = 0; r < residues.size(); ++r) {
      const bool rises = r == 0 ? firsts[r] == 1 : firsts[r] > firsts[r - 1];
      if (!rises || firsts[r] > pointers_[kAtoms])
        fail<DataError>(
            "{}: RESIDUE_POINTER: expected rising numbers of atoms from 1 to {}, got {} in place "
            "{}",
            sections_.path(), pointers_[kAtoms], firsts[r], r + 1);
      const std::int64_t end = r + 1 < residues.size() ? firsts[r + 1] - 1 : pointers_[kAtoms];
      for (std::int64_t i = firsts[r] - 1; i < end; ++i) {
        atoms[static_cast<std::size_t>(i)].residue = residues[r];
        atoms[static_cast<std::size_t>(i)].residue_number = static_cast<std::int64_t>(r) + 1;
      }
    }
    // Files of before AMBER 12 have none, and a name's first letter must do.
    if (sections_.has("ATOMIC_NUMBER")) {
      const auto numbers = sections_.whole("ATOMIC_NUMBER", pointers_[kAtoms]);
      for (std::size_t i = 0; i < atoms.size(); ++i)
        if (numbers[i] >= 1 && numbers[i] <= kMostElements)
          atoms[i].element = element_symbol(static_cast<int>(numbers[i]));
    }
    return atoms;
  }

 private:
  void refuse_unknown() const {
    const auto refuse = [&](const char* what) {
      fail<DataError>(
          "{}: {} not supported: expected bonds, angles, dihedrals and nonbonded forces "
          "without a cutoff",
          sections_.path(), what);
    };
    if (pointers_[kPerturbed] != 0) refuse("perturbed atoms are");
    if (pointers_[kBox] != 0) refuse("a periodic box (IFBOX) is");
    if (pointers_[kCap] != 0) refuse("a cap of water is");
    if (pointers_.size() > kExtraPoints && pointers_[kExtraPoints] != 0)
      refuse("extra points (virtual sites) are");
    static constexpr std::pair<const char*, const char*> kUnknown[] = {
        {"CTITLE", "a topology of CHARMM is"},
        {"CMAP_COUNT", "CMAP is"},
        {"CHARMM_CMAP_COUNT", "CMAP is"},
        {"LENNARD_JONES_CCOEF", "12-6-4 potentials are"},
        {"AMOEBA_FORCEFIELD", "AMOEBA is"}};
    for (const auto& [flag, what] : kUnknown)
      if (sections_.has(flag)) refuse(what);
    if (sections_.has("IPOL") && sections_.whole("IPOL", 1)[0] != 0)
      refuse("polarizable atoms (IPOL) are");
  }

  /// The tables of Lennard-Jones potentials, which all pairs read.
  void read_types() {
    const std::int64_t types = pointers_[kTypes];
    types_ = sections_.whole("ATOM_TYPE_INDEX", pointers_[kAtoms]);
    index_ = sections_.whole("NONBONDED_PARM_INDEX", types * types);
    a_ = sections_.numbers("LENNARD_JONES_ACOEF", types * (types + 1) / 2);
    b_ = sections_.numbers("LENNARD_JONES_BCOEF", types * (types + 1) / 2);
    for (auto [flag, list] :
         {std::pair{"HBOND_ACOEF", &hydrogen_a_}, std::pair{"HBOND_BCOEF", &hydrogen_b_}})
      if (sections_.has(flag)) *list = sections_.numbers(flag, sections_.size(flag));
  }

  /// An atom from the place of its first coordinate, whose sign may mean something.
  static std::int32_t atom(std::int64_t place) {
    return static_cast<std::int32_t>(std::abs(place) / 3);
  }
  /// The type in a list of `count`, from 1 in the file.
  std::size_t type(std::int64_t value, std::int64_t count, const char* what) const {
    if (value < 1 || value > count)
      fail<DataError>("{}: {}: expected types from 1 to {}, got {}", sections_.path(), what, count,
                      value);
    return static_cast<std::size_t>(value - 1);
  }
  /// Both lists of a kind, with and without hydrogen.
  std::vector<std::int64_t> both(const char* kind, std::int64_t width, Pointer with,
                                 Pointer without) const {
    auto all = sections_.whole(fmt::format("{}_INC_HYDROGEN", kind), width * pointers_[with]);
    const auto others =
        sections_.whole(fmt::format("{}_WITHOUT_HYDROGEN", kind), width * pointers_[without]);
    all.insert(all.end(), others.begin(), others.end());
    return all;
  }

  void read_bonds(MolecularSystem& system) const {
    const auto k = sections_.numbers("BOND_FORCE_CONSTANT", pointers_[kBondTypes]);
    const auto length = sections_.numbers("BOND_EQUIL_VALUE", pointers_[kBondTypes]);
    const auto bonds = both("BONDS", 3, kBondsWithHydrogen, kBonds);
    for (std::size_t i = 0; i < bonds.size(); i += 3) {
      const std::size_t t = type(bonds[i + 2], pointers_[kBondTypes], "BONDS");
      system.bonds.push_back({{atom(bonds[i]), atom(bonds[i + 1])},
                              kAngstrom * length[t],
                              2.0 * kKilocalorie * k[t] / (kAngstrom * kAngstrom)});
    }
  }

  void read_angles(MolecularSystem& system) const {
    const auto k = sections_.numbers("ANGLE_FORCE_CONSTANT", pointers_[kAngleTypes]);
    const auto angle = sections_.numbers("ANGLE_EQUIL_VALUE", pointers_[kAngleTypes]);
    const auto angles = both("ANGLES", 4, kAnglesWithHydrogen, kAngles);
    for (std::size_t i = 0; i < angles.size(); i += 4) {
      const std::size_t t = type(angles[i + 3], pointers_[kAngleTypes], "ANGLES");
      system.angles.push_back({{atom(angles[i]), atom(angles[i + 1]), atom(angles[i + 2])},
                               angle[t],
                               2.0 * kKilocalorie * k[t]});
    }
  }

  /// Torsions, and the pairs of their ends, which are scaled unless a sign says not to.
  void read_dihedrals(MolecularSystem& system, const std::vector<double>& charges) {
    const std::int64_t types = pointers_[kDihedralTypes];
    const auto k = sections_.numbers("DIHEDRAL_FORCE_CONSTANT", types);
    const auto periodicity = sections_.numbers("DIHEDRAL_PERIODICITY", types);
    const auto phase = sections_.numbers("DIHEDRAL_PHASE", types);
    const auto scales = [&](const char* flag, double usual) {
      return sections_.has(flag) ? sections_.numbers(flag, types)
                                 : std::vector<double>(static_cast<std::size_t>(types), usual);
    };
    const auto electric = scales("SCEE_SCALE_FACTOR", 1.2);
    const auto dispersion = scales("SCNB_SCALE_FACTOR", 2.0);
    const auto dihedrals = both("DIHEDRALS", 5, kDihedralsWithHydrogen, kDihedrals);
    for (std::size_t i = 0; i < dihedrals.size(); i += 5) {
      const std::size_t t = type(dihedrals[i + 4], types, "DIHEDRALS");
      const std::int32_t first = atom(dihedrals[i]), last = atom(dihedrals[i + 3]);
      if (!(std::abs(periodicity[t]) < 100.0 && periodicity[t] == std::round(periodicity[t])))
        fail<DataError>("{}: DIHEDRAL_PERIODICITY: expected a small whole number, got {}",
                        sections_.path(), periodicity[t]);
      if (k[t] != 0.0)
        system.torsions.push_back({{first, atom(dihedrals[i + 1]), atom(dihedrals[i + 2]), last},
                                   static_cast<std::int32_t>(std::lround(std::abs(periodicity[t]))),
                                   phase[t],
                                   kKilocalorie * k[t]});
      const AtomPair ends = std::minmax(first, last);
      if (dihedrals[i + 2] < 0 || dihedrals[i + 3] < 0 || !scaled_.insert(ends).second) continue;
      if (electric[t] == 0.0 || dispersion[t] == 0.0) continue;
      add_pair(system, charges, ends.first, ends.second, 1.0 / electric[t], 1.0 / dispersion[t]);
    }
  }

  void read_pairs(MolecularSystem& system, const std::vector<double>& charges) const {
    const auto counts = sections_.whole("NUMBER_EXCLUDED_ATOMS", pointers_[kAtoms]);
    const auto list = sections_.whole("EXCLUDED_ATOMS_LIST", pointers_[kExclusions]);
    std::set<AtomPair> excluded = scaled_;
    std::size_t at = 0;
    for (std::size_t i = 0; i < counts.size(); ++i)
      for (std::int64_t n = 0; n < counts[i]; ++n, ++at) {
        if (at >= list.size())
          fail<DataError>("{}: EXCLUDED_ATOMS_LIST: expected more atoms; is the file cut off?",
                          sections_.path());
        // 0 stands for none.
        if (list[at] > 0)
          excluded.insert(
              std::minmax(static_cast<std::int32_t>(i), static_cast<std::int32_t>(list[at] - 1)));
      }
    for (std::int32_t i = 0; i < pointers_[kAtoms]; ++i)
      for (std::int32_t j = i + 1; j < pointers_[kAtoms]; ++j)
        if (!excluded.contains({i, j})) add_pair(system, charges, i, j, 1.0, 1.0);
  }

  void add_pair(MolecularSystem& system, const std::vector<double>& charges, std::int32_t a,
                std::int32_t b, double electric, double dispersion) const {
    if (std::max(a, b) >= pointers_[kAtoms])
      fail<DataError>("{}: a pair: expected atoms below {}, got {}", sections_.path(),
                      pointers_[kAtoms], std::max(a, b));
    const auto [c12, c6] = lennard_jones(a, b);
    system.pairs.push_back({{a, b},
                            dispersion * c12,
                            dispersion * c6,
                            kCoulomb * electric * charges[static_cast<std::size_t>(a)] *
                                charges[static_cast<std::size_t>(b)] / (kCharge * kCharge)});
  }

  std::pair<double, double> lennard_jones(std::int32_t a, std::int32_t b) const {
    const std::int64_t types = pointers_[kTypes];
    const std::size_t row = type(types_[static_cast<std::size_t>(a)], types, "ATOM_TYPE_INDEX");
    const std::size_t column = type(types_[static_cast<std::size_t>(b)], types, "ATOM_TYPE_INDEX");
    const std::int64_t index = index_[row * static_cast<std::size_t>(types) + column];
    if (index <= 0) {
      // The place in the list of 10-12 potentials, which are 0 since the force fields of 1994.
      const auto place = static_cast<std::size_t>(-index - 1);
      for (const std::vector<double>* list : {&hydrogen_a_, &hydrogen_b_})
        if (index < 0 && place < list->size() && (*list)[place] != 0.0)
          fail<DataError>("{}: 10-12 potentials are not supported", sections_.path());
      return {0.0, 0.0};
    }
    const std::size_t t = type(index, static_cast<std::int64_t>(a_.size()), "NONBONDED_PARM_INDEX");
    return {kKilocalorie * a_[t] * 1e-12, kKilocalorie * b_[t] * 1e-6};
  }

  AmberSections sections_;
  std::vector<std::int64_t> pointers_;
  std::set<AtomPair> scaled_;
  std::vector<std::int64_t> types_, index_;
  std::vector<double> a_, b_, hydrogen_a_, hydrogen_b_;
};

}  // namespace

AmberTopology read_amber_topology(const std::string& path, const std::string& solvent) {
  if (solvent != "none" && solvent != "obc1" && solvent != "obc2")
    fail<ConfigError>("solvent: expected none, obc1 or obc2, got '{}'", solvent);
  Reader reader(path);
  AmberTopology topology;
  topology.system = reader.system();
  topology.atoms = reader.labels();
  if (solvent != "none") topology.system.solvent = reader.solvent(solvent == "obc1");
  check_system(topology.system);
  return topology;
}

}  // namespace thalweg
