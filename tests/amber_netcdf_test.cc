// AMBER's NetCDF trajectories: files that another program wrote, ours as the format describes them,
// and what is refused.
#include "thalweg/io/amber_netcdf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"

namespace thalweg::testing {
namespace {

std::string from_hex(const std::string& text) {
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2)
    bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
  return bytes;
}

// Written by netcdf_file of SciPy: three frames of two atoms with x = 0, 1, 2, ... Angstroms, in
// the classic format, between times and double cells; and a restart file of two atoms, in double,
// with 64-bit offsets.
const char* const kTrajectory =
    "43444601000000030000000a00000004000000056672616d6500000000000000000000077370617469616c0000"
    "0000030000000461746f6d000000020000000c63656c6c5f7370617469616c000000030000000c000000020000"
    "000b436f6e76656e74696f6e73000000000200000005414d42455200000000000011436f6e76656e74696f6e56"
    "657273696f6e0000000000000200000003312e30000000000b000000030000000474696d650000000100000000"
    "0000000c0000000100000005756e697473000000000000020000000a7069636f7365636f6e6400000000000500"
    "000004000001840000000b636f6f7264696e6174657300000000030000000000000002000000010000000c0000"
    "000100000005756e6974730000000000000200000008616e677374726f6d000000050000001800000188000000"
    "0c63656c6c5f6c656e677468730000000200000000000000030000000c0000000100000005756e697473000000"
    "0000000200000008616e677374726f6d0000000600000018000001a000000000000000003f8000004000000040"
    "4000004080000040a00000403e000000000000403f00000000000040400000000000003f80000040c0000040e0"
    "000041000000411000004120000041300000403e000000000000403f0000000000004040000000000000400000"
    "00414000004150000041600000417000004180000041880000403e000000000000403f00000000000040400000"
    "00000000";
const char* const kRestart =
    "43444602000000000000000a00000002000000077370617469616c00000000030000000461746f6d0000000200"
    "00000c000000010000000b436f6e76656e74696f6e7300000000020000000c414d424552524553544152540000"
    "000b000000010000000b636f6f7264696e61746573000000000200000001000000000000000c00000001000000"
    "05756e6974730000000000000200000008616e677374726f6d000000060000003000000000000000b000000000"
    "000000003ff00000000000004000000000000000400800000000000040100000000000004014000000000000";

std::string replaced(std::string bytes, const std::string& from, const std::string& to) {
  bytes.replace(bytes.find(from), from.size(), to);
  return bytes;
}

TEST(AmberNetcdf, ReadsFilesOfOtherPrograms) {
  const TemporaryFolder folder;
  const Frames frames = read_amber_netcdf(folder.file("a.nc", from_hex(kTrajectory)));
  ASSERT_EQ(frames.atoms, 2);
  ASSERT_EQ(frames.count(), 3);
  for (std::size_t i = 0; i < 18; ++i)
    EXPECT_DOUBLE_EQ(frames.positions[i], 0.1 * static_cast<double>(i));
  const Frames one = read_amber_netcdf(folder.file("r.nc", from_hex(kRestart)));
  ASSERT_EQ(one.count(), 1);
  for (std::size_t i = 0; i < 6; ++i)
    EXPECT_DOUBLE_EQ(one.positions[i], 0.1 * static_cast<double>(i));
  // A number of frames that is not known is what the file has.
  std::string streamed = from_hex(kTrajectory);
  std::memset(streamed.data() + 4, 0xff, 4);
  EXPECT_EQ(read_amber_netcdf(folder.file("s.nc", streamed)).count(), 3);
}

TEST(AmberNetcdf, WritesWhatTheFormatSays) {
  const TemporaryFolder folder;
  const std::string path = folder.path("w.nc");
  const std::vector<double> rows = {0.1, 0.2, 0.3, -0.4, 0.5, 0.6, 1.0, 1.1, 1.2, 1.3, 1.4, 1.5};
  {
    const auto writer = make_amber_netcdf_writer(path, 2, 0, 0.5);
    writer->append(rows);
    writer->save();
  }
  const std::string bytes = read_bytes(path);
  EXPECT_EQ(bytes.substr(0, 4), std::string("CDF\x02"));
  EXPECT_EQ(bytes.substr(4, 4), std::string("\0\0\0\x02", 4));  // frames
  // Two records of a time and six coordinates of four bytes end the file, big endian.
  ASSERT_GT(bytes.size(), 56U);
  EXPECT_EQ(bytes.substr(bytes.size() - 60, 4), std::string("xyz\0", 4));
  EXPECT_EQ(bytes.substr(bytes.size() - 56, 8), std::string("\x3f\0\0\0\x3f\x80\0\0", 8));
  EXPECT_EQ(bytes.size() % 4, 0U);
  const Frames back = read_amber_netcdf(path);
  ASSERT_EQ(back.positions.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_NEAR(back.positions[i], rows[i], 1e-7);
}

TEST(AmberNetcdf, RefusesWhatItCannotRead) {
  const TemporaryFolder folder;
  const std::string whole = from_hex(kTrajectory);
  const auto refused = [&](const std::string& bytes, const std::vector<std::string>& parts) {
    const std::string path = folder.file("x.nc", bytes);
    const std::string message = message_of<DataError>([&] { read_amber_netcdf(path); });
    expect_parts(message, parts);
    EXPECT_EQ(message.find('\n'), std::string::npos);
  };
  refused("", {"x.nc", "begins with CDF"});
  refused("hello hello", {"begins with CDF"});
  refused(std::string("\x89HDF\r\n\x1a\n", 8), {"NetCDF-4", "nccopy"});
  refused(replaced(whole, "CDF\x01", "CDF\x07"), {"format 1, 2 or 5", "got 7"});
  refused(whole.substr(0, 100), {"cut off"});
  refused(whole.substr(0, whole.size() - 30), {"3 frames of 2 atoms", "cut off"});
  refused(replaced(whole, "AMBER", "OTHER"), {"AMBER's conventions", "'OTHER'"});
  refused(replaced(whole, "coordinates", "velocitiess"), {"'coordinates'", "none"});
  refused(replaced(whole, "angstrom", "nanomete"), {"in angstrom", "'nanomete'"});
  refused(replaced(whole, "spatial", "spatula"), {"frame, atom and spatial"});
  // What NetCDF has where nothing was written is 9.97e36.
  refused(replaced(whole, std::string("\x41\x88\0\0", 4), std::string("\x7c\xf0\0\0", 4)),
          {"frame 2", "e+36", "not written to the end"});
  // A name may hold anything, and messages are of one line (found by damaging files).
  refused(replaced(whole, std::string("coordinates\0\0\0\0\3\0\0\0\0", 20),
                   std::string("coord\nnates\0\0\0\0\3\0\0\0\x63", 20)),
          {"coord?nates has a dimension 99"});
}

}  // namespace
}  // namespace thalweg::testing
