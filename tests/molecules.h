// A molecule made up for tests, with every kind of force, and its files.
#pragma once

#include <string>
#include <vector>

#include "thalweg/core/random.h"
#include "thalweg/molecules/molecular_system.h"

namespace thalweg::testing {

/// Five atoms in a chain.
inline MolecularSystem small_molecule(bool in_solvent) {
  MolecularSystem system{.source = "five atoms", .masses = {12.0, 12.0, 14.0, 12.0, 1.0}};
  for (std::int32_t i = 0; i < 4; ++i) system.bonds.push_back({{i, i + 1}, 0.14, 200000.0});
  for (std::int32_t i = 0; i < 3; ++i) system.angles.push_back({{i, i + 1, i + 2}, 2.0, 400.0});
  system.torsions = {
      {{0, 1, 2, 3}, 2, 3.14159265, 8.0}, {{0, 1, 2, 3}, 1, 0.5, 2.0}, {{1, 2, 3, 4}, 3, 0.0, 1.5}};
  system.pairs = {{{0, 3}, 1e-6, 1e-3, 10.0}, {{0, 4}, 2e-6, 2e-3, -25.0}, {{1, 4}, 0.0, 0.0, 5.0}};
  if (in_solvent)
    system.solvent = GeneralisedBorn{.solvation = 137.0,
                                     .surface = 28.3919551,
                                     .engulfed = true,
                                     .charge = {0.3, -0.4, 0.5, -0.6, 0.2},
                                     .radius = {0.16, 0.15, 0.14, 0.15, 0.1},
                                     .scaled_radius = {0.12, 0.11, 0.11, 0.12, 0.08}};
  return system;
}

/// Positions near its least energy, moved by normals of this deviation.
inline std::vector<double> small_molecule_rows(std::size_t count, double deviation) {
  const std::vector<double> still = {0.0,  0.0, 0.0,  0.13, 0.05, 0.0, 0.17, 0.18,
                                     0.03, 0.3, 0.21, 0.08, 0.36, 0.3, 0.17};
  std::vector<double> rows;
  RandomSequence random(5, Stream::kEvaluation);
  for (std::size_t i = 0; i < count; ++i)
    for (const double x : still) rows.push_back(x + deviation * random.normal());
  return rows;
}

/// The XML of an OpenMM System of five atoms in a chain, with every force that is known.
inline std::string small_system_xml() {
  std::string xml =
      "<?xml version=\"1.0\" ?>\n<System openmmVersion=\"8.1\" type=\"System\" version=\"1\">\n"
      "<Particles>";
  for (const char* mass : {"12.0", "12.0", "14.0", "12.0", "1.0"})
    xml += std::string("<Particle mass=\"") + mass + "\"/>";
  xml +=
      "</Particles>\n<Constraints/>\n<Forces>\n"
      "<Force type=\"HarmonicBondForce\" usesPeriodic=\"0\" version=\"2\"><Bonds>";
  for (int i = 0; i < 4; ++i)
    xml += "<Bond d=\".14\" k=\"200000\" p1=\"" + std::to_string(i) + "\" p2=\"" +
           std::to_string(i + 1) + "\"/>";
  xml +=
      "</Bonds></Force>\n"
      "<Force type=\"HarmonicAngleForce\" usesPeriodic=\"0\" version=\"2\"><Angles>";
  for (int i = 0; i < 3; ++i)
    xml += "<Angle a=\"2\" k=\"400\" p1=\"" + std::to_string(i) + "\" p2=\"" +
           std::to_string(i + 1) + "\" p3=\"" + std::to_string(i + 2) + "\"/>";
  xml +=
      "</Angles></Force>\n"
      "<Force type=\"PeriodicTorsionForce\" usesPeriodic=\"0\" version=\"2\"><Torsions>"
      "<Torsion k=\"8\" p1=\"0\" p2=\"1\" p3=\"2\" p4=\"3\" periodicity=\"2\" phase=\"3.1\"/>"
      "</Torsions></Force>\n"
      "<Force type=\"NonbondedForce\" method=\"0\" cutoff=\"1\" version=\"4\"><ParticleOffsets/>"
      "<ExceptionOffsets/><Particles>";
  for (const char* charge : {".3", "-.4", ".5", "-.6", ".2"})
    xml += std::string("<Particle eps=\".4\" q=\"") + charge + "\" sig=\".25\"/>";
  xml +=
      "</Particles><Exceptions>"
      "<Exception eps=\"0\" p1=\"0\" p2=\"1\" q=\"0\" sig=\"1\"/>"
      "<Exception eps=\"0\" p1=\"2\" p2=\"1\" q=\"0\" sig=\"1\"/>"
      "<Exception eps=\"0\" p1=\"2\" p2=\"3\" q=\"0\" sig=\"1\"/>"
      "<Exception eps=\"0\" p1=\"3\" p2=\"4\" q=\"0\" sig=\"1\"/>"
      "<Exception eps=\"0\" p1=\"0\" p2=\"2\" q=\"0\" sig=\"1\"/>"
      "<Exception eps=\"0\" p1=\"1\" p2=\"3\" q=\"0\" sig=\"1\"/>"
      "<Exception eps=\"0\" p1=\"2\" p2=\"4\" q=\"0\" sig=\"1\"/>"
      "<Exception eps=\".2\" p1=\"3\" p2=\"0\" q=\"-.15\" sig=\".2\"/>"
      "</Exceptions></Force>\n"
      "<Force type=\"GBSAOBCForce\" method=\"0\" cutoff=\"1\" soluteDielectric=\"1\" "
      "solventDielectric=\"78.3\" surfaceAreaEnergy=\"2.25936\" version=\"2\"><Particles>";
  for (const char* charge : {".3", "-.4", ".5", "-.6", ".2"})
    xml += std::string("<Particle q=\"") + charge + "\" r=\".15\" scale=\".8\"/>";
  return xml +
         "</Particles></Force>\n"
         "<Force type=\"CMMotionRemover\" frequency=\"1\" version=\"1\"/>\n"
         "</Forces>\n</System>\n";
}

/// A chain of four atoms, all with a charge of 1 and of one type, in AMBER's format.
inline std::string small_topology() {
  const auto flag = [](const std::string& name, const std::string& format,
                       const std::string& text) {
    return "%FLAG " + name + "\n%FORMAT(" + format + ")\n" + text + "\n";
  };
  const std::string number = "  1.00000000E+00";
  std::string text = "%VERSION  VERSION_STAMP = V0001.000\n" + flag("TITLE", "20a4", "chain");
  text += flag("POINTERS", "10I8",
               "       4       1       0       3       0       2       0       2       0       0\n"
               "       7       1       3       2       1       1       1       2       0       0\n"
               "       0       0       0       0       0       0       0       0       4       0\n"
               "       0");
  text += flag("ATOM_NAME", "20a4", "C1  C2  C3  C4  ");
  text +=
      flag("CHARGE", "5E16.8", "  1.82223000E+01  1.82223000E+01  1.82223000E+01  1.82223000E+01");
  text += flag("MASS", "5E16.8", number + number + number + number);
  text += flag("ATOM_TYPE_INDEX", "10I8", "       1       1       1       1");
  text += flag("NUMBER_EXCLUDED_ATOMS", "10I8", "       3       2       1       1");
  text += flag("NONBONDED_PARM_INDEX", "10I8", "       1");
  text += flag("RESIDUE_LABEL", "20a4", "BUT ");
  text += flag("RESIDUE_POINTER", "10I8", "       1");
  text += flag("BOND_FORCE_CONSTANT", "5E16.8", "  3.00000000E+02");
  text += flag("BOND_EQUIL_VALUE", "5E16.8", "  1.50000000E+00");
  text += flag("ANGLE_FORCE_CONSTANT", "5E16.8", "  5.00000000E+01");
  text += flag("ANGLE_EQUIL_VALUE", "5E16.8", "  2.00000000E+00");
  text += flag("DIHEDRAL_FORCE_CONSTANT", "5E16.8", "  1.50000000E+00  5.00000000E-01");
  text += flag("DIHEDRAL_PERIODICITY", "5E16.8", "  3.00000000E+00  1.00000000E+00");
  text += flag("DIHEDRAL_PHASE", "5E16.8", "  0.00000000E+00  3.14159400E+00");
  text += flag("SCEE_SCALE_FACTOR", "5E16.8", "  1.60000000E+00  1.20000000E+00");
  text += flag("SCNB_SCALE_FACTOR", "5E16.8", "  4.00000000E+00  2.00000000E+00");
  text += flag("LENNARD_JONES_ACOEF", "5E16.8", "  1.00000000E+06");
  text += flag("LENNARD_JONES_BCOEF", "5E16.8", "  6.00000000E+02");
  text += flag("BONDS_INC_HYDROGEN", "10I8", "");
  text += flag("BONDS_WITHOUT_HYDROGEN", "10I8",
               "       0       3       1       3       6       1       6       9       1");
  text += flag("ANGLES_INC_HYDROGEN", "10I8", "");
  text += flag("ANGLES_WITHOUT_HYDROGEN", "10I8",
               "       0       3       6       1       3       6       9       1");
  text += flag("DIHEDRALS_INC_HYDROGEN", "10I8", "");
  // The second term of the same atoms has a sign, so that they are not scaled twice.
  text += flag("DIHEDRALS_WITHOUT_HYDROGEN", "10I8",
               "       0       3       6       9       1       0       3      -6       9       2");
  text += flag("EXCLUDED_ATOMS_LIST", "10I8",
               "       2       3       4       3       4       4       0");
  text +=
      flag("RADII", "5E16.8", "  1.70000000E+00  1.70000000E+00  1.70000000E+00  1.70000000E+00");
  text +=
      flag("SCREEN", "5E16.8", "  7.20000000E-01  7.20000000E-01  7.20000000E-01  7.20000000E-01");
  return text;
}

/// The text with the first `old` replaced.
inline std::string with(std::string text, const std::string& old, const std::string& replacement) {
  return text.replace(text.find(old), old.size(), replacement);
}

}  // namespace thalweg::testing
