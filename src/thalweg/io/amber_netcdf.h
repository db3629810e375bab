// AMBER's NetCDF trajectories, in NetCDF's classic formats.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "thalweg/io/trajectory.h"

namespace thalweg {

/// Reads the positions of a trajectory (coordinates of frame, atom, spatial) or of a restart file
/// (coordinates of atom, spatial) by AMBER's conventions, float or double, in Angstroms, of the
/// classic format, that of 64-bit offsets, or that of 64-bit data. What else is in the file (cells,
/// velocities, times) is passed over. Throws DataError for anything else, NetCDF-4 (which is HDF5)
/// among it, and for a file that is cut off.
Frames read_amber_netcdf(const std::string& path);

/// Writes a trajectory by AMBER's conventions, version 1.0, with 64-bit offsets: as
/// make_trajectory_writer says.
std::unique_ptr<TrajectoryWriter> make_amber_netcdf_writer(const std::string& path,
                                                           std::int64_t atoms, std::int64_t frames,
                                                           double frame_time,
                                                           std::int64_t replicas = 1);

}  // namespace thalweg
