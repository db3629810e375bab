// Positions of atoms over time: DCD, AMBER NetCDF and .npy.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "thalweg/io/growing_file.h"

namespace thalweg {

/// Frames of atoms, frame by frame, x, y and z of each atom, in nm.
struct Frames {
  std::int64_t atoms = 0;
  std::vector<double> positions = {};
  std::int64_t count() const {
    return atoms == 0 ? 0 : static_cast<std::int64_t>(positions.size()) / (3 * atoms);
  }
};

/// Reads a DCD file as CHARMM, NAMD, OpenMM and make_trajectory_writer write it: little endian, all
/// atoms free; unit cells are passed over. Throws DataError for anything else, and for a file that
/// is cut off.
Frames read_dcd(const std::string& path);

/// Reads frames from .npy (atoms x 3, frames x atoms x 3, or frames x 3 atoms), .dcd, .nc, .ncrst
/// or .pdb, by the end of the name. `atoms` is the number that is expected. Throws DataError for
/// another number of atoms, numbers that are not finite, and as the readers do; messages call the
/// numbers `what`.
Frames read_frames(const std::string& path, std::int64_t atoms,
                   std::string_view what = "positions");

/// A position as a float. Throws DataError, which begins with `path`, for what none is.
float single_precision(const std::string& path, double value);

/// A trajectory that grows. Not thread safe; errors as GrowingFile.
class TrajectoryWriter {
 public:
  virtual ~TrajectoryWriter() = default;
  /// Any number of frames.
  virtual void append(std::span<const double> positions) = 0;
  /// From now on the file on the disk has all frames.
  virtual void save() = 0;
};

/// Writes in single precision `format`, "npy" (frames x atoms x 3, nm), "dcd" or "nc" (Angstroms,
/// as readers of DCD and of AMBER's NetCDF expect), after the first `frames` frames of what is
/// there. `frame_time` in ps is for the header of DCD and the times of NetCDF, where `replicas`
/// frames that follow each other have one time. Throws ConfigError for another format.
std::unique_ptr<TrajectoryWriter> make_trajectory_writer(const std::string& format,
                                                         const std::string& path,
                                                         std::int64_t atoms, std::int64_t frames,
                                                         double frame_time,
                                                         std::int64_t replicas = 1);

/// An array of .npy that grows by its first dimension, in double.
class GrowingArray : public TrajectoryWriter {
 public:
  /// Rows of `row_shape`, after the first `rows` of what is there.
  GrowingArray(const std::string& path, std::vector<std::int64_t> row_shape, std::int64_t rows);
  void append(std::span<const double> values) override;
  void save() override;

 private:
  std::vector<std::int64_t> shape_;
  GrowingFile file_;
};

}  // namespace thalweg
