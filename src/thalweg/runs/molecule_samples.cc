#include "thalweg/runs/molecule_samples.h"

#include <filesystem>
#include <memory>

#include "thalweg/core/error.h"
#include "thalweg/io/table.h"
#include "thalweg/io/trajectory.h"
#include "thalweg/runs/molecule_data.h"
#include "thalweg/runs/new_folder.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

/// Moves each row's atoms to a mean position of 0.
void centre(std::span<double> positions, std::int64_t atoms) {
  const auto width = static_cast<std::size_t>(3 * atoms);
  for (std::size_t row = 0; row < positions.size(); row += width)
    for (std::size_t axis = 0; axis < 3; ++axis) {
      double mean = 0.0;
      for (std::size_t i = axis; i < width; i += 3)
        mean += positions[row + i] / static_cast<double>(atoms);
      for (std::size_t i = axis; i < width; i += 3) positions[row + i] -= mean;
    }
}

/// Positions of a sampler's rows, whose log weights, if there are any, are taken from them.
std::vector<double> centred_positions(const InternalCoordinates& coordinates,
                                      std::span<const double> rows, bool weighted,
                                      std::vector<double>& log_weights, ThreadPool& pool) {
  const auto own = static_cast<std::size_t>(coordinates.features());
  const std::size_t width = own + (weighted ? 1 : 0);
  std::vector<double> internal;
  for (std::size_t row = 0; row < rows.size(); row += width) {
    const std::span<const double> part = rows.subspan(row, own);
    internal.insert(internal.end(), part.begin(), part.end());
    if (weighted) log_weights.push_back(rows[row + own]);
  }
  std::vector<double> positions = position_rows(coordinates, internal, pool);
  centre(positions, coordinates.atoms());
  return positions;
}

}  // namespace

std::string log_weight_path(const std::string& out) { return out + ".log_weight.npy"; }

SampleResult sample_positions(const LoadedRun& run, RunSampler& sampler, const std::string& out,
                              ThreadPool& pool, const SampleCallbacks& callbacks) {
  const InternalCoordinates& coordinates = *run.model->flow().coordinates();
  const std::string kind = fs::path(out).extension().string();
  if (kind != ".npy" && kind != ".dcd" && kind != ".nc" && kind != ".pdb")
    fail<DataError>("{}: expected a file .npy, .dcd, .nc or .pdb for positions of a molecule", out);
  const std::vector<AtomLabel> atoms = molecule_atoms(run.options.model);
  if (kind == ".pdb" && atoms.empty())
    fail<DataError>(
        "{}: a PDB has names of atoms, which this run does not know: write .npy, .dcd or .nc, or "
        "train "
        "with --topology FILE.pdb",
        out);
  const bool weighted = std::ssize(sampler.columns()) > coordinates.features();
  const fs::path folder = fs::path(out).parent_path();
  if (std::error_code ignored; !folder.empty() && !fs::is_directory(folder, ignored))
    fail<DataError>("{}: there is no folder '{}'; create it first", out, folder.string());
  // Under another name until all are there; gone where they never are.
  const std::string unfinished = free_path(out + ".part");
  const auto remove = [](const std::string* path) {
    std::error_code ignored;
    fs::remove(*path, ignored);
  };
  const std::unique_ptr<const std::string, decltype(remove)> remains(
      kind == ".pdb" ? nullptr : &unfinished, remove);
  std::unique_ptr<TrajectoryWriter> writer;
  if (kind != ".pdb")
    writer = make_trajectory_writer(kind.substr(1), unfinished, coordinates.atoms(), 0, 1.0);
  std::vector<double> models, log_weights;
  const auto sink = [&](std::span<const double> rows) {
    const std::vector<double> positions =
        centred_positions(coordinates, rows, weighted, log_weights, pool);
    if (writer)
      writer->append(positions);
    else
      models.insert(models.end(), positions.begin(), positions.end());
  };
  SampleResult result = sampler.draw(sink, callbacks);
  if (writer) {
    writer->save();
    writer.reset();
  }
  std::error_code error;
  if (result.interrupted) return result;
  if (kind == ".pdb") {
    write_pdb(out, atoms, models);
  } else {
    fs::rename(unfinished, out, error);
    if (error) fail<DataError>("{}: cannot be written: {}", out, error.message());
  }
  fs::remove(log_weight_path(out), error);  // of what stood there before
  if (weighted) {
    TableWriter weights(log_weight_path(out), {"log_weight"});
    weights.append(log_weights);
    weights.finish();
  }
  return result;
}

SampledPositions sample_positions(const LoadedRun& run, const SampleRequest& request,
                                  ThreadPool& pool, const SampleCallbacks& callbacks) {
  const InternalCoordinates& coordinates = *run.model->flow().coordinates();
  const std::unique_ptr<RunSampler> sampler = make_sampler(run, request, pool);
  const bool weighted = std::ssize(sampler->columns()) > coordinates.features();
  SampledPositions sampled;
  const auto sink = [&](std::span<const double> rows) {
    const std::vector<double> part =
        centred_positions(coordinates, rows, weighted, sampled.log_weights, pool);
    sampled.positions.insert(sampled.positions.end(), part.begin(), part.end());
  };
  sampled.result = sampler->draw(sink, callbacks);
  return sampled;
}

}  // namespace thalweg
