// Damaged files of molecules: whatever the damage, a reader gives a system that can be evaluated or
// an error of one line. THALWEG_FUZZ_SECONDS is how long each reader is tried; under sanitizers
// this looks for reads beyond ends, too.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "molecules.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/molecules/amber_topology.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/openmm_system.h"

namespace thalweg::testing {
namespace {

double seconds_a_reader() {
  const char* text = std::getenv("THALWEG_FUZZ_SECONDS");
  return text != nullptr ? std::atof(text) : 10.0;
}

std::size_t below(RandomSequence& random, std::size_t count) {
  return static_cast<std::size_t>(random.uniform() * static_cast<double>(count)) % count;
}

/// One to four changes: bits, bytes, numbers, parts that are left out, doubled or moved, an end.
std::string damaged(std::string bytes, RandomSequence& random) {
  static const std::vector<std::string> kWords = {"-1",
                                                  "0",
                                                  "4294967296",
                                                  "99999999",
                                                  "1e999",
                                                  "nan",
                                                  "inf",
                                                  "",
                                                  "\n",
                                                  "%FLAG ",
                                                  "\"",
                                                  "<",
                                                  ">",
                                                  "\xff\xff\xff\x7f",
                                                  std::string(4, '\0')};
  const std::size_t changes = 1 + below(random, 4);
  for (std::size_t change = 0; change < changes && !bytes.empty(); ++change) {
    const std::size_t at = below(random, bytes.size());
    const std::size_t length = std::min(bytes.size() - at, 1 + below(random, 40));
    switch (below(random, 7)) {
      case 0:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(random, 8)));
        break;
      case 1:
        bytes[at] = static_cast<char>(below(random, 256));
        break;
      case 2:
        bytes.erase(at, length);
        break;
      case 3:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 4:
        bytes.resize(at);
        break;
      case 5:
        bytes.replace(at, std::min<std::size_t>(length, 4), kWords[below(random, kWords.size())]);
        break;
      default:
        bytes.insert(below(random, bytes.size()), bytes.substr(at, length));
    }
  }
  return bytes;
}

/// Reads damaged copies of `bytes` as `name`; `read` may throw an Error alone.
void try_reader(const std::string& name, const std::string& bytes, std::uint64_t seed,
                const std::function<void(const std::string& path)>& read) {
  const TemporaryFolder folder;
  ASSERT_NO_THROW(read(folder.file(name, bytes)));
  RandomSequence random(seed, Stream::kEvaluation);
  const auto start = std::chrono::steady_clock::now();
  const std::chrono::duration<double> limit(seconds_a_reader());
  std::int64_t accepted = 0, refused = 0;
  while (std::chrono::steady_clock::now() - start < limit) {
    const std::string path = folder.file(name, damaged(bytes, random));
    try {
      read(path);
      ++accepted;
    } catch (const Error& error) {
      ++refused;
      ASSERT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
      ASSERT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    } catch (const std::exception& error) {
      FAIL() << error.what() << " after " << accepted + refused << " files of seed " << seed;
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_GT(refused, 0);
  std::printf("%s: %lld files accepted, %lld refused\n", name.c_str(),
              static_cast<long long>(accepted), static_cast<long long>(refused));
}

/// A system that was accepted can be evaluated.
void evaluate(const MolecularSystem& system) {
  const ForceField field(system);
  const auto width = static_cast<std::size_t>(field.coordinates());
  std::vector<double> x(width), forces(width);
  for (std::size_t i = 0; i < width; ++i) x[i] = 0.1 * static_cast<double>(i * i % 17);
  double energy = 0.0;
  field.evaluate(x.data(), 1, &energy, forces.data());
}

TEST(DamagedFiles, OfSystemsOfOpenMM) {
  try_reader("system.xml", small_system_xml(), 1,
             [](const std::string& path) { evaluate(read_openmm_system(path)); });
}

TEST(DamagedFiles, OfTopologiesOfAmber) {
  try_reader("chain.prmtop", small_topology(), 2,
             [](const std::string& path) { evaluate(read_amber_topology(path, "obc2").system); });
}

TEST(DamagedFiles, OfStructures) {
  const TemporaryFolder folder;
  const std::vector<AtomLabel> atoms = {{"C", "ACE", "C"}, {"N", "ALA", "N"}, {"CA", "ALA", "C"}};
  write_pdb(folder.path("x.pdb"), atoms, std::vector<double>(18, 0.25));
  try_reader("atoms.pdb", read_bytes(folder.path("x.pdb")), 3,
             [](const std::string& path) { read_pdb(path); });
}

void try_trajectories(const std::string& format) {
  const TemporaryFolder folder;
  const std::string path = folder.path("x." + format);
  {
    const auto writer = make_trajectory_writer(format, path, 5, 0, 0.2);
    writer->append(small_molecule_rows(4, 0.01));
    writer->save();
  }
  try_reader("frames." + format, read_bytes(path), 4,
             [](const std::string& damaged_path) { read_frames(damaged_path, 5); });
}

TEST(DamagedFiles, OfTrajectoriesInDcd) { try_trajectories("dcd"); }
TEST(DamagedFiles, OfTrajectoriesInNpy) { try_trajectories("npy"); }
TEST(DamagedFiles, OfTrajectoriesInNetCdf) { try_trajectories("nc"); }

}  // namespace
}  // namespace thalweg::testing
