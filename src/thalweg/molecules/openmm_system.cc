#include "thalweg/molecules/openmm_system.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numbers>
#include <pugixml.hpp>
#include <string_view>
#include <utility>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"
#include "thalweg/molecules/custom_born.h"

namespace thalweg {
namespace {

/// Reads the attributes of one file's elements.
class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  std::string text(const pugi::xml_node& node, const char* name) const {
    const pugi::xml_attribute found = node.attribute(name);
    if (!found)
      fail<DataError>("{}: {}: expected '{}', found none; is this an OpenMM System?", path_,
                      shown(node.name()), name);
    return found.value();
  }
  double number(const pugi::xml_node& node, const char* name) const {
    const std::string value = text(node, name);
    double result = 0.0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    if (error != std::errc() || end != value.data() + value.size() || !std::isfinite(result))
      fail<DataError>("{}: {} '{}': expected a number, got '{}'", path_, shown(node.name()), name,
                      shown(value));
    return result;
  }
  /// A list within, which is there even where it is empty.
  pugi::xml_node list(const pugi::xml_node& node, const char* name) const {
    const pugi::xml_node found = node.child(name);
    if (!found)
      fail<DataError>("{}: {}: expected a list <{}>, found none; is this an OpenMM System?", path_,
                      shown(node.attribute("type") ? node.attribute("type").value() : node.name()),
                      name);
    return found;
  }
  /// Throws for elements that are none of `known`: what is not understood is not left out.
  void check_lists(const pugi::xml_node& node, const std::vector<std::string_view>& known) const {
    for (const pugi::xml_node& child : node.children())
      if (child.type() == pugi::node_element &&
          std::ranges::find(known, child.name()) == known.end())
        refuse(fmt::format(
            "<{}> in {} is", shown(child.name()),
            shown(node.attribute("type") ? node.attribute("type").value() : node.name())));
  }
  std::int32_t whole(const pugi::xml_node& node, const char* name) const {
    const double value = number(node, name);
    if (value != std::floor(value) || std::abs(value) > 1e9)
      fail<DataError>("{}: {} '{}': expected a whole number, got {}", path_, shown(node.name()),
                      name, value);
    return static_cast<std::int32_t>(value);
  }
  [[noreturn]] void refuse(const std::string& what) const {
    fail<DataError>(
        "{}: {} not supported: expected bonds, angles, torsions, nonbonded forces "
        "without a cutoff and OBC solvents, all atoms free",
        path_, what);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

void refuse_periodic(const Reader& reader, const pugi::xml_node& force) {
  const pugi::xml_attribute periodic = force.attribute("usesPeriodic");
  if (periodic && periodic.as_int() != 0)
    reader.refuse(fmt::format("{} with periodic boundaries is", force.attribute("type").value()));
}

void read_bonds(const Reader& reader, const pugi::xml_node& force, MolecularSystem& system) {
  refuse_periodic(reader, force);
  for (const pugi::xml_node& bond : reader.list(force, "Bonds"))
    system.bonds.push_back({{reader.whole(bond, "p1"), reader.whole(bond, "p2")},
                            reader.number(bond, "d"),
                            reader.number(bond, "k")});
}

void read_angles(const Reader& reader, const pugi::xml_node& force, MolecularSystem& system) {
  refuse_periodic(reader, force);
  for (const pugi::xml_node& angle : reader.list(force, "Angles"))
    system.angles.push_back(
        {{reader.whole(angle, "p1"), reader.whole(angle, "p2"), reader.whole(angle, "p3")},
         reader.number(angle, "a"),
         reader.number(angle, "k")});
}

void read_torsions(const Reader& reader, const pugi::xml_node& force, MolecularSystem& system) {
  refuse_periodic(reader, force);
  for (const pugi::xml_node& torsion : reader.list(force, "Torsions"))
    system.torsions.push_back({{reader.whole(torsion, "p1"), reader.whole(torsion, "p2"),
                                reader.whole(torsion, "p3"), reader.whole(torsion, "p4")},
                               reader.whole(torsion, "periodicity"),
                               reader.number(torsion, "phase"),
                               reader.number(torsion, "k")});
}

void refuse_cutoff(const Reader& reader, const pugi::xml_node& force) {
  static constexpr const char* kMethods[] = {
      "NoCutoff", "CutoffNonPeriodic", "CutoffPeriodic", "Ewald", "PME", "LJPME"};
  const std::int32_t method = reader.whole(force, "method");
  if (method == 0) return;
  reader.refuse(fmt::format("{} with {} (method {}) is", force.attribute("type").value(),
                            method > 0 && method < 6 ? kMethods[method] : "an unknown cutoff",
                            method));
}

NonbondedPair pair_of(std::int32_t a, std::int32_t b, double charges, double sigma,
                      double epsilon) {
  const double sixth = std::pow(sigma, 6);
  return {{std::min(a, b), std::max(a, b)},
          4.0 * epsilon * sixth * sixth,
          4.0 * epsilon * sixth,
          kCoulomb * charges};
}

void read_nonbonded(const Reader& reader, const pugi::xml_node& force, MolecularSystem& system) {
  refuse_cutoff(reader, force);
  for (const char* offsets : {"ParticleOffsets", "ExceptionOffsets"})
    if (force.child(offsets).first_child())
      reader.refuse(fmt::format("NonbondedForce with {} is", offsets));
  struct Atom {
    double charge, sigma, epsilon;
  };
  std::vector<Atom> atoms;
  for (const pugi::xml_node& atom : reader.list(force, "Particles"))
    atoms.push_back(
        {reader.number(atom, "q"), reader.number(atom, "sig"), reader.number(atom, "eps")});
  if (atoms.size() != system.masses.size())
    fail<DataError>("{}: NonbondedForce: expected {} particles, got {}", reader.path(),
                    system.masses.size(), atoms.size());
  const auto count = static_cast<std::int32_t>(atoms.size());
  std::map<std::pair<std::int32_t, std::int32_t>, NonbondedPair> exceptions;
  for (const pugi::xml_node& node : reader.list(force, "Exceptions")) {
    // Of pairs that feel nothing none is left for check_system to look at.
    const std::int32_t first = reader.whole(node, "p1"), second = reader.whole(node, "p2");
    if (std::min(first, second) < 0 || std::max(first, second) >= count || first == second)
      fail<DataError>(
          "{}: NonbondedForce: an exception: expected two different atoms from 0 to {}, got {} and "
          "{}",
          reader.path(), count - 1, first, second);
    const NonbondedPair pair = pair_of(first, second, reader.number(node, "q"),
                                       reader.number(node, "sig"), reader.number(node, "eps"));
    exceptions.insert_or_assign({pair.atoms[0], pair.atoms[1]}, pair);
  }
  for (std::int32_t i = 0; i < count; ++i)
    for (std::int32_t j = i + 1; j < count; ++j) {
      const Atom &a = atoms[static_cast<std::size_t>(i)], &b = atoms[static_cast<std::size_t>(j)];
      const auto exception = exceptions.find({i, j});
      const NonbondedPair pair = exception != exceptions.end()
                                     ? exception->second
                                     : pair_of(i, j, a.charge * b.charge, 0.5 * (a.sigma + b.sigma),
                                               std::sqrt(a.epsilon * b.epsilon));
      if (pair.c12 != 0.0 || pair.c6 != 0.0 || pair.coulomb != 0.0) system.pairs.push_back(pair);
    }
}

void set_solvent(const Reader& reader, GeneralisedBorn solvent, MolecularSystem& system) {
  if (system.solvent) reader.refuse("a second implicit solvent is");
  system.solvent = std::move(solvent);
}

void read_gbsa_obc(const Reader& reader, const pugi::xml_node& force, MolecularSystem& system) {
  refuse_cutoff(reader, force);
  GeneralisedBorn solvent;
  solvent.engulfed = true;
  solvent.solvation = kCoulomb * (1.0 / reader.number(force, "soluteDielectric") -
                                  1.0 / reader.number(force, "solventDielectric"));
  // Version 1 has no energy of its surface in the file.
  solvent.surface =
      4.0 * std::numbers::pi *
      (force.attribute("surfaceAreaEnergy") ? reader.number(force, "surfaceAreaEnergy") : 2.25936);
  for (const pugi::xml_node& atom : reader.list(force, "Particles")) {
    const double radius = reader.number(atom, "r") - solvent.offset;
    solvent.charge.push_back(reader.number(atom, "q"));
    solvent.radius.push_back(radius);
    solvent.scaled_radius.push_back(reader.number(atom, "scale") * radius);
  }
  set_solvent(reader, std::move(solvent), system);
}

void read_custom_gb(const Reader& reader, const pugi::xml_node& force, MolecularSystem& system) {
  refuse_cutoff(reader, force);
  CustomBornTexts texts;
  for (const pugi::xml_node& node : reader.list(force, "PerParticleParameters"))
    texts.parameters.push_back(reader.text(node, "name"));
  for (const pugi::xml_node& node : reader.list(force, "GlobalParameters"))
    texts.globals[reader.text(node, "name")] = reader.number(node, "default");
  for (const pugi::xml_node& node : reader.list(force, "ComputedValues"))
    texts.values.push_back(
        {reader.text(node, "name"), reader.text(node, "expression"), reader.whole(node, "type")});
  for (const pugi::xml_node& node : reader.list(force, "EnergyTerms"))
    texts.terms.push_back({"", reader.text(node, "expression"), reader.whole(node, "type")});
  GeneralisedBorn solvent = recognise_born(texts, reader.path());
  if (force.child("Exclusions").first_child()) reader.refuse("CustomGBForce with exclusions is");
  if (force.child("Functions").first_child())
    reader.refuse("CustomGBForce with tabulated functions is");
  for (const pugi::xml_node& atom : reader.list(force, "Particles")) {
    solvent.charge.push_back(reader.number(atom, "param1"));
    solvent.radius.push_back(reader.number(atom, "param2"));
    solvent.scaled_radius.push_back(reader.number(atom, "param3"));
  }
  set_solvent(reader, std::move(solvent), system);
}

void read_nothing(const Reader&, const pugi::xml_node&, MolecularSystem&) {}

struct ForceKind {
  const char* name;
  void (*read)(const Reader& reader, const pugi::xml_node& force, MolecularSystem& system);
  std::vector<std::string_view> lists;  ///< what may be in it
};
const ForceKind kForces[] = {
    {"HarmonicBondForce", read_bonds, {"Bonds"}},
    {"HarmonicAngleForce", read_angles, {"Angles"}},
    {"PeriodicTorsionForce", read_torsions, {"Torsions"}},
    {"NonbondedForce",
     read_nonbonded,
     {"GlobalParameters", "ParticleOffsets", "ExceptionOffsets", "Particles", "Exceptions"}},
    {"GBSAOBCForce", read_gbsa_obc, {"Particles"}},
    {"CustomGBForce",
     read_custom_gb,
     {"PerParticleParameters", "GlobalParameters", "EnergyParameterDerivatives", "ComputedValues",
      "EnergyTerms", "Particles", "Exclusions", "Functions"}},
    {"CMMotionRemover", read_nothing, {}},
};

void read_force(const Reader& reader, const pugi::xml_node& force, MolecularSystem& system) {
  const std::string type = reader.text(force, "type");
  for (const ForceKind& kind : kForces)
    if (type == kind.name) {
      reader.check_lists(force, kind.lists);
      return kind.read(reader, force, system);
    }
  reader.refuse(fmt::format("force '{}' is", shown(type)));
}

}  // namespace

MolecularSystem read_openmm_system(const std::string& path) {
  const std::string bytes = read_file(path);
  pugi::xml_document document;
  const pugi::xml_parse_result result = document.load_buffer(bytes.data(), bytes.size());
  if (!result)
    fail<DataError>("{}: cannot be read as XML at byte {} of {}: {}; is it cut off?", path,
                    result.offset, bytes.size(), result.description());
  const pugi::xml_node root = document.child("System");
  if (!root)
    fail<DataError>(
        "{}: expected an OpenMM System, found <{}>; write it with "
        "XmlSerializer.serialize(system)",
        path, shown(document.document_element().name()));
  const Reader reader(path);
  MolecularSystem system;
  system.source = path;
  reader.check_lists(root, {"PeriodicBoxVectors", "Particles", "Constraints", "Forces"});
  for (const pugi::xml_node& particle : reader.list(root, "Particles")) {
    if (particle.first_child())
      reader.refuse(fmt::format("a virtual site ({}) is", shown(particle.first_child().name())));
    system.masses.push_back(reader.number(particle, "mass"));
  }
  check_atom_count(path, system.atoms());
  if (const pugi::xml_node constraints = root.child("Constraints"); constraints.first_child())
    reader.refuse(fmt::format("constraints ({} of them; make the system with constraints=None) are",
                              std::distance(constraints.begin(), constraints.end())));
  for (const pugi::xml_node& force : reader.list(root, "Forces")) read_force(reader, force, system);
  check_system(system);
  return system;
}

}  // namespace thalweg
