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

/// The text with the first `old` replaced.
inline std::string with(std::string text, const std::string& old, const std::string& replacement) {
  return text.replace(text.find(old), old.size(), replacement);
}

}  // namespace thalweg::testing
