// Models and training states on disk, and a run that is killed while it writes them.
#include "thalweg/training/checkpoint.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <thread>

#include "contract_table.h"
#include "thalweg/core/error.h"
#include "thalweg/io/safetensors.h"
#include "thalweg/sampling/density_evaluator.h"

namespace thalweg {
namespace {

namespace fs = std::filesystem;

class Checkpoint : public ::testing::Test {
 protected:
  Checkpoint() {
    std::string name = (fs::temp_directory_path() / "thalweg_checkpoint_XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  ~Checkpoint() override { fs::remove_all(folder_); }

  std::string file(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

ModelOptions model_options() {
  ModelOptions options;
  options.features = 2;
  options.flow.blocks = 2;
  options.flow.hidden = {8};
  options.base.kind = "resampled";
  options.base.hidden = {8};
  options.base.proposals = 64;
  return options;
}

TrainingOptions training_options(std::int64_t iterations) {
  TrainingOptions options;
  options.iterations = iterations;
  options.batch_size = 21;
  options.weight_average = 0.95;
  options.validation_interval = 7;
  options.checkpoint_interval = 1;
  return options;
}

std::vector<double> rows(std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(2 * count));
  RandomSequence random(9, Stream::kEvaluation);
  for (double& value : values) value = random.normal();
  return values;
}

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](double left, double right) {
    return std::bit_cast<std::uint64_t>(left) == std::bit_cast<std::uint64_t>(right);
  });
}

void expect_same_state(const TrainerState& a, const TrainerState& b) {
  EXPECT_TRUE(same_bits(a.parameters, b.parameters));
  EXPECT_TRUE(same_bits(a.first_moment, b.first_moment));
  EXPECT_TRUE(same_bits(a.second_moment, b.second_moment));
  EXPECT_TRUE(same_bits(a.average, b.average));
  EXPECT_TRUE(same_bits(a.best, b.best));
  EXPECT_EQ(a.counters.step, b.counters.step);
  EXPECT_EQ(a.counters.optimizer_steps, b.counters.optimizer_steps);
  EXPECT_EQ(a.counters.bad_steps, b.counters.bad_steps);
  EXPECT_EQ(a.counters.best_step, b.counters.best_step);
  EXPECT_EQ(a.counters.validations_since_best, b.counters.validations_since_best);
  EXPECT_EQ(a.counters.best_validation_loss, b.counters.best_validation_loss);
  EXPECT_TRUE(same_bits({a.counters.smoothed_loss}, {b.counters.smoothed_loss}));  // NaN at first
  EXPECT_EQ(a.history.interval, b.history.interval);
  EXPECT_EQ(a.history.open.step, b.history.open.step);
  EXPECT_EQ(a.history.open.good_steps, b.history.open.good_steps);
  ASSERT_EQ(a.history.rows.size(), b.history.rows.size());
  for (std::size_t i = 0; i < a.history.rows.size(); ++i) {
    EXPECT_EQ(a.history.rows[i].step, b.history.rows[i].step);
    EXPECT_EQ(a.history.rows[i].loss, b.history.rows[i].loss);
    EXPECT_EQ(a.history.rows[i].learning_rate, b.history.rows[i].learning_rate);
    EXPECT_EQ(a.history.rows[i].gradient_norm, b.history.rows[i].gradient_norm);
    EXPECT_EQ(a.history.rows[i].good_steps, b.history.rows[i].good_steps);
  }
  ASSERT_EQ(a.history.validations.size(), b.history.validations.size());
  for (std::size_t i = 0; i < a.history.validations.size(); ++i) {
    EXPECT_EQ(a.history.validations[i].step, b.history.validations[i].step);
    EXPECT_EQ(a.history.validations[i].loss, b.history.validations[i].loss);
  }
}

/// The message with which `work` refuses, without the path.
template <typename Work>
std::string refusal(const std::string& path, const Work& work) {
  try {
    work();
  } catch (const DataError& error) {
    const std::string message = error.what();
    return message.starts_with(path + ": ") ? message.substr(path.size() + 2) : message;
  }
  return "no error";
}

TEST_F(Checkpoint, ParametersComeBackToTheBit) {
  Model model(model_options(), 1);
  const std::string path = file("model.safetensors");
  for (const ParameterInfo& info : model.parameters().infos()) {
    if (info.integers) continue;
    auto values = model.parameters().values(model.parameters().find(info.name));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = std::sin(static_cast<double>(i + 1)) * 1e-3;
  }
  save_parameters(path, model.parameters());
  Model other(model_options(), 2);
  load_parameters(path, other.parameters());
  auto flat = model.parameters().flat();
  EXPECT_TRUE(std::equal(flat.begin(), flat.end(), other.parameters().flat().begin()));
  for (const auto& [name, tensor] : read_safetensors(path).tensors)
    EXPECT_EQ(tensor.dtype, name.ends_with(".order") ? "I64" : "F64") << name;
  // What float holds exactly is stored as float.
  for (double& value : flat) value = static_cast<float>(value);
  save_parameters(path, model.parameters());
  for (const auto& [name, tensor] : read_safetensors(path).tensors)
    EXPECT_EQ(tensor.dtype, name.ends_with(".order") ? "I64" : "F32") << name;
  load_parameters(path, other.parameters());
  EXPECT_TRUE(std::equal(flat.begin(), flat.end(), other.parameters().flat().begin()));
}

/// Log densities of a few points in double.
std::vector<double> densities(const Model& model) {
  ThreadPool pool(1);
  const std::int64_t features = model.flow().features();
  std::vector<double> x(static_cast<std::size_t>(5 * features));
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<double>(i));
  return DensityEvaluator(model, pool, Precision::kDouble).log_prob(x);
}

TEST_F(Checkpoint, LoadingDrawsNothing) {
  const std::string path = file("model.safetensors");
  for (const char* permutation : {"random", "lu"}) {
    SCOPED_TRACE(permutation);
    ModelOptions options;
    options.features = 6;
    options.flow.blocks = 3;
    options.flow.hidden = {8};
    options.flow.permutation = permutation;
    options.base.kind = "mixture";
    Model model(options, 4);
    testing::disturb(model.parameters());
    save_parameters(path, model.parameters());
    const std::vector<double> expected = densities(model);
    EXPECT_EQ(densities(*load_model(path, options)), expected);
    EXPECT_EQ(densities(*load_model(path, options, {}, 77)), expected);

    // The order is in the file, and it is the file's that counts.
    TensorFile content = read_safetensors(path);
    const std::string name =
        permutation == std::string("lu") ? "flow.1.linear.order" : "flow.1.permutation.order";
    ASSERT_EQ(content.tensors.count(name), 1u);
    Tensor& order = content.tensors[name];
    EXPECT_EQ(order.dtype, "I64");
    EXPECT_EQ(order.shape, (std::vector<std::int64_t>{6, 1}));
    std::swap(order.integers[0], order.integers[3]);
    write_safetensors(path, content);
    EXPECT_NE(densities(*load_model(path, options)), expected);
    EXPECT_EQ(refusal(path, [&] { load_parameters(path, model.parameters()); }),
              "tensor '" + name + "' differs from this model's: the file is of another model");
    order.integers[0] = order.integers[1];
    write_safetensors(path, content);
    EXPECT_THROW(load_model(path, options), ConfigError);
    order.integers[0] = -1;
    write_safetensors(path, content);
    EXPECT_EQ(refusal(path, [&] { load_model(path, options); }),
              "tensor '" + name + "': expected places from 0, got -1");

    // A file of format 1 has none: they are drawn as they were.
    std::erase_if(content.tensors,
                  [](const auto& entry) { return entry.first.ends_with(".order"); });
    content.metadata["format_version"] = "1";
    write_safetensors(path, content);
    EXPECT_EQ(densities(*load_model(path, options, {}, 4)), expected);
    EXPECT_NE(densities(*load_model(path, options, {}, 5)), expected);
    EXPECT_EQ(refusal(path, [&] { load_model(path, options); }),
              "tensor 'flow.0." + std::string(name).substr(7) +
                  "' is missing: the file is of another model");
  }
}

TEST_F(Checkpoint, ModelsComeBackFromCheckpoints) {
  const std::vector<double> x = rows(50);
  const std::string path = file("checkpoint.safetensors");
  ModelOptions options = model_options();
  options.base.kind = "normal";
  options.flow.permutation = "random";
  ThreadPool pool(1);
  Model model(options, 1);
  TrainingOptions plain = training_options(4);
  plain.weight_average = 0.0;
  plain.validation_interval = 100;
  Trainer trainer(model, {.rows = x}, plain, pool);
  trainer.run();
  save_checkpoint(path, model.parameters(), trainer.state());
  trainer.update_model();
  EXPECT_EQ(densities(*load_checkpoint_model(path, options)), densities(model));
}

TEST_F(Checkpoint, RefusesFilesOfOtherModels) {
  const std::string path = file("model.safetensors");
  ParameterStore saved;
  saved.add("a", 2, 3, 1.0);
  saved.add("b", 1, 1, 2.0, false);
  save_parameters(path, saved);
  const auto load = [&](ParameterStore& store) {
    return refusal(path, [&] { load_parameters(path, store); });
  };
  ParameterStore more;
  more.add("a", 2, 3, 0.0);
  more.add("b", 1, 1, 0.0, false);
  more.add("c", 1, 1, 0.0);
  EXPECT_EQ(load(more), "tensor 'c' is missing: the file is of another model");
  EXPECT_EQ(more.flat()[0], 0.0);
  ParameterStore fewer;
  fewer.add("a", 2, 3, 0.0);
  EXPECT_EQ(load(fewer), "tensor 'b' is not part of this model: the file is of another model");
  EXPECT_EQ(fewer.flat()[0], 0.0);
  ParameterStore shaped;
  shaped.add("a", 3, 2, 0.0);
  shaped.add("b", 1, 1, 0.0, false);
  EXPECT_EQ(load(shaped), "tensor 'a': expected 3 x 2, got 2 x 3: the file is of another model");
  TensorFile content = read_safetensors(path);
  content.metadata["format_version"] = "3";
  write_safetensors(path, content);
  EXPECT_EQ(load(saved),
            "written by a newer version of thalweg (format 3, this one reads up to 2); update "
            "thalweg to use it");
  content.metadata["format_version"] = "two";
  write_safetensors(path, content);
  EXPECT_EQ(load(saved), "expected a number for 'format_version' in the metadata, got 'two'");
  content.metadata.clear();
  write_safetensors(path, content);
  EXPECT_EQ(load(saved), "expected a thalweg model, got a file of another kind");
  EXPECT_NE(refusal("", [&] { load_parameters(file("none"), saved); }), "no error");
}

TEST_F(Checkpoint, StatesComeBackToTheBitAndGoOnAlike) {
  const std::vector<double> x = rows(100);
  const TrainingData data{.rows = x, .validation_rows = std::span(x).first(40)};
  const std::string path = file("checkpoint.safetensors");
  ThreadPool pool(1);
  for (const char* precision : {"float", "double"}) {
    TrainingOptions options = training_options(30);
    options.precision = precision;
    Model whole(model_options(), 1);
    Trainer reference(whole, data, options, pool);
    reference.run();
    // Step 3 is before the first validation, step 14 on one.
    for (const std::int64_t stop : {0, 3, 14}) {
      Model first(model_options(), 1);
      Trainer interrupted(first, data, options, pool);
      while (interrupted.counters().step < stop)
        interrupted.run({.progress = [&](const TrainingProgress& now) { return now.step < stop; }});
      save_checkpoint(path, first.parameters(), interrupted.state());
      const TrainerState loaded = load_checkpoint(path, first.parameters());
      expect_same_state(interrupted.state(), loaded);
      Model second(model_options(), 1);
      Trainer resumed(second, data, options, pool);
      resumed.restore(loaded);
      resumed.run();
      expect_same_state(reference.state(), resumed.state());
    }
  }
}

TEST_F(Checkpoint, RefusesStatesThatDoNotFit) {
  const std::vector<double> x = rows(30);
  const std::string path = file("checkpoint.safetensors");
  ThreadPool pool(1);
  Model model(model_options(), 1);
  Trainer trainer(model, {.rows = x}, training_options(3), pool);
  trainer.run();
  save_checkpoint(path, model.parameters(), trainer.state());
  const auto load = [&](const ParameterStore& layout) {
    return refusal(path, [&] { load_checkpoint(path, layout); });
  };
  EXPECT_EQ(load(model.parameters()), "no error");
  ModelOptions wider = model_options();
  wider.flow.hidden = {9};
  const std::string shape = load(Model(wider, 1).parameters());
  EXPECT_TRUE(shape.starts_with("tensor 'parameters/")) << shape;
  EXPECT_NE(shape.find("expected 9 x 1, got 8 x 1"), std::string::npos) << shape;
  ModelOptions shorter = model_options();
  shorter.flow.blocks = 1;
  const std::string extra = load(Model(shorter, 1).parameters());
  EXPECT_NE(extra.find("is not part of this model"), std::string::npos) << extra;
  ModelOptions longer = model_options();
  longer.flow.blocks = 3;
  const std::string missing = load(Model(longer, 1).parameters());
  EXPECT_NE(missing.find("is missing: the file is of another model"), std::string::npos) << missing;
  TrainingOptions plain = training_options(3);
  plain.weight_average = 0.0;
  Trainer without(model, {.rows = x}, plain, pool);
  EXPECT_THROW(without.restore(load_checkpoint(path, model.parameters())), DataError);

  const TensorFile sound = read_safetensors(path);
  const auto changed = [&](const std::string& key, const std::string& text) {
    TensorFile content = sound;
    content.metadata[key] = text;
    write_safetensors(path, content);
    return load(model.parameters());
  };
  EXPECT_EQ(changed("format_version", "3"),
            "written by a newer version of thalweg (format 3, this one reads up to 2); update "
            "thalweg to use it");
  EXPECT_EQ(changed("step", "many"), "expected a number for 'step' in the metadata, got 'many'");
  save_parameters(path, model.parameters());
  EXPECT_EQ(load(model.parameters()), "expected a thalweg checkpoint, got a thalweg model");
  EXPECT_NE(refusal("", [&] { load_checkpoint(file("none"), model.parameters()); }), "no error");
}

/// Trains from the checkpoint if there is one, saving after each step.
TrainerState train_on(const std::string& path, const std::string& model_path,
                      const TrainingOptions& options) {
  const std::vector<double> x = rows(100);
  ThreadPool pool(1);
  Model model(model_options(), 1);
  Trainer trainer(model, {.rows = x, .validation_rows = std::span(x).first(40)}, options, pool);
  if (fs::exists(path)) trainer.restore(load_checkpoint(path, model.parameters()));
  trainer.run({.checkpoint = [&] {
    save_checkpoint(path, model.parameters(), trainer.state());
    trainer.update_model();
    save_parameters(model_path, model.parameters());
  }});
  return trainer.state();
}

TEST_F(Checkpoint, KilledWhileWritingItResumesToTheSameBits) {
  // A child saves two files after every step, which takes longer than the step; it is killed at
  // varied times after it has made progress, so that most kills fall into writing.
  const TrainingOptions options = training_options(100);
  const std::string path = file("checkpoint.safetensors");
  const std::string model_path = file("model.safetensors");
  const auto stamp = [&] {
    std::error_code error;
    const auto time = fs::last_write_time(path, error);
    return error ? fs::file_time_type::min() : time;
  };
  int kills = 0;
  for (int attempt = 0; attempt < 12; ++attempt) {
    const auto before = stamp();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        train_on(path, model_path, options);
      } catch (...) {
        _exit(1);
      }
      _exit(0);
    }
    int status = 0;
    pid_t ended = 0;
    while (ended == 0 && stamp() == before) {
      ended = waitpid(child, &status, WNOHANG);
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    if (ended == 0) {
      std::this_thread::sleep_for(std::chrono::microseconds(300 * attempt));
      kill(child, SIGKILL);
      ASSERT_EQ(waitpid(child, &status, 0), child);
    }
    if (WIFSIGNALED(status)) {
      ++kills;
    } else {
      ASSERT_EQ(WEXITSTATUS(status), 0) << "the child could not resume";
      break;
    }
    // Both files are whole after every kill.
    Model model(model_options(), 1);
    EXPECT_NO_THROW(load_checkpoint(path, model.parameters()));
    if (fs::exists(model_path)) {
      EXPECT_NO_THROW(load_parameters(model_path, model.parameters()));
    }
  }
  EXPECT_GE(kills, 1);
  const TrainerState resumed = train_on(path, model_path, options);
  TrainingOptions unsaved = options;
  unsaved.checkpoint_interval = 0;
  const TrainerState reference = train_on(file("none"), file("none"), unsaved);
  EXPECT_EQ(resumed.counters.step, 100);
  expect_same_state(reference, resumed);
}

}  // namespace
}  // namespace thalweg
