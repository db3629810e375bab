#include "thalweg/training/pairing.h"

#include <Eigen/Dense>
#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <type_traits>
#include <utility>

#include "thalweg/core/assignment.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"

namespace thalweg {
namespace {

using Row = std::span<const double>;
using Particles = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

double squared_distance(Row a, Row b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return sum;
}

Particles particles_of(Row row, std::int64_t dimensions) {
  return Eigen::Map<const Particles>(row.data(), std::ssize(row) / dimensions, dimensions);
}

/// Numbers of particles that are alike.
using Alike = std::vector<std::vector<Eigen::Index>>;

/// By what they are, one number a particle.
template <typename Numbers>
Alike particles_alike(const Numbers& kinds) {
  std::map<typename Numbers::value_type, std::vector<Eigen::Index>> of_type;
  for (std::size_t i = 0; i < kinds.size(); ++i)
    of_type[kinds[i]].push_back(static_cast<Eigen::Index>(i));
  Alike alike;
  for (auto& [type, members] : of_type) alike.push_back(std::move(members));
  return alike;
}

/// The particles of `draw` in the order in which they are nearest to those of `row`.
Particles permuted(const Particles& draw, const Particles& row, const Alike& alike) {
  Particles result(row.rows(), row.cols());
  std::vector<double> costs;
  for (const std::vector<Eigen::Index>& members : alike) {
    costs.clear();
    for (const Eigen::Index i : members)
      for (const Eigen::Index j : members)
        costs.push_back((row.row(i) - draw.row(j)).squaredNorm());
    const Assignment found = least_assignment(costs, std::ssize(members));
    for (std::size_t i = 0; i < members.size(); ++i)
      result.row(members[i]) = draw.row(members[static_cast<std::size_t>(found.column_of_row[i])]);
  }
  return result;
}

/// The squared distance after the draw has been permuted and turned.
double equivariant_distance(const Particles& draw, const Particles& row, const Alike& alike) {
  const Particles moved = permuted(draw, row, alike);
  const Eigen::MatrixXd product = moved.transpose() * row;
  const double trace = Eigen::JacobiSVD<Eigen::MatrixXd>(product).singularValues().sum();
  return draw.squaredNorm() + row.squaredNorm() - 2.0 * trace;
}

/// The draw so permuted and turned.
Particles aligned(const Particles& draw, const Particles& row, const Alike& alike) {
  const Particles moved = permuted(draw, row, alike);
  const Eigen::MatrixXd product = moved.transpose() * row;
  const Eigen::JacobiSVD<Eigen::MatrixXd> parts(product, Eigen::ComputeFullU | Eigen::ComputeFullV);
  return moved * parts.matrixU() * parts.matrixV().transpose();
}

/// Pairs the rows of each condition in blocks.
class Pairs {
 public:
  Pairs(Pairing pairing, const PairingRows& given, ThreadPool& pool)
      : equivariant_(pairing == Pairing::kEquivariant),
        given_(given),
        pool_(pool),
        result_(given.draws.begin(), given.draws.end()) {
    if (!equivariant_) return;
    particles_ = given.features / given.dimensions;
    alike_ = particles_alike(given.types.empty()
                                 ? std::vector<std::int64_t>(static_cast<std::size_t>(particles_))
                                 : given.types);
  }

  std::vector<double> run() && {
    for (std::int64_t row = 0; row < given_.count; ++row)
      if (std::ranges::all_of(data(row), [](double value) { return std::isfinite(value); }))
        order_.push_back(row);
    std::ranges::stable_sort(
        order_, [&](std::int64_t a, std::int64_t b) { return compare_conditions(a, b) < 0; });
    for (std::size_t begin = 0; begin < order_.size();) {
      std::size_t end = begin + 1;
      while (end < order_.size() && compare_conditions(order_[begin], order_[end]) == 0) ++end;
      add_blocks(begin, end);
      begin = end;
    }
    // So many at a time that memory stays small.
    constexpr std::size_t kAtOnce = 32;
    for (std::size_t begin = 0; begin < blocks_.size(); begin += kAtOnce)
      pair(std::span(blocks_).subspan(begin, std::min(kAtOnce, blocks_.size() - begin)));
    return std::move(result_);
  }

 private:
  Row part(Row all, std::int64_t row, std::int64_t width) const {
    return all.subspan(static_cast<std::size_t>(row * width), static_cast<std::size_t>(width));
  }
  Row data(std::int64_t row) const { return part(given_.rows, row, given_.features); }
  Row draw(std::int64_t row) const { return part(given_.draws, row, given_.features); }

  /// Particles of a row that are alike.
  Alike alike_of(std::int64_t row) const {
    if (!given_.species) return alike_;
    return particles_alike(part(given_.context, row, given_.context_features)
                               .last(static_cast<std::size_t>(particles_)));
  }

  /// By their bits: an order of no other meaning.
  int compare_conditions(std::int64_t a, std::int64_t b) const {
    const Row first = part(given_.context, a, given_.context_features);
    const Row second = part(given_.context, b, given_.context_features);
    for (std::size_t i = 0; i < first.size(); ++i) {
      const auto x = std::bit_cast<std::uint64_t>(first[i]);
      const auto y = std::bit_cast<std::uint64_t>(second[i]);
      if (x != y) return x < y ? -1 : 1;
    }
    return 0;
  }

  /// Rows that exchange their draws: places in `order_`.
  struct Block {
    std::size_t begin = 0, size = 0;
    std::vector<double> costs = {};
    std::vector<std::int32_t> chosen = {};
  };

  /// Of rows with the same condition: as few blocks as may be, of nearly equal sizes.
  void add_blocks(std::size_t begin, std::size_t end) {
    constexpr auto kMost = static_cast<std::size_t>(kPairingBlock);
    const std::size_t size = end - begin, count = (size + kMost - 1) / kMost;
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t from = i * size / count, to = (i + 1) * size / count;
      blocks_.push_back({begin + from, to - from});
    }
  }

  void pair(std::span<Block> blocks) {
    std::vector<std::pair<Block*, std::size_t>> rows;
    for (Block& block : blocks) {
      block.costs.resize(block.size * block.size);
      for (std::size_t i = 0; i < block.size; ++i) rows.emplace_back(&block, i);
    }
    const auto count = std::ssize(rows);
    const auto row_of = [&](std::int64_t task) { return rows[static_cast<std::size_t>(task)]; };
    pool_.parallel(count, [&](std::int64_t task, int) {
      fill_costs(*row_of(task).first, row_of(task).second);
    });
    pool_.parallel(std::ssize(blocks), [&](std::int64_t task, int) {
      Block& block = blocks[static_cast<std::size_t>(task)];
      block.chosen =
          least_assignment(block.costs, static_cast<std::int64_t>(block.size)).column_of_row;
      block.costs = {};
    });
    pool_.parallel(count, [&](std::int64_t task, int) {
      take_draw(*row_of(task).first, row_of(task).second);
    });
  }

  /// Row `i` of a block takes the draw that was chosen for it.
  void take_draw(const Block& block, std::size_t i) {
    const std::int64_t row = order_[block.begin + i];
    const Row from = draw(order_[block.begin + static_cast<std::size_t>(block.chosen[i])]);
    double* to = result_.data() + row * given_.features;
    if (equivariant_) {
      const Particles moved = aligned(particles_of(from, given_.dimensions),
                                      particles_of(data(row), given_.dimensions), alike_of(row));
      std::copy_n(moved.data(), moved.size(), to);
    } else {
      std::ranges::copy(from, to);
    }
  }

  void fill_costs(Block& block, std::size_t i) {
    double* costs = block.costs.data() + i * block.size;
    const auto rows = std::span(order_).subspan(block.begin, block.size);
    const Row row = data(rows[i]);
    if (!equivariant_) {
      for (const std::int64_t other : rows) *costs++ = squared_distance(draw(other), row);
      return;
    }
    const Particles particles = particles_of(row, given_.dimensions);
    const Alike alike = alike_of(rows[i]);
    for (const std::int64_t other : rows)
      *costs++ =
          equivariant_distance(particles_of(draw(other), given_.dimensions), particles, alike);
  }

  bool equivariant_;
  const PairingRows& given_;
  ThreadPool& pool_;
  std::vector<double> result_;
  std::vector<std::int64_t> order_;  // rows that are paired, by condition
  std::vector<Block> blocks_;
  std::int64_t particles_ = 0;
  Alike alike_;  // of all rows, unless they have species of their own
};

void check(Pairing pairing, const PairingRows& given) {
  const auto expect = [](const char* what, std::size_t got, std::int64_t expected) {
    if (static_cast<std::int64_t>(got) != expected)
      fail<ShapeError>("pairing: expected {} {} values, got {}", expected, what, got);
  };
  expect("draws'", given.draws.size(), given.count * given.features);
  expect("rows'", given.rows.size(), given.count * given.features);
  expect("condition's", given.context.size(), given.count * given.context_features);
  if (pairing == Pairing::kEquivariant &&
      (given.dimensions < 1 || given.features % given.dimensions != 0))
    fail<ShapeError>(
        "pairing: expected whole particles in 1 or more dimensions, got {} values in {}",
        given.features, given.dimensions);
  if (pairing == Pairing::kEquivariant && !given.types.empty() &&
      std::ssize(given.types) * given.dimensions != given.features)
    fail<ShapeError>("pairing: expected a type for each of {} particles, got {}",
                     given.features / given.dimensions, given.types.size());
  if (pairing == Pairing::kEquivariant && given.species &&
      given.context_features * given.dimensions < given.features)
    fail<ShapeError>("pairing: expected a condition that ends with {} species, got {} numbers",
                     given.features / given.dimensions, given.context_features);
}

/// Row `sample` of a batch's input.
template <typename T>
void append_rows(const BatchInput<T>& input, std::int64_t count, std::int64_t width,
                 std::vector<double>& to) {
  for (std::int64_t sample = 0; sample < count; ++sample) {
    const T* row = input.data + (input.rows != nullptr ? input.rows[sample] : sample) * width;
    to.insert(to.end(), row, row + width);
  }
}

RowMap draws_of(const Model& model, ThreadPool& pool, Precision precision) {
  const Flow& flow = model.flow();
  Graph graph(model.parameters());
  const Value context =
      flow.context_features() > 0 ? graph.input({flow.context_features(), 1}) : Value{};
  return RowMap(graph, {flow.draw(graph, 0, context)}, pool, precision);
}

}  // namespace

std::vector<double> paired_draws(Pairing pairing, const PairingRows& given, ThreadPool& pool) {
  check(pairing, given);
  if (pairing == Pairing::kIndependent) return {given.draws.begin(), given.draws.end()};
  return Pairs(pairing, given, pool).run();
}

template <typename T>
PairSource<T>::PairSource(const Model& model, std::uint64_t seed, ThreadPool& pool)
    : model_(model),
      pool_(pool),
      draw_(draws_of(model, pool,
                     std::is_same_v<T, float> ? Precision::kFloat : Precision::kDouble)) {
  // A seed of its own, since the graph of a step draws with the run's.
  seed_ = derived_seed(seed, Stream::kSampling, 0, UINT32_MAX);
}

template <typename T>
const T* PairSource<T>::fill(Pairing pairing, const typename BatchSource<T>::Batch& batch,
                             std::uint64_t first, std::int64_t count,
                             std::span<const double> parameters) {
  const Flow& flow = model_.flow();
  std::vector<double> rows, context;
  append_rows(batch.rows, count, flow.features(), rows);
  if (flow.context_features() > 0)
    append_rows(batch.context, count, flow.context_features(), context);
  std::vector<std::span<const double>> inputs;
  if (flow.context_features() > 0) inputs.push_back(context);
  const std::vector<double> draws = draw_({.rows = count,
                                           .inputs = inputs,
                                           .seed = seed_,
                                           .first_sample = first,
                                           .parameters = parameters});
  const std::vector<double> paired =
      paired_draws(pairing,
                   {.count = count,
                    .features = flow.features(),
                    .context_features = flow.context_features(),
                    .dimensions = flow.base().mean_free_dimensions(),
                    .types = model_.options().flow.particle_types,
                    .species = !model_.options().flow.species.empty(),
                    .draws = draws,
                    .rows = rows,
                    .context = context},
                   pool_);
  values_.assign(paired.begin(), paired.end());
  return values_.data();
}

template class PairSource<float>;
template class PairSource<double>;

}  // namespace thalweg
