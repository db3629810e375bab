#include "thalweg/training/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <span>

#include "thalweg/core/error.h"
#include "thalweg/io/safetensors.h"

namespace thalweg {
namespace {

constexpr const char* kModelKind = "thalweg model";
constexpr const char* kCheckpointKind = "thalweg checkpoint";
constexpr const char* kParameters = "parameters/";  // before the names in a checkpoint
constexpr const char* kKind = "kind";
constexpr const char* kVersion = "format_version";

Tensor real_tensor(std::vector<std::int64_t> shape, std::vector<double> values) {
  const bool exact = std::all_of(values.begin(), values.end(), [](double value) {
    return static_cast<double>(static_cast<float>(value)) == value;
  });
  return {exact ? "F32" : "F64", std::move(shape), std::move(values), {}};
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t extent : shape)
    text += fmt::format("{}{}", text.empty() ? "" : " x ", extent);
  return text;
}

/// Takes tensors out of a file and says what does not fit.
class Reader {
 public:
  Reader(const std::string& path, std::string_view kind)
      : path_(path), file_(read_safetensors(path)) {
    if (this->kind() != kind)
      fail<DataError>("{}: expected a {}, got {}", path_, kind,
                      this->kind().empty() ? "a file of another kind" : "a " + this->kind());
    version_ = number<std::int64_t>(kVersion);
    if (version_ > kCheckpointFormat)
      fail<DataError>(
          "{}: written by a newer version of thalweg (format {}, this one reads up to {}); update "
          "thalweg to use it",
          path_, version_, kCheckpointFormat);
  }

  bool has(const std::string& name) const { return file_.tensors.count(name) > 0; }
  const std::string& path() const { return path_; }
  /// Whether tensors of whole numbers are in the file: in format 1 they were drawn anew from the
  /// seed.
  bool has_integers() const { return version_ > 1; }

  /// The values of a tensor called prefix + info.name.
  std::vector<double> take(const std::string& prefix, const ParameterInfo& info) {
    Tensor tensor = take(prefix + info.name, {info.rows, info.columns}, info.integers);
    if (!info.integers) return std::move(tensor.values);
    for (const std::int64_t value : tensor.integers)
      if (value < 0 || value > std::numeric_limits<std::int32_t>::max())
        fail<DataError>("{}: tensor '{}': expected places from 0, got {}", path_,
                        prefix + info.name, value);
    return {tensor.integers.begin(), tensor.integers.end()};
  }

  Tensor take(const std::string& name, const std::vector<std::int64_t>& shape, bool integers) {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end())
      fail<DataError>("{}: tensor '{}' is missing: the file is of another model", path_, name);
    Tensor tensor = std::move(found->second);
    file_.tensors.erase(found);
    if (tensor.shape != shape)
      fail<DataError>("{}: tensor '{}': expected {}, got {}: the file is of another model", path_,
                      name, shape_text(shape), shape_text(tensor.shape));
    if ((tensor.dtype == "I64") != integers)
      fail<DataError>("{}: tensor '{}': expected {}, got {}", path_, name,
                      integers ? "I64" : "F32 or F64", tensor.dtype);
    return tensor;
  }

  /// Length of a list that has to be there.
  std::int64_t length(const std::string& name) const {
    const auto found = file_.tensors.find(name);
    if (found == file_.tensors.end() || found->second.shape.size() != 1)
      fail<DataError>("{}: tensor '{}' is missing or no list: the file is damaged", path_, name);
    return found->second.shape[0];
  }

  void expect_empty() const {
    if (!file_.tensors.empty())
      fail<DataError>("{}: tensor '{}' is not part of this model: the file is of another model",
                      path_, file_.tensors.begin()->first);
  }

  bool has_number(const std::string& key) const { return file_.metadata.contains(key); }

  template <typename T>
  T number(const std::string& key) const {
    const auto found = file_.metadata.find(key);
    T value{};
    if (found != file_.metadata.end()) {
      const std::string& text = found->second;
      const auto result = std::from_chars(text.data(), text.data() + text.size(), value);
      if (result.ec == std::errc() && result.ptr == text.data() + text.size()) return value;
    }
    fail<DataError>("{}: expected a number for '{}' in the metadata, got '{}'", path_, key,
                    found == file_.metadata.end() ? "nothing" : found->second);
  }

 private:
  std::string kind() const {
    const auto found = file_.metadata.find(kKind);
    return found == file_.metadata.end() ? std::string() : found->second;
  }

  std::string path_;
  TensorFile file_;
  std::int64_t version_ = 0;
};

/// Adds the tensors of a flat array under prefix + name, all of them or the trainable ones.
void put_flat(TensorFile& file, const std::string& prefix, const ParameterStore& layout,
              std::span<const double> flat, bool all) {
  for (const ParameterInfo& info : layout.infos()) {
    if (!all && !info.trainable) continue;
    const auto begin = flat.begin() + info.offset;
    const auto end = begin + info.size();
    file.tensors[prefix + info.name] =
        info.integers ? Tensor{"I64", {info.rows, info.columns}, {}, {begin, end}}
                      : real_tensor({info.rows, info.columns}, {begin, end});
  }
}

std::vector<double> take_flat(Reader& reader, const std::string& prefix,
                              const ParameterStore& layout, bool all) {
  std::vector<double> flat(layout.flat().size(), 0.0);
  for (const ParameterInfo& info : layout.infos()) {
    if (!all && !info.trainable) continue;
    const auto own = layout.flat().begin() + info.offset;
    const bool read = !info.integers || reader.has_integers();
    const std::vector<double> values =
        read ? reader.take(prefix, info) : std::vector<double>(own, own + info.size());
    // The graph of a model is built for its whole numbers, so they cannot be replaced.
    if (info.integers && !std::equal(values.begin(), values.end(), own))
      fail<DataError>("{}: tensor '{}' differs from this model's: the file is of another model",
                      reader.path(), prefix + info.name);
    std::copy(values.begin(), values.end(), flat.begin() + info.offset);
  }
  return flat;
}

std::unique_ptr<Model> read_model(Reader& reader, const std::string& prefix,
                                  const ModelOptions& options,
                                  const std::shared_ptr<const Target>& target,
                                  std::optional<std::uint64_t> seed) {
  std::optional<Model> drawn;
  if (!reader.has_integers() && seed) drawn.emplace(options, *seed, target);
  return Model::load(
      options,
      [&](const ParameterInfo& info) {
        if (!info.integers || !drawn) return reader.take(prefix, info);
        const ParameterStore& made = drawn->parameters();
        const auto values = made.values(made.find(info.name));
        return std::vector<double>(values.begin(), values.end());
      },
      target);
}

TensorFile new_file(const char* kind) {
  TensorFile file;
  file.metadata[kKind] = kind;
  file.metadata[kVersion] = std::to_string(kCheckpointFormat);
  return file;
}

template <typename Record, typename T>
struct Field {
  const char* name;
  T Record::*member;
};

constexpr std::array kCounts = {
    Field<TrainerCounters, std::int64_t>{"step", &TrainerCounters::step},
    Field<TrainerCounters, std::int64_t>{"optimizer_steps", &TrainerCounters::optimizer_steps},
    Field<TrainerCounters, std::int64_t>{"bad_steps", &TrainerCounters::bad_steps},
    Field<TrainerCounters, std::int64_t>{"bad_in_a_row", &TrainerCounters::bad_in_a_row},
    Field<TrainerCounters, std::int64_t>{"non_finite", &TrainerCounters::non_finite},
    Field<TrainerCounters, std::int64_t>{"best_step", &TrainerCounters::best_step},
    Field<TrainerCounters, std::int64_t>{"validations_since_best",
                                         &TrainerCounters::validations_since_best},
};
constexpr std::array kLosses = {
    Field<TrainerCounters, double>{"smoothed_loss", &TrainerCounters::smoothed_loss},
    Field<TrainerCounters, double>{"best_validation_loss", &TrainerCounters::best_validation_loss},
};
constexpr std::array kRowCounts = {
    Field<HistoryRow, std::int64_t>{"history/step", &HistoryRow::step},
    Field<HistoryRow, std::int64_t>{"history/bad_steps", &HistoryRow::bad_steps},
    Field<HistoryRow, std::int64_t>{"history/non_finite", &HistoryRow::non_finite},
    Field<HistoryRow, std::int64_t>{"history/good_steps", &HistoryRow::good_steps},
};
constexpr std::array kRowNumbers = {
    Field<HistoryRow, double>{"history/loss", &HistoryRow::loss},
    Field<HistoryRow, double>{"history/learning_rate", &HistoryRow::learning_rate},
    Field<HistoryRow, double>{"history/gradient_norm", &HistoryRow::gradient_norm},
};
constexpr std::array kValidationSteps = {
    Field<ValidationRow, std::int64_t>{"validation/step", &ValidationRow::step}};
constexpr std::array kValidationLosses = {
    Field<ValidationRow, double>{"validation/loss", &ValidationRow::loss}};

/// Adds records as one list a field.
template <typename Record, std::size_t kIntegers, std::size_t kReals>
void put_records(TensorFile& file, const std::vector<Record>& records,
                 const std::array<Field<Record, std::int64_t>, kIntegers>& integers,
                 const std::array<Field<Record, double>, kReals>& reals) {
  const auto length = static_cast<std::int64_t>(records.size());
  for (const auto& field : integers) {
    Tensor tensor{"I64", {length}, {}, {}};
    for (const Record& record : records) tensor.integers.push_back(record.*field.member);
    file.tensors[field.name] = std::move(tensor);
  }
  for (const auto& field : reals) {
    Tensor tensor{"F64", {length}, {}, {}};
    for (const Record& record : records) tensor.values.push_back(record.*field.member);
    file.tensors[field.name] = std::move(tensor);
  }
}

template <typename Record, std::size_t kIntegers, std::size_t kReals>
std::vector<Record> take_records(Reader& reader,
                                 const std::array<Field<Record, std::int64_t>, kIntegers>& integers,
                                 const std::array<Field<Record, double>, kReals>& reals) {
  const std::int64_t length = reader.length(integers[0].name);
  std::vector<Record> records(static_cast<std::size_t>(length));
  for (const auto& field : integers) {
    const Tensor tensor = reader.take(field.name, {length}, true);
    for (std::size_t i = 0; i < records.size(); ++i) records[i].*field.member = tensor.integers[i];
  }
  for (const auto& field : reals) {
    const Tensor tensor = reader.take(field.name, {length}, false);
    for (std::size_t i = 0; i < records.size(); ++i) records[i].*field.member = tensor.values[i];
  }
  return records;
}

}  // namespace

void save_parameters(const std::string& path, const ParameterStore& parameters) {
  TensorFile file = new_file(kModelKind);
  put_flat(file, "", parameters, parameters.flat(), true);
  write_safetensors(path, file);
}

void load_parameters(const std::string& path, ParameterStore& parameters) {
  Reader reader(path, kModelKind);
  const std::vector<double> flat = take_flat(reader, "", parameters, true);
  reader.expect_empty();
  std::copy(flat.begin(), flat.end(), parameters.flat().begin());
}

std::unique_ptr<Model> load_model(const std::string& path, const ModelOptions& options,
                                  const std::shared_ptr<const Target>& target,
                                  std::optional<std::uint64_t> seed) {
  Reader reader(path, kModelKind);
  std::unique_ptr<Model> model = read_model(reader, "", options, target, seed);
  reader.expect_empty();
  return model;
}

std::unique_ptr<Model> load_checkpoint_model(const std::string& path, const ModelOptions& options,
                                             const std::shared_ptr<const Target>& target,
                                             std::optional<std::uint64_t> seed) {
  Reader reader(path, kCheckpointKind);
  return read_model(reader, kParameters, options, target, seed);
}

void save_checkpoint(const std::string& path, const ParameterStore& layout,
                     const TrainerState& state) {
  TensorFile file = new_file(kCheckpointKind);
  put_flat(file, kParameters, layout, state.parameters, true);
  put_flat(file, "first_moment/", layout, state.first_moment, false);
  put_flat(file, "second_moment/", layout, state.second_moment, false);
  if (!state.average.empty()) put_flat(file, "average/", layout, state.average, true);
  if (!state.best.empty()) put_flat(file, "best/", layout, state.best, true);
  for (const auto& field : kCounts)
    file.metadata[field.name] = std::to_string(state.counters.*field.member);
  for (const auto& field : kLosses)
    file.metadata[field.name] = fmt::format("{}", state.counters.*field.member);
  file.metadata["returns"] = std::to_string(state.counters.returns);
  file.metadata["history_interval"] = std::to_string(state.history.interval);
  std::vector<HistoryRow> rows = state.history.rows;
  rows.push_back(state.history.open);  // The last row of the file is the open one.
  put_records(file, rows, kRowCounts, kRowNumbers);
  put_records(file, state.history.validations, kValidationSteps, kValidationLosses);
  write_safetensors(path, file);
}

TrainerState load_checkpoint(const std::string& path, const ParameterStore& layout) {
  Reader reader(path, kCheckpointKind);
  const auto has = [&](const char* prefix) {
    return !layout.infos().empty() && reader.has(prefix + layout.infos().front().name);
  };
  TrainerState state;
  state.parameters = take_flat(reader, kParameters, layout, true);
  state.first_moment = take_flat(reader, "first_moment/", layout, false);
  state.second_moment = take_flat(reader, "second_moment/", layout, false);
  if (has("average/")) state.average = take_flat(reader, "average/", layout, true);
  if (has("best/")) state.best = take_flat(reader, "best/", layout, true);
  for (const auto& field : kCounts)
    state.counters.*field.member = reader.number<std::int64_t>(field.name);
  for (const auto& field : kLosses)
    state.counters.*field.member = reader.number<double>(field.name);
  // Those of before had none.
  if (reader.has_number("returns")) state.counters.returns = reader.number<std::int64_t>("returns");
  state.history.interval = reader.number<std::int64_t>("history_interval");
  state.history.rows = take_records(reader, kRowCounts, kRowNumbers);
  if (state.history.rows.empty() || state.history.interval < 1)
    fail<DataError>("{}: the training history is damaged", path);
  state.history.open = state.history.rows.back();
  state.history.rows.pop_back();
  state.history.validations = take_records(reader, kValidationSteps, kValidationLosses);
  reader.expect_empty();
  return state;
}

}  // namespace thalweg
