#include "thalweg/training/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

#include "thalweg/core/error.h"
#include "thalweg/io/safetensors.h"

namespace thalweg {
namespace {

constexpr const char* kModelKind = "thalweg model";
constexpr const char* kCheckpointKind = "thalweg checkpoint";
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
  Reader(const std::string& path, const char* kind) : path_(path), file_(read_safetensors(path)) {
    const auto got = file_.metadata.find(kKind);
    if (got == file_.metadata.end() || got->second != kind)
      fail<DataError>("{}: expected a {}, got {}", path_, kind,
                      got == file_.metadata.end() ? "a file of another kind" : "a " + got->second);
    const auto version = number<std::int64_t>(kVersion);
    if (version > kCheckpointFormat)
      fail<DataError>(
          "{}: written by a newer version of thalweg (format {}, this one reads up to {}); update "
          "thalweg to use it",
          path_, version, kCheckpointFormat);
  }

  bool has(const std::string& name) const { return file_.tensors.count(name) > 0; }

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
  std::string path_;
  TensorFile file_;
};

/// Adds the tensors of a flat array under prefix + name, all of them or the trainable ones.
void put_flat(TensorFile& file, const std::string& prefix, const ParameterStore& layout,
              std::span<const double> flat, bool all) {
  for (const ParameterInfo& info : layout.infos()) {
    if (!all && !info.trainable) continue;
    const auto begin = flat.begin() + info.offset;
    file.tensors[prefix + info.name] =
        real_tensor({info.rows, info.columns}, {begin, begin + info.size()});
  }
}

std::vector<double> take_flat(Reader& reader, const std::string& prefix,
                              const ParameterStore& layout, bool all) {
  std::vector<double> flat(layout.flat().size(), 0.0);
  for (const ParameterInfo& info : layout.infos()) {
    if (!all && !info.trainable) continue;
    const Tensor tensor = reader.take(prefix + info.name, {info.rows, info.columns}, false);
    std::copy(tensor.values.begin(), tensor.values.end(), flat.begin() + info.offset);
  }
  return flat;
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

void save_checkpoint(const std::string& path, const ParameterStore& layout,
                     const TrainerState& state) {
  TensorFile file = new_file(kCheckpointKind);
  put_flat(file, "parameters/", layout, state.parameters, true);
  put_flat(file, "first_moment/", layout, state.first_moment, false);
  put_flat(file, "second_moment/", layout, state.second_moment, false);
  if (!state.average.empty()) put_flat(file, "average/", layout, state.average, true);
  if (!state.best.empty()) put_flat(file, "best/", layout, state.best, true);
  for (const auto& field : kCounts)
    file.metadata[field.name] = std::to_string(state.counters.*field.member);
  for (const auto& field : kLosses)
    file.metadata[field.name] = fmt::format("{}", state.counters.*field.member);
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
  state.parameters = take_flat(reader, "parameters/", layout, true);
  state.first_moment = take_flat(reader, "first_moment/", layout, false);
  state.second_moment = take_flat(reader, "second_moment/", layout, false);
  if (has("average/")) state.average = take_flat(reader, "average/", layout, true);
  if (has("best/")) state.best = take_flat(reader, "best/", layout, true);
  for (const auto& field : kCounts)
    state.counters.*field.member = reader.number<std::int64_t>(field.name);
  for (const auto& field : kLosses)
    state.counters.*field.member = reader.number<double>(field.name);
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
