#include "thalweg/runs/simulation_files.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <string_view>
#include <utility>

#include "thalweg/core/error.h"
#include "thalweg/io/atomic_file.h"
#include "thalweg/io/input_file.h"
#include "thalweg/io/safetensors.h"
#include "thalweg/runs/new_folder.h"
#include "thalweg/runs/run_folder.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

constexpr char kAdvice[] = "start the simulation anew with --force";

/// Names and texts of all settings.
struct StoredSetting {
  const char* name;
  std::string (*write)(const SimulationRequest&);
  bool (*read)(SimulationRequest&, const std::string&);
};

template <typename T>
bool parse(const std::string& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

template <auto kMember>
constexpr StoredSetting text_setting(const char* name) {
  return {name, [](const SimulationRequest& request) { return request.*kMember; },
          [](SimulationRequest& request, const std::string& text) {
            request.*kMember = text;
            return true;
          }};
}
template <auto kMember>
constexpr StoredSetting number_setting(const char* name) {
  return {name,
          [](const SimulationRequest& request) { return fmt::format("{}", request.*kMember); },
          [](SimulationRequest& request, const std::string& text) {
            return parse(text, request.*kMember);
          }};
}

const std::vector<StoredSetting>& settings() {
  using Request = SimulationRequest;
  static const std::vector<StoredSetting> all = {
      text_setting<&Request::system>("system"),
      text_setting<&Request::solvent>("solvent"),
      text_setting<&Request::topology>("topology"),
      text_setting<&Request::flow>("flow"),
      text_setting<&Request::energy>("energy"),
      text_setting<&Request::constants>("constants"),
      text_setting<&Request::energy_library>("energy_library"),
      text_setting<&Request::target>("target"),
      text_setting<&Request::ensemble>("ensemble"),
      text_setting<&Request::format>("format"),
      number_setting<&Request::steps>("steps"),
      number_setting<&Request::equilibration>("equilibration"),
      number_setting<&Request::replicas>("replicas"),
      number_setting<&Request::time_step>("time_step"),
      number_setting<&Request::friction>("friction"),
      number_setting<&Request::frame_every>("frame_every"),
      number_setting<&Request::exchange_every>("exchange_every"),
      number_setting<&Request::seed>("seed"),
  };
  return all;
}

Tensor numbers(const std::vector<double>& values) {
  Tensor result;
  result.shape = {static_cast<std::int64_t>(values.size())};
  result.values = values;
  return result;
}

const Tensor& tensor(const TensorFile& file, const std::string& path, const std::string& name,
                     const std::string& dtype = "F64") {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end() || found->second.dtype != dtype)
    fail<DataError>("{}: expected the state of a simulation, found no '{}' of type {} in it; {}",
                    path, name, dtype, kAdvice);
  return found->second;
}

}  // namespace

SimulationUnits units_of(const SimulationRequest& request) {
  if (!request.system.empty()) return {};
  return {.temperature = "", .energy = "", .time = "", .boltzmann = 1.0, .time_step = 1.0};
}

std::string hash_of_inputs(const SimulationRequest& request) {
  return content_hash(read_file(request.system)) + content_hash(read_file(request.positions));
}

void write_simulation_state(const std::string& path, const SimulationState& state) {
  TensorFile file;
  for (const StoredSetting& setting : settings())
    file.metadata[setting.name] = setting.write(state.request);
  Tensor counts;
  counts.dtype = "I64";
  counts.integers = {state.step, state.frames};
  for (const ExchangeCounts& exchange : state.exchanges)
    counts.integers.insert(counts.integers.end(), {exchange.tries, exchange.accepted});
  counts.shape = {static_cast<std::int64_t>(counts.integers.size())};
  file.tensors["counts"] = std::move(counts);
  file.tensors["temperatures"] = numbers(state.request.temperatures);
  file.tensors["seconds"] = numbers({state.seconds});
  file.tensors["positions"] = numbers(state.positions);
  file.tensors["velocities"] = numbers(state.velocities);
  file.tensors["energies"] = numbers(state.energies);
  file.tensors["masses"] = numbers(state.masses);
  file.metadata["inputs"] = state.inputs;
  file.metadata["dimensions"] = fmt::format("{}", state.directions.dimensions);
  file.metadata["free_directions"] = fmt::format("{}", state.directions.free);
  write_safetensors(path, file);
}

SimulationState read_simulation_state(const std::string& path) {
  const TensorFile file = read_safetensors(path);
  SimulationState state;
  for (const StoredSetting& setting : settings()) {
    const auto found = file.metadata.find(setting.name);
    // States from before flows and energies could move atoms do not speak of them.
    static const std::set<std::string_view> kLater = {"flow", "energy", "constants",
                                                      "energy_library", "target"};
    if (found == file.metadata.end() && kLater.contains(setting.name)) continue;
    if (found == file.metadata.end() || !setting.read(state.request, found->second))
      fail<DataError>("{}: expected the setting '{}' of a simulation, found none that is right; {}",
                      path, setting.name, kAdvice);
  }
  // Those from before energies could move atoms were of systems without a place.
  for (const auto& [name, number] : {std::pair{"dimensions", &state.directions.dimensions},
                                     {"free_directions", &state.directions.free}})
    if (const auto found = file.metadata.find(name); found != file.metadata.end())
      if (!parse(found->second, *number) || *number < 0 || state.directions.dimensions < 1)
        fail<DataError>("{}: expected a number as '{}', got '{}'; {}", path, name, found->second,
                        kAdvice);
  if (const auto found = file.metadata.find("inputs"); found != file.metadata.end())
    state.inputs = found->second;
  state.request.temperatures = tensor(file, path, "temperatures").values;
  const std::vector<std::int64_t>& counts = tensor(file, path, "counts", "I64").integers;
  const std::size_t levels = state.request.temperatures.size();
  if (levels < 1 || counts.size() != 2 * levels)
    fail<DataError>("{}: expected {} counts, got {}; {}", path, 2 * levels, counts.size(), kAdvice);
  state.step = counts[0];
  state.frames = counts[1];
  for (std::size_t i = 2; i < counts.size(); i += 2)
    state.exchanges.push_back({counts[i], counts[i + 1]});
  const std::vector<double>& seconds = tensor(file, path, "seconds").values;
  if (seconds.size() != 1)
    fail<DataError>("{}: expected one number of seconds, got {}; {}", path, seconds.size(),
                    kAdvice);
  state.seconds = seconds[0];
  state.positions = tensor(file, path, "positions").values;
  state.velocities = tensor(file, path, "velocities").values;
  state.energies = tensor(file, path, "energies").values;
  // Those of before do not tell them.
  if (file.tensors.contains("masses")) state.masses = tensor(file, path, "masses").values;
  const std::size_t walkers = levels * static_cast<std::size_t>(state.request.replicas);
  const auto check_numbers = [&](const char* name, const std::vector<double>& values, auto fit) {
    if (values.empty() || !fit(values.size()))
      fail<DataError>("{}: expected the {} of {} walkers, got {} numbers; {}", path, name, walkers,
                      values.size(), kAdvice);
  };
  check_numbers("energies", state.energies, [&](std::size_t size) { return size == walkers; });
  check_numbers("positions", state.positions,
                [&](std::size_t size) { return size % walkers == 0; });
  check_numbers("velocities", state.velocities,
                [&](std::size_t size) { return size == state.positions.size(); });
  return state;
}

std::unique_ptr<const FolderLock> hold_simulation_folder(const std::string& folder) {
  return std::make_unique<const FolderLock>(folder, "wait for it to end, or choose another --out");
}

std::unique_ptr<const FolderLock> prepare_simulation_folder(
    const std::string& folder, bool force, std::initializer_list<std::string> inputs) {
  static const std::vector<std::string> kFiles = {
      "state.safetensors", "energies.npy", "trajectory.npy", "trajectory.dcd", "trajectory.nc",
      "last.pdb",          "summary.json", "report.html",    "plots"};
  check_replaceable(folder, force, kFiles,
                    "--resume goes on with it, --force replaces it, --out names another");
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    fail<DataError>("{}: cannot make the folder: {}; choose another --out", folder,
                    error.message());
  auto lock = hold_simulation_folder(folder);
  remove_stale_files(folder);
  for (const std::string& input : inputs)
    if (std::ranges::any_of(kFiles, [&](const std::string& name) {
          return fs::equivalent(input, fs::path(folder) / name, error);
        }))
      fail<ConfigError>(
          "{}: is of the simulation that would be replaced; copy it to another place first, or "
          "choose another --out",
          input);
  for (const std::string& name : kFiles) {
    fs::remove_all(fs::path(folder) / name, error);
    if (error)
      fail<DataError>("{}: {} cannot be replaced: {}; choose another --out", folder, name,
                      error.message());
  }
  return lock;
}

}  // namespace thalweg
