// Config files: what is read is what is written, and every mistake is named with its line.
#include "thalweg/runs/run_options.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>

#include "thalweg/core/error.h"

namespace thalweg {
namespace {

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

std::string message_of_text(const std::string& text) {
  RunOptions options;
  return message_of([&] { read_options(options, text, "config.toml"); });
}

TEST(RunOptions, ReadsWhatItWrites) {
  RunOptions options;
  options.training.seed = 12345678901234;
  options.data.path = "a \"quoted\"\\path\n.csv";
  options.data.bounds = {"x0=0:", "x1=0:1"};
  options.model.flow.hidden = {3, 5};
  options.model.base.kind = "resampled";
  options.model.base.average_rate = 0.1 + 0.2;
  options.model.columns = {{.name = "first",
                            .integer = true,
                            .origin = -3.5,
                            .step = 0.25,
                            .lower = 0.0,
                            .mean = 1.0 / 3.0,
                            .scale = 1e-7},
                           {}};
  options.model.context_columns.emplace_back().name = "given";
  const std::string text = write_options(options);
  RunOptions again;
  read_options(again, text, "config.toml");
  EXPECT_EQ(write_options(again), text);
  EXPECT_EQ(again.data.path, options.data.path);
  EXPECT_EQ(again.model.base.average_rate, options.model.base.average_rate);
  EXPECT_EQ(again.model.columns[0].mean, 1.0 / 3.0);
  EXPECT_EQ(again.model.columns[0].upper, INFINITY);
  EXPECT_EQ(again.model.context_columns[0].name, "given");
}

TEST(RunOptions, NamesTheLineAndTheNearestKey) {
  EXPECT_EQ(message_of_text("seed = 1\n\n[flow]\nblcks = 3\n"),
            "config.toml:4: unknown key 'flow.blcks'; did you mean 'flow.blocks'?");
  EXPECT_EQ(message_of_text("[trainng]\nbatch = 3\n"),
            "config.toml:2: unknown key 'trainng.batch'; did you mean 'training.batch_size'?");
  EXPECT_EQ(message_of_text("[[columns]]\nnam = 'x'\n"),
            "config.toml:2: unknown key 'nam'; did you mean 'name'?");
  EXPECT_EQ(message_of_text("qqqqqqqqqqqqqq = 1\n"),
            "config.toml:1: unknown key 'qqqqqqqqqqqqqq'; `thalweg describe config` lists all "
            "keys");
}

TEST(RunOptions, NamesWhatItExpected) {
  EXPECT_EQ(message_of_text("[flow]\nblocks = 'three'\n"),
            "config.toml:2: flow.blocks: expected a whole number from 1 to 1000, got \"three\"");
  EXPECT_EQ(message_of_text("[flow]\nblocks = 0\n"),
            "config.toml:2: flow.blocks: expected a whole number from 1 to 1000, got 0");
  EXPECT_EQ(message_of_text("[flow]\nblocks = 1000000000000\n"),
            "config.toml:2: flow.blocks: expected a whole number from 1 to 1000, got "
            "1000000000000");
  EXPECT_EQ(message_of_text("[flow]\ndropout = nan\n"),
            "config.toml:2: flow.dropout: expected a number from 0 to 0.95, got nan");
  EXPECT_EQ(message_of_text("[base]\nkind = 'norml'\n"),
            "config.toml:2: base.kind: expected one of normal, uniform, trainable_normal, "
            "mean_free_normal, mixture, resampled, stack, got \"norml\"");
  EXPECT_EQ(message_of_text("[flow]\nhidden = [32, 'x']\n"),
            "config.toml:2: flow.hidden: expected a list of whole numbers from 1 to 65536, as "
            "[64, 64], got [ 32, 'x' ]");
  EXPECT_EQ(message_of_text("columns = 3\n"),
            "config.toml:1: columns: expected tables, each as [[columns]]");
  const std::string expected =
      "; expected key = value, [section] or # comment, each key once, texts in quotes, lists and "
      "tables closed";
  for (const auto& [text, place] :
       {std::pair{"seed = 1\nflow = [\n", "config.toml:2: this is not TOML: 'flow = ['"},
        {"seed = 1\nseed = 2\n", "config.toml:2: this is not TOML: 'seed = 2'"},
        {"seed = 1\nseed\n", "config.toml:2: this is not TOML: 'seed'"}})
    EXPECT_EQ(message_of_text(text), place + expected) << text;
}

TEST(RunOptions, SetsSingleKeys) {
  RunOptions options;
  set_option(options, "flow.blocks=4");
  set_option(options, "flow.hidden = 8,16");
  set_option(options, "base.kind=mixture");
  set_option(options, "data.bounds=a=0:,b=0:1");
  set_option(options, "data.path=/some/where, else.csv");
  set_option(options, "flow.act_norm=false");
  set_option(options, "seed=1e3");
  EXPECT_EQ(options.model.flow.blocks, 4);
  EXPECT_EQ(options.model.flow.hidden, (std::vector<std::int64_t>{8, 16}));
  EXPECT_EQ(options.model.base.kind, "mixture");
  EXPECT_EQ(options.data.bounds, (std::vector<std::string>{"a=0:", "b=0:1"}));
  EXPECT_EQ(options.data.path, "/some/where, else.csv");
  EXPECT_FALSE(options.model.flow.act_norm);
  EXPECT_EQ(options.training.seed, 1000);
  const auto message = [&](const char* text) {
    return message_of([&] { set_option(options, text); });
  };
  EXPECT_EQ(message("flow.blocks=abc"),
            "--set: flow.blocks: expected a whole number from 1 to 1000, got 'abc'");
  EXPECT_EQ(message("flow.blocks=-1"),
            "--set: flow.blocks: expected a whole number from 1 to 1000, got -1");
  EXPECT_EQ(message("flow.bloks=1"),
            "--set: unknown key 'flow.bloks'; did you mean 'flow.blocks'?");
  EXPECT_EQ(message("flow.blocks"),
            "--set flow.blocks: expected key=value, as training.batch_size=512");
}

TEST(RunOptions, DescribesSections) {
  EXPECT_NE(describe_options("flow").find("flow.blocks"), std::string::npos);
  EXPECT_EQ(describe_options("flow").find("base.kind"), std::string::npos);
  EXPECT_NE(describe_options("").find("base.kind"), std::string::npos);
  EXPECT_TRUE(describe_options("flo").empty());
  for (const OptionKey& key : option_keys()) EXPECT_FALSE(key.summary.empty()) << key.path;
}

TEST(RunOptions, AreTheTableOfTheDocumentation) {
  std::ifstream file(THALWEG_TOOL_PAGE);
  ASSERT_TRUE(file) << THALWEG_TOOL_PAGE;
  const std::string page{std::istreambuf_iterator<char>(file), {}};
  // Two lines a key: "key summary" and "expectation; default value".
  std::istringstream lines(describe_options(""));
  int keys = 0;
  for (std::string first, second; std::getline(lines, first); ++keys) {
    std::getline(lines, second);
    const std::size_t name_end = first.find(' ', 2),
                      summary = first.find_first_not_of(' ', name_end);
    const std::size_t wanted = second.find_first_not_of(' '), mark = second.rfind("; default ");
    ASSERT_NE(summary, std::string::npos) << first;
    ASSERT_NE(mark, std::string::npos) << second;
    std::string meaning;  // a bar would end a cell
    for (const char c : first.substr(summary))
      meaning += c == '|' ? std::string("\\|") : std::string(1, c);
    const std::string row = "| `" + first.substr(2, name_end - 2) + "` | " + meaning + " | " +
                            second.substr(wanted, mark - wanted) + " | `" +
                            second.substr(mark + 10) + "` |";
    EXPECT_NE(page.find(row), std::string::npos) << row;
  }
  EXPECT_GT(keys, 100);
}

}  // namespace
}  // namespace thalweg
