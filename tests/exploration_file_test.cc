// Explorations on disk: the same numbers come back, and what is damaged is refused in one line.
#include "thalweg/exploration/exploration_file.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <limits>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/safetensors.h"
#include "thalweg/runs/run_folder.h"

namespace thalweg {
namespace {

Exploration small_exploration() {
  Exploration exploration;
  exploration.features = 2;
  exploration.x = {1.0, -2.0, 0.1, 1e-300, 5e5, -0.0};
  exploration.log_target = {-0.5, 3.0, 1.0 / 3.0};
  exploration.component = {1, 0, 7};
  exploration.confirmed = true;
  exploration.infinite_share = 0.125;
  exploration.doubts = {"it did not settle"};
  exploration.log_integral = 1.0 / 7.0;
  exploration.log_integral_error = 0.01;
  exploration.method = "importance weights of a fitted mixture";
  exploration.effective_share = 0.7;
  exploration.pareto_k = -std::numeric_limits<double>::infinity();
  exploration.modes = {{0.6, 0.01, {1.0, 2.0}, {0.1, 0.2}}, {0.4, 0.02, {3.0, 4.0}, {0.3, 0.4}}};
  exploration.warnings = {"its islands disagree", "\"quoted\", and 20 \u00b0C"};
  exploration.evaluations = (std::int64_t{1} << 53) + 1;
  exploration.seconds = 2.5;
  return exploration;
}

TEST(ExplorationFile, KeepsAllToTheBit) {
  const TemporaryFolder folder;
  const std::string path = folder.path("exploration.safetensors");
  const Exploration wrote = small_exploration();
  write_exploration(path, wrote);
  const Exploration read = read_exploration(path);
  EXPECT_EQ(read.features, wrote.features);
  EXPECT_EQ(read.x, wrote.x);
  EXPECT_EQ(read.log_target, wrote.log_target);
  EXPECT_EQ(read.log_integral, wrote.log_integral);
  EXPECT_EQ(read.log_integral_error, wrote.log_integral_error);
  EXPECT_EQ(read.method, wrote.method);
  EXPECT_EQ(read.effective_share, wrote.effective_share);
  EXPECT_EQ(read.pareto_k, wrote.pareto_k);
  EXPECT_EQ(read.component, wrote.component);
  EXPECT_EQ(read.confirmed, wrote.confirmed);
  EXPECT_EQ(read.infinite_share, wrote.infinite_share);
  EXPECT_EQ(read.doubts, wrote.doubts);
  EXPECT_EQ(read.warnings, wrote.warnings);
  EXPECT_EQ(read.evaluations, wrote.evaluations);
  EXPECT_EQ(read.seconds, wrote.seconds);
  ASSERT_EQ(read.modes.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(read.modes[i].mass, wrote.modes[i].mass);
    EXPECT_EQ(read.modes[i].mass_error, wrote.modes[i].mass_error);
    EXPECT_EQ(read.modes[i].mean, wrote.modes[i].mean);
    EXPECT_EQ(read.modes[i].deviation, wrote.modes[i].deviation);
  }
}

TEST(ExplorationFile, RefusesWhatDoesNotFitTogether) {
  const TemporaryFolder folder;
  Exploration exploration = small_exploration();
  exploration.x.pop_back();
  EXPECT_THROW(write_exploration(folder.path("a"), exploration), ShapeError);
  exploration = small_exploration();
  exploration.modes[1].mean.pop_back();
  EXPECT_THROW(write_exploration(folder.path("a"), exploration), ShapeError);
  EXPECT_FALSE(std::filesystem::exists(folder.path("a")));
}

TEST(ExplorationFile, DamagedFilesAreSaidInOneLine) {
  const TemporaryFolder folder;
  const std::string path = folder.path("exploration.safetensors");
  write_exploration(path, small_exploration());
  const TensorFile sound = read_safetensors(path);
  const std::vector<std::pair<std::function<void(TensorFile&)>, std::string>> damages = {
      {[](TensorFile& file) { file.metadata["kind"] = "thalweg model"; }, "'thalweg model'"},
      {[](TensorFile& file) { file.metadata["format_version"] = "2"; }, "newer version"},
      {[](TensorFile& file) { file.metadata.erase("method"); }, "'method'"},
      {[](TensorFile& file) { file.tensors.erase("modes.mean"); }, "'modes.mean'"},
      {[](TensorFile& file) { file.tensors["x"].values[1] = NAN; }, "finite"},
      {[](TensorFile& file) { file.tensors["x"].shape = {6}; }, "rows of samples"},
      {[](TensorFile& file) {
         file.tensors["modes.mean"].shape = {1, 4};
       },
       "2 x 2"},
      {[](TensorFile& file) {
         file.tensors["log_target"].shape = {2};
         file.tensors["log_target"].values.pop_back();
       },
       "'log_target'"},
  };
  for (const auto& [damage, words] : damages) {
    TensorFile file = sound;
    damage(file);
    write_safetensors(path, file);
    const std::string message = message_of<DataError>([&] { read_exploration(path); });
    expect_parts(message, {path, words});
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 3);
  expect_parts(message_of<DataError>([&] { read_exploration(path); }), {path});
}

TEST(ExplorationFile, IsPartOfARun) {
  const TemporaryFolder folder;
  LoadedRun run;
  EXPECT_FALSE(run.exploration());
  run.folder = {folder.path("")};
  EXPECT_FALSE(run.exploration());
  write_exploration(run.folder.exploration(), small_exploration());
  run.options.model.features = 2;
  ASSERT_TRUE(run.exploration());
  EXPECT_EQ(run.exploration()->evaluations, small_exploration().evaluations);
  run.options.model.features = 3;
  expect_parts(message_of<DataError>([&] { run.exploration(); }), {"3 columns", "got 2"});
}

}  // namespace
}  // namespace thalweg
