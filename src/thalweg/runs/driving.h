// A potential that serves a simulation of another program over a socket.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "thalweg/io/socket_stream.h"
#include "thalweg/runs/run_folder.h"

namespace thalweg {

/// What is to be evaluated, and for whom.
struct DriveRequest {
  /// A run of a molecule, whose potential is -kT log p, or a system as read_named_system reads it.
  std::string potential;
  std::string solvent = "none";  ///< of AMBER topologies
  double temperature = 0.0;      ///< of a run, K; 0: that of its system
  SocketAddress address = {};
  double wait = 10.0;  ///< seconds for the server to appear
  LoadOptions loading = {};
};

/// What is told while it works, and asked.
struct DriveCallbacks {
  /// Once there is a connection: the number of atoms.
  std::function<void(std::int64_t atoms)> connected = {};
  std::function<bool()> interrupted = {};
};

struct DriveReport {
  enum class End : std::uint8_t { kExit, kClosed, kInterrupted };
  std::int64_t configurations = 0;
  End end = End::kExit;  ///< kClosed: without EXIT, between two questions, as ASE does
};

/// Gives energies, forces and virials to a server of the socket protocol of i-PI (Ceriotti, More,
/// Manolopoulos 2014; Kapil et al. 2019), as i-PI and ASE are: twelve letters STATUS, INIT,
/// POSDATA, GETFORCE or EXIT, with numbers in the machine's own byte order, positions in bohr,
/// energies and virials in hartree, forces in hartree/bohr. The virial is the sum of r_i f_j. Cells
/// are not used: positions must not be wrapped. Ends at EXIT, at the end of the connection, or
/// interrupted. Throws as RunPotential, read_named_system and SocketStream; DataError for another
/// number of atoms, for what is not of the protocol, and for a server that goes in the midst of a
/// question; NumericalError for positions or an energy that are not finite.
DriveReport drive(const DriveRequest& request, const DriveCallbacks& callbacks = {});

}  // namespace thalweg
