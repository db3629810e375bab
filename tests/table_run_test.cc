// Runs on tables as people have them: what every command makes of their columns is one thing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/random.h"
#include "thalweg/io/folder_lock.h"
#include "thalweg/runs/evaluation.h"
#include "thalweg/runs/log_densities.h"
#include "thalweg/runs/samplers.h"
#include "thalweg/runs/training_run.h"

namespace thalweg::testing {
namespace {

/// A short training of a flow on a file.
LoadedRun trained(const TemporaryFolder& folder, const std::string& file,
                  std::vector<Setting> settings) {
  settings.insert(settings.end(), {{"data.path", file},
                                   {"training.iterations", std::int64_t{60}},
                                   {"flow.hidden", std::vector<std::int64_t>{8}},
                                   {"final_proposals", std::int64_t{4096}}});
  ThreadPool pool(1);
  RunPlan plan = plan_run({.settings = settings, .out = folder.path("run"), .force = true});
  plan.report = false;
  run_training(plan, pool);
  return load_run(folder.path("run"));
}

double metric(const Evaluation& evaluation, const std::string& name) {
  for (const Metric& entry : evaluation.metrics)
    if (entry.name == name) return entry.value;
  ADD_FAILURE() << "no metric " << name;
  return NAN;
}

TEST(TableRun, OneProcessAtATimeWritesToAFolder) {
  std::string text = "a,b\n";
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 200; ++row)
    text += fmt::format("{:.6g},{:.6g}\n", random.normal(), random.normal());
  const TemporaryFolder folder;
  const std::string file = folder.file("table.csv", text);
  const auto wider = [&](std::int64_t width) {
    return trained(folder, file, {{"flow.blocks", width}}).options.model.flow.blocks;
  };
  wider(2);
  {
    const FolderLock other(folder.path("run"), "");
    expect_parts(message_of<ConfigError>([&] { wider(3); }), {"run", "another process", "--out"});
    ThreadPool pool(1);
    const RunPlan more = plan_run({.settings = {{"training.iterations", std::int64_t{70}}},
                                   .out = folder.path("run"),
                                   .resume = true});
    expect_parts(message_of<ConfigError>([&] { run_training(more, pool); }),
                 {"run", "another process", "wait"});
  }
  EXPECT_EQ(load_run(folder.path("run")).manifest.steps, 60);
  EXPECT_EQ(wider(3), 3);
}

// Samples never replace what they, or their run, come from; `--force` no folder but the run.
TEST(TableRun, WhatARunComesFromStays) {
  std::string text = "a,b,c\n";
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 200; ++row)
    text +=
        fmt::format("{:.6g},{:.6g},{:.6g}\n", random.normal(), random.normal(), random.normal());
  const TemporaryFolder folder;
  const std::string file = folder.file("table.csv", text);
  std::filesystem::create_directories(folder.path("run.old"));
  folder.file("run.old/mine.txt", "keep me");
  const std::vector<Setting> given = {{"data.condition", std::vector<std::string>{"c"}}};
  trained(folder, file, given);
  const LoadedRun run = trained(folder, file, given);
  EXPECT_EQ(read_bytes(folder.path("run.old/mine.txt")), "keep me");
  ThreadPool pool(1);
  SampleRequest request{.count = 10};
  const std::string condition = folder.file("condition.csv", "c\n0.5\n");
  request.condition = load_condition(run, condition);
  request.condition_file = condition;
  std::filesystem::create_symlink(file, folder.path("link.csv"));
  for (const std::string& out : {condition, file, folder.path("link.csv")}) {
    expect_parts(message_of<ConfigError>([&] { sample_to_file(run, request, out, pool, {}); }),
                 {"--out", out, "comes from"});
  }
  EXPECT_EQ(read_bytes(condition), "c\n0.5\n");
  EXPECT_EQ(read_bytes(file), text);
}

// A file without names is read by place, so what is written to one must be in that order.
TEST(TableRun, SamplesWithoutNamesAreReadBackAsTheColumnsThatTheyAre) {
  const TemporaryFolder folder;
  Table points;
  points.names = {"x0", "x1", "x2"};
  points.rows = 400;
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 400; ++row)
    for (const double centre : {0.0, 100.0, -50.0})
      points.values.push_back(centre + random.normal());
  save_table(folder.path("points.npy"), points);
  using Names = std::vector<std::string>;
  ThreadPool pool(1);
  for (const auto& [columns, condition] : {std::pair{Names{"x2", "x0", "x1"}, Names{}},
                                           {Names{"x1", "x0"}, Names{}},
                                           {Names{"x1", "x2"}, Names{"x0"}},
                                           {Names{"x2", "x0"}, Names{"x1"}},
                                           {Names{"x0", "x1", "x2"}, Names{}}}) {
    const LoadedRun run = trained(folder, folder.path("points.npy"),
                                  {{"data.columns", columns}, {"data.condition", condition}});
    SampleRequest request{.count = 20};
    if (!condition.empty()) request.condition = {condition[0] == "x0" ? 0.5 : 100.5};
    std::vector<std::vector<double>> found;
    for (const char* name : {"samples.npy", "samples.csv"}) {
      sample_to_file(run, request, folder.path(name), pool, {});
      found.push_back(log_densities(run, run.read_table(folder.path(name)), pool, {}).values);
    }
    ASSERT_EQ(found[0].size(), 20u);
    for (std::size_t row = 0; row < 20; ++row) EXPECT_NEAR(found[0][row], found[1][row], 1e-3);
  }
}

// An energy and a built-in target have all of their columns, without a condition.
TEST(TableRun, WhatIsOfTablesIsRefusedWithoutOne) {
  using Names = std::vector<std::string>;
  for (const auto& [key, value] :
       {std::pair<std::string, OptionValue>{"data.condition", Names{"y"}},
        {"data.columns", Names{"x"}},
        {"data.validation", std::string("v.csv")},
        {"data.forces", std::string("f.npy")}})
    for (const auto& [source, of] :
         {std::pair{"energy", "x^2 + y^2"}, std::pair{"data.target", "dual_moon"}})
      expect_parts(message_of<ConfigError>([&] {
                     plan_run({.settings = {{source, std::string(of)}, {key, value}}});
                   }),
                   {key, "a file of points", "--data FILE"});
}

// Values of a category, and what a condition decides, keep their digits.
TEST(TableRun, SamplesHaveDoublesWhereSingleOnesWouldCutThem) {
  const TemporaryFolder folder;
  std::string text = "a,day\n";
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 1500; ++row)
    text += fmt::format("{:.6g},{}\n", random.normal(), row % 2 == 0 ? 20230115 : 20230117);
  const LoadedRun run = trained(folder, folder.file("table.csv", text),
                                {{"data.kinds", std::vector<std::string>{"day=category"}}});
  EXPECT_EQ(sample_type(run, {}), FloatType::kFloat64);
  ThreadPool pool(1);
  const SampledTable drawn = sample_table(run, {.count = 50}, pool, {});
  for (std::size_t i = 1; i < drawn.table.values.size(); i += 2)
    EXPECT_TRUE(drawn.table.values[i] == 20230115 || drawn.table.values[i] == 20230117);
  SampleRequest request{.count = 5};
  request.local_probability = 0.2;
  expect_parts(message_of<ConfigError>([&] { sample_table(run, request, pool, {}); }),
               {"local_probability", "naive"});
  request.sampler = "mala";
  request.local_probability = 5.0;
  expect_parts(message_of<ConfigError>([&] { sample_table(run, request, pool, {}); }),
               {"local_probability", "from 0 to 1"});
}

// A file to evaluate on need not have the weights that rows to train on had.
TEST(TableRun, WeightsCountWhereTheyAre) {
  std::string text = "a,w\n", plain = "a\n";
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 300; ++row) {
    const double a = random.normal();
    text += fmt::format("{:.6g},{}\n", a, row % 3);
    plain += fmt::format("{:.6g}\n", a);
  }
  const TemporaryFolder folder;
  const LoadedRun run =
      trained(folder, folder.file("table.csv", text), {{"data.weights", std::string("w")}});
  ThreadPool pool(1);
  DensityEvaluator density = evaluation_density(run, pool);
  const auto held_out = [&](const std::string& content) {
    return held_out_points(run, folder.file("other.csv", content), std::nullopt, density);
  };
  EXPECT_EQ(held_out(text).weights.size(), 300U);
  EXPECT_TRUE(held_out(plain).weights.empty());
}

TEST(TableRun, LogDensitiesAndEvaluationAreOfOneMeasure) {
  // A category, zeros beside a continuum, steps of .1, and a date.
  std::string text = "who,rain,warm,day\n";
  RandomSequence random(3, Stream::kTarget);
  for (int row = 0; row < 300; ++row)
    text += fmt::format("{},{:.6g},{:.1f},2024-{:02}-{:02}\n", "abc"[row * row % 3],
                        row % 5 < 3 ? 0.0 : -std::log(random.uniform()),
                        15.0 + 5.0 * random.normal(), 1 + row % 12, 1 + row * row % 28);
  const TemporaryFolder folder;
  const std::string file = folder.file("table.csv", text);
  for (const char* kind : {"none", "spline"}) {
    const LoadedRun run =
        trained(folder, file,
                {{"flow.kind", std::string(kind)}, {"flow.heads", std::string(kind) == "none"}});
    ThreadPool pool(1);
    const LogDensities own =
        log_densities(run, run.read_table(file), pool, {.precision = Precision::kDouble});
    DensityEvaluator density = evaluation_density(run, pool);
    const HeldOut points = held_out_points(run, file, std::nullopt, density);
    const Evaluation evaluation = evaluate_run(run, points, std::nullopt, density, pool);
    EXPECT_NEAR(metric(evaluation, "log_likelihood"), own.mean.all.mean, 1e-9) << kind;
    EXPECT_TRUE(std::isfinite(own.mean.all.mean));
  }
}

TEST(TableRun, ARunOfBeforeThatGoesOnKeepsTheRulesOfItsData) {
  std::string text = "x,y\n";
  RandomSequence random(6, Stream::kTarget);
  for (int row = 0; row < 300; ++row)
    text += fmt::format("{:.6f},{:.6f}\n", random.normal(), random.normal());
  const TemporaryFolder folder;
  trained(folder, folder.file("plain.csv", text), {});
  const RunFolder run{folder.path("run")};
  for (const auto& [before, after] : {std::pair{3, 4}, std::pair{4, 4}, std::pair{5, 5}}) {
    RunManifest manifest = read_manifest(run);
    manifest.format = before;
    write_manifest(run, manifest);
    ThreadPool pool(1);
    RunPlan plan = plan_run({.out = run.path, .resume = true});
    EXPECT_EQ(plan.options.data.rules, before);
    plan.report = false;
    run_training(plan, pool);
    EXPECT_EQ(read_manifest(run).format, after);
  }
}

TEST(TableRun, ConditionsOutsideOfTrainingAreCounted) {
  std::string text = "x,t\n";
  RandomSequence random(4, Stream::kTarget);
  for (int row = 0; row < 300; ++row) {
    const double t = random.uniform();
    text += fmt::format("{:.6f},{:.6f}\n", t + random.normal(), t);
  }
  const TemporaryFolder folder;
  const LoadedRun run = trained(folder, folder.file("given.csv", text),
                                {{"data.condition", std::vector<std::string>{"t"}}});
  ThreadPool pool(1);
  const auto warnings = [&](const std::string& rows) {
    return log_densities(run, run.read_table(folder.file("new.csv", "x,t\n" + rows)), pool)
        .warnings;
  };
  EXPECT_TRUE(warnings("0.5,0.5\n").empty());
  const std::vector<std::string> found = warnings("0.5,0.5\n0.5,7\n0.1,-3\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_TRUE(
      found[0].starts_with("2 of 3 rows have a condition outside of what was trained on "
                           "(row 2 has t = 7,"))
      << found[0];
}

TEST(TableRun, WhatOthersDecideIsRestoredAndChecked) {
  std::string text = "state,region,x,y,sum\n";
  RandomSequence random(5, Stream::kTarget);
  const char* const regions[] = {"north", "south", "west"};
  for (int row = 0; row < 400; ++row) {
    const int state = row * row % 11 + row % 3;
    const double x = std::round(1e3 * random.normal()) / 1e3;
    const double y = std::round(1e3 * random.normal()) / 1e3;
    text += fmt::format("s{},{},{:.3f},{:.3f},{:.3f}\n", state, regions[state % 3], x, y, x + y);
  }
  const TemporaryFolder folder;
  const LoadedRun run = trained(folder, folder.file("states.csv", text), {});
  ASSERT_EQ(run.options.model.derived.size(), 2u);
  ThreadPool pool(1);
  const Table samples = sample_table(run, {.count = 200}, pool).table;
  const auto column = [&](const std::string& name) {
    return static_cast<std::size_t>(std::ranges::find(samples.names, name) - samples.names.begin());
  };
  const std::size_t width = samples.names.size();
  ASSERT_EQ(samples.names, (std::vector<std::string>{"state", "region", "x", "y", "sum"}));
  for (std::size_t row = 0; row < 200; ++row) {
    const auto text_of = [&](const std::string& name) {
      const std::size_t number = column(name);
      return samples.content[number]
          .labels[static_cast<std::size_t>(samples.values[row * width + number])];
    };
    const int state = std::stoi(text_of("state").substr(1));
    EXPECT_EQ(text_of("region"), regions[state % 3]);
    const auto number = [&](const std::string& name) {
      return samples.values[row * width + column(name)];
    };
    EXPECT_NEAR(number("sum"), number("x") + number("y"), 1e-6);
  }
  const auto warnings = [&](const std::string& rows) {
    const std::string file = folder.file("new.csv", "state,region,x,y,sum\n" + rows);
    return log_densities(run, run.read_table(file), pool).warnings;
  };
  EXPECT_TRUE(warnings("s3,north,1,2,3\n").empty());
  const std::vector<std::string> found =
      warnings("s3,north,1,2,3\ns4,north,1,2,3\ns3,north,1,2,4\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(
      found[0],
      "1 of 3 rows do not keep to region decided by state (row 2 is the first); 1 of 3 rows do "
      "not keep to sum = x + y (row 3 is the first): by the model such rows cannot be; their "
      "log densities are those of the other columns");
}

}  // namespace
}  // namespace thalweg::testing
