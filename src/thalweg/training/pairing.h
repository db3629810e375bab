// Draws of a base for the rows of a batch, exchanged among them so that pairs are near.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "thalweg/core/thread_pool.h"
#include "thalweg/engine/row_map.h"
#include "thalweg/flows/model.h"
#include "thalweg/objectives/objective.h"
#include "thalweg/training/batch_source.h"

namespace thalweg {

/// Rows of draws and of data that are to be paired.
struct PairingRows {
  std::int64_t count = 0, features = 0;
  std::int64_t context_features = 0;
  std::int64_t dimensions = 0;           ///< of the space that particles are in; 0: no particles
  std::vector<std::int64_t> types = {};  ///< one a particle; empty: all are alike
  bool species = false;  ///< or the last numbers of a row's condition, see species_of()
  std::span<const double> draws, rows;   ///< count x features, row-major
  std::span<const double> context = {};  ///< of the rows and of their draws as they come
};

/// Rows that exchange draws at most: an assignment takes time that grows with their third power.
inline constexpr std::int64_t kPairingBlock = 256;

/// The draws in the order of the rows that they are paired to. Draws change places among rows with
/// the very same condition, bit by bit, alone: of a continuous condition each keeps its own. Rows
/// that are not finite keep theirs, too. More than kPairingBlock rows of one condition exchange
/// within blocks of nearly equal sizes, by their order: draws and rows of a batch are independent,
/// so that blocks are batches of their own.
///
/// optimal_transport: the sum of squared distances in a block is the least (see
/// least_assignment()), which is the coupling of optimal transport between the two samples (Tong et
/// al. 2024, Pooladian et al. 2023). equivariant (Klein, Kraemer, Noe 2023): so with the squared
/// distance after the particles of the draw have been permuted, those of each type among
/// themselves, to the least one, and then turned or reflected about 0 to the least one (Kabsch
/// 1976); draws are given so moved. That is not the least over both together.
///
/// All threads work, on blocks of their own. Time grows with the third power of a block's rows, and
/// with their square times the third power of the particles, and in proportion to the number of
/// blocks. The same bits for any number of threads. Throws ShapeError for sizes that disagree.
std::vector<double> paired_draws(Pairing pairing, const PairingRows& given, ThreadPool& pool);

/// Paired draws by sample number. One caller at a time.
template <typename T>
class PairSource {
 public:
  PairSource(const Model& model, std::uint64_t seed, ThreadPool& pool);

  /// Draws of the base for samples first, ..., first + count - 1 and the data rows of `batch`:
  /// valid until the next call. `parameters` are in the layout of the model's store.
  const T* fill(Pairing pairing, const typename BatchSource<T>::Batch& batch, std::uint64_t first,
                std::int64_t count, std::span<const double> parameters);

 private:
  const Model& model_;
  ThreadPool& pool_;
  RowMap draw_;
  std::uint64_t seed_;
  std::vector<T> values_;
};

extern template class PairSource<float>;
extern template class PairSource<double>;

}  // namespace thalweg
