// The tool as users meet it: what it prints, how it ends, and what it leaves on the disk.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "corner_picture.h"
#include "thalweg/core/random.h"
#include "thalweg/exploration/exploration_file.h"
#include "thalweg/io/npy.h"
#include "thalweg/io/pdb_file.h"
#include "thalweg/runs/run_folder.h"

namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

struct Outcome {
  int code = -1;  ///< exit code, or 128 + signal
  std::string out, error;
};

/// How a child is to be started or disturbed.
struct Circumstances {
  rlim_t file_size_limit = RLIM_INFINITY;
  std::function<void(pid_t)> while_running;
};

/// A folder of its own for each test, with the tool run inside of it.
class Cli : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / ("thalweg-cli-" + std::to_string(getpid()) + "-" +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path path(const std::string& name) const { return folder_ / name; }

  Outcome run(const std::vector<std::string>& arguments, const Circumstances& circumstances = {}) {
    return run_program(THALWEG_BINARY, arguments, circumstances);
  }

  Outcome run_program(const std::string& program, const std::vector<std::string>& arguments,
                      const Circumstances& circumstances = {}) {
    std::vector<std::string> words = {program};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    const std::string out = path("stdout.txt"), error = path("stderr.txt"), home = folder_;
    const pid_t child = fork();
    if (child == 0) {
      const rlimit limit{circumstances.file_size_limit, circumstances.file_size_limit};
      // Redirections are made before the limit, and hold little.
      if (chdir(home.c_str()) != 0) _exit(120);
      const int out_file = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      const int error_file = open(error.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      dup2(out_file, 1);
      dup2(error_file, 2);
      if (circumstances.file_size_limit != RLIM_INFINITY) setrlimit(RLIMIT_FSIZE, &limit);
      execv(pointers[0], pointers.data());
      _exit(121);
    }
    if (circumstances.while_running) circumstances.while_running(child);
    int status = 0;
    waitpid(child, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), contents(out),
            contents(error)};
  }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(path(name), std::ios::binary) << text;
  }

  /// Points on a noisy parabola, as CSV; `change` may spoil a row's text.
  void write_points(const std::string& name, int rows,
                    const std::function<std::string(int, std::string)>& change = {}) {
    std::string text = "a,b\n";
    for (int row = 0; row < rows; ++row) {
      const double a = std::sin(12.9898 * row), b = a * a + 0.3 * std::cos(78.233 * row);
      std::string line = std::to_string(a) + "," + std::to_string(b);
      text += (change ? change(row, line) : line) + "\n";
    }
    write(name, text);
  }

  /// A .npy file with this type and shape, filled with ones, cut or extended to `bytes` of data.
  void write_npy(const std::string& name, const std::string& type, const std::string& shape,
                 std::size_t bytes) {
    std::string header =
        "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }";
    header.resize((header.size() + 10 + 64) / 64 * 64 - 10, ' ');
    header.back() = '\n';
    std::string text = std::string("\x93NUMPY\x01\x00", 8);
    text += static_cast<char>(header.size() & 0xff);
    text += static_cast<char>(header.size() >> 8);
    write(name, text + header + std::string(bytes, '\1'));
  }

  /// Arguments of a training that takes a blink.
  std::vector<std::string> tiny(std::vector<std::string> more = {}) const {
    std::vector<std::string> result = {"train"};
    result.insert(result.end(), more.begin(), more.end());
    for (const char* setting :
         {"training.iterations=20", "flow.blocks=2", "flow.hidden=8", "base.kind=normal",
          "training.batch_size=64", "training.validation_interval=10"})
      result.insert(result.end(), {"--set", setting});
    result.insert(result.end(), {"--threads", "1"});
    return result;
  }

  /// Every file of a folder with its bytes.
  std::map<std::string, std::string> snapshot(const std::string& name) const {
    std::map<std::string, std::string> result;
    for (const auto& entry : fs::recursive_directory_iterator(path(name)))
      if (entry.is_regular_file()) result[entry.path().string()] = contents(entry.path());
    return result;
  }

  /// The tool must end with `code` and one line that holds `text`.
  void expect_failure(const std::vector<std::string>& arguments, int code, const std::string& text,
                      const Circumstances& circumstances = {}) {
    const Outcome outcome = run(arguments, circumstances);
    EXPECT_EQ(outcome.code, code) << outcome.error;
    EXPECT_NE(outcome.error.find(text), std::string::npos) << outcome.error;
    const std::size_t start = outcome.error.rfind("thalweg: ");
    ASSERT_NE(start, std::string::npos) << outcome.error;
    EXPECT_EQ(outcome.error.find('\n', start), outcome.error.size() - 1) << outcome.error;
  }

 private:
  fs::path folder_;
};

TEST_F(Cli, ReadsTablesAsPeopleHaveThem) {
  std::string text = "\xEF\xBB\xBFsep=;\n;day;\"a, b\";c;comment\n";
  for (int i = 0; i < 100; ++i)
    text += fmt::format("{};2001-02-29;{},5;{};\"x;\ny\"\n", i, i * i % 97,
                        i == 50 ? "?" : fmt::format("{},25", i * 7 % 89));
  write("t.csv", text);
  const std::vector<std::string> columns = {"--data", "t.csv", "--columns", "\"a, b\",c"};
  expect_failure(tiny(columns), 3, "line 103, column 'c': expected a number as in 99 of 100 rows");
  std::vector<std::string> train = tiny(columns);
  train.insert(train.end(), {"--missing", "?"});
  expect_failure(train, 3, "row 51, column 'c'");
  train =
      tiny({"--data", "t.csv", "--columns", "\"a, b\"", "--set", "flow.kind=elementwise_spline"});
  Outcome outcome = run(train);
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  outcome = run({"sample", "runs/t", "--count", "5", "--out", "s.csv.gz"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  for (const char* file : {"t.csv", "s.csv.gz"})
    EXPECT_EQ(run({"log-prob", "runs/t", file, "--out", "l.npy"}).code, 0) << file;
  write("years.csv", "1990,1991,1992\n1,2,3\n2,1,4\n3,1,2\n5,1,1\n");
  expect_failure(tiny({"--data", "years.csv"}), 3, "--header yes or --header no");
  expect_failure(tiny({"--data", "years.csv", "--header", "yes"}), 3, "the data have 4 rows");
  expect_failure(tiny({"--data", "years.csv", "--header", "no"}), 3, "the data have 5 rows");
}

TEST_F(Cli, TrainsSamplesEvaluatesAndExamines) {
  write_points("points.csv", 400);
  Outcome outcome = run(tiny({"--data", "points.csv"}));
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  for (const char* file : {"config.toml", "manifest.json", "model.safetensors", "metrics.csv",
                           "report.html", "optimizer.safetensors"})
    EXPECT_TRUE(fs::exists(path("runs/points") / file)) << file;
  outcome = run({"sample", "runs/points", "--count", "70000", "--out", "s.csv"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const std::string samples = contents(path("s.csv"));
  EXPECT_EQ(samples.substr(0, 4), "a,b\n");
  EXPECT_EQ(std::count(samples.begin(), samples.end(), '\n'), 70001);
  run({"sample", "runs/points", "--count", "10", "--out", "again.csv"});
  const std::string again = contents(path("again.csv"));
  EXPECT_EQ(samples.substr(0, again.size()), again);
  outcome = run({"log-prob", "runs/points", "s.csv", "--out", "l.csv"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(contents(path("l.csv")).substr(0, 9), "log_prob\n");
  outcome = run({"evaluate", "runs/points", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("rows"), 40);
  for (const char* key : {"log_likelihood", "gaussian", "mixture"})
    EXPECT_TRUE(std::isfinite(json.at(key).get<double>())) << key;
  EXPECT_EQ(run({"doctor", "runs/points", "--samples", "256"}).code, 0);
}

TEST_F(Cli, PreparesTablesAndLearnsTheirSplits) {
  ASSERT_EQ(run({"data", "gas", "--look-alike", "--rows", "8000", "--out", "raw"}).code, 0);
  const std::vector<std::string> prepare = {"data", "gas", "--from", "raw", "--out", "gas"};
  Outcome outcome = run(prepare);
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  for (const char* part : {"852174", "R16", "--data gas --set", "warning: "})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part;
  for (const char* file : {"train.npy", "validation.npy", "test.npy", "columns.txt", "README.txt"})
    EXPECT_TRUE(fs::exists(path("gas") / file)) << file;
  const auto before = snapshot("gas");
  expect_failure(prepare, 2, "exists already");
  std::vector<std::string> again = prepare;
  again.push_back("--force");
  EXPECT_EQ(run(again).code, 0);
  EXPECT_EQ(snapshot("gas"), before);
  // Options that the kind of data does not have.
  expect_failure({"data", "dw4", "--rows", "5000", "--out", "x"}, 2, "--rows");
  expect_failure({"data", "gas", "--from", "raw", "--count", "100", "--out", "x"}, 2, "--count");
  expect_failure({"data", "gas", "--look-alike", "--force", "--out", "raw"}, 2, "--force");
  expect_failure({"data", "gas", "--look-alike", "--out", "raw"}, 2, "choose another --out");
  // A folder with anything else in it is not replaced, and a failure leaves nothing behind.
  write("gas/mine.txt", "keep me");
  expect_failure(again, 2, "mine.txt");
  expect_failure({"data", "power", "--from", "raw", "--out", "power"}, 3,
                 "household_power_consumption.txt");
  EXPECT_FALSE(fs::exists(path("power")));
  EXPECT_FALSE(fs::exists(path("power.new")));
  expect_failure({"data", "powr", "--from", "raw", "--out", "power"}, 2, "did you mean 'power'");

  std::vector<std::string> train = tiny({"--data", "gas/train.npy", "--out", "r"});
  train.insert(train.end(), {"--set", "data.validation=gas/validation.npy", "--set",
                             "data.test=gas/test.npy", "--set", "data.find_integers=false"});
  outcome = run(train);
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(outcome.out.find("1620 to train, 180 to validate, 200 to test"), std::string::npos)
      << outcome.out;
  // The folder stands for its three files.
  std::vector<std::string> short_form =
      tiny({"--data", "gas/", "--set", "data.find_integers=false"});
  outcome = run(short_form);
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(contents(path("runs/gas/model.safetensors")), contents(path("r/model.safetensors")));
  expect_failure({"train", "--data", "raw"}, 3, "a folder with train.npy");
  // The test rows of the run are those of the file.
  outcome = run({"evaluate", "r", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const auto own = nlohmann::json::parse(outcome.out);
  const auto other =
      nlohmann::json::parse(run({"evaluate", "r", "--data", "gas/test.npy", "--json"}).out);
  EXPECT_EQ(own.at("rows"), 200);
  EXPECT_EQ(own.at("log_likelihood"), other.at("log_likelihood"));
  write_points("points.csv", 100);
  train.insert(train.end(), {"--force", "--set", "data.test=points.csv"});
  expect_failure(train, 3, "expected the columns of");
}

TEST_F(Cli, CountsDensitiesThatAreNotFinite) {
  ASSERT_EQ(run(tiny({"rings-normal", "--out", "r", "--set", "flow.scale_map=tanh"})).code, 0);
  write("far.csv", "x0,x1\n0,0\n1e25,1e25\n-1e9,1\n");
  Outcome outcome = run({"log-prob", "r", "far.csv", "--out", "l.csv"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_LT(outcome.out.size(), 100u) << outcome.out;
  EXPECT_NE(outcome.error.find("1 are -inf, a density of 0; 0 are undefined"), std::string::npos)
      << outcome.error;
  outcome = run({"evaluate", "r", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("kl_not_finite"), 0.0);
  EXPECT_EQ(json.at("integral_not_finite"), 0.0);
}

TEST_F(Cli, ARunInDoubleIsUsedInDouble) {
  std::string text = "a,b\n";
  for (int row = 0; row < 400; ++row)
    text +=
        fmt::format("{:.9f},{:.9f}\n", 1e8 + std::sin(12.9898 * row), 1e8 + std::cos(78.233 * row));
  write("points.csv", text);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r", "--set", "precision=double"})).code, 0);
  ASSERT_EQ(run({"sample", "r", "--count", "200", "--out", "s.npy"}).code, 0);
  const thalweg::Array samples = thalweg::read_npy(path("s.npy"));
  EXPECT_FALSE(samples.single_precision);
  EXPECT_EQ(std::set<double>(samples.values.begin(), samples.values.end()).size(), 400u);
  ASSERT_EQ(run({"log-prob", "r", "points.csv", "--out", "own.npy"}).code, 0);
  ASSERT_EQ(run({"log-prob", "r", "points.csv", "--out", "d.npy", "--precision", "double"}).code,
            0);
  ASSERT_EQ(run({"log-prob", "r", "points.csv", "--out", "f.npy", "--precision", "float"}).code, 0);
  EXPECT_EQ(contents(path("own.npy")), contents(path("d.npy")));
  EXPECT_NE(contents(path("own.npy")), contents(path("f.npy")));
  const Outcome examined = run({"doctor", "r", "--samples", "256"});
  EXPECT_EQ(examined.code, 0) << examined.out;
  EXPECT_EQ(examined.out.find("round trip, float"), std::string::npos) << examined.out;
  // A run in float is used in float.
  write_points("near.csv", 200);
  ASSERT_EQ(run(tiny({"--data", "near.csv", "--out", "n"})).code, 0);
  ASSERT_EQ(run({"sample", "n", "--count", "20", "--out", "s.npy"}).code, 0);
  EXPECT_TRUE(thalweg::read_npy(path("s.npy")).single_precision);
}

TEST_F(Cli, TrainsWithoutHeldOutRows) {
  write_points("points.csv", 200);
  Outcome outcome = run(tiny({"--data", "points.csv", "--out", "r", "--set", "data.test_fraction=0",
                              "--set", "data.validation_fraction=0"}));
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(outcome.out.find("no rows were held out"), std::string::npos) << outcome.out;
  EXPECT_TRUE(fs::exists(path("r/report.html")));
  outcome = run({"evaluate", "r"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(outcome.out.find("no rows were held out"), std::string::npos) << outcome.out;
  outcome = run({"evaluate", "r", "--data", "points.csv", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(nlohmann::json::parse(outcome.out).at("rows"), 200);
}

TEST_F(Cli, AReplacedRunIsReportedUnderItsOwnName) {
  write_points("points.csv", 200);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r", "--force"})).code, 0);
  const std::string page = contents(path("r/report.html"));
  EXPECT_NE(page.find("<title>Thalweg: r</title>"), std::string::npos);
  EXPECT_EQ(page.find("r.new"), std::string::npos);
}

TEST_F(Cli, SaysSoWhereTheDensityIsZero) {
  ASSERT_EQ(run(tiny({"rings-normal", "--out", "r", "--set", "flow.scale_map=tanh"})).code, 0);
  write("far.csv", "x0,x1\n0,0\n1e200,1e200\n0.5,0.5\n");
  write("near.csv", "x0,x1\n0,0\n0.5,0.5\n");
  const Outcome outcome = run({"evaluate", "r", "--data", "far.csv"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(outcome.error.find("density 0, log density -inf, at 1 of the rows"), std::string::npos)
      << outcome.error;
  EXPECT_TRUE(std::regex_search(outcome.out, std::regex("this model +-inf\n"))) << outcome.out;
  EXPECT_EQ(outcome.out.find("nan"), std::string::npos) << outcome.out;
  const auto far = nlohmann::json::parse(run({"evaluate", "r", "--data", "far.csv", "--json"}).out);
  const auto near =
      nlohmann::json::parse(run({"evaluate", "r", "--data", "near.csv", "--json"}).out);
  EXPECT_EQ(far.at("log_likelihood_zero_rows"), 1.0);
  EXPECT_TRUE(far.at("log_likelihood").is_null());  // JSON has no infinity.
  EXPECT_EQ(far.at("log_likelihood_others"), near.at("log_likelihood"));
}

TEST_F(Cli, WeighsMeansOfLogDensitiesAndSaysWhatTheyLeaveOut) {
  write_points("points.csv", 200);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--bounds", "a=-1.5:1.5", "--out", "r"})).code, 0);
  const auto said = [&](const std::string& points, const std::vector<std::string>& more = {}) {
    write("new.csv", points);
    std::vector<std::string> words = {"log-prob", "r", "new.csv", "--out", "l.csv"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.error;
    return outcome.out;
  };
  const std::string two = said("a,b,w\n0.5,0.2,3\n-0.5,0.3,1\n");
  std::istringstream values(contents(path("l.csv")));
  std::string name;
  double first = 0.0, second = 0.0;
  values >> name >> first >> second;
  const auto mean = [](double value) { return fmt::format("mean {:.5f} +- ", value); };
  EXPECT_NE(two.find(mean(0.5 * (first + second))), std::string::npos) << two;
  const std::string weighted = said("a,b,w\n0.5,0.2,3\n-0.5,0.3,1\n", {"--weights", "w"});
  EXPECT_NE(weighted.find(mean(0.75 * first + 0.25 * second)), std::string::npos) << weighted;
  EXPECT_NE(weighted.find("weighted by 'w'"), std::string::npos) << weighted;
  const std::string some = said("a,b,w\n0.5,0.2,3\n-2,0.3,1\n");
  EXPECT_NE(some.find(mean(first)), std::string::npos) << some;
  EXPECT_NE(some.find("over the 1 that are finite"), std::string::npos) << some;
  const std::string none = said("a,b,w\n2,0.2,3\n-2,0.3,1\n");
  EXPECT_NE(none.find("no mean"), std::string::npos) << none;
  EXPECT_EQ(none.find("mean 0"), std::string::npos) << none;
  expect_failure({"log-prob", "r", "new.csv", "--out", "l.csv", "--weights", "v"}, 2,
                 "--weights: unknown column 'v'");
  write("new.csv", "a,b,w\n0.5,0.2,-3\n");
  expect_failure({"log-prob", "r", "new.csv", "--out", "l.csv", "--weights", "w"}, 3,
                 "row 1, column 'w': the weight is -3");
}

// With 20 proposals Z is known to a tenth, which is a tenth of a nat of every log density.
TEST_F(Cli, TheErrorOfALikelihoodHasThatOfZ) {
  write_points("points.csv", 400);
  const auto train = [&](const std::string& name, const std::string& proposals) {
    std::vector<std::string> words = tiny({"--data", "points.csv", "--out", name});
    for (const std::string& setting :
         {std::string("base.kind=resampled"), std::string("base.hidden=8"),
          "final_proposals=" + proposals})
      words.insert(words.end(), {"--set", setting});
    return run(words);
  };
  ASSERT_EQ(train("r", "20").code, 0);
  // The likelihoods' own error is that of a run that knows Z.
  ASSERT_EQ(train("exact", "1000000").code, 0);
  const auto rough = nlohmann::json::parse(run({"evaluate", "r", "--json"}).out);
  const auto exact = nlohmann::json::parse(run({"evaluate", "exact", "--json"}).out);
  const double relative =
      rough.at("normaliser_error").get<double>() / rough.at("normaliser").get<double>();
  EXPECT_GT(relative, 0.01);
  EXPECT_NEAR(rough.at("log_likelihood_error").get<double>(),
              std::hypot(exact.at("log_likelihood_error").get<double>(), relative), 1e-4);
}

TEST_F(Cli, AProgramDoesTheSameToTheBit) {
  write_points("points.csv", 300);
  ASSERT_EQ(
      run({"train", "--data", "points.csv", "--out", "tool", "--quiet", "--set",
           "training.iterations=30", "--set", "flow.blocks=2", "--set", "final_proposals=10000"})
          .code,
      0);
  ASSERT_EQ(run({"sample", "tool", "--count", "1000", "--out", "tool.csv"}).code, 0);
  const Outcome outcome = run_program(
      THALWEG_LEARN_TABLE, {"points.csv", "program", "program.csv", "training.iterations=30",
                            "flow.blocks=2", "final_proposals=10000"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(outcome.out.find("this model"), std::string::npos) << outcome.out;
  for (const char* file : {"/model.safetensors", "/config.toml", "/metrics.csv"})
    EXPECT_EQ(contents(path(std::string("program") + file)),
              contents(path(std::string("tool") + file)))
        << file;
  EXPECT_EQ(contents(path("program.csv")), contents(path("tool.csv")));
  EXPECT_TRUE(fs::exists(path("program/report.html")));
}

TEST_F(Cli, DensitiesDoNotReplaceTheirPoints) {
  write_points("points.csv", 200);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  const std::string before = contents(path("points.csv"));
  expect_failure({"log-prob", "r", "points.csv", "--out", "./points.csv"}, 2, "--out");
  EXPECT_EQ(contents(path("points.csv")), before);
}

// A transform and an objective that the library does not know train, are saved and read, and invert
// themselves; the tool, which lacks them, says so.
TEST_F(Cli, AProgramHasPartsOfItsOwn) {
  write_points("points.csv", 1000);
  const Outcome outcome = run_program(THALWEG_OWN_PARTS, {"points.csv", "own"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  std::smatch found;
  const std::string& out = outcome.out;
  ASSERT_TRUE(std::regex_search(out, found, std::regex("this model +(-?[0-9.]+)"))) << out;
  const double model = std::stod(found[1]);
  ASSERT_TRUE(std::regex_search(out, found, std::regex("fitted Gaussian +(-?[0-9.]+)"))) << out;
  EXPECT_GT(model, std::stod(found[1]) - 0.3) << out;
  ASSERT_TRUE(std::regex_search(out, found, std::regex("round trip, double +([0-9.e+-]+)"))) << out;
  EXPECT_LT(std::stod(found[1]), 1e-9);
  ASSERT_TRUE(std::regex_search(out, found, std::regex("log-determinant +([0-9.e+-]+)"))) << out;
  EXPECT_LT(std::stod(found[1]), 1e-9);
  ASSERT_TRUE(std::regex_search(out, found, std::regex("integral +([0-9.]+),"))) << out;
  EXPECT_NEAR(std::stod(found[1]), 1.0, 0.01);
  expect_failure({"evaluate", "own"}, 2, "sinh_arcsinh");
}

TEST_F(Cli, GroupsWhatItSays) {
  const Outcome trained = run(tiny({"rings-normal", "--out", "r"}));
  ASSERT_EQ(trained.code, 0) << trained.error;
  std::size_t place = 0;
  for (const char* heading :
       {"mean log likelihood", "this model", "weighted to the target:", "effective share",
        "beside exact ones:", "KL(model || target) by neighbours", "on a grid:", "integral of"}) {
    const std::size_t next = trained.out.find(heading, place);
    ASSERT_NE(next, std::string::npos) << heading << " in " << trained.out;
    place = next;
  }
  // What papers published is for `reproduce`.
  EXPECT_EQ(trained.out.find("published"), std::string::npos) << trained.out;
}

TEST_F(Cli, LearnsConditionalDensities) {
  write_points("points.csv", 300);
  Outcome outcome = run(tiny({"--data", "points.csv", "--condition", "a", "--out", "r"}));
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  expect_failure({"sample", "r", "--count", "5", "--out", "s.csv"}, 2, "--condition FILE");
  outcome = run({"sample", "r", "--count", "5", "--out", "s.csv", "--condition", "points.csv"});
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(contents(path("s.csv")).substr(0, 4), "b,a\n");
  // Chains keep to a condition each: 3 chains of 2 conditions, drawn three times.
  write("two.csv", "a\n0.25\n-0.5\n");
  for (const char* sampler : {"mala", "sails", "independence"}) {
    outcome = run({"sample", "r", "--count", "8", "--out", "s.csv", "--condition", "two.csv",
                   "--sampler", sampler, "--chains", "3", "--burn-in", "5"});
    ASSERT_EQ(outcome.code, 0) << outcome.error;
    std::istringstream samples(contents(path("s.csv")));
    std::string line;
    std::getline(samples, line);
    EXPECT_EQ(line, "b,a");
    for (const char* given : {"0.25", "-0.5", "0.25", "0.25", "-0.5", "0.25", "0.25", "-0.5"}) {
      std::getline(samples, line);
      EXPECT_EQ(line.substr(line.find(',') + 1), given) << sampler;
    }
  }
  EXPECT_EQ(run({"evaluate", "r"}).code, 0);
  // Runs of format 1 had conditions as they were: mean 0 and scale 1.
  const auto log_densities = [&](int format) {
    auto manifest = nlohmann::json::parse(contents(path("r/manifest.json")));
    manifest["format"] = format;
    write("r/manifest.json", manifest.dump());
    EXPECT_EQ(run({"log-prob", "r", "points.csv", "--out", "l.csv", "--ignore-hash"}).code, 0);
    return contents(path("l.csv"));
  };
  const std::string standardised = log_densities(2), raw = log_densities(1);
  EXPECT_NE(standardised, raw);
  std::string config = contents(path("r/config.toml"));
  const std::size_t given = config.find("[[context_columns]]");
  ASSERT_NE(given, std::string::npos);
  config = config.substr(0, given) +
           std::regex_replace(config.substr(given), std::regex("(mean|scale) = .*"), "");
  write("r/config.toml", config);
  EXPECT_EQ(log_densities(2), raw);
}

TEST_F(Cli, RespectsBoundsAndSpacing) {
  std::string text = "count,size\n";
  for (int row = 0; row < 400; ++row)
    text +=
        std::to_string(row * row % 7) + "," + std::to_string(0.01 + std::abs(std::sin(row))) + "\n";
  write("points.csv", text);
  ASSERT_EQ(
      run(tiny({"--data", "points.csv", "--bounds", "size=0:2,count=0:6", "--out", "r"})).code, 0);
  ASSERT_EQ(run({"sample", "r", "--count", "2000", "--out", "s.csv"}).code, 0);
  std::istringstream samples(contents(path("s.csv")));
  std::string line;
  std::getline(samples, line);
  while (std::getline(samples, line)) {
    const double count = std::stod(line), size = std::stod(line.substr(line.find(',') + 1));
    EXPECT_EQ(count, std::floor(count));
    EXPECT_TRUE(count >= 0.0 && count <= 6.0) << line;
    EXPECT_TRUE(size >= 0.0 && size <= 2.0) << line;
  }
}

TEST_F(Cli, SaysWhatAStackAndTextsDoNotTake) {
  write_points("points.csv", 60, [](int row, const std::string& line) {
    return line + (row % 2 == 0 ? ",red" : ",blue");
  });
  std::string text = contents(path("points.csv"));
  write("points.csv", "a,b,colour" + text.substr(text.find('\n')));
  expect_failure({"train", "--data", "points.csv", "--bounds", "colour=0:1"}, 2,
                 "data.bounds: column 'colour' holds texts (blue, red), which have no bounds");
  ASSERT_EQ(run({"train", "--data", "points.csv", "--columns", "a,b", "--out", "r"}).code, 0);
  expect_failure({"train", "--resume", "--out", "r", "--set", "training.learning_rate=0.01"}, 2,
                 "r: is a stack, which is fitted as a whole");
  EXPECT_EQ(run({"train", "--resume", "--out", "r"}).code, 0);
}

TEST_F(Cli, HelpNamesExamples) {
  for (const char* command : {"demo", "train", "sample", "log-prob", "evaluate", "report", "doctor",
                              "list", "describe"}) {
    const Outcome outcome = run({command, "--help"});
    EXPECT_EQ(outcome.code, 0) << command;
    EXPECT_NE(outcome.out.find("Examples:"), std::string::npos) << command;
  }
  EXPECT_EQ(run({"list"}).code, 0);
  EXPECT_EQ(run({"describe", "training"}).code, 0);
  EXPECT_EQ(run({"describe", "rings-resampled"}).code, 0);
  EXPECT_EQ(run({"describe", "two_rings"}).code, 0);
}

TEST_F(Cli, SuggestsWhatWasMeant) {
  expect_failure({"trian"}, 2, "did you mean 'train'?");
  expect_failure({"train", "--dat", "x"}, 2, "did you mean '--data'?");
  expect_failure({"train", "rings-resample"}, 2, "did you mean 'rings-resampled'?");
  expect_failure({"train", "--target", "two_ring"}, 2, "did you mean 'two_rings'?");
  expect_failure({"describe", "traning"}, 2, "did you mean 'training'?");
  expect_failure({"describe", "xyzzy"}, 2, "`thalweg list`");
  expect_failure({"train"}, 2, "nothing to learn");
  expect_failure({}, 2, "--help");
  expect_failure({"sample", "nowhere", "--count", "3"}, 2, "--out");
}

TEST_F(Cli, RefusesBadSettings) {
  write_points("points.csv", 100);
  const auto with = [](const std::string& setting) {
    return std::vector<std::string>{"train", "--data", "points.csv", "--set", setting};
  };
  expect_failure(with("trainng.batch=3"), 2, "did you mean 'training.batch_size'?");
  expect_failure(with("training.batch_size=0"), 2, "a whole number from 1 to");
  expect_failure(with("training.batch_size=1e18"), 2, "a whole number from 1 to");
  expect_failure(with("training.learning_rate=nan"), 2, "training.learning_rate: expected");
  expect_failure(with("base.kind=other"), 2, "expected one of normal");
  write("bad.toml", "[flow]\nblocks = 3\nbloks = 4\n");
  expect_failure({"train", "bad.toml"}, 2,
                 "bad.toml:3: unknown key 'flow.bloks'; did you mean 'flow.blocks'?");
  write("broken.toml", "[flow\nblocks = 3\n");
  expect_failure({"train", "broken.toml"}, 2, "broken.toml:1: this is not TOML");
  expect_failure({"train", "--data", "points.csv", "--time-budget", "soon"}, 2, "is not a time");
  expect_failure({"train", "--data", "points.csv", "--condition", "c"}, 2, "unknown column 'c'");
  EXPECT_FALSE(fs::exists(path("runs")));
}

TEST_F(Cli, RefusesBadData) {
  const auto train = [](const std::string& file) {
    return std::vector<std::string>{"train", "--data", file};
  };
  expect_failure(train("missing.csv"), 3, "missing.csv");
  write("empty.csv", "");
  expect_failure(train("empty.csv"), 3, "empty.csv");
  write("empty.npy", "");
  expect_failure(train("empty.npy"), 3, "empty.npy");
  write_npy("short.npy", "<f8", "(100, 2)", 800);
  expect_failure(train("short.npy"), 3, "short.npy");
  write_npy("text.npy", "<U8", "(100, 2)", 6400);
  expect_failure(train("text.npy"), 3, "text.npy");
  write_npy("cube.npy", "<f4", "(5, 100, 2)", 4000);
  expect_failure(train("cube.npy"), 3, "cube.npy[0]");
  const auto replace = [](const char* text) {
    return [text](int row, const std::string& line) {
      return row == 41 ? line.substr(0, line.find(',') + 1) + text : line;
    };
  };
  for (const char* value : {"nan", "inf", "-inf", "", "1e160"}) {
    write_points("bad.csv", 100, replace(value));
    expect_failure(train("bad.csv"), 3, "row 42, column 'b': the value");
  }
  write_points("bad.csv", 100, replace("blue"));
  expect_failure(train("bad.csv"), 3, "blue");
  write_points("ragged.csv", 100, replace("1,2"));
  expect_failure(train("ragged.csv"), 3, "ragged.csv");
  write_points("constant.csv", 100, [](int, const std::string& line) {
    return line.substr(0, line.find(',') + 1) + "4";
  });
  expect_failure(train("constant.csv"), 3, "column 'b' has a single value");
  write_points("few.csv", 5);
  expect_failure(train("few.csv"), 3, "expected at least 20");
  write_points("points.csv", 100);
  expect_failure({"train", "--data", "points.csv", "--bounds", "b=0.5:"}, 3,
                 "outside of its bounds");
  EXPECT_FALSE(fs::exists(path("runs")));
}

TEST_F(Cli, CopesWithExtremeSizes) {
  write_points("points.csv", 100);
  // No iterations: the untrained model is a run like any other.
  std::vector<std::string> none = tiny({"--data", "points.csv", "--out", "none"});
  none.insert(none.end(), {"--set", "training.iterations=0"});
  Outcome outcome = run(none);
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(run({"sample", "none", "--count", "3", "--out", "s.csv"}).code, 0);
  std::vector<std::string> large = tiny({"--data", "points.csv", "--out", "large"});
  large.insert(large.end(), {"--set", "training.batch_size=100000"});
  outcome = run(large);
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  write_points("one.csv", 100, [](int, const std::string& line) { return line; });
  outcome = run(tiny({"--data", "one.csv", "--columns", "b", "--out", "one", "--set",
                      "flow.kind=elementwise_spline"}));
  EXPECT_EQ(outcome.code, 0) << outcome.error;
}

TEST_F(Cli, NeverOverwritesARunUnlessAsked) {
  write_points("points.csv", 100);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  const auto before = snapshot("r");
  expect_failure(tiny({"--data", "points.csv", "--out", "r"}), 2, "--force replaces it");
  EXPECT_EQ(snapshot("r"), before);
  // A new run that cannot begin leaves the old one as it was.
  write_points("bad.csv", 100, [](int row, std::string line) { return row == 3 ? "nan,1" : line; });
  expect_failure(tiny({"--data", "bad.csv", "--out", "r", "--force"}), 3, "the value is missing");
  EXPECT_EQ(snapshot("r"), before);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r", "--force", "--seed", "2"})).code, 0);
  EXPECT_NE(snapshot("r"), before);
  EXPECT_FALSE(fs::exists(path("r.new")));
  EXPECT_FALSE(fs::exists(path("r.old")));
  // The folder is looked at before the data are.
  expect_failure(tiny({"--data", "missing.csv", "--out", "r"}), 2, "exists already");
  fs::create_directories(path("precious"));
  write("precious/thesis.txt", "words");
  expect_failure(tiny({"--data", "points.csv", "--out", "precious", "--force"}), 2, "is not a run");
  write("file", "words");
  expect_failure(tiny({"--data", "points.csv", "--out", "file"}), 3, "got a file");
  EXPECT_EQ(contents(path("precious/thesis.txt")), "words");
}

TEST_F(Cli, LeavesFilesAloneWhenTheDiskIsFull) {
  write_points("points.csv", 100);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  ASSERT_EQ(run({"sample", "r", "--count", "10", "--out", "s.csv"}).code, 0);
  const std::string before = contents(path("s.csv"));
  Circumstances full;
  full.file_size_limit = 4096;
  expect_failure({"sample", "r", "--count", "100000", "--out", "s.csv"}, 3, "s.csv", full);
  EXPECT_EQ(contents(path("s.csv")), before);
  const auto run_before = snapshot("r");
  expect_failure(tiny({"--data", "points.csv", "--out", "r", "--force", "--quiet"}), 3, "r.new",
                 full);
  EXPECT_EQ(snapshot("r"), run_before);
  expect_failure(tiny({"--data", "points.csv", "--out", "other", "--quiet"}), 3,
                 "nothing of this training is kept", full);
  EXPECT_FALSE(fs::exists(path("other")));
}

TEST_F(Cli, RefusesDamagedAndNewerRuns) {
  write_points("points.csv", 100);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  const std::vector<std::string> sample = {"sample", "r", "--count", "5", "--out", "s.csv"};
  const std::string model = contents(path("r/model.safetensors"));
  write("r/model.safetensors", model.substr(0, model.size() / 2));
  expect_failure(sample, 3, "model.safetensors");
  write("r/model.safetensors", "");
  expect_failure(sample, 3, "model.safetensors");
  write("r/model.safetensors", model);
  const std::string manifest = contents(path("r/manifest.json"));
  auto newer = nlohmann::json::parse(manifest);
  newer["format"] = 99;
  write("r/manifest.json", newer.dump());
  expect_failure(sample, 3, "newer version");
  write("r/manifest.json", "{");
  expect_failure(sample, 3, "damaged");
  write("r/manifest.json", manifest);
  EXPECT_EQ(run(sample).code, 0);
  expect_failure({"doctor", "points.csv"}, 3, "expected the folder of a run");
  expect_failure({"doctor", "nothing"}, 3, "there is none");
  write("other.csv", "a,c\n1,2\n");
  expect_failure({"log-prob", "r", "other.csv", "--out", "l.csv"}, 3, "lack column 'b'");
  EXPECT_FALSE(fs::exists(path("l.csv")));
}

/// Settings of a training that takes a second or two, with many checkpoints.
std::vector<std::string> long_training(const std::string& out) {
  return {"train",
          "--data",
          "points.csv",
          "--out",
          out,
          "--set",
          "training.iterations=6000",
          "--set",
          "flow.blocks=2",
          "--set",
          "flow.hidden=8",
          "--set",
          "training.batch_size=64",
          "--set",
          "training.checkpoint_interval=100",
          "--set",
          "training.patience=0",
          "--set",
          "base.hidden=8",
          "--set",
          "final_proposals=10000",
          "--threads",
          "1"};
}

/// Waits for the checkpoint of a run, at most ten seconds.
void wait_for_checkpoint(const fs::path& folder) {
  for (int i = 0; i < 1000 && !fs::exists(folder / "optimizer.safetensors"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
}

TEST_F(Cli, ResumesAfterAKillToTheSameBits) {
  write_points("points.csv", 400);
  ASSERT_EQ(run(long_training("whole")).code, 0);
  Circumstances killed;
  killed.while_running = [&](pid_t child) {
    wait_for_checkpoint(path("killed"));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    kill(child, SIGKILL);
  };
  ASSERT_EQ(run(long_training("killed"), killed).code, 128 + SIGKILL);
  expect_failure({"sample", "killed", "--count", "5", "--out", "s.csv"}, 3, "--resume");
  const Outcome outcome = run({"train", "--resume", "--out", "killed", "--threads", "2"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_EQ(contents(path("killed/model.safetensors")), contents(path("whole/model.safetensors")));
  EXPECT_EQ(contents(path("killed/metrics.csv")), contents(path("whole/metrics.csv")));
}

TEST_F(Cli, SavesWhenInterrupted) {
  write_points("points.csv", 400);
  Circumstances interrupted;
  interrupted.while_running = [&](pid_t child) {
    wait_for_checkpoint(path("r"));
    kill(child, SIGINT);
  };
  const Outcome outcome = run(long_training("r"), interrupted);
  EXPECT_EQ(outcome.code, 130);
  EXPECT_NE(outcome.error.find("resume with: thalweg train --resume --out r"), std::string::npos)
      << outcome.error;
  EXPECT_EQ(run({"sample", "r", "--count", "5", "--out", "s.csv"}).code, 0);
  ASSERT_EQ(run(long_training("whole")).code, 0);
  ASSERT_EQ(run({"train", "--resume", "--out", "r"}).code, 0);
  EXPECT_EQ(contents(path("r/model.safetensors")), contents(path("whole/model.safetensors")));
}

// The search for step sizes would take minutes.
TEST_F(Cli, AnInterruptedSamplerEndsWithinABlock) {
  ASSERT_EQ(run(tiny({"--energy", "x^2 + y^4", "--set", "exploration.evaluations=0", "--set",
                      "training.objective=reverse_kl", "--out", "r"}))
                .code,
            0);
  Circumstances interrupted;
  interrupted.while_running = [&](pid_t child) {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    kill(child, SIGINT);
  };
  const Outcome outcome = run({"sample", "r", "--sampler", "annealed", "--count", "5", "--levels",
                               "1000", "--leapfrog-steps", "1000", "--out", "s.csv"},
                              interrupted);
  EXPECT_EQ(outcome.code, 130);
  EXPECT_NE(outcome.error.find("thalweg: interrupted; nothing was written"), std::string::npos)
      << outcome.error;
  EXPECT_FALSE(fs::exists(path("s.csv")));
}

TEST_F(Cli, AnInterruptedReportEndsInOneLineAndLeavesNothing) {
  write_points("points.csv", 400);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  const auto before = snapshot("r");
  fs::create_directories(path("temporary"));
  const char* const old = getenv("TMPDIR");
  const std::string kept = old != nullptr ? old : "/tmp";
  setenv("TMPDIR", path("temporary").c_str(), 1);
  Circumstances interrupted;
  interrupted.while_running = [&](pid_t child) {
    for (int i = 0; i < 3000 && fs::is_empty(path("temporary")); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    kill(child, SIGINT);
  };
  const Outcome outcome = run({"report", "r", "--out", "page"}, interrupted);
  setenv("TMPDIR", kept.c_str(), 1);
  EXPECT_EQ(outcome.code, 130) << outcome.error;
  EXPECT_TRUE(outcome.error.ends_with(
      "thalweg: interrupted before it was done; no unfinished file is left\n"))
      << outcome.error;
  EXPECT_TRUE(fs::is_empty(path("temporary")));
  EXPECT_FALSE(fs::exists(path("page/report.html")));
  EXPECT_EQ(snapshot("r"), before);
}

TEST_F(Cli, RefusesSettingsThatWereChangedByHand) {
  write_points("points.csv", 400);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  const std::string settings = contents(path("r/config.toml"));
  const auto with = [&](const std::string& line, const std::string& other) {
    const std::size_t at = settings.find("\n" + line);
    EXPECT_NE(at, std::string::npos) << line;
    std::string text = settings;
    text.replace(at + 1, settings.find('\n', at + 1) - at - 1, other);
    write("r/config.toml", text);
  };
  const std::vector<std::string> sample = {"sample", "r", "--count", "5", "--out", "s.csv"};
  std::vector<std::string> all_the_same = sample;
  all_the_same.push_back("--ignore-hash");
  with("tail_bound", "tail_bound = 4.5");
  expect_failure(sample, 3, "config.toml: its settings are not those that the model was trained");
  expect_failure({"train", "--resume", "--out", "r"}, 3, "put back the original");
  EXPECT_EQ(run(all_the_same).code, 0);
  with("mean", "mean = 0.25");
  expect_failure(sample, 3, "--ignore-hash");
  // What does not decide is free, and so are comments, spaces and order.
  with("iterations", "  iterations =   77   # more");
  EXPECT_EQ(run(sample).code, 0);
  write("r/config.toml", settings);
  EXPECT_EQ(run(sample).code, 0);
}

TEST_F(Cli, NamesSettingsThatHaveNoEffect) {
  write_points("points.csv", 400);
  const Outcome outcome = run(
      tiny({"--data", "points.csv", "--out", "r", "--set", "training.pairing=optimal_transport"}));
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.error.find("warning: training.pairing = \"optimal_transport\" has no effect"),
            std::string::npos)
      << outcome.error;
  // A run's own settings name all keys, and nobody asked for them.
  const Outcome again = run({"train", "r/config.toml", "--out", "again"});
  EXPECT_EQ(again.code, 0) << again.error;
  EXPECT_EQ(again.error.find("has no effect"), std::string::npos) << again.error;
}

TEST_F(Cli, GivesNoErrorOfAnInfiniteIntegral) {
  const Outcome outcome = run({"train", "--energy", "log(1 + x^2)/2", "--out", "r", "--set",
                               "training.iterations=50", "--set", "exploration.evaluations=20000"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  const std::string said =
      "the integral of exp(-energy) seems to be infinite: far out towards +x, "
      "-x";
  EXPECT_NE(outcome.error.find(said), std::string::npos) << outcome.error;
  const Outcome evaluation = run({"evaluate", "r"});
  EXPECT_NE(evaluation.error.find(said), std::string::npos) << evaluation.error;
  const std::size_t line = evaluation.out.find("log integral of exp(-energy)");
  ASSERT_NE(line, std::string::npos) << evaluation.out;
  EXPECT_NE(evaluation.out.find("not reliable", line), std::string::npos) << evaluation.out;
  const Outcome sampled =
      run({"sample", "r", "--sampler", "importance", "--count", "1000", "--out", "s.csv"});
  EXPECT_NE(sampled.error.find(said), std::string::npos) << sampled.error;
  EXPECT_NE(sampled.out.find("not reliable"), std::string::npos) << sampled.out;
}

TEST_F(Cli, AnInterruptedSuccessorLeavesTheRunThatWasThere) {
  write_points("points.csv", 400);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  const auto before = snapshot("r");
  Circumstances interrupted;
  interrupted.while_running = [&](pid_t child) {
    wait_for_checkpoint(path("r.new"));
    kill(child, SIGINT);
  };
  std::vector<std::string> again = long_training("r");
  again.push_back("--force");
  const Outcome outcome = run(again, interrupted);
  EXPECT_EQ(outcome.code, 130);
  EXPECT_NE(outcome.error.find("resume with: thalweg train --resume --out r.new"),
            std::string::npos)
      << outcome.error;
  EXPECT_EQ(snapshot("r"), before);
  EXPECT_EQ(run({"train", "--resume", "--out", "r.new"}).code, 0);
}

TEST_F(Cli, RefusesToJudgeByOtherData) {
  write_points("points.csv", 100);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  ASSERT_EQ(run({"evaluate", "r"}).code, 0);
  write_points("points.csv", 101);
  expect_failure({"evaluate", "r"}, 3, "the data have changed since r was trained");
  expect_failure({"report", "r"}, 3, "the data have changed since r was trained");
}

TEST_F(Cli, RefusesToWeighByAnEnergyThatHasChanged) {
  write("k.toml", "a = 0.5\n");
  ASSERT_EQ(
      run(tiny({"--energy", "a*(x^2 + y^2)", "--constants-file", "k.toml", "--out", "r"})).code, 0);
  ASSERT_EQ(run({"sample", "r", "--sampler", "importance", "--count", "50", "--out", "s.csv"}).code,
            0);
  write("k.toml", "a = 9\n");
  expect_failure({"sample", "r", "--sampler", "importance", "--count", "50", "--out", "s.csv"}, 3,
                 "the energy has changed since r was trained");
  expect_failure({"evaluate", "r"}, 3, "the energy has changed since r was trained");
}

TEST_F(Cli, RefusesToResumeWithOtherData) {
  write_points("points.csv", 100);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  write_points("points.csv", 101);
  expect_failure({"train", "--resume", "--out", "r"}, 3, "the data have changed");
  expect_failure({"train", "--resume", "--out", "none"}, 3, "none");
}

TEST_F(Cli, ResumesWithTheRunsOwnSettings) {
  write_points("points.csv", 200);
  ASSERT_EQ(run(tiny({"--data", "points.csv"})).code, 0);
  const auto before = snapshot("runs/points");
  // What decides the model, its data or its past is refused, and nothing is written.
  for (const char* setting : {"flow.blocks=5", "base.kind=resampled", "training.seed=3",
                              "data.test_fraction=0.3", "training.iterations=10"})
    expect_failure({"train", "--resume", "--out", "runs/points", "--set", setting}, 2,
                   std::string(setting).substr(0, std::string(setting).find('=')));
  write_points("other.csv", 200);
  expect_failure({"train", "--resume", "--out", "runs/points", "--data", "other.csv"}, 2,
                 "data.path cannot change");
  expect_failure({"train", "--resume"}, 2, "give it with --out");
  EXPECT_EQ(snapshot("runs/points"), before);
  // The folder follows from the data, all else from the run.
  Outcome outcome =
      run({"train", "--data", "points.csv", "--resume", "--set", "training.iterations=30"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(outcome.out.find("30 steps"), std::string::npos) << outcome.out;
  EXPECT_NE(contents(path("runs/points/config.toml")).find("blocks = 2"), std::string::npos);

  // A setting takes one word, so that a preset may follow.
  ASSERT_EQ(run(tiny({"--set", "flow.layers=1", "rings-normal"})).code, 2);
  std::vector<std::string> preset = tiny();
  preset.push_back("rings-normal");
  ASSERT_EQ(run(preset).code, 0);
  outcome = run({"train", "rings-normal", "--resume", "--set", "training.iterations=25"});
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(contents(path("runs/rings-normal/config.toml")).find("blocks = 2"), std::string::npos);
}

TEST_F(Cli, RemovesWhatKilledRunsLeft) {
  write_points("points.csv", 100);
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r"})).code, 0);
  const pid_t gone = fork();
  if (gone == 0) _exit(0);
  waitpid(gone, nullptr, 0);
  const std::string dead = "r/.config.toml." + std::to_string(gone) + "-0.tmp";
  const std::string alive = "r/.config.toml." + std::to_string(getpid()) + "-0.tmp";
  write(dead, "x");
  write(alive, "x");
  ASSERT_EQ(run({"train", "--resume", "--out", "r"}).code, 0);
  EXPECT_FALSE(fs::exists(path(dead)));
  EXPECT_TRUE(fs::exists(path(alive)));
  // A finished successor, or anything else, stays and is in nobody's way; an unfinished one goes.
  fs::create_directories(path("r.new"));
  write("r.new/manifest.json", contents(path("r/manifest.json")));
  const auto finished = snapshot("r.new");
  ASSERT_EQ(run(tiny({"--data", "points.csv", "--out", "r", "--force", "--seed", "2"})).code, 0);
  EXPECT_EQ(snapshot("r.new"), finished);
  EXPECT_FALSE(fs::exists(path("r.new-2")));
  EXPECT_NE(contents(path("r/manifest.json")).find("\"seed\": 2"), std::string::npos);
  auto manifest = nlohmann::json::parse(contents(path("r/manifest.json")));
  manifest["status"] = "begun";
  write("r.new/manifest.json", manifest.dump());
  EXPECT_EQ(run(tiny({"--data", "points.csv", "--out", "r", "--force"})).code, 0);
  EXPECT_FALSE(fs::exists(path("r.new")));
}

TEST_F(Cli, DemoGoesOnAfterAnInterruption) {
  const std::vector<std::string> demo = {"demo", "--out",     "d", "--iterations",
                                         "60",   "--threads", "1"};
  Circumstances interrupted;
  interrupted.while_running = [&](pid_t child) {
    for (int i = 0; i < 1000 && !fs::exists(path("d/rings-resampled/config.toml")); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    kill(child, SIGINT);
  };
  Outcome outcome = run(demo, interrupted);
  ASSERT_EQ(outcome.code, 130) << outcome.error;
  EXPECT_NE(outcome.error.find("resume with: thalweg demo --out d --iterations 60"),
            std::string::npos)
      << outcome.error;
  const std::string first = contents(path("d/rings-normal/manifest.json"));
  outcome = run(demo);
  ASSERT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(outcome.error.find("rings-resampled, resumed"), std::string::npos) << outcome.error;
  EXPECT_EQ(contents(path("d/rings-normal/manifest.json")), first);
  EXPECT_TRUE(fs::exists(path("d/report.html")));
}

TEST_F(Cli, StopsWhenTimeIsUp) {
  write_points("points.csv", 400);
  std::vector<std::string> arguments = long_training("r");
  arguments.insert(arguments.end(),
                   {"--set", "training.iterations=1000000", "--time-budget", "1s"});
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.code, 0) << outcome.error;
  EXPECT_NE(outcome.out.find("shortened to the time budget"), std::string::npos) << outcome.out;
}

TEST_F(Cli, SamplesByMarkovChainsAndGoesOnToTheSameBits) {
  ASSERT_EQ(run({"train", "--energy", "(x^2-2)^2 + 0.5*(y-x)^2", "--set", "training.iterations=60",
                 "--set", "flow.blocks=2", "--set", "flow.hidden=[8]", "--set", "base.kind=normal",
                 "--out", "well", "--quiet"})
                .code,
            0);
  const auto chains = [&](const std::string& count, const std::string& name,
                          std::vector<std::string> more) {
    std::vector<std::string> words = {
        "sample",      "well",     "--count", count,       "--out", name + ".csv", "--chains-out",
        name + ".npy", "--chains", "50",      "--burn-in", "40",    "--sampler",   "sails"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  const Outcome whole = chains("600", "whole", {});
  ASSERT_EQ(whole.code, 0) << whole.error;
  for (const char* said : {"q_Z/|J_f|", "not the flow's own", "accepted", "R-hat", "a second"})
    EXPECT_NE(whole.out.find(said), std::string::npos) << said << " in " << whole.out;
  ASSERT_EQ(chains("250", "parts", {"--threads", "1"}).code, 0);
  ASSERT_EQ(chains("600", "parts", {"--resume", "--threads", "2"}).code, 0);
  EXPECT_EQ(contents(path("parts.csv")), contents(path("whole.csv")));
  EXPECT_EQ(contents(path("parts.npy")), contents(path("whole.npy")));
  const Outcome other = chains("600", "parts", {"--resume", "--seed", "3"});
  EXPECT_EQ(other.code, 2);
  EXPECT_NE(other.error.find("--seed"), std::string::npos) << other.error;

  const Outcome weighted =
      run({"sample", "well", "--count", "500", "--out", "w.csv", "--sampler", "importance"});
  EXPECT_NE(weighted.out.find("effective share"), std::string::npos) << weighted.error;
  EXPECT_EQ(contents(path("w.csv")).substr(0, 15), "x,y,log_weight\n");
  const Outcome kept = run({"sample", "well", "--count", "500", "--out", "k.csv", "--sampler",
                            "importance", "--weights", "reject", "--threshold", "1.2"});
  EXPECT_NE(kept.out.find("% of 1"), std::string::npos) << kept.out << kept.error;
  EXPECT_NE(kept.out.find(" of the samples (Kish"), std::string::npos) << kept.out;
  EXPECT_EQ(contents(path("k.csv")).substr(0, 15), "x,y,log_weight\n");
  EXPECT_EQ(std::ranges::count(contents(path("k.csv")), '\n'), 501);
  const Outcome annealed = run({"sample", "well", "--count", "500", "--out", "a.csv", "--sampler",
                                "annealed", "--levels", "4", "--leapfrog-steps", "3"});
  EXPECT_NE(annealed.out.find("4 levels, moves between accepted: 0."), std::string::npos)
      << annealed.out << annealed.error;
  EXPECT_EQ(contents(path("a.csv")).substr(0, 15), "x,y,log_weight\n");
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"--sampler", "sails", "--density", "model"},
        {"--sampler", "importance", "--levels", "4"},
        {"--sampler", "importance", "--threshold", "2"},
        {"--sampler", "importance", "--weights", "reject", "--threshold", "0"},
        {"--sampler", "importance", "--step-size", "0.1"},
        {"--sampler", "annealed", "--thinning", "2"},
        {"--sampler", "mala", "--burn-in", "0"},
        {"--chains", "3"},
        {"--sampler", "mala", "--resume"},
        {"--sampler", "hmc", "--weights", "column"}}) {
    std::vector<std::string> all = {"sample", "well", "--count", "5", "--out", "no.csv"};
    all.insert(all.end(), words.begin(), words.end());
    EXPECT_EQ(run(all).code, 2) << words.back();
  }
  EXPECT_FALSE(fs::exists(path("no.csv")));
}

TEST_F(Cli, ProfilesTakeTheirOptionsBeforeTheFiles) {
  std::vector<thalweg::AtomLabel> atoms;
  for (const char* name : {"C1", "C2", "C3", "C4"})
    atoms.push_back({.name = name, .residue = "FOU", .residue_number = 1, .element = "C"});
  std::vector<double> positions;
  for (int model = 0; model < 40; ++model)
    for (const double x : {0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.15, 0.1 * std::cos(model),
                           0.1 * std::sin(model), 0.15})
      positions.push_back(x);
  thalweg::write_pdb(path("four.pdb"), atoms, positions);
  const Outcome done =
      run({"profile", "--topology", "four.pdb", "--torsion", "0-1-2-3", "--torsion",
           "1:C4-1:C3-1:C2-1:C1", "four.pdb", "--out", "profile.csv"});
  EXPECT_EQ(done.code, 0) << done.error;
  const std::string table = contents(path("profile.csv"));
  EXPECT_EQ(std::ranges::count(table, '\n'), 61);
  EXPECT_EQ(table.substr(0, table.find(',')), "degrees");
  const Outcome five = run(
      {"profile", "--topology", "four.pdb", "--torsion", "0-1-2-4", "four.pdb", "--out", "no.csv"});
  EXPECT_EQ(five.code, 2);
  EXPECT_NE(five.error.find("no atom '4'"), std::string::npos) << five.error;
  EXPECT_FALSE(fs::exists(path("no.csv")));
}

TEST_F(Cli, SavesInterruptedChains) {
  ASSERT_EQ(run({"train", "--energy", "x^2 + y^2", "--set", "training.iterations=5", "--set",
                 "base.kind=normal", "--out", "bowl", "--quiet"})
                .code,
            0);
  Circumstances circumstances;
  circumstances.while_running = [](pid_t child) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    kill(child, SIGINT);
  };
  const Outcome stopped =
      run({"sample", "bowl", "--count", "1000000000", "--out", "x.npy", "--sampler", "mala",
           "--chains", "10", "--burn-in", "2", "--chains-out", "c.npy"},
          circumstances);
  EXPECT_EQ(stopped.code, 130);
  EXPECT_NE(stopped.error.find("--resume"), std::string::npos) << stopped.error;
  EXPECT_TRUE(fs::exists(path("c.npy.state")));
  EXPECT_FALSE(fs::exists(path("x.npy")));
}

TEST_F(Cli, KilledChainsGoOnToTheSameBits) {
  ASSERT_EQ(run({"train", "--energy", "x^2 + y^2", "--set", "training.iterations=5", "--set",
                 "base.kind=normal", "--out", "bowl", "--quiet"})
                .code,
            0);
  const auto sample = [&](const std::string& count, const std::string& name,
                          std::vector<std::string> more, const Circumstances& circumstances) {
    std::vector<std::string> words = {
        "sample", "bowl",     "--count", count,       "--out", name + ".npy",  "--sampler",
        "mala",   "--chains", "10",      "--burn-in", "2",     "--chains-out", name + "s.npy"};
    words.insert(words.end(), more.begin(), more.end());
    return run(words, circumstances);
  };
  Circumstances killed;
  killed.while_running = [&](pid_t child) {
    while (!fs::exists(path("parts.npy.state")))
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    kill(child, SIGKILL);
  };
  ASSERT_EQ(sample("1000000000", "part", {"--save-interval", "0"}, killed).code, 128 + SIGKILL);
  // What is saved first may have gone further than the state: that is what killing between the two
  // leaves behind.
  fs::copy_file(path("parts.npy.state"), path("earlier"));
  const std::int64_t draws = thalweg::read_npy(path("parts.npy")).shape[1];
  const std::string count = std::to_string(10 * (draws + 20));
  ASSERT_EQ(sample(count, "part", {"--resume"}, {}).code, 0);
  fs::copy_file(path("earlier"), path("parts.npy.state"), fs::copy_options::overwrite_existing);
  ASSERT_EQ(sample(count, "part", {"--resume"}, {}).code, 0);
  ASSERT_EQ(sample(count, "whole", {}, {}).code, 0);
  EXPECT_EQ(contents(path("part.npy")), contents(path("whole.npy")));
  EXPECT_EQ(contents(path("parts.npy")), contents(path("wholes.npy")));
  // Fewer samples than chains: as many chains as samples, which a larger count goes on with.
  for (const auto& [number, more] : {std::pair{"8", false}, std::pair{"30", true}}) {
    std::vector<std::string> words = {"sample",       "bowl",    "--count",   number,
                                      "--out",        "few.npy", "--sampler", "mala",
                                      "--chains-out", "fews.npy"};
    if (more) words.emplace_back("--resume");
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 0) << outcome.error;
  }
  thalweg::Array few = thalweg::read_npy(path("fews.npy"));
  EXPECT_EQ(few.shape[0], 8);
  // What is there stays, and what is not the state's is refused.
  std::vector<std::string> again = {"sample",  "bowl",      "--count", "80",           "--out",
                                    "few.npy", "--sampler", "mala",    "--chains-out", "fews.npy"};
  Outcome outcome = run(again);
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.error.find("--resume"), std::string::npos) << outcome.error;
  few.values[3] += 1.0;
  thalweg::write_npy(path("fews.npy"), few.shape, few.values);
  again.emplace_back("--resume");
  outcome = run(again);
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.error.find("fews.npy"), std::string::npos) << outcome.error;
  again = {"sample",  "bowl",      "--count", "80",           "--out",
           "few.npy", "--sampler", "mala",    "--chains-out", "./few.npy"};
  EXPECT_EQ(run(again).code, 2);
}

// In float the moves see an energy in steps of 8. The variance of 5 000 normal numbers is within
// 0.15 of 1 but once in 10^13.
TEST_F(Cli, RandomMovesOfLargeEnergiesAreMadeInDouble) {
  ASSERT_EQ(run({"train", "--energy", "0.5*x^2 + 0.5*y^2 + 100000000", "--set", "flow.kind=none",
                 "--set", "flow.blocks=4", "--set", "base.kind=normal", "--set",
                 "stochastic.kind=metropolis", "--set", "stochastic.step_size=0.5", "--set",
                 "training.iterations=0", "--out", "r", "--quiet"})
                .code,
            0);
  ASSERT_EQ(run({"sample", "r", "--count", "5000", "--out", "s.npy"}).code, 0);
  double square = 0.0;
  for (const double value : thalweg::read_npy(path("s.npy")).values) square += value * value / 1e4;
  EXPECT_NEAR(square, 1.0, 0.15);
  // So are their densities, whatever is asked for.
  for (const std::string precision : {"float", "double"})
    ASSERT_EQ(
        run({"log-prob", "r", "s.npy", "--out", precision + ".npy", "--precision", precision}).code,
        0);
  EXPECT_EQ(contents(path("float.npy")), contents(path("double.npy")));
  const Outcome first = run({"evaluate", "r"});
  EXPECT_NE(first.out.find("-99999998.16"), std::string::npos) << first.out;
  EXPECT_NE(run({"evaluate", "r", "--seed", "9"}).out, first.out);
}

TEST_F(Cli, RefusesMarkovChainsOnStochasticFlows) {
  write_points("points.csv", 200);
  ASSERT_EQ(run({"train", "--data", "points.csv", "--set", "flow.index_features=1", "--set",
                 "base.kind=normal", "--set", "importance_samples=1", "--set",
                 "training.iterations=5", "--out", "run", "--quiet"})
                .code,
            0);
  for (const char* sampler : {"sails", "mala", "independence"}) {
    const Outcome outcome =
        run({"sample", "run", "--count", "5", "--out", "x.csv", "--sampler", sampler});
    EXPECT_EQ(outcome.code, 2);
    EXPECT_NE(outcome.error.find("naive or importance"), std::string::npos) << outcome.error;
    EXPECT_EQ(std::count(outcome.error.begin(), outcome.error.end(), '\n'), 1);
  }
}

TEST_F(Cli, LearnsFromAnEnergyOfTheUsersOwn) {
  write("my.toml", "energy = \"0.5*x^2 + 2*(y - 1)^2\"\n[flow]\nblocks = 2\nhidden = [16]\n");
  const Outcome trained = run({"train", "my.toml", "--quiet", "--set", "training.iterations=300",
                               "--set", "final_proposals=1000000", "--set", "base.kind=resampled"});
  ASSERT_EQ(trained.code, 0) << trained.error;
  EXPECT_TRUE(fs::exists(path("runs/my/report.html")));
  EXPECT_TRUE(fs::exists(path("runs/my/exploration.safetensors")));
  const Outcome evaluated = run({"evaluate", "runs/my", "--json"});
  const auto figures = nlohmann::json::parse(evaluated.out);
  // The integral of exp(-energy) is pi; the estimate is unbiased, whatever the model.
  EXPECT_NEAR(figures["log_integral"], std::log(M_PI),
              5.0 * figures["log_integral_error"].get<double>());
  EXPECT_GT(figures["effective_share"], 0.1);
  EXPECT_LT(figures["missed_share"], 0.05);
  ASSERT_EQ(run({"sample", "runs/my", "--count", "10", "--out", "s.csv"}).code, 0);
  EXPECT_EQ(contents(path("s.csv")).substr(0, 4), "x,y\n");
  // The error of a resampled base's Z is one of the weights' mean; weights keep their digits.
  const Outcome weighted =
      run({"sample", "runs/my", "--count", "20000", "--out", "w.npy", "--sampler", "importance"});
  std::smatch error;
  ASSERT_TRUE(std::regex_search(weighted.out, error, std::regex(R"(\+- ([0-9.]+))")))
      << weighted.out;
  EXPECT_GT(std::stod(error[1]),
            figures["normaliser_error"].get<double>() / figures["normaliser"].get<double>() - 1e-5);
  EXPECT_FALSE(thalweg::read_npy(path("w.npy")).single_precision);
  // Weighted and resampled files say the same: the variance of y is 1/4, known to 1 % by 20 000
  // draws of so good a flow, and five of that fail by chance less than once in a million.
  ASSERT_EQ(run({"sample", "runs/my", "--count", "20000", "--out", "r.npy", "--sampler",
                 "importance", "--weights", "resample"})
                .code,
            0);
  ASSERT_EQ(run({"sample", "runs/my", "--count", "20000", "--out", "k.npy", "--sampler",
                 "importance", "--weights", "reject"})
                .code,
            0);
  const thalweg::Array kept = thalweg::read_npy(path("k.npy"));
  const thalweg::Array weights = thalweg::read_npy(path("w.npy"));
  const thalweg::Array resampled = thalweg::read_npy(path("r.npy"));
  ASSERT_EQ(resampled.shape, (std::vector<std::int64_t>{20000, 2}));
  double sum = 0.0, of_weighted = 0.0, of_resampled = 0.0, sum_of_kept = 0.0, of_kept = 0.0;
  for (std::size_t row = 0; row < 20000; ++row) {
    const double weight = std::exp(weights.values[3 * row + 2] - std::log(M_PI));
    sum += weight;
    of_weighted += weight * std::pow(weights.values[3 * row + 1] - 1.0, 2);
    of_resampled += std::pow(resampled.values[2 * row + 1] - 1.0, 2) / 20000.0;
    const double kept_weight = std::exp(kept.values[3 * row + 2] - std::log(M_PI));
    sum_of_kept += kept_weight;
    of_kept += kept_weight * std::pow(kept.values[3 * row + 1] - 1.0, 2);
  }
  EXPECT_NEAR(of_weighted / sum, 0.25, 0.0125);
  EXPECT_NEAR(of_resampled, 0.25, 0.0125);
  EXPECT_NEAR(of_kept / sum_of_kept, 0.25, 0.0125);
  EXPECT_EQ(run({"doctor", "runs/my"}).code, 0);
  EXPECT_EQ(run({"report", "runs/my"}).code, 0);
}

TEST_F(Cli, DoesNotCallALostModeSound) {
  // An untrained flow, a unit Gaussian, of an energy with a second mode at x = 20.
  ASSERT_EQ(
      run({"train", "--energy", "0.5*(abs(x-10)-10)^2 + 0.5*y^2", "--set", "flow.blocks=1", "--set",
           "flow.act_norm=false", "--set", "base.kind=normal", "--set", "training.iterations=0",
           "--set", "exploration.evaluations=0", "--out", "r", "--quiet"})
          .code,
      0);
  const std::string file = thalweg::RunFolder{path("r")}.exploration();
  EXPECT_FALSE(fs::exists(file));
  Outcome outcome = run({"doctor", "r"});
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out.find("The model is sound"), std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find("nothing was checked"), std::string::npos) << outcome.out;

  thalweg::Exploration exploration;
  exploration.features = 2;
  for (std::uint64_t row = 0; row < 2000; ++row) {
    thalweg::RandomSequence random(1, thalweg::Stream::kExploration, row);
    const double x = random.normal(), y = random.normal();
    exploration.x.insert(exploration.x.end(), {x + (row % 2 == 0 ? 0.0 : 20.0), y});
    exploration.log_target.push_back(-0.5 * (x * x + y * y));
  }
  exploration.component.assign(2000, 0);
  exploration.log_integral = std::log(4.0 * M_PI);
  exploration.log_integral_error = 0.01;
  exploration.modes = {{0.5, 0.01, {0.0, 0.0}, {1.0, 1.0}}, {0.5, 0.01, {20.0, 0.0}, {1.0, 1.0}}};
  thalweg::write_exploration(file, exploration);
  outcome = run({"doctor", "r"});
  EXPECT_EQ(outcome.code, 5);
  for (const char* part : {"BROKEN    masses of the modes", "has lost the mode at (x 20, y 0)",
                           "not what its energy says", "may remain unseen"})
    EXPECT_NE(outcome.out.find(part), std::string::npos) << part << " in " << outcome.out;
  outcome = run({"evaluate", "r", "--json"});
  const auto figures = nlohmann::json::parse(outcome.out);
  EXPECT_TRUE(figures["explored"].get<bool>());
  EXPECT_GE(figures["warnings"].size(), 2U);
  EXPECT_NEAR(figures["quantiles"]["x"]["97.5"], 21.6, 0.3);
  EXPECT_NEAR(figures["log_integral"], std::log(4.0 * M_PI), 1e-6);
}

TEST_F(Cli, AnEnergysVariablesAreTheColumnsOfThatName) {
  std::string points = "y,x\n", others = "a,b\n";
  for (int i = 0; i < 200; ++i) {
    const std::string row = fmt::format("{},{}\n", 5.0 + 0.01 * (i % 100), 0.02 * (i * i % 53));
    points += row;
    others += row;
  }
  write("points.csv", points);
  write("others.csv", others);
  const auto train = [&](const std::string& data, const std::string& out) {
    return run({"train", "--data", data, "--energy", "0.5*x^2 + 0.5*(y-5)^2", "--set",
                "training.objective=mixed", "--set", "training.iterations=5", "--set",
                "base.kind=normal", "--out", out, "--quiet"});
  };
  ASSERT_EQ(train("points.csv", "r").code, 0);
  const auto figures = nlohmann::json::parse(run({"evaluate", "r", "--json"}).out);
  EXPECT_NEAR(figures["mean_y"], 5.0, 1.0);
  EXPECT_NEAR(figures["mean_x"], 0.0, 1.0);
  const Outcome outcome = train("others.csv", "other");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.error.find("'x'"), std::string::npos) << outcome.error;
}

TEST_F(Cli, EvaluatesEnergiesOnCirclesAndWithinBounds) {
  for (const auto& [option, columns, energy] :
       {std::tuple{"--periodic", "x=0:6.283185307179586", "-2*cos(x) + 0.5*y^2"},
        std::tuple{"--bounds", "y=0:", "0.5*x^2 + y - 2*log(y)"}}) {
    ASSERT_EQ(run({"train", "--energy", energy, option, columns, "--set", "training.iterations=30",
                   "--set", "base.kind=normal", "--set", "flow.hidden=8", "--set", "flow.blocks=2",
                   "--out", "r", "--quiet", "--force"})
                  .code,
              0);
    const auto figures = nlohmann::json::parse(run({"evaluate", "r", "--json"}).out);
    EXPECT_NEAR(figures["integral"], 1.0, 0.01) << energy;
  }
}

TEST_F(Cli, AnEnergyThatIsNowhereFiniteIsRefused) {
  std::vector<std::string> words = {
      "train",   "--energy", "1/0*x + y",        "--out", "a",
      "--quiet", "--set",    "base.kind=normal", "--set", "training.iterations=3"};
  Outcome outcome = run(words);
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.error.find("--bounds"), std::string::npos) << outcome.error;
  EXPECT_FALSE(fs::exists(path("a")));
  words.insert(words.end(), {"--set", "exploration.evaluations=0"});
  outcome = run(words);
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.error.find("--bounds"), std::string::npos) << outcome.error;
  words.insert(words.end(), {"--set", "training.iterations=0"});
  outcome = run(words);
  EXPECT_EQ(outcome.code, 0) << outcome.error;
}

TEST_F(Cli, OptionsThatWouldBeIgnoredAreRefused) {
  const auto expect_error = [&](const std::vector<std::string>& more, const std::string& part) {
    std::vector<std::string> words{"train", "--target", "two_moons"};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_NE(outcome.error.find(part), std::string::npos) << outcome.error;
  };
  expect_error({"--z-matrix", "z.csv"}, "--z-matrix: is of a molecule, which --molecule names");
  expect_error({"--solvent", "obc1"}, "--solvent");
  expect_error({"--temperature", "300"}, "--temperature");
  expect_error({"--out", ""}, "expected the name of a folder");
  const Outcome outcome = run({"data", "dw5", "--out", "x"});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_NE(outcome.error.find("did you mean 'dw4'"), std::string::npos) << outcome.error;
}

TEST_F(Cli, WhatIsNotThereCannotBeResumed) {
  const Outcome outcome = run({"train", "--resume", "--out", "nothing"});
  EXPECT_EQ(outcome.code, 3);
  EXPECT_NE(outcome.error.find("nothing: there is no run with a checkpoint to resume"),
            std::string::npos)
      << outcome.error;
}

TEST_F(Cli, FindsModesThatReverseKlLoses) {
  // Two Gaussians at x = +-20, of masses 3/4 and 1/4 and integral 2 pi.
  const std::string energy = "-logsumexp(log(.75)-((x-20)^2+y^2)/2, log(.25)-((x+20)^2+y^2)/2)";
  const Outcome trained =
      run({"train", "--energy", energy, "--out", "r", "--set", "training.iterations=300"});
  ASSERT_EQ(trained.code, 0) << trained.error;
  EXPECT_NE(trained.out.find("explored: 2 modes (7"), std::string::npos) << trained.out;
  EXPECT_NE(trained.out.find("flow and exploration agree"), std::string::npos) << trained.out;
  const auto figures = nlohmann::json::parse(run({"evaluate", "r", "--json"}).out);
  // Five errors of it and of the mean, -10 of 40: by chance less than once in a million.
  EXPECT_NEAR(figures["log_integral"], std::log(2.0 * M_PI),
              5.0 * figures["log_integral_error"].get<double>());
  EXPECT_LT(figures["log_integral_error"], 0.01);
  EXPECT_NEAR(figures["mean_x"], 10.0, 5.0 * figures["mean_x_error"].get<double>());
  EXPECT_EQ(figures["warnings"].size(), 0U);
  // A longer training takes the exploration from the run.
  const std::string found = contents(path("r/exploration.safetensors"));
  const Outcome resumed =
      run({"train", "--resume", "--out", "r", "--set", "training.iterations=310"});
  EXPECT_EQ(resumed.code, 0) << resumed.error;
  EXPECT_EQ(resumed.out.find("explored:"), std::string::npos) << resumed.out;
  EXPECT_EQ(contents(path("r/exploration.safetensors")), found);
}

TEST_F(Cli, WhatIsNoNumberIsADensityOfZeroForAll) {
  // Half of the plane: the integral of x exp(-(x^2 + y^2)/2) is sqrt(2 pi).
  ASSERT_EQ(run({"train", "--energy", "0.5*x^2 + 0.5*y^2 - log(x)", "--out", "r", "--quiet",
                 "--set", "training.iterations=400"})
                .code,
            0);
  const auto figures = nlohmann::json::parse(run({"evaluate", "r", "--json"}).out);
  EXPECT_GT(figures["effective_share"], 0.5);
  EXPECT_NEAR(figures["log_integral"], 0.5 * std::log(2.0 * M_PI),
              5.0 * figures["log_integral_error"].get<double>());
  const Outcome weighted =
      run({"sample", "r", "--count", "20000", "--out", "w.csv", "--sampler", "importance"});
  EXPECT_EQ(weighted.code, 0) << weighted.error;
}

TEST_F(Cli, SaysWhereAnEnergyIsUndefined) {
  // Without bounds, half of the points have a negative x.
  const Outcome outcome = run({"train", "--energy", "x^2 + y^2 - log(x)", "--out", "a", "--quiet",
                               "--set", "base.kind=normal", "--set", "training.iterations=100",
                               "--set", "exploration.evaluations=0"});
  EXPECT_EQ(outcome.code, 4);
  EXPECT_NE(outcome.error.find("; energy: NaN at (x = -"), std::string::npos) << outcome.error;
  EXPECT_NE(outcome.error.find("by character 13, after 'x^2 + y^2 - ': log of -"),
            std::string::npos)
      << outcome.error;
}

TEST_F(Cli, LearnsFromAnEnergyInASharedLibrary) {
  fs::copy_file(THALWEG_WELLS, path("wells.so"));
  write("wells.toml", "energy_library = \"./wells.so\"\n[flow]\nblocks = 2\nhidden = [16]\n");
  const Outcome trained = run({"train", "wells.toml", "--quiet", "--set", "training.iterations=50",
                               "--set", "final_proposals=100000"});
  ASSERT_EQ(trained.code, 0) << trained.error;
  const Outcome evaluated = run({"evaluate", "runs/wells", "--json"});
  const auto figures = nlohmann::json::parse(evaluated.out);
  EXPECT_TRUE(std::isfinite(figures["log_integral"].get<double>()));
  ASSERT_EQ(run({"sample", "runs/wells", "--count", "10", "--out", "s.csv"}).code, 0);
  EXPECT_EQ(run({"report", "runs/wells"}).code, 0);
  EXPECT_EQ(run({"train", "--resume", "--out", "runs/wells", "--set", "training.iterations=60",
                 "--quiet"})
                .code,
            0);
  fs::remove(path("wells.so"));
  const Outcome gone = run({"evaluate", "runs/wells"});
  EXPECT_EQ(gone.code, 3);
  EXPECT_NE(gone.error.find("wells.so: there is no such library"), std::string::npos) << gone.error;
}

TEST_F(Cli, TakesConstantsOfAnEnergyFromAFile) {
  write("data.toml", "y = [1.0, 3.0]\nA = [[2.0, 0.0], [0.5, 1.0]]\n");
  const std::vector<std::string> words = {"train",
                                          "--energy",
                                          "sum(k, 0, 1, (sum(j, 0, 1, A[k,j]*x[j]) - m*y[k])^2)/2",
                                          "--constants",
                                          "m=2",
                                          "--constants-file",
                                          "data.toml",
                                          "--out",
                                          "r",
                                          "--quiet",
                                          "--set",
                                          "flow.blocks=2",
                                          "--set",
                                          "flow.hidden=8",
                                          "--set",
                                          "base.kind=normal",
                                          "--set",
                                          "training.iterations=400",
                                          "--set",
                                          "training.learning_rate=0.01"};
  const Outcome trained = run(words);
  ASSERT_EQ(trained.code, 0) << trained.error;
  // A Gaussian of the mean A^-1 2 y = (1, 5.5), whose log integral is log(2 pi / |A|).
  const auto figures = nlohmann::json::parse(run({"evaluate", "r", "--json"}).out);
  EXPECT_NEAR(figures["log_integral"], std::log(M_PI),
              5.0 * figures["log_integral_error"].get<double>() + 0.01);
  EXPECT_NEAR(figures["mean_x1"], 5.5, 0.1);
  // The run is of these constants.
  write("data.toml", "y = [1.0, 3.5]\nA = [[2.0, 0.0], [0.5, 1.0]]\n");
  expect_failure({"train", "--resume", "--out", "r", "--set", "training.iterations=410"}, 3,
                 "data.toml: the energy has changed since this run began");
  EXPECT_EQ(run({"sample", "r", "--count", "10", "--out", "s.csv"}).code, 0);
}

TEST_F(Cli, LearnsFromAPicture) {
  ASSERT_TRUE(write_corner_picture(path("corner.png")));
  const Outcome trained =
      run({"train", "--image", "corner.png", "--quiet", "--set", "training.iterations=20", "--set",
           "flow.hidden=8", "--set", "flow.blocks=2", "--set", "base.kind=normal"});
  ASSERT_EQ(trained.code, 0) << trained.error;
  const auto figures = nlohmann::json::parse(run({"evaluate", "runs/corner", "--json"}).out);
  EXPECT_NEAR(figures["log_integral"], 0.0, 5.0 * figures["log_integral_error"].get<double>());
  // The dark corner, at most 2.3 x 2.3 units, has nearly all of the mass.
  EXPECT_NEAR(figures["target_log_likelihood"].get<double>(), -std::log(2.3 * 2.3), 1.0);
  // Of 2000 exact samples: five deviations of the first two, and odds below 1e-6 for the third.
  EXPECT_NEAR(figures["sample_kl_floor"], 0.0, 0.2);
  EXPECT_NEAR(figures["off_modes_floor"], 0.025, 0.025);
  EXPECT_LT(figures["sample_ks_justel_floor"], 3.4 / std::sqrt(2000.0));
  EXPECT_GT(figures["sample_kl"], figures["sample_kl_floor"]);
  const Outcome both =
      run({"train", "--image", "corner.png", "--target", "two_rings", "--out", "both"});
  EXPECT_EQ(both.code, 2);
  EXPECT_NE(both.error.find("exclude each other"), std::string::npos) << both.error;
  write("not.png", "text");
  EXPECT_EQ(run({"train", "--image", "not.png"}).code, 3);
}

TEST_F(Cli, LearnsAnEnergyWithinBounds) {
  // Flat along y, so it has a density within bounds alone.
  ASSERT_EQ(run({"train", "--energy", "0.5*x^2 + cos(3*y)", "--bounds", "y=-1:1", "--quiet",
                 "--out", "bounded", "--set", "training.iterations=200", "--set", "flow.hidden=16",
                 "--set", "final_proposals=1000000"})
                .code,
            0);
  const auto figures = nlohmann::json::parse(run({"evaluate", "bounded", "--json"}).out);
  // sqrt(2 pi) times the integral of exp(-cos(3 y)) over the bounds, by the midpoint rule.
  double integral = 0.0;
  for (int cell = 0; cell < 2000; ++cell)
    integral += std::exp(-std::cos(3.0 * (-1.0 + 0.001 * (cell + 0.5)))) * 0.001;
  EXPECT_NEAR(figures["log_integral"], std::log(integral * std::sqrt(2.0 * M_PI)),
              5.0 * figures["log_integral_error"].get<double>());
}

TEST_F(Cli, LearnsFromPointsAndFromAnEnergy) {
  write_points("points.csv", 300);
  const auto mixed = [&](const std::string& out, std::vector<std::string> more) {
    more.insert(more.begin(),
                {"--data", "points.csv", "--out", out, "--set", "training.objective=mixed", "--set",
                 "training.likelihood_steps=5", "--set", "data.validation_fraction=0"});
    return tiny(more);
  };
  // The parabola of the points, with variances somewhat like theirs.
  const std::string energy = "a^2 + 10*(b - a^2)^2";
  ASSERT_EQ(run(mixed("whole", {"--energy", energy})).code, 0);
  const auto figures = nlohmann::json::parse(run({"evaluate", "whole", "--json"}).out);
  for (const char* key : {"log_likelihood", "gaussian", "log_integral", "effective_share"})
    EXPECT_TRUE(std::isfinite(figures.at(key).get<double>())) << key;
  // A run that was cut short, among its steps by likelihood alone or after, ends the same.
  for (const std::string steps : {"3", "11"}) {
    const std::string out = "stopped-" + steps;
    std::vector<std::string> cut = mixed(out, {"--energy", energy});
    cut.insert(cut.end(), {"--set", "training.iterations=" + steps});
    ASSERT_EQ(run(cut).code, 0);
    ASSERT_EQ(
        run({"train", "--resume", "--out", out, "--quiet", "--set", "training.iterations=20"}).code,
        0);
    EXPECT_EQ(contents(path(out + "/model.safetensors")),
              contents(path("whole/model.safetensors")));
  }
  expect_failure(mixed("none", {}), 2, "give --target NAME or --energy EXPRESSION");
  expect_failure(mixed("none", {"--energy", "x^2"}), 2, "unknown name 'x': there are a, b");
  expect_failure({"train", "--energy", "x^2 + y^2", "--set", "training.objective=mixed", "--set",
                  "exploration.evaluations=0"},
                 2, "(exploration.evaluations) it is learnt by reverse_kl, got mixed");
  expect_failure(tiny({"--data", "points.csv", "--energy", energy}), 2,
                 "training.objective=mixed or stochastic layers");
}

TEST_F(Cli, TrainsAndReweightsStochasticFlows) {
  ASSERT_EQ(run({"train", "double-well", "--out", "r", "--quiet", "--threads", "2", "--set",
                 "importance_samples=2"})
                .code,
            0);
  const auto exact = [&](const std::string& name) {
    const auto figures = nlohmann::json::parse(run({"evaluate", name, "--json"}).out);
    // The integral by quadrature. Five standard errors: this seed fails once in a million.
    EXPECT_NEAR(figures["log_integral"], 10.29348,
                5.0 * figures["log_integral_error"].get<double>());
    EXPECT_NEAR(figures["mean_x0"], 1.18796, 5.0 * figures["mean_x0_error"].get<double>());
    EXPECT_GT(figures["effective_share"], 0.1);
    EXPECT_FALSE(figures.contains("missed_share"));
  };
  exact("r");
  ASSERT_EQ(run({"sample", "r", "--count", "100", "--out", "s.csv"}).code, 0);
  EXPECT_EQ(run({"log-prob", "r", "s.csv", "--out", "l.csv"}).code, 0);
  EXPECT_EQ(run({"doctor", "r", "--samples", "256"}).code, 0);
  // Interrupted among the steps by likelihood, and resumed, it is the same model.
  ASSERT_EQ(run({"train", "double-well", "--out", "cut", "--quiet", "--set", "importance_samples=2",
                 "--set", "training.iterations=200"})
                .code,
            0);
  ASSERT_EQ(
      run({"train", "--resume", "--out", "cut", "--quiet", "--set", "training.iterations=600"})
          .code,
      0);
  EXPECT_EQ(contents(path("cut/model.safetensors")), contents(path("r/model.safetensors")));
  // Without couplings it is annealed importance sampling.
  ASSERT_EQ(run({"train",       "--target",
                 "double_well", "--out",
                 "annealed",    "--quiet",
                 "--set",       "flow.kind=none",
                 "--set",       "base.kind=normal",
                 "--set",       "flow.blocks=40",
                 "--set",       "stochastic.kind=metropolis,hmc",
                 "--set",       "stochastic.step_size=0.3",
                 "--set",       "training.iterations=0",
                 "--set",       "importance_samples=1"})
                .code,
            0);
  exact("annealed");
  expect_failure({"train", "double-well", "--set", "stochastic.kind=gibbs"}, 2, "gibbs");
  expect_failure({"train", "double-well", "--set", "base.kind=resampled"}, 2, "rejection step");
  // Points and an energy that the layers move by: what is chosen from the data suits them.
  write_points("points.csv", 100);
  expect_failure(tiny({"--data", "points.csv", "--set", "stochastic.kind=mala"}), 2,
                 "stochastic.energy");
  ASSERT_EQ(run({"train", "--data", "points.csv", "--energy", "a^2 + 10*(b - a^2)^2", "--set",
                 "stochastic.kind=mala", "--set", "stochastic.step_size=0.01", "--set",
                 "training.iterations=20", "--quiet", "--out", "both"})
                .code,
            0);
  EXPECT_NE(contents(path("both/config.toml")).find("kind = \"normal\""), std::string::npos);
}

TEST_F(Cli, UsesAModelWithoutParametersAsItIs) {
  const auto untrained = [](const std::string& steps) {
    return std::vector<std::string>{
        "train", "--energy",         "x^2 + y^2", "--out",
        "r",     "--quiet",          "--set",     "flow.kind=none",
        "--set", "base.kind=normal", "--set",     "training.iterations=" + steps};
  };
  expect_failure(untrained("10"), 2, "no trainable parameters");
  ASSERT_EQ(run(untrained("0")).code, 0);
  const auto figures = nlohmann::json::parse(run({"evaluate", "r", "--json"}).out);
  EXPECT_NEAR(figures["log_integral"], std::log(M_PI),
              5.0 * figures["log_integral_error"].get<double>());
  EXPECT_NEAR(figures["variance_x"], 0.5, 5.0 * figures["variance_x_error"].get<double>());
  EXPECT_EQ(run({"train", "--resume", "--out", "r", "--quiet"}).code, 0);
  EXPECT_EQ(run({"sample", "r", "--count", "10", "--out", "s.csv"}).code, 0);
  EXPECT_EQ(run({"doctor", "r"}).code, 0);
}

TEST_F(Cli, SaysWhatIsWrongWithAnEnergy) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--energy", "x^2 +"}, "energy: character 6, after 'x^2 +': expected a number"},
      {{"--energy", "x^2", "--target", "two_rings"}, "exclude each other"},
      {{"--energy", "a*x^2", "--constants", "a=1,a=2"}, "constants: 'a' has a value already"},
      {{"--target", "two_rings", "--constants", "a=1"}, "give --energy"},
      {{"--energy", "x^2", "--set", "training.objective=maximum_likelihood", "--set",
        "exploration.evaluations=0"},
       "an energy cannot be sampled"},
      {{"--energy", "x^2", "--set", "energy_library=a.so"}, "exclude each other"},
      {{"--energy", "a^2", "--set", "variables=a,b"}, "the variable 'b' does not occur"},
  };
  for (const auto& [arguments, message] : cases) {
    std::vector<std::string> words = {"train"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.code, 2) << message;
    EXPECT_NE(outcome.error.find(message), std::string::npos) << outcome.error;
    EXPECT_FALSE(fs::exists(path("runs")));
  }
}

}  // namespace
