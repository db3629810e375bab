// thalweg reproduce: built-in experiments can be read, and a small one runs, goes on, and is shown.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "corner_picture.h"
#include "temporary_folder.h"
#include "thalweg/report/progress.h"

namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string text;  ///< both outputs
};

Outcome run(const std::string& arguments) {
  const std::string command = std::string(THALWEG_BINARY) + " " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> buffer{};
  for (std::size_t count; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    outcome.text.append(buffer.data(), count);
  outcome.code = WEXITSTATUS(pclose(pipe));
  return outcome;
}

/// What is known of a run that an experiment trained.
nlohmann::json results(const std::string& folder) {
  return nlohmann::json::parse(read_bytes(folder + "/metrics.json"));
}

/// A metric of it; NaN if it has none of that name.
double metric(const std::string& folder, const std::string& name) {
  const auto json = results(folder);
  for (const auto& each : json.at("metrics"))
    if (each.at("name") == name) return each.at("value");
  return std::nan("");
}

/// Two rings, two bases, twenty steps.
std::string small_experiment(const std::string& more = "") {
  return R"(title = "small"
metric = "kl_nats"
metric_label = "KL, nats"
seeds = 2
[settings]
data.target = "two_rings"
flow.blocks = 2
flow.hidden = [8]
base.hidden = [8]
training.iterations = 20
training.batch_size = 64
final_proposals = 1000
)" + more +
         R"(
[[rows]]
key = "rings"
name = "two rings"
published = [[0.5, 0.1], ""]
[[columns]]
key = "gaussian"
name = "Gaussian"
settings.base.kind = "normal"
[[columns]]
key = "resampled"
name = "resampled"
settings.base.kind = "resampled"
[[comparisons]]
from = "gaussian"
to = "resampled"
[[pictures]]
kind = "densities"
title = "Densities"
)";
}

TEST(Reproduce, EveryBuiltInExperimentCanBeReadWithAllItsSettings) {
  const TemporaryFolder folder;
  const Outcome list = run("reproduce --list");
  ASSERT_EQ(list.code, 0) << list.text;
  std::istringstream lines(list.text);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    const Outcome outcome = run("reproduce " + name + " --show --out " + folder.path("out"));
    EXPECT_EQ(outcome.code, 0) << name << ": " << outcome.text;
  }
  EXPECT_GE(count, 6);
}

TEST(Reproduce, RunsEveryCellAndKeepsFinishedOnes) {
  const TemporaryFolder folder;
  const std::string file = folder.file("small.toml", small_experiment());
  const std::string command = "reproduce " + file + " --out " + folder.path("out");
  const Outcome first = run(command);
  ASSERT_EQ(first.code, 0) << first.text;
  EXPECT_NE(first.text.find("0.5 ± 0.1"), std::string::npos) << first.text;
  EXPECT_NE(first.text.find("resampled minus Gaussian"), std::string::npos) << first.text;
  const std::string base = folder.path("out/small/scale-1/");
  EXPECT_TRUE(fs::exists(base + "report.html"));
  EXPECT_EQ(results(base + "rings/resampled/seed-2").at("steps"), 20);
  // Mean and standard error of two runs, and of the differences of the two seeds.
  const auto mean_and_error = [](double a, double b) {
    return thalweg::cell_text((a + b) / 2.0, std::abs(a - b) / 2.0);
  };
  std::array<std::array<double, 2>, 2> kl{};  // base, seed
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t seed = 0; seed < 2; ++seed)
      kl[i][seed] = metric(
          fmt::format("{}rings/{}/seed-{}", base, i == 0 ? "gaussian" : "resampled", seed + 1),
          "kl_nats");
  const std::string table = read_bytes(base + "table.txt");
  expect_parts(table, {mean_and_error(kl[0][0], kl[0][1]), mean_and_error(kl[1][0], kl[1][1]),
                       mean_and_error(kl[1][0] - kl[0][0], kl[1][1] - kl[0][1])});
  EXPECT_NE(first.text.find(table), std::string::npos) << "the table is not what was printed";

  // What is finished is not trained again; one lost run alone is made anew, to the same metrics.
  const std::string kept = base + "rings/resampled/seed-2/metrics.json";
  const auto written = fs::last_write_time(kept);
  const auto lost = results(base + "rings/gaussian/seed-1").at("metrics");
  fs::remove_all(base + "rings/gaussian/seed-1");
  const Outcome second = run(command);
  ASSERT_EQ(second.code, 0) << second.text;
  EXPECT_EQ(fs::last_write_time(kept), written);
  EXPECT_EQ(results(base + "rings/gaussian/seed-1").at("metrics"), lost);
  expect_parts(second.text, {"run 1 of 4: two rings, Gaussian, seed 1"});
  EXPECT_EQ(second.text.find("run 2 of 4"), std::string::npos) << second.text;
}

TEST(Reproduce, ComparesSamplersOfOneRun) {
  const TemporaryFolder folder;
  const std::string experiment = R"(title = "samplers"
metric = "off_modes"
metric_label = "outside"
truth = "true samples"
seeds = 1
settings.data.target = "ring_of_gaussians_4"
settings.flow.blocks = 2
settings.flow.hidden = [8]
settings.training.iterations = 20
settings.training.batch_size = 64
[samplers]
samples = 300
chains = 50
burn_in = 20
thinning = 2
[[rows]]
key = "four"
name = "four"
published_metrics = [[0.25, ""], [], ["", 0.75]]
[[columns]]
key = "naive"
name = "naive"
sampler = "naive"
run = "shared"
[[columns]]
key = "sails"
name = "SAILS"
sampler = "sails"
run = "shared"
[[columns]]
key = "other"
name = "another model"
published_only = true
[[tables]]
caption = "Samples."
metrics = ["off_modes", "sample_ks"]
)";
  const std::string file = folder.file("samplers.toml", experiment);
  const Outcome outcome = run("reproduce " + file + " --quiet --out " + folder.path("out"));
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  for (const char* said : {"true samples", "naive, published", "another model, published", "0.75"})
    EXPECT_NE(outcome.text.find(said), std::string::npos) << said << " in " << outcome.text;
  EXPECT_EQ(outcome.text.find("SAILS, published"), std::string::npos) << outcome.text;
  const std::string base = folder.path("out/samplers/scale-1/four/");
  EXPECT_TRUE(fs::exists(base + "shared/seed-1/model.safetensors"));
  EXPECT_FALSE(fs::exists(base + "naive/seed-1/model.safetensors"));
  const double accepted = metric(base + "sails/seed-1", "accepted_local");
  EXPECT_TRUE(accepted > 0.0 && accepted < 1.0) << accepted;
  // Naive draws are judged as the others are, not as any evaluation does.
  std::vector<std::string> labels;
  const auto naive = results(base + "naive/seed-1");
  for (const auto& each : naive.at("metrics"))
    if (each.at("name") == "off_modes") labels.push_back(each.at("label"));
  EXPECT_EQ(labels, std::vector<std::string>{"outside 97.5 %"});

  const std::string bad =
      folder.file("bad.toml", experiment.substr(0, experiment.find("[samplers]")) +
                                  experiment.substr(experiment.find("[[rows]]")));
  EXPECT_NE(run("reproduce " + bad).text.find("[samplers]"), std::string::npos);
}

TEST(Reproduce, HasTablesOfItsOwnWithProfilesAndExactSamples) {
  const TemporaryFolder folder;
  const std::string experiment = R"(title = "profiles"
metric = "bias"
metric_label = "bias"
compare = ["bias", "reweighted_bias"]
spread = "deviation"
truth = "true samples"
seeds = 2
settings.data.target = "circle_of_gaussians"
settings.flow.blocks = 2
settings.flow.hidden = [8]
settings.training.iterations = 20
settings.training.batch_size = 64
[profile]
repeats = 3
samples = 500
bins = 10
lower = -3
upper = 3
limit = 2.5
[[tables]]
caption = "As published"
metrics = ["bias", "reweighted_total"]
[[tables]]
caption = "Fixed edges"
metrics = ["fixed_bias", "fixed_absolute", "fixed_reweighted_absolute"]
[[rows]]
key = "circle"
name = "circle"
[[columns]]
key = "affine"
name = "affine"
published = [[0.25, 0.5], 0.75]
[[columns]]
key = "spline"
name = "spline"
settings.flow.kind = "spline"
[[comparisons]]
from = "affine"
to = "spline"
[[pictures]]
kind = "profiles"
title = "Profiles"
[[pictures]]
kind = "samples"
title = "Samples"
)";
  const std::string command =
      "reproduce " + folder.file("own.toml", experiment) + " --out " + folder.path("out");
  const Outcome outcome = run(command);
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const std::string base = folder.path("out/own/scale-1/");
  expect_parts(
      read_bytes(base + "table.txt"),
      {"As published", "Fixed edges", "affine, published", "0.25 ± 0.5", "true samples",
       "Differences in bias", "Differences in reweighted: bias", "standard deviation over runs"});
  EXPECT_EQ(results(base + "circle/truth/seed-2").at("metrics").size(), 14U);
  for (const char* picture :
       {"profile-circle-affine.png", "profile-circle-spline.svg", "samples-circle.png"})
    EXPECT_TRUE(fs::exists(base + "plots/" + picture)) << picture;
  EXPECT_EQ(run(command + " --show --columns spline").code, 0);
}

TEST(Reproduce, JudgesHistogramsOfPictures) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_corner_picture(folder.path("corner.png")));
  const std::string experiment = R"(title = "histograms"
metric = "histogram_kl"
metric_label = "KL"
truth = "exact samples"
seeds = 1
settings.data.image = "corner.png"
settings.flow.hidden = [8]
settings.training.iterations = 20
settings.training.batch_size = 64
[histogram]
samples = 20000
bins = 10
[[tables]]
caption = "Histograms"
metrics = ["histogram_kl"]
[[rows]]
key = "corner"
name = "corner"
data = "corner.png"
[[columns]]
key = "two"
name = "2"
settings.flow.blocks = 2
[[columns]]
key = "four"
name = "4"
settings.flow.blocks = 4
[[pictures]]
kind = "histograms"
title = "Histograms"
[[pictures]]
kind = "chart"
title = "KL against blocks"
x = "blocks"
y = ["histogram_kl"]
)";
  const std::string command =
      "reproduce " + folder.file("own.toml", experiment) + " --out " + folder.path("out");
  EXPECT_NE(run(command).text.find("--data"), std::string::npos);
  const Outcome outcome = run(command + " --data " + folder.path("."));
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const std::string base = folder.path("out/own/scale-1/");
  const auto kl = [&](const std::string& kind) {
    return metric(base + "corner/" + kind + "/seed-1", "histogram_kl");
  };
  // Twice the samples times the KL of exact ones is chi-square of at most 100 degrees: at most 175
  // but once in a million.
  EXPECT_LT(kl("truth"), 175.0 / 40000.0);
  EXPECT_GT(kl("two"), 2.0 * kl("truth"));
  for (const char* picture : {"histograms-corner.png", "chart-histogram_kl.png"})
    EXPECT_TRUE(fs::exists(base + "plots/" + picture)) << picture;
}

TEST(Reproduce, GoesOnWithARunThatHasOnlyACheckpoint) {
  const TemporaryFolder folder;
  const std::string file = folder.file("small.toml", small_experiment());
  const std::string command =
      "reproduce " + file + " --seeds 1 --columns gaussian --out " + folder.path("out");
  ASSERT_EQ(run(command).code, 0);
  const std::string cell = folder.path("out/small/scale-1/rings/gaussian/seed-1");
  const auto before = results(cell).at("metrics");
  fs::remove(cell + "/metrics.json");
  ASSERT_EQ(run(command).code, 0);
  EXPECT_EQ(results(cell).at("metrics"), before);
}

TEST(Reproduce, ScaleShortensTraining) {
  const TemporaryFolder folder;
  const std::string file = folder.file("small.toml", small_experiment());
  const Outcome outcome =
      run("reproduce " + file + " --scale 0.1 --seeds 1 --columns gaussian --out " +
          folder.path("out"));
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_EQ(results(folder.path("out/small/scale-0.1/rings/gaussian/seed-1")).at("steps"), 2);
}

// Their columns have to come to (0, 1): planned without that, nearly all densities were infinite.
TEST(Reproduce, SmoothFlowsOfThePlaneHaveFiniteForces) {
  const TemporaryFolder folder;
  const Outcome outcome =
      run("reproduce smooth/figure-2 --rows two-moons --columns smooth --seeds 1 --scale 0.001 "
          "--out " +
          folder.path("out"));
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const std::string cell = folder.path("out/smooth/figure-2/scale-0.001/two-moons/smooth/seed-1");
  EXPECT_TRUE(std::isfinite(metric(cell, "force_error"))) << outcome.text;
  EXPECT_TRUE(std::isfinite(metric(cell, "log_likelihood")));
}

TEST(Reproduce, RefusesRunsMadeWithOtherSettings) {
  const TemporaryFolder folder;
  const std::string file = folder.file("small.toml", small_experiment());
  const std::string command =
      "reproduce " + file + " --seeds 1 --columns gaussian --out " + folder.path("out");
  ASSERT_EQ(run(command).code, 0);
  const std::string base = folder.path("out/small/scale-1/rings/gaussian/seed-1/");
  const std::string config = read_bytes(base + "config.toml");
  fs::remove(base + "metrics.json");
  folder.file("small.toml", small_experiment("training.learning_rate = 0.5\n"));
  const Outcome outcome = run(command);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.text.find("--force"), std::string::npos) << outcome.text;
  EXPECT_EQ(read_bytes(base + "config.toml"), config);
  EXPECT_EQ(run(command + " --force").code, 0);
}

TEST(Reproduce, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto expect_error = [&](const std::string& arguments, int code, const std::string& part) {
    const Outcome outcome = run("reproduce " + arguments + " --out " + folder.path("out"));
    EXPECT_EQ(outcome.code, code) << arguments;
    EXPECT_NE(outcome.text.find(part), std::string::npos) << outcome.text;
    EXPECT_FALSE(fs::exists(folder.path("out")));
  };
  expect_error("rbd/tabel-1", 2, "did you mean 'rbd/table-1'");
  expect_error("rbd/table-1 --rows dual-mon", 2, "did you mean 'dual-moon'");
  expect_error("rbd/table-9", 2, "--data DIR");
  expect_error("rbd/table-9 --data " + folder.path("nowhere"), 3, "no such file");
  expect_error(folder.file("a.toml", "title = 3"), 2, "expected a text");
  expect_error(folder.file("b.toml", small_experiment() + "[[columns]]\nkey='x'\nname='x'\n"), 2,
               "expected 3 published values, got 2");
  expect_error(folder.file("c.toml", "titel = 'x'\n" + small_experiment()), 2, "titel");
  expect_error(folder.file("e.toml", "truth = 'true'\n" + small_experiment()), 2, "[profile]");
  expect_error(folder.file("f.toml", "spread = 'range'\n" + small_experiment()), 2,
               "error or deviation");
  expect_error(
      folder.file("g.toml", small_experiment() + "[[pictures]]\nkind='profiles'\ntitle='x'\n"), 2,
      "profiles need a table [profile]");
  expect_error(
      folder.file("h.toml", small_experiment() + "[[pictures]]\nkind='samplers'\ntitle='x'\n"), 2,
      "samplers need a table [samplers]");
  expect_error(
      folder.file("i.toml", small_experiment() + "[[pictures]]\nkind='density'\ntitle='x'\n"), 2,
      "did you mean 'densities'");
  expect_error(folder.file("j.toml", "better = 'lowest'\n" + small_experiment()), 2,
               "lower or higher");
  expect_error("rbd/table-1 --show --force", 2, "--force");
  expect_error("--scale 0.5", 2, "--list");
  expect_error(folder.file("d.toml", small_experiment("flow.block = 3\n")), 2, "flow.blocks");
}

}  // namespace
