// Files of molecules: what is read of them, and what is said of those that are not right.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>

#include "molecules.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/amber_topology.h"
#include "thalweg/molecules/backbone.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/molecules/openmm_system.h"

namespace thalweg::testing {
namespace {

TEST(OpenMMSystem, ReadsEveryForceThatItKnows) {
  const TemporaryFolder folder;
  const MolecularSystem system = read_openmm_system(folder.file("system.xml", small_system_xml()));
  EXPECT_EQ(system.atoms(), 5);
  EXPECT_EQ(system.bonds.size(), 4u);
  EXPECT_EQ(system.angles[2].atoms[2], 4);
  EXPECT_EQ(system.torsions[0].periodicity, 2);
  // Of ten pairs seven are excluded, and one is an exception.
  ASSERT_EQ(system.pairs.size(), 3u);
  EXPECT_EQ(system.pairs[0].atoms, (std::array<std::int32_t, 2>{0, 3}));
  EXPECT_NEAR(system.pairs[0].coulomb, -0.15 * 138.93545764438198, 1e-12);
  EXPECT_NEAR(system.pairs[0].c6, 4.0 * 0.2 * std::pow(0.2, 6), 1e-15);
  EXPECT_NEAR(system.pairs[1].coulomb, 0.06 * 138.93545764438198, 1e-12);
  EXPECT_NEAR(system.pairs[1].c12, 4.0 * 0.4 * std::pow(0.25, 12), 1e-18);
  ASSERT_TRUE(system.solvent.has_value());
  EXPECT_TRUE(system.solvent->engulfed);
  EXPECT_NEAR(system.solvent->radius[0], 0.141, 1e-15);
  EXPECT_NEAR(system.solvent->scaled_radius[0], 0.8 * 0.141, 1e-15);
  EXPECT_NEAR(system.solvent->surface, 28.3919551, 1e-4);
  EXPECT_NEAR(system.solvent->solvation, 138.93545764438198 * (1.0 - 1.0 / 78.3), 1e-10);
}

TEST(OpenMMSystem, RefusesByNameWhatItDoesNotKnow) {
  const TemporaryFolder folder;
  const std::string xml = small_system_xml();
  const auto message = [&](const std::string& text) {
    return message_of<DataError>([&] { read_openmm_system(folder.file("s.xml", text)); });
  };
  // Before its forces are read.
  std::string many = "<System><Particles>";
  for (int i = 0; i < 1001; ++i) many += "<Particle mass=\"1\"/>";
  expect_parts(message(many + "</Particles><Forces><Force type=\"Unknown\"/></Forces></System>"),
               {"at most 1000 atoms", "got 1001"});
  const std::string nonbonded = "\"NonbondedForce\" method=\"0\"";
  expect_parts(message(with(xml, nonbonded, "\"NonbondedForce\" method=\"4\"")),
               {"s.xml", "NonbondedForce", "PME", "not supported"});
  expect_parts(message(with(xml, nonbonded, "\"NonbondedForce\" method=\"1\"")),
               {"CutoffNonPeriodic"});
  expect_parts(message(with(xml, "<Constraints/>",
                            "<Constraints><Constraint d=\".1\" p1=\"0\" p2=\"1\"/></Constraints>")),
               {"constraints (1 of them", "constraints=None"});
  expect_parts(message(with(xml, "CMMotionRemover", "MonteCarloBarostat")),
               {"force 'MonteCarloBarostat' is not supported"});
  expect_parts(message(with(xml, "<Particle mass=\"1.0\"/>",
                            "<Particle mass=\"0\"><TwoParticleAverageSite/></Particle>")),
               {"virtual site", "TwoParticleAverageSite"});
  expect_parts(message(with(xml, "<Particle mass=\"1.0\"/>", "<Particle mass=\"0\"/>")),
               {"atom 4", "mass above 0"});
  expect_parts(message(with(xml, "usesPeriodic=\"0\"", "usesPeriodic=\"1\"")),
               {"HarmonicBondForce", "periodic boundaries"});
  expect_parts(message(with(xml, "<ParticleOffsets/>", "<ParticleOffsets><O/></ParticleOffsets>")),
               {"ParticleOffsets"});
  expect_parts(message(with(xml, "k=\"8\"", "k=\"eight\"")),
               {"Torsion 'k'", "expected a number", "eight"});
  expect_parts(message(with(xml, " k=\"8\"", "")), {"Torsion", "expected 'k', found none"});
  expect_parts(message(with(xml, "p1=\"3\" p2=\"4\"", "p1=\"3\" p2=\"5\"")), {"a bond", "got 5"});
  expect_parts(message(with(xml, "p1=\"3\" p2=\"0\"", "p1=\"3\" p2=\"9\"")),
               {"an exception", "from 0 to 4", "got 3 and 9"});
  expect_parts(message(with(xml, "p1=\"3\" p2=\"0\"", "p1=\"3\" p2=\"3\"")),
               {"an exception", "different", "got 3 and 3"});
  // A list that is called otherwise is not an empty one.
  for (const std::string list : {"Bonds", "Angles", "Torsions", "Exceptions"}) {
    std::string other = xml;
    for (std::size_t at = 0; (at = other.find(list + ">", at)) != std::string::npos;)
      other.replace(at, list.size(), "Misspelt");
    expect_parts(message(other), {"<Misspelt> in", "not supported"});
  }
  expect_parts(message(with(xml, "<Constraints/>", "<Constraint/>")), {"<Constraint> in System"});
  const std::size_t bonds = xml.find("<Bonds>"), end = xml.find("</Bonds>") + 8;
  expect_parts(message(xml.substr(0, bonds) + xml.substr(end)),
               {"HarmonicBondForce", "expected a list <Bonds>", "found none"});
  expect_parts(message(xml.substr(0, xml.size() / 2)), {"cannot be read as XML", "cut off"});
  expect_parts(message("<Topology/>"), {"expected an OpenMM System", "<Topology>"});
  expect_parts(message(""), {"s.xml", "XML"});
  expect_parts(message_of<DataError>([&] { read_openmm_system(folder.path("none.xml")); }),
               {"none.xml", "cannot read"});
}

/// The XML with the solvent as a CustomGBForce.
std::string custom_xml(const std::string& radius, const std::string& after) {
  const std::string constants =
      "; solventDielectric=78.5; soluteDielectric=1; kappa=0; offset=0.008999999999999999";
  std::string force =
      "<Force type=\"CustomGBForce\" name=\"any\" method=\"0\" cutoff=\"1\" version=\"2\">"
      "<PerParticleParameters><Parameter name=\"charge\"/><Parameter name=\"or\"/>"
      "<Parameter name=\"sr\"/></PerParticleParameters><GlobalParameters/><ComputedValues>"
      "<Value expression=\"select(step(r+sr2-or1), 0.5*(1/L-1/U+0.25*(r-sr2^2/r)*(1/(U^2)-1/(L^2))"
      "+0.5*log(L/U)/r), 0);U=r+sr2;L=max(or1, D);D=abs(r-sr2)\" name=\"I\" type=\"2\"/>"
      "<Value expression=\"" +
      radius +
      ";psi=I*or; radius=or+offset; offset=0.009\" name=\"B\" type=\"0\"/></ComputedValues>"
      "<EnergyTerms>"
      "<Term expression=\"-0.5*138.935485*(1/soluteDielectric-1/solventDielectric)*charge^2/B" +
      constants +
      "\" type=\"0\"/>"
      "<Term expression=\"28.3919551*(radius+0.14)^2*(radius/B)^6; radius=or+offset" +
      constants +
      "\" type=\"0\"/>"
      "<Term expression=\"-138.935485*(1/soluteDielectric-1/solventDielectric)*charge1*charge2/f;"
      "f=sqrt(r^2+B1*B2*exp(-r^2/(4*B1*B2)))" +
      constants + "\" type=\"2\"/>" + after + "</EnergyTerms><Particles>";
  for (const char* charge : {".3", "-.4", ".5", "-.6", ".2"})
    force += fmt::format("<Particle param1=\"{}\" param2=\".141\" param3=\".1128\"/>", charge);
  force += "</Particles><Exclusions/><Functions/></Force>";
  const std::string xml = small_system_xml();
  const std::size_t begin = xml.find("<Force type=\"GBSAOBCForce\"");
  const std::size_t end = xml.find("</Force>", begin) + 8;
  return xml.substr(0, begin) + force + xml.substr(end);
}

TEST(OpenMMSystem, KnowsASolventByItsExpressions) {
  const TemporaryFolder folder;
  const auto solvent = [&](const std::string& radius) {
    return *read_openmm_system(folder.file("s.xml", custom_xml(radius, ""))).solvent;
  };
  const GeneralisedBorn first = solvent("1/(1/or-tanh(0.8*psi+2.909125*psi^3)/radius)");
  EXPECT_EQ(first.alpha, 0.8);
  EXPECT_EQ(first.beta, 0.0);
  EXPECT_EQ(first.gamma, 2.909125);
  EXPECT_FALSE(first.engulfed);
  EXPECT_EQ(first.surface, 28.3919551);
  EXPECT_EQ(first.probe, 0.14);
  EXPECT_NEAR(first.solvation, 138.935485 * (1.0 - 1.0 / 78.5), 1e-10);
  EXPECT_EQ(first.radius[2], 0.141);
  const GeneralisedBorn second = solvent("1/(1/or-tanh(psi-0.8*psi^2+4.85*psi^3)/radius)");
  EXPECT_EQ(second.alpha, 1.0);
  EXPECT_EQ(second.beta, 0.8);
  EXPECT_EQ(second.gamma, 4.85);
  // The constants are those of the file, not of the paper.
  EXPECT_EQ(solvent("1/(1/or-tanh(0.9*psi-0.7*psi^2+4*psi^3)/radius)").beta, 0.7);

  const auto message = [&](const std::string& text) {
    return message_of<DataError>([&] { read_openmm_system(folder.file("s.xml", text)); });
  };
  const std::string known = "1/(1/or-tanh(0.8*psi+2.909125*psi^3)/radius)";
  expect_parts(message(custom_xml("1/(1/or-tanh(psi)/radius)", "")),
               {"CustomGBForce", "tanh(psi)", "not supported"});
  expect_parts(message(custom_xml(known, "<Term expression=\"3*B\" type=\"0\"/>")), {"'3*B'"});
  expect_parts(message(with(custom_xml(known, ""), "kappa=0;", "kappa=0.7;")),
               {"salt (kappa = 0.7) is not supported"});
  expect_parts(message(with(custom_xml(known, ""), "138.935485*(1/sol", "139*(1/sol")),
               {"with the same constants"});
  expect_parts(message(with(custom_xml(known, ""), "name=\"or\"", "name=\"radius\"")),
               {"parameters charge, or, sr"});
}

TEST(AmberTopology, ReadsAChainOfFour) {
  const TemporaryFolder folder;
  const std::string text = small_topology();
  const AmberTopology topology = read_amber_topology(folder.file("chain.prmtop", text));
  const MolecularSystem& system = topology.system;
  ASSERT_EQ(system.bonds.size(), 3u);
  EXPECT_NEAR(system.bonds[0].stiffness, 2.0 * 300.0 * 4.184 * 100.0, 1e-6);
  EXPECT_NEAR(system.bonds[0].length, 0.15, 1e-12);
  EXPECT_NEAR(system.angles[1].stiffness, 2.0 * 50.0 * 4.184, 1e-9);
  ASSERT_EQ(system.torsions.size(), 2u);
  EXPECT_EQ(system.torsions[0].periodicity, 3);
  EXPECT_NEAR(system.torsions[1].stiffness, 0.5 * 4.184, 1e-12);
  ASSERT_EQ(system.pairs.size(), 1u);
  EXPECT_NEAR(system.pairs[0].coulomb, 138.93545764438198 / 1.6, 1e-9);
  EXPECT_NEAR(system.pairs[0].c12, 4.184 * 1e6 * 1e-12 / 4.0, 1e-18);
  EXPECT_NEAR(system.pairs[0].c6, 4.184 * 600.0 * 1e-6 / 4.0, 1e-12);
  EXPECT_EQ(topology.atoms[3].name, "C4");
  EXPECT_EQ(topology.atoms[3].residue, "BUT");
  EXPECT_EQ(topology.atoms[3].element, "C");
  const std::string numbered =
      "%FLAG ATOMIC_NUMBER\n%FORMAT(10I8)\n       6       6       6      17\n";
  EXPECT_EQ(read_amber_topology(folder.file("numbered.prmtop", text + numbered)).atoms[3].element,
            "Cl");
  const auto solvent = read_amber_topology(folder.path("chain.prmtop"), "obc2").system.solvent;
  ASSERT_TRUE(solvent.has_value());
  EXPECT_EQ(solvent->gamma, 4.85);
  EXPECT_NEAR(solvent->radius[0], 0.161, 1e-12);
  // Without the factors, AMBER's old ones.
  std::string old = with(text, "%FLAG SCEE_SCALE_FACTOR", "%FLAG OTHER");
  old = with(old, "%FLAG SCNB_SCALE_FACTOR", "%FLAG ANOTHER");
  EXPECT_NEAR(read_amber_topology(folder.file("old.prmtop", old)).system.pairs[0].coulomb,
              138.93545764438198 / 1.2, 1e-9);
}

TEST(AmberTopology, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const std::string text = small_topology();
  const auto message = [&](const std::string& bytes) {
    return message_of<DataError>([&] { read_amber_topology(folder.file("t.prmtop", bytes)); });
  };
  expect_parts(message(text.substr(0, text.find("%FLAG ANGLES_INC"))),
               {"t.prmtop", "ANGLES_INC_HYDROGEN", "found none", "cut off"});
  expect_parts(message(text.substr(0, text.find("       3       6       9       1"))),
               {"ANGLES_WITHOUT_HYDROGEN", "expected 8", "got 4", "cut off"});
  expect_parts(message(with(text, "  6.00000000E+02", "  6.0000x000E+02")),
               {"LENNARD_JONES_BCOEF", "expected numbers"});
  expect_parts(message(with(text, "(10I8)", "(10Q8)")), {"line", "format", "10Q8"});
  expect_parts(message("hello\n"), {"expected %FLAG", "hello"});
  expect_parts(message(""), {"%FLAG", "found none"});
  expect_parts(message(with(text, "%FLAG TITLE", "%FLAG CTITLE")), {"CHARMM", "not supported"});
  for (const auto& [flag, named] :
       {std::pair{"%FLAG IPOL\n%FORMAT(1I8)\n       1\n", "IPOL"},
        {"%FLAG AMOEBA_FORCEFIELD\n%FORMAT(1I8)\n       1\n", "AMOEBA"}})
    expect_parts(message(text + flag), {named, "not supported"});
  EXPECT_NO_THROW(
      read_amber_topology(folder.file("p.prmtop", text + "%FLAG IPOL\n%FORMAT(1I8)\n       0\n")));
  expect_parts(
      message(with(text, "  3.00000000E+00  1.00000000E+00", "  4.29496730E+09  1.00000000E+00")),
      {"DIHEDRAL_PERIODICITY", "4294967300"});
  expect_parts(
      message(with(text, "  3.00000000E+00  1.00000000E+00", "  2.50000000E+00  1.00000000E+00")),
      {"DIHEDRAL_PERIODICITY", "whole number", "2.5"});
  const std::size_t residues = text.find("%FLAG RESIDUE_POINTER");
  const std::size_t first = text.find("       1", residues);
  std::string later = text;
  later.replace(first, 8, "       2");
  expect_parts(message(later), {"RESIDUE_POINTER", "from 1 to 4", "got 2 in place 1"});
  // IFBOX.
  expect_parts(message(with(text, "       0       0       4       0\n       0",
                            "       0       1       4       0\n       0")),
               {"periodic box"});
  expect_parts(
      message_of<ConfigError>([&] { read_amber_topology(folder.file("t.prmtop", text), "obc3"); }),
      {"none, obc1 or obc2", "obc3"});
}

constexpr char kPdb[] =
    "REMARK made up\n"
    "ATOM      1  C   ACE A   1       0.000   0.000   0.000  1.00  0.00           C  \n"
    "ATOM      2  N   ALA A   2       1.300   0.000   0.000  1.00  0.00           N  \n"
    "ATOM      3  CA  ALA A   2       2.000   1.200   0.000  1.00  0.00           C  \n"
    "ATOM      4 1HB  ALA A   2       2.000   1.200   1.000\n"
    "ATOM      5  C   ALA A   2       3.500   1.000   0.500  1.00  0.00           C  \n"
    "HETATM    6  N   NME A   3       4.000   2.000   1.000  1.00  0.00           N  \n"
    "END\n";

TEST(PdbFile, KeepsNamesAndPositions) {
  const TemporaryFolder folder;
  const PdbFile pdb = read_pdb(folder.file("a.pdb", kPdb));
  ASSERT_EQ(pdb.atoms.size(), 6u);
  EXPECT_EQ(pdb.models(), 1);
  EXPECT_EQ(pdb.atoms[3].name, "1HB");
  EXPECT_EQ(pdb.atoms[3].element, "H");
  EXPECT_EQ(pdb.atoms[5].residue, "NME");
  EXPECT_EQ(pdb.atoms[5].residue_number, 3);
  EXPECT_NEAR(pdb.positions[6], 0.2, 1e-12);

  std::vector<double> two = pdb.positions;
  for (const double x : pdb.positions) two.push_back(-x);
  write_pdb(folder.path("b.pdb"), pdb.atoms, two);
  const PdbFile back = read_pdb(folder.path("b.pdb"));
  EXPECT_EQ(back.models(), 2);
  for (std::size_t i = 0; i < two.size(); ++i) EXPECT_NEAR(back.positions[i], two[i], 6e-5);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(back.atoms[i].name, pdb.atoms[i].name);
    EXPECT_EQ(back.atoms[i].chain, "A");
    EXPECT_EQ(back.atoms[i].residue_number, pdb.atoms[i].residue_number);
  }
  // Eight columns hold a sign and three digits, or four digits.
  two[3] = 999.0, two[4] = -99.0;
  write_pdb(folder.path("b.pdb"), pdb.atoms, two);
  EXPECT_EQ(read_pdb(folder.path("b.pdb")).positions[3], 999.0);
  EXPECT_EQ(read_pdb(folder.path("b.pdb")).positions[4], -99.0);
  for (const double far : {2000.0, -100.0}) {
    two[4] = far;
    expect_parts(message_of<DataError>([&] { write_pdb(folder.path("b.pdb"), pdb.atoms, two); }),
                 {"atom 1", "-99.9 to 999.9"});
  }

  const auto message = [&](const std::string& text) {
    return message_of<DataError>([&] { read_pdb(folder.file("c.pdb", text)); });
  };
  expect_parts(message(with(kPdb, "   3.500", "   3.5x0")), {"c.pdb, line 6", "position", "3.5x0"});
  expect_parts(message("HEADER\n"), {"ATOM or HETATM", "found none"});
  const std::string models = "MODEL 1\n" + std::string(kPdb).substr(15, 81 * 2) +
                             "ENDMDL\nMODEL 2\n" + std::string(kPdb).substr(15, 81) + "ENDMDL\n";
  expect_parts(message(models), {"model 2", "expected 2 atoms", "got 1"});
  // Residues are whole numbers: 1e99, found by damaging files, has no place among them.
  for (const char* residue : {"1e99", " 2.5", "  1x"}) {
    std::string text(kPdb);
    text.replace(text.find("ATOM") + 22, 4, residue);
    expect_parts(message(text), {"residue: expected a whole number"});
  }
}

std::string pdb_line(const std::string& name, char location, const std::string& residue, int number,
                     char insertion, double x) {
  return fmt::format(
      "ATOM      1  {:<3}{:1}{:3} A{:4}{:1}   {:8.3f}   0.000   0.000  1.00  0.00           C  \n",
      name, location, residue, number, insertion, x);
}

TEST(PdbFile, TakesTheFirstOfAlternateLocations) {
  const TemporaryFolder folder;
  const auto names = [&](const std::string& text) {
    std::vector<std::string> result;
    const PdbFile pdb = read_pdb(folder.file("a.pdb", text));
    for (std::size_t i = 0; i < pdb.atoms.size(); ++i)
      result.push_back(fmt::format("{} {:.0f}", pdb.atoms[i].name, 10.0 * pdb.positions[3 * i]));
    return result;
  };
  using Names = std::vector<std::string>;
  // Letters may come in any order, and an atom may have no A.
  EXPECT_EQ(names(pdb_line("N", ' ', "SER", 1, ' ', 1) + pdb_line("CA", 'B', "SER", 1, ' ', 2) +
                  pdb_line("CA", 'A', "SER", 1, ' ', 3) + pdb_line("CB", 'B', "SER", 1, ' ', 4) +
                  pdb_line("CB", 'C', "SER", 1, ' ', 5)),
            (Names{"N 1", "CA 2", "CB 4"}));
  // Of a residue that may be another one, the first one's.
  EXPECT_EQ(names(pdb_line("CA", 'A', "SER", 1, ' ', 1) + pdb_line("OG", 'A', "SER", 1, ' ', 2) +
                  pdb_line("CA", 'B', "THR", 1, ' ', 3) + pdb_line("OG1", 'B', "THR", 1, ' ', 4)),
            (Names{"CA 1", "OG 2"}));
  // Each model has its own.
  const std::string model = "MODEL 1\n" + pdb_line("CA", 'B', "SER", 1, ' ', 1) +
                            pdb_line("CA", 'C', "SER", 1, ' ', 2) + "ENDMDL\n";
  EXPECT_EQ(read_pdb(folder.file("b.pdb", model + model)).models(), 2);
}

TEST(PdbFile, ResiduesMayShareANumber) {
  const TemporaryFolder folder;
  std::string text;
  double x = 0.0;
  for (const char insertion : {' ', 'A', 'B'})
    for (const char* name : {"N", "CA", "C"})
      text += pdb_line(name, ' ', "GLY", 52, insertion, x += 1.0);
  const PdbFile pdb = read_pdb(folder.file("a.pdb", text));
  EXPECT_EQ(pdb.atoms[3].insertion, "A");
  const auto angles = backbone_angles(pdb.atoms);
  ASSERT_EQ(angles.size(), 1u);
  EXPECT_EQ(angles[0].residue, "GLY 52A");
  EXPECT_EQ(angles[0].phi, (std::array<std::int64_t, 4>{2, 3, 4, 5}));
  EXPECT_FALSE(same_atom(pdb.atoms[0], pdb.atoms[3]));
  EXPECT_EQ(text_of(pdb.atoms[3]), "N GLY 52A C A");
  EXPECT_TRUE(same_atom(atom_label(text_of(pdb.atoms[3])), pdb.atoms[3]));
  std::vector<AtomLabel> moved = pdb.atoms;
  EXPECT_NO_THROW(refuse_other_order(pdb.atoms, moved, "a", "b"));
  std::swap(moved[1], moved[2]);
  expect_parts(message_of<DataError>([&] { refuse_other_order(pdb.atoms, moved, "a", "b"); }),
               {"b: atom 1", "as in a", "another order"});
  moved[1].name = "XX";  // names of another convention tell nothing
  EXPECT_NO_THROW(refuse_other_order(pdb.atoms, moved, "a", "b"));
  expect_parts(message_of<ConfigError>([] { atom_label("N GLY 52.5 C A"); }), {"52.5"});

  // Names and masses that disagree both ways are of another order; one way may be a wrong element.
  NamedSystem named;
  named.atoms = {{.name = "CA", .element = "C"}, {.name = "HA", .element = "H"}};
  named.system.masses = {12.0, 1.0};
  EXPECT_NO_THROW(refuse_other_elements(named, "names.pdb"));
  named.system.masses = {1.0, 1.0};
  EXPECT_NO_THROW(refuse_other_elements(named, "names.pdb"));
  EXPECT_EQ(element_warnings(named).size(), 1u);
  named.system.masses = {1.0, 12.0};
  expect_parts(message_of<DataError>([&] { refuse_other_elements(named, "names.pdb"); }),
               {"names.pdb: atom 0 is called CA", "mass of 1", "another order"});
  write_pdb(folder.path("b.pdb"), pdb.atoms, pdb.positions);
  const PdbFile back = read_pdb(folder.path("b.pdb"));
  EXPECT_EQ(back.atoms[8].insertion, "B");
  EXPECT_EQ(back.atoms[0].insertion, "");
}

// Numbers start anew with each molecule, and AMBER's files have no chains.
TEST(Backbone, AlphaCarbonsOfResiduesOfOneNumberAreEachTheirOwn) {
  std::vector<AtomLabel> atoms;
  for (const char* residue : {"ALA", "VAL", "ALA", "VAL"})
    for (const char* name : {"N", "CA", "CB", "C"})
      atoms.push_back({name, residue, "", std::string(residue) == "ALA" ? 1 : 2});
  const std::vector<AlphaCarbon> found = alpha_carbons(atoms);
  ASSERT_EQ(found.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(found[i].n, 4 * i);
    EXPECT_EQ(found[i].cb, 4 * i + 2);
  }
}

TEST(Backbone, FindsTheAnglesOfResiduesAndTheirSizes) {
  const TemporaryFolder folder;
  const PdbFile pdb = read_pdb(folder.file("a.pdb", kPdb));
  const auto angles = backbone_angles(pdb.atoms);
  ASSERT_EQ(angles.size(), 1u);
  EXPECT_EQ(angles[0].residue, "ALA 2");
  // Of several chains the label says which.
  std::vector<AtomLabel> two = pdb.atoms;
  for (AtomLabel& atom : two) atom.chain = "B";
  two.insert(two.begin(), pdb.atoms.begin(), pdb.atoms.end());
  const auto of_both = backbone_angles(two);
  ASSERT_EQ(of_both.size(), 2u);
  EXPECT_NE(of_both[0].residue, of_both[1].residue);
  EXPECT_EQ(of_both[1].residue, "ALA 2 B");
  EXPECT_EQ(angles[0].phi, (std::array<std::int64_t, 4>{0, 1, 2, 4}));
  EXPECT_EQ(angles[0].psi, (std::array<std::int64_t, 4>{1, 2, 4, 5}));
  // Atoms of two molecules have no bond between them.
  const HarmonicBond first{{0, 1}, 0.13, 1.0}, second{{5, 4}, 0.13, 1.0};
  EXPECT_EQ(backbone_angles(pdb.atoms, std::vector{first, second}).size(), 1u);
  EXPECT_TRUE(backbone_angles(pdb.atoms, std::vector{first}).empty());
  EXPECT_TRUE(backbone_angles(pdb.atoms, std::vector{second}).empty());
  for (const double angle : {-3.0, -1.0, 0.0, 0.5, 2.0}) {
    const std::vector<double> row = {
        1.0, 0.0, -0.5, 0.0, 0.0, 0.0, 0.0, 0.0, 1.5, std::cos(angle), std::sin(angle), 2.0};
    EXPECT_NEAR(dihedral_angle(row, {0, 1, 2, 3}), angle, 1e-12);
  }
}

TEST(Trajectory, GrowsAndIsReadBack) {
  const TemporaryFolder folder;
  std::vector<double> frames;
  for (int i = 0; i < 4 * 6; ++i) frames.push_back(0.1 * i - 1.0);
  for (const std::string format : {"npy", "dcd", "nc"}) {
    const std::string path = folder.path("t." + format);
    {
      const auto writer = make_trajectory_writer(format, path, 2, 0, 0.5);
      writer->append(std::span(frames).first(12));
      writer->save();
      EXPECT_EQ(read_frames(path, 2).count(), 2);
      writer->append(std::span(frames).subspan(12, 6));
      writer->save();
    }
    {
      // Goes on after the second frame; the third is made anew.
      const auto writer = make_trajectory_writer(format, path, 2, 2, 0.5);
      writer->append(std::span(frames).subspan(12));
      writer->save();
    }
    const Frames back = read_frames(path, 2);
    ASSERT_EQ(back.count(), 4);
    for (std::size_t i = 0; i < frames.size(); ++i) EXPECT_NEAR(back.positions[i], frames[i], 1e-7);
    const std::string bytes = read_bytes(path);
    const std::string cut = folder.file("cut." + format, bytes.substr(0, bytes.size() - 5));
    expect_parts(message_of<DataError>([&] { read_frames(cut, 2); }), {"cut off"});
    expect_parts(message_of<DataError>([&] { make_trajectory_writer(format, cut, 2, 4, 0.5); }),
                 {"cut off"});
    expect_parts(message_of<DataError>([&] { read_frames(path, 3); }), {"3"});
  }
  // Times of frames: replicas of one moment have the same.
  for (const std::int64_t replicas : {1, 2}) {
    const std::string path = folder.path(fmt::format("times-{}.nc", replicas));
    const auto writer = make_trajectory_writer("nc", path, 2, 0, 0.5, replicas);
    writer->append(frames);
    writer->save();
    const std::string bytes = read_bytes(path), last = bytes.substr(bytes.size() - 28, 4);
    std::uint32_t word = 0;
    for (const char byte : last) word = word << 8 | static_cast<std::uint8_t>(byte);
    EXPECT_EQ(std::bit_cast<float>(word), replicas == 1 ? 2.0F : 1.0F);
  }
  // A DCD's header, as its readers have it: 84 bytes that begin with CORD, then the frames.
  const std::string dcd = read_bytes(folder.path("t.dcd"));
  std::int32_t marker = 0, count = 0;
  std::memcpy(&marker, dcd.data(), 4);
  std::memcpy(&count, dcd.data() + 8, 4);
  EXPECT_EQ(marker, 84);
  EXPECT_EQ(dcd.substr(4, 4), "CORD");
  EXPECT_EQ(count, 4);
  // A whole frame less than the header says.
  const std::string short_one = folder.file("short.dcd", dcd.substr(0, dcd.size() - 3 * 16));
  expect_parts(message_of<DataError>([&] { read_dcd(short_one); }),
               {"expected 4 frames", "got 3", "cut off"});
  // More: their header is written after the frames.
  const std::string more = folder.file("more.dcd", dcd + dcd.substr(dcd.size() - 3 * 16));
  expect_parts(message_of<DataError>([&] { read_dcd(more); }),
               {"expected 4 frames", "got 5", "still written"});
  // A damaged number of atoms, of which a frame would take 51 GB.
  std::string many = dcd;
  const std::int32_t most = std::numeric_limits<std::int32_t>::max();
  std::memcpy(many.data() + 188, &most, 4);
  expect_parts(message_of<DataError>([&] { read_dcd(folder.file("many.dcd", many)); }),
               {"many.dcd", "cut off"});
  expect_parts(message_of<DataError>([&] { read_dcd(folder.file("x.dcd", "hello hello")); }),
               {"x.dcd", "DCD"});

  GrowingArray array(folder.path("e.npy"), {2, 3}, 0);
  array.append(std::span(frames).first(12));
  array.save();
  EXPECT_EQ(read_npy(folder.path("e.npy")).shape, (std::vector<std::int64_t>{2, 2, 3}));
}

TEST(Trajectory, PositionsMustBeThoseOfTheAtoms) {
  const TemporaryFolder folder;
  const std::vector<double> six = {0.0, 1.0, 2.0, 3.0, std::nan(""), 5.0};
  const auto message = [&](const std::vector<std::int64_t>& shape, std::int64_t atoms) {
    write_npy(folder.path("p.npy"), shape, six);
    return message_of<DataError>([&] { read_frames(folder.path("p.npy"), atoms); });
  };
  expect_parts(message({2, 3}, 2), {"p.npy", "frame 0, atom 1", "finite", "nan"});
  expect_parts(message({1, 2, 3}, 2), {"finite"});
  expect_parts(message({1, 6}, 2), {"finite"});
  expect_parts(message({2, 3}, 22), {"positions of 22 atoms", "got 2 x 3"});
  expect_parts(message_of<DataError>([&] { read_frames(folder.file("a.pdb", kPdb), 22); }),
               {"22 atoms", "got 6"});
  expect_parts(message_of<DataError>([&] { read_frames("a.txt", 22); }),
               {".pdb, .npy, .dcd, .nc or .ncrst"});
}

}  // namespace
}  // namespace thalweg::testing
