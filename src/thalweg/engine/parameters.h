// The numbers that a model owns: trainable parameters and buffers, in one flat array with names.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace thalweg {

/// Index of a tensor in a ParameterStore.
struct ParameterId {
  std::int32_t index = -1;
};

/// One named matrix of a ParameterStore.
struct ParameterInfo {
  std::string name;
  std::int64_t rows = 0, columns = 0;
  bool trainable = true;    ///< false: a buffer (moving averages, constants of the data, flags)
  std::int64_t offset = 0;  ///< first element in the flat array; a multiple of 16
  /// Whole numbers that decide the structure, as the order of a permutation; never trained.
  bool integers = false;
  std::int64_t size() const { return rows * columns; }
};

/// Gives the rows x columns values of a tensor that is read rather than made.
using ParameterSource = std::function<std::vector<double>(const ParameterInfo& info)>;

/// Parameters and buffers of a model. Values are kept in double, which holds float values exactly,
/// so a model trained in float saves and loads to the same bits. Not thread safe while it is
/// changed.
class ParameterStore {
 public:
  /// Adds a tensor, row-major. Throws ConfigError if the name is taken, ShapeError if sizes
  /// disagree.
  ParameterId add(std::string name, std::int64_t rows, std::int64_t columns,
                  std::vector<double> values, bool trainable = true);
  /// Adds a tensor filled with one value.
  ParameterId add(std::string name, std::int64_t rows, std::int64_t columns, double value,
                  bool trainable = true);
  /// Adds a column of whole numbers, and gives those that it then holds: `values`, or what was
  /// read.
  std::vector<std::int32_t> add_integers(std::string name, std::span<const std::int32_t> values);
  /// Makes buffers of all tensors from number `first` on: they are not trained.
  void freeze(std::size_t first);
  /// From now on tensors that are added take their values from `source`, which must know them all,
  /// and not those given; an empty one ends this.
  void read_from(ParameterSource source) { source_ = std::move(source); }

  const ParameterInfo& info(ParameterId id) const {
    return infos_[static_cast<std::size_t>(id.index)];
  }
  const std::vector<ParameterInfo>& infos() const { return infos_; }
  /// The tensor called `name`; throws ConfigError if there is none.
  ParameterId find(std::string_view name) const;
  std::span<double> values(ParameterId id);
  std::span<const double> values(ParameterId id) const;
  /// All values with their padding; ParameterInfo::offset points into it.
  std::span<double> flat() { return flat_; }
  std::span<const double> flat() const { return flat_; }
  /// Number of trainable values, without padding.
  std::int64_t trainable_count() const;

 private:
  ParameterId add(ParameterInfo info, std::vector<double> values);

  std::vector<ParameterInfo> infos_;
  std::unordered_map<std::string, std::int32_t> index_;
  std::vector<double> flat_;
  ParameterSource source_;
};

}  // namespace thalweg
