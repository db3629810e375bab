#include "thalweg/runs/driving.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string_view>
#include <vector>

#include "thalweg/core/error.h"
#include "thalweg/io/input_file.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/named_system.h"
#include "thalweg/runs/run_potential.h"

namespace thalweg {
namespace {

// CODATA 2018.
constexpr double kBohr = 0.0529177210903;       // nm
constexpr double kHartree = 2625.499639479826;  // kJ/mol

constexpr std::size_t kHeader = 12;

/// The least block: configurations come one at a time.
constexpr std::int64_t kOneByOne = 16;

std::shared_ptr<const Potential> potential_of(const DriveRequest& request) {
  if (is_system_file(request.potential)) {
    if (request.temperature != 0.0)
      fail<ConfigError>("temperature: is of a run; {} is a force field", request.potential);
    return std::make_shared<const ForceField>(
        read_named_system(request.potential, request.solvent, "").system);
  }
  if (request.solvent != "none")
    fail<ConfigError>("solvent: is of AMBER topologies; {} is a run", request.potential);
  auto own = std::make_shared<const RunPotential>(request.potential, request.temperature, kOneByOne,
                                                  request.loading);
  const Potential* potential = own->potential.get();
  return {std::move(own), potential};
}

/// One server's questions, in their order.
class Conversation {
 public:
  Conversation(const DriveRequest& request, const Potential& potential, SocketStream& stream)
      : place_(text_of(request.address)),
        request_(request),
        potential_(potential),
        stream_(stream),
        positions_(static_cast<std::size_t>(potential.coordinates())),
        forces_(positions_.size()) {}

  DriveReport run() {
    while (next_message()) {
    }
    return report_;
  }

 private:
  /// False: that was the last one.
  bool next_message() {
    std::array<char, kHeader> header = {};
    const SocketStream::Outcome outcome = stream_.receive(header.data(), kHeader);
    if (outcome == SocketStream::Outcome::kClosed) {
      if (has_forces_)
        fail<DataError>("{}: the server is gone before it took the forces of configuration {}",
                        place_, report_.configurations);
      return end(DriveReport::End::kClosed);
    }
    if (outcome == SocketStream::Outcome::kInterrupted) return interrupted();
    std::string_view message(header.data(), kHeader);
    message = message.substr(0, message.find_last_not_of(' ') + 1);
    if (message == "STATUS") return reply(has_forces_ ? "HAVEDATA" : ready_ ? "READY" : "NEEDINIT");
    if (message == "INIT") return initialise();
    if (message == "POSDATA") return take_positions();
    if (message == "GETFORCE") return give_forces();
    if (message == "EXIT") return false;
    fail<DataError>(
        "{}: expected STATUS, INIT, POSDATA, GETFORCE or EXIT, as servers of i-PI's protocol send, "
        "got '{}'",
        place_, shown(message));
  }

  bool end(DriveReport::End how) {
    report_.end = how;
    return false;
  }
  bool interrupted() { return end(DriveReport::End::kInterrupted); }
  bool take(void* bytes, std::size_t size) {
    const SocketStream::Outcome outcome = stream_.receive(bytes, size);
    if (outcome == SocketStream::Outcome::kClosed)
      fail<DataError>("{}: the server is gone: its message ends in the midst", place_);
    return outcome == SocketStream::Outcome::kDone || interrupted();
  }
  template <typename T>
  bool take(T& number) {
    return take(&number, sizeof(T));
  }
  bool give(const std::vector<char>& message) {
    return stream_.send(message.data(), message.size()) == SocketStream::Outcome::kDone ||
           interrupted();
  }
  static std::vector<char> header(std::string_view text) {
    std::vector<char> message(text.begin(), text.end());
    message.resize(kHeader, ' ');
    return message;
  }
  template <typename T>
  static void append(std::vector<char>& message, const T* numbers, std::size_t count) {
    const auto* bytes = reinterpret_cast<const char*>(numbers);
    message.insert(message.end(), bytes, bytes + count * sizeof(T));
  }
  bool reply(std::string_view text) { return give(header(text)); }

  /// The number of a bead and a text for the potential, neither of which matters to it.
  bool initialise() {
    constexpr std::int32_t kLongest = 1 << 20;
    std::int32_t bead = 0, length = 0;
    if (!take(bead) || !take(length)) return false;
    if (length < 0 || length > kLongest)
      fail<DataError>("{}: INIT: expected a text of at most {} bytes, got {}", place_, kLongest,
                      length);
    std::vector<char> text(static_cast<std::size_t>(length));
    ready_ = true;
    return text.empty() || take(text.data(), text.size());
  }

  bool take_positions() {
    std::array<double, 18> cell;  // and its inverse
    std::int32_t atoms = 0;
    if (!take(cell.data(), sizeof(cell)) || !take(atoms)) return false;
    if (3 * std::int64_t{atoms} != potential_.coordinates())
      fail<DataError>("{}: expected positions of {} atoms, as {} has, got {}", place_,
                      potential_.coordinates() / 3, request_.potential, atoms);
    if (!take(positions_.data(), positions_.size() * sizeof(double))) return false;
    for (double& position : positions_) position *= kBohr;
    if (!std::ranges::all_of(positions_, [](double x) { return std::isfinite(x); }))
      fail<NumericalError>("{}: a position of configuration {} is not finite", place_,
                           report_.configurations);
    potential_.evaluate(positions_.data(), 1, &energy_, forces_.data());
    if (!std::isfinite(energy_) ||
        !std::ranges::all_of(forces_, [](double f) { return std::isfinite(f); }))
      fail<NumericalError>(
          "{}: the energy of configuration {} is {} kJ/mol, expected a number with finite forces; "
          "do "
          "atoms overlap, come in another order or wrapped into a cell, or is a bond or an angle "
          "beyond the range of the model?",
          place_, report_.configurations, energy_);
    has_forces_ = true;
    return true;
  }

  bool give_forces() {
    if (!has_forces_) fail<DataError>("{}: GETFORCE: expected POSDATA before it, got none", place_);
    std::vector<double> forces = forces_;
    for (double& force : forces) force *= kBohr / kHartree;
    const double energy = energy_ / kHartree;
    const std::array<double, 9> virial = this->virial();
    const auto atoms = static_cast<std::int32_t>(forces.size() / 3);
    const std::int32_t extras = 0;
    std::vector<char> message = header("FORCEREADY");
    append(message, &energy, 1);
    append(message, &atoms, 1);
    append(message, forces.data(), forces.size());
    append(message, virial.data(), virial.size());
    append(message, &extras, 1);
    has_forces_ = false;
    if (!give(message)) return false;
    ++report_.configurations;
    return true;
  }

  /// Hartree. About the first atom: forces sum to 0.
  std::array<double, 9> virial() const {
    std::array<double, 9> result = {};
    for (std::size_t atom = 0; atom < positions_.size(); atom += 3)
      for (std::size_t i = 0; i < 3; ++i)
        for (std::size_t j = 0; j < 3; ++j)
          result[3 * i + j] +=
              (positions_[atom + i] - positions_[i]) * forces_[atom + j] / kHartree;
    return result;
  }

  std::string place_;
  const DriveRequest& request_;
  const Potential& potential_;
  SocketStream& stream_;
  std::vector<double> positions_, forces_;  // nm, kJ/mol/nm
  double energy_ = 0.0;                     // kJ/mol
  bool ready_ = false, has_forces_ = false;
  DriveReport report_;
};

}  // namespace

DriveReport drive(const DriveRequest& request, const DriveCallbacks& callbacks) {
  if (!(request.wait >= 0.0))
    fail<ConfigError>("wait: expected seconds from 0 on, got {}", request.wait);
  const std::shared_ptr<const Potential> potential = potential_of(request);
  SocketStream stream(request.address, request.wait, callbacks.interrupted);
  if (!stream.open()) return {.end = DriveReport::End::kInterrupted};
  if (callbacks.connected) callbacks.connected(potential->coordinates() / 3);
  return Conversation(request, *potential, stream).run();
}

}  // namespace thalweg
