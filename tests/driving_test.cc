// Potentials that serve programs over sockets, beside a server made here.
#include "thalweg/runs/driving.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstring>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

#include "molecules.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/socket_stream.h"
#include "thalweg/molecules/force_field.h"
#include "thalweg/molecules/openmm_system.h"
#include "thalweg/runs/training_run.h"
#include "thalweg/sampling/density_potential.h"

namespace thalweg::testing {
namespace {

constexpr std::int32_t kAtoms = 5;
constexpr std::size_t kWidth = 15;
// From J and m, with Avogadro's number.
constexpr double kBohrNm = 5.29177210903e-11 * 1e9;
constexpr double kHartreeKjMol = 4.3597447222071e-18 * 6.02214076e23 / 1e3;

/// What a server gets for a configuration, in atomic units.
struct Answer {
  double energy = 0.0;
  std::vector<double> forces;
  std::array<double, 9> virial = {};
};

/// The other side of the protocol, on one connection.
class Server {
 public:
  /// Of a file, or else of a port of this machine.
  explicit Server(const std::string& file = "") {
    if (file.empty()) {
      listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
      sockaddr_in where = {};
      where.sin_family = AF_INET;
      where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      listen_at(&where, sizeof(where));
      socklen_t length = sizeof(where);
      getsockname(listener_, reinterpret_cast<sockaddr*>(&where), &length);
      address = {.host = "127.0.0.1", .port = ntohs(where.sin_port)};
    } else {
      listener_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
      sockaddr_un where = {};
      where.sun_family = AF_UNIX;
      std::strncpy(where.sun_path, file.c_str(), sizeof(where.sun_path) - 1);
      listen_at(&where, sizeof(where));
      address.file = file;
    }
  }
  ~Server() { end(); }

  void accept() {
    connection_ = ::accept(listener_, nullptr, nullptr);
    const timeval longest = {.tv_sec = 20, .tv_usec = 0};
    setsockopt(connection_, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
  }
  void end() {
    for (int* each : {&connection_, &listener_})
      if (*each >= 0) close(std::exchange(*each, -1));
  }
  void say(std::string text) {
    text.resize(12, ' ');
    put(text.data(), text.size());
  }
  std::string hear() {
    std::string text(12, ' ');
    take(text.data(), text.size());
    return text.substr(0, text.find_last_not_of(' ') + 1);
  }
  void put(const void* bytes, std::size_t size) {
    ASSERT_EQ(::send(connection_, bytes, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
  }
  void take(void* bytes, std::size_t size) {
    auto* next = static_cast<char*>(bytes);
    while (size > 0) {
      const ssize_t got = recv(connection_, next, size, 0);
      ASSERT_GT(got, 0);
      next += got;
      size -= static_cast<std::size_t>(got);
    }
  }
  void put_positions(std::span<const double> bohr, std::int32_t atoms = kAtoms) {
    const std::array<double, 18> cell = {100, 0, 0, 0, 100, 0, 0, 0, 100};
    say("POSDATA");
    put(cell.data(), sizeof(cell));
    put(&atoms, sizeof(atoms));
    put(bohr.data(), bohr.size_bytes());
  }
  Answer ask(std::span<const double> bohr) {
    put_positions(bohr);
    say("STATUS");
    EXPECT_EQ(hear(), "HAVEDATA");
    say("GETFORCE");
    EXPECT_EQ(hear(), "FORCEREADY");
    Answer answer;
    std::int32_t atoms = 0, extras = -1;
    take(&answer.energy, sizeof(double));
    take(&atoms, sizeof(atoms));
    EXPECT_EQ(atoms, kAtoms);
    answer.forces.resize(bohr.size());
    take(answer.forces.data(), bohr.size_bytes());
    take(answer.virial.data(), sizeof(answer.virial));
    take(&extras, sizeof(extras));
    EXPECT_EQ(extras, 0);
    return answer;
  }
  void initialise() {
    const std::string text = "parameters";
    const std::int32_t numbers[] = {3, static_cast<std::int32_t>(text.size())};
    say("STATUS");
    EXPECT_EQ(hear(), "NEEDINIT");
    say("INIT");
    put(numbers, sizeof(numbers));
    put(text.data(), text.size());
    say("STATUS");
    EXPECT_EQ(hear(), "READY");
  }

  SocketAddress address;

 private:
  void listen_at(const void* where, socklen_t length) {
    EXPECT_EQ(bind(listener_, static_cast<const sockaddr*>(where), length), 0);
    EXPECT_EQ(listen(listener_, 1), 0);
  }

  int listener_ = -1, connection_ = -1;
};

class Driving : public ::testing::Test {
 protected:
  Driving() {
    system_ = folder_.file("five.xml", small_system_xml());
    rows_ = small_molecule_rows(300, 0.004);
  }

  /// Drives while `serve` speaks on the other side, and gives what came of it.
  DriveReport conversation(Server& server, const std::function<void()>& serve,
                           std::function<bool()> interrupted = {}) {
    DriveReport report;
    std::exception_ptr error;
    std::thread client([&] {
      try {
        report = drive({.potential = potential_, .address = server.address},
                       {.interrupted = std::move(interrupted)});
      } catch (...) {
        error = std::current_exception();
      }
    });
    server.accept();
    serve();
    client.join();
    if (error) std::rethrow_exception(error);
    return report;
  }

  std::vector<double> bohr(std::size_t row) const {
    std::vector<double> result(rows_.begin() + static_cast<std::ptrdiff_t>(row * kWidth),
                               rows_.begin() + static_cast<std::ptrdiff_t>((row + 1) * kWidth));
    for (double& x : result) x /= kBohrNm;
    return result;
  }

  /// Answers beside energies and forces in kJ/mol and nm, and the virial beside differences of the
  /// energy under a strain.
  void expect_answers(Server& server, const Potential& potential) {
    const DriveReport report = conversation(server, [&] {
      server.initialise();
      for (std::size_t row = 0; row < 4; ++row) {
        double energy = 0.0;
        std::vector<double> forces(kWidth);
        potential.evaluate(&rows_[row * kWidth], 1, &energy, forces.data());
        const Answer answer = server.ask(bohr(row));
        EXPECT_NEAR(answer.energy * kHartreeKjMol, energy, 1e-9 * (1.0 + std::abs(energy)));
        for (std::size_t i = 0; i < kWidth; ++i)
          EXPECT_NEAR(answer.forces[i] * kHartreeKjMol / kBohrNm, forces[i],
                      1e-7 * (1.0 + std::abs(forces[i])));
        if (row == 0) expect_virial(server, answer);
      }
      server.say("EXIT");
    });
    EXPECT_EQ(report.end, DriveReport::End::kExit);
    EXPECT_EQ(report.configurations, 4 + 18);
  }

  void expect_virial(Server& server, const Answer& answer) {
    constexpr double kStrain = 1e-6;
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t j = 0; j < 3; ++j) {
        double energies[2];
        for (const int side : {0, 1}) {
          std::vector<double> x = bohr(0);
          for (std::size_t atom = 0; atom < kWidth; atom += 3)
            x[atom + j] += (side == 0 ? kStrain : -kStrain) * bohr(0)[atom + i];
          energies[side] = server.ask(x).energy;
        }
        EXPECT_NEAR(answer.virial[3 * i + j], (energies[1] - energies[0]) / (2.0 * kStrain), 1e-6);
      }
  }

  std::string trained_run() {
    const std::string data = folder_.path("trajectory.npy"), out = folder_.path("run");
    write_npy(data, std::vector<std::int64_t>{300, kAtoms, 3}, rows_);
    RunRequest request{.settings = {{"molecule.system", system_},
                                    {"molecule.temperature", 320.0},
                                    {"data.path", data},
                                    {"training.iterations", std::int64_t{20}},
                                    {"flow.blocks", std::int64_t{2}},
                                    {"flow.hidden", std::vector<std::int64_t>{8}}},
                       .out = out};
    RunPlan plan = plan_run(request);
    plan.report = false;
    ThreadPool pool(2);
    run_training(plan, pool);
    return out;
  }

  TemporaryFolder folder_;
  std::string system_, potential_;
  std::vector<double> rows_;
};

TEST_F(Driving, GivesForceFieldsInAtomicUnitsOverAPort) {
  potential_ = system_;
  Server server;
  expect_answers(server, ForceField(read_openmm_system(system_)));
}

TEST_F(Driving, GivesFlowsInAtomicUnitsOverAFile) {
  potential_ = trained_run();
  const LoadedRun run = load_run(potential_);
  Server server(folder_.path("socket"));
  // The temperature is that of the run's system.
  expect_answers(server, *molecule_potential(*run.model, 320.0));
}

TEST_F(Driving, SaysWhatServersDoWrong) {
  potential_ = system_;
  const auto expect = [&](const std::function<void(Server&)>& serve,
                          const std::vector<std::string>& parts) {
    Server server;
    const auto talk = [&] {
      serve(server);
      server.end();
    };
    expect_parts(message_of<Error>([&] { conversation(server, talk); }), parts);
  };
  expect([&](Server& server) { server.put_positions(std::vector<double>(6), 2); },
         {"expected positions of 5 atoms", "five.xml", "got 2"});
  expect([](Server& server) { server.say("GET / HTTP/1"); },
         {"expected STATUS", "got 'GET / HTTP/1'"});
  expect([](Server& server) { server.say("GETFORCE"); }, {"expected POSDATA"});
  expect(
      [&](Server& server) {
        server.initialise();
        server.put_positions(bohr(0));
        server.say("STATUS");
        EXPECT_EQ(server.hear(), "HAVEDATA");
        server.end();
      },
      {"the server is gone before it took the forces of configuration 0"});
  expect(
      [](Server& server) {
        server.say("POSDATA");
        server.put("1234", 4);
        server.end();
      },
      {"the server is gone", "in the midst"});
  expect([](Server& server) { server.put_positions(std::vector<double>(kWidth, NAN)); },
         {"a position of configuration 0 is not finite"});
  potential_ = trained_run();
  expect(
      [&](Server& server) {
        // Bonds whose squares are beyond double.
        std::vector<double> far = bohr(0);
        for (double& x : far) x *= 1e200;
        server.put_positions(far);
      },
      {"the energy of configuration 0 is ", "beyond the range of the model?"});
}

TEST_F(Driving, SaysWhatAddressesAndPotentialsAreWrong) {
  const auto message = [&](const DriveRequest& request) {
    return message_of<Error>([&] { drive(request); });
  };
  int closed_port = 0;
  {
    const Server server;
    closed_port = server.address.port;
  }
  expect_parts(message({.potential = system_,
                        .address = {.host = "127.0.0.1", .port = closed_port},
                        .wait = 0.0}),
               {"127.0.0.1:", "no connection", "is the server running"});
  expect_parts(
      message({.potential = system_, .address = {.file = folder_.path("none")}, .wait = 0.0}),
      {"none: no connection"});
  expect_parts(message({.potential = system_, .address = {.file = std::string(200, 'a')}}),
               {"at most 107 bytes", "got 200"});
  expect_parts(message({.potential = system_,
                        .address = {.host = "no.such.host.invalid", .port = 1},
                        .wait = 0.0}),
               {"no.such.host.invalid:1: the host is not known"});
  expect_parts(message({.potential = folder_.path("nothing"), .wait = 0.0}), {"nothing"});
  expect_parts(message({.potential = system_, .temperature = 300.0}), {"is of a run"});
  for (const char* text : {"localhost", "localhost:", ":31415", "localhost:0", "localhost:99999",
                           "localhost:80x", "::1:80"})
    expect_parts(message_of<ConfigError>([&] { host_address(text); }),
                 {text, "expected HOST:PORT"});
  EXPECT_EQ(text_of(host_address("[::1]:31415")), "[::1]:31415");
  EXPECT_EQ(text_of(host_address("machine.org:1")), "machine.org:1");
}

TEST_F(Driving, RefusesModelsOfTables) {
  RunRequest request{.settings = {{"data.target", std::string("dual_moon")},
                                  {"base.kind", std::string("normal")},
                                  {"training.iterations", std::int64_t{2}},
                                  {"flow.blocks", std::int64_t{1}}},
                     .out = folder_.path("table")};
  RunPlan plan = plan_run(request);
  plan.report = false;
  ThreadPool pool(2);
  run_training(plan, pool);
  expect_parts(message_of<ConfigError>([&] { drive({.potential = request.out}); }),
               {"table: expected a run of a molecule"});
}

/// A listener whose queue is full drops what else comes, as a host behind a wall does: connect()
/// alone would try for minutes.
TEST(SocketStream, WaitsNoLongerThanItIsTold) {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in where = {};
  where.sin_family = AF_INET;
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(where);
  ASSERT_EQ(bind(listener, reinterpret_cast<const sockaddr*>(&where), length), 0);
  ASSERT_EQ(listen(listener, 0), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&where), &length);
  std::array<int, 4> waiting{};
  for (int& socket : waiting) {
    socket = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    connect(socket, reinterpret_cast<const sockaddr*>(&where), length);
  }
  expect_parts(message_of<DataError>([&] {
                 SocketStream({.host = "127.0.0.1", .port = ntohs(where.sin_port)}, 0.1, {});
               }),
               {"127.0.0.1", "no connection", "timed out"});
  for (const int socket : waiting) close(socket);
  close(listener);
}

TEST_F(Driving, EndsWithTheConnection) {
  potential_ = system_;
  Server server;
  const DriveReport report = conversation(server, [&] {
    server.initialise();
    server.ask(bohr(0));
    server.end();
  });
  EXPECT_EQ(report.end, DriveReport::End::kClosed);
  EXPECT_EQ(report.configurations, 1);
}

TEST_F(Driving, EndsWhereItIsInterrupted) {
  potential_ = system_;
  Server server;
  int asked = 0;
  const DriveReport report = conversation(
      server, [&] { server.initialise(); }, [&] { return ++asked > 2; });
  EXPECT_EQ(report.end, DriveReport::End::kInterrupted);
}

}  // namespace
}  // namespace thalweg::testing
