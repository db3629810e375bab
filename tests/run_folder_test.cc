// What loading a run refuses: models that are not the one that was written, and damaged manifests.
#include "thalweg/runs/run_folder.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/safetensors.h"
#include "thalweg/sampling/density_evaluator.h"
#include "thalweg/training/checkpoint.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

/// A copy of a run of format 2 with random permutations.
class RunFolderTest : public testing::Test {
 protected:
  RunFolderTest() : run_{folder_.path("run")} {
    fs::copy(THALWEG_GOLDEN "/format2/random_permutation", run_.path);
  }

  /// The message with which loading is refused, without the path of the file.
  std::string refusal(const std::string& file, const LoadOptions& options = {}) const {
    const std::string message = message_of<DataError>([&] { load_run(run_.path, options); });
    EXPECT_TRUE(message.starts_with(file + ": ")) << message;
    EXPECT_EQ(message.find("json.exception"), std::string::npos) << message;
    return message.substr(std::min(message.size(), file.size() + 2));
  }

  void rewrite(const std::string& path, const std::function<void(std::string&)>& change) const {
    std::string bytes = read_bytes(path);
    change(bytes);
    std::ofstream(path, std::ios::binary) << bytes;
  }

  TemporaryFolder folder_;
  RunFolder run_;
};

TEST_F(RunFolderTest, OneFlippedBitOfAModelIsRefused) {
  EXPECT_NO_THROW(load_run(run_.path));
  rewrite(run_.model(),
          [](std::string& bytes) { bytes.back() = static_cast<char>(bytes.back() ^ 1); });
  const std::string message = refusal(run_.model());
  expect_parts(message, {"hash " + read_manifest(run_).model_hash, "got one with ", "put back"});
  EXPECT_NO_THROW(load_run(run_.path, {.verify = false}));
}

TEST_F(RunFolderTest, DamagedHeadersAreSaidInOurOwnWords) {
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"shape\"", "\"shaqe\""}, {"{", "["}, {"\":{", "\"::"}, {"dtype", "\xff\xfeype"}}) {
    SCOPED_TRACE(from);
    fs::copy(THALWEG_GOLDEN "/format2/random_permutation/model.safetensors", run_.model(),
             fs::copy_options::overwrite_existing);
    rewrite(run_.model(), [&, f = from, t = to](std::string& bytes) {
      bytes.replace(bytes.find(f), f.size(), t);
    });
    expect_parts(refusal(run_.model(), {.verify = false}), {"not a sound .safetensors file"});
  }
}

// Values along pairs of particles were wrong in networks of some width; what was trained by them is
// of no use, and nobody should take its densities for right.
TEST_F(RunFolderTest, WideGraphNetworksOfBeforeAreRefused) {
  rewrite(run_.config(), [](std::string& text) {
    text.replace(text.find("network = \"mlp\""), 15, "network = \"equivariant\"");
  });
  EXPECT_NO_THROW(read_run_options(run_));  // narrow enough
  rewrite(run_.config(),
          [](std::string& text) { text.replace(text.find("hidden = [5]"), 12, "hidden = [64]"); });
  expect_parts(message_of<DataError>([&] { read_run_options(run_); }),
               {run_.path, "wider than 5", "train it anew"});
  write_manifest(run_, read_manifest(run_));
  EXPECT_THROW(read_run_options(run_), DataError);
  RunManifest manifest = read_manifest(run_);
  manifest.arithmetic = kRunArithmetic;
  write_manifest(run_, manifest);
  EXPECT_NO_THROW(read_run_options(run_));
}

TEST_F(RunFolderTest, RunsThatDoNotSayDrewEachRowByItself) {
  // A target has no rows to draw, and is compared with plans that say nothing.
  const auto block_rows = [&](const std::string& data) {
    fs::copy(THALWEG_GOLDEN "/format2/random_permutation/config.toml", run_.config(),
             fs::copy_options::overwrite_existing);
    rewrite(run_.config(), [&](std::string& text) {
      text = text.substr(0, text.find("[data]")) + "[data]\n" + data;
    });
    return read_run_options(run_).data.block_rows;
  };
  EXPECT_EQ(block_rows("target = \"two_rings\"\n"), 0);
  EXPECT_EQ(block_rows("path = \"points.csv\"\n"), 1);
  EXPECT_EQ(block_rows("path = \"points.csv\"\nblock_rows = 0\n"), 0);
  EXPECT_EQ(block_rows("path = \"points.csv\"\nblock_rows = 70\n"), 70);
}

TEST_F(RunFolderTest, NothingIsDrawnForANewFormat) {
  // A run of format 2, written again as one of today: its seed has no say any more.
  ThreadPool pool(1);
  const std::vector<double> x = {0.1, -0.4, 1.2, 0.3, 0.6, -1.0, 0.2, 0.8, -0.1, 0.4};
  const auto log_prob = [&](const LoadedRun& run) {
    return DensityEvaluator(*run.model, pool, Precision::kDouble).log_prob(x);
  };
  const LoadedRun old = load_run(run_.path);
  EXPECT_EQ(read_safetensors(run_.model()).tensors.count("flow.0.permutation.order"), 0u);
  save_parameters(run_.model(), old.model->parameters());
  RunManifest manifest = old.manifest;
  manifest.format = kRunFormat;
  manifest.model_hash = content_hash(read_bytes(run_.model()));
  write_manifest(run_, manifest);
  rewrite(run_.config(),
          [](std::string& text) { text.replace(text.find("seed = 1"), 8, "seed = 9"); });
  EXPECT_EQ(log_prob(load_run(run_.path)), log_prob(old));
  // Before, it had.
  fs::copy(THALWEG_GOLDEN "/format2/random_permutation/model.safetensors", run_.model(),
           fs::copy_options::overwrite_existing);
  EXPECT_NE(log_prob(load_run(run_.path, {.verify = false})), log_prob(old));
}

}  // namespace
}  // namespace thalweg
