// Internal coordinates of molecules: z-matrices, the map from positions and back with its
// determinant, and what happens where atoms lie on a line or coincide.
#include "thalweg/transforms/internal_coordinates.h"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>

#include "run_graph.h"
#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/core/random.h"
#include "thalweg/engine/derivatives.h"
#include "thalweg/molecules/backbone.h"
#include "thalweg/molecules/named_system.h"

namespace thalweg {
namespace {

using testing::run_graph;
using Rows = std::vector<double>;

/// Eight atoms: a carbon with four neighbours, one of which leads on to three more.
const std::vector<AtomPair> kBonds = {{0, 1}, {1, 2}, {1, 3}, {1, 4}, {2, 5}, {5, 6}, {5, 7}};

InternalCoordinates branched() { return InternalCoordinates(make_z_matrix(8, kBonds, "branched")); }

/// The same atoms with five of them as anchors, superposed on a reference.
const std::vector<double> kReference = {0.0,  0.0,   0.0,   0.15, 0.01,  0.0,   -0.05, 0.1,
                                        0.02, -0.04, -0.06, 0.08, -0.03, -0.05, -0.09};
InternalCoordinates anchored() {
  const std::vector<ZMatrixRow> rows = {{5, 2, 1, 3}, {6, 5, 2, 1}, {7, 5, 2, 6}};
  return InternalCoordinates(complete_z_matrix(rows, 8, kBonds, "anchored"), "anchored", {},
                             EckartFrame(kReference, {}, "reference"));
}

struct Both {
  Rows value;
  double log_det;
};

Both to_internal(const InternalCoordinates& map, const Rows& x) {
  const ParameterStore none;
  Graph graph(none);
  const Mapped mapped = map.to_internal(graph.input({map.positions(), 1}));
  const auto found = run_graph<double>(graph, {mapped.value, mapped.log_det}, {x}, {1});
  return {found[0], found[1][0]};
}

Both to_positions(const InternalCoordinates& map, const Rows& q) {
  const ParameterStore none;
  Graph graph(none);
  const Mapped mapped = map.to_positions(graph.input({map.features(), 1}));
  const auto found = run_graph<double>(graph, {mapped.value, mapped.log_det}, {q}, {1});
  return {found[0], found[1][0]};
}

/// Bonds of 0.09 to 0.16 nm, angles of 0.5 to 2.6 and torsions of all sizes.
Rows random_internal(const InternalCoordinates& map, std::uint64_t number) {
  RandomSequence random(3, Stream::kEvaluation, number);
  Rows q;
  for (const InternalCoordinate& each : map.coordinates()) {
    const double uniform = random.uniform();
    q.push_back(each.kind == InternalKind::kBond        ? 0.09 + 0.07 * uniform
                : each.kind == InternalKind::kAngle     ? 0.5 + 2.1 * uniform
                : each.kind == InternalKind::kComponent ? 0.05 * (2.0 * uniform - 1.0)
                                                        : std::numbers::pi * (2.0 * uniform - 1.0));
  }
  return q;
}

/// Turned by a random rotation and moved.
Rows moved(const Rows& x, std::uint64_t number) {
  RandomSequence random(4, Stream::kEvaluation, number);
  Eigen::Quaterniond turn(random.normal(), random.normal(), random.normal(), random.normal());
  turn.normalize();
  const Eigen::Vector3d shift(random.normal(), random.normal(), random.normal());
  Rows result;
  for (std::size_t i = 0; i < x.size(); i += 3) {
    const Eigen::Vector3d at = turn * Eigen::Vector3d(x[i], x[i + 1], x[i + 2]) + shift;
    result.insert(result.end(), at.data(), at.data() + 3);
  }
  return result;
}

void expect_near(const Rows& a, const Rows& b, double tolerance) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << i;
}

/// Both ways to place the first atoms.
class InternalMaps : public ::testing::TestWithParam<InternalCoordinates (*)()> {};
INSTANTIATE_TEST_SUITE_P(All, InternalMaps, ::testing::Values(branched, anchored));

TEST_P(InternalMaps, RoundTripsAndKnowsNoRigidMotion) {
  const InternalCoordinates map = GetParam()();
  ASSERT_EQ(map.features(), 18);
  ASSERT_EQ(map.coordinates().size(), 18U);
  for (std::uint64_t number = 0; number < 20; ++number) {
    const Rows q = random_internal(map, number);
    const Both there = to_positions(map, q);
    const Both back = to_internal(map, moved(there.value, number));
    expect_near(back.value, q, 1e-12);
    EXPECT_NEAR(back.log_det, -there.log_det, 1e-11);
    expect_near(to_positions(map, back.value).value, there.value, 1e-12);
  }
}

/// d^{3N}x = J dq d^3t dR, with a rotation vector for dR, whose whole measure is 8 pi^2.
TEST_P(InternalMaps, HasTheDeterminantOfTheWholeJacobian) {
  const InternalCoordinates map = GetParam()();
  const std::int64_t n = map.positions();
  for (std::uint64_t number = 0; number < 5; ++number) {
    const Rows q = random_internal(map, number);
    const Both there = to_positions(map, q);
    Eigen::MatrixXd whole(n, n);
    constexpr double kStep = 1e-6;
    for (std::int64_t i = 0; i < map.features(); ++i) {
      Rows up = q, down = q;
      up[static_cast<std::size_t>(i)] += kStep;
      down[static_cast<std::size_t>(i)] -= kStep;
      const Rows above = to_positions(map, up).value, below = to_positions(map, down).value;
      for (std::int64_t j = 0; j < n; ++j) {
        const auto place = static_cast<std::size_t>(j);
        whole(j, i) = (above[place] - below[place]) / (2.0 * kStep);
      }
    }
    for (std::int64_t axis = 0; axis < 3; ++axis)
      for (std::int64_t atom = 0; atom < map.atoms(); ++atom) {
        const auto* x = &there.value[static_cast<std::size_t>(3 * atom)];
        const Eigen::Vector3d turn =
            Eigen::Vector3d::Unit(axis).cross(Eigen::Vector3d(x[0], x[1], x[2]));
        for (std::int64_t k = 0; k < 3; ++k) {
          whole(3 * atom + k, map.features() + axis) = turn[k];
          whole(3 * atom + k, map.features() + 3 + axis) = k == axis ? 1.0 : 0.0;
        }
      }
    const double expected = std::log(std::abs(whole.determinant())) +
                            std::log(8.0 * std::numbers::pi * std::numbers::pi);
    EXPECT_NEAR(there.log_det, expected, 1e-7);
  }
}

// Torsions beyond half a turn from 0, where the middle of their range is elsewhere.
TEST(InternalCoordinates, TurnsTorsionsAboutTheirMiddles) {
  const InternalCoordinates plain = branched();
  std::vector<double> middles;
  for (std::size_t i = 3; i < plain.rows().size(); ++i)
    middles.push_back(3.0 - 1.5 * static_cast<double>(i - 3));
  const InternalCoordinates map(plain.rows(), "branched", middles);
  for (std::uint64_t number = 0; number < 20; ++number) {
    const Both there = to_positions(plain, random_internal(plain, number));
    const Both own = to_internal(map, there.value), known = to_internal(plain, there.value);
    EXPECT_NEAR(own.log_det, known.log_det, 1e-12);
    for (std::size_t i = 0; i < own.value.size(); ++i) {
      const InternalCoordinate& coordinate = map.coordinates()[i];
      if (coordinate.kind != InternalKind::kTorsion) {
        EXPECT_NEAR(own.value[i], known.value[i], 1e-12);
        continue;
      }
      const auto row = std::ranges::find(map.rows(), coordinate.row.atom, &ZMatrixRow::atom);
      const double middle = middles[static_cast<std::size_t>(row - map.rows().begin()) - 3];
      EXPECT_LE(std::abs(own.value[i] - middle), std::numbers::pi + 1e-12);
      EXPECT_NEAR(std::remainder(own.value[i] - known.value[i], 2.0 * std::numbers::pi), 0.0,
                  1e-12);
    }
    expect_near(to_positions(map, own.value).value, there.value, 1e-12);
  }
  EXPECT_THROW(InternalCoordinates(plain.rows(), "branched", {0.5}), ShapeError);
}

TEST(InternalCoordinates, MeasuresWhatItIsNamedFor) {
  // A bond of 0.1, an angle of 90 degrees, a torsion of 90 degrees: IUPAC's sign.
  const InternalCoordinates map(
      make_z_matrix(4, std::vector<AtomPair>{{0, 1}, {1, 2}, {2, 3}}, "4"));
  const Rows x = {0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2, 0.0, 0.0, 0.2, 0.3};
  const Rows q = to_internal(map, x).value;
  for (std::size_t i = 0; i < q.size(); ++i) {
    const InternalCoordinate& each = map.coordinates()[i];
    const ZMatrixRow& row = each.row;
    if (each.kind == InternalKind::kBond) {
      const std::int32_t both = row.atom + row.bond_to;
      EXPECT_NEAR(q[i], both == 1 ? 0.1 : both == 3 ? 0.2 : 0.3, 1e-15);
    } else if (each.kind == InternalKind::kAngle) {
      EXPECT_NEAR(q[i], 0.5 * std::numbers::pi, 1e-15);
    } else {
      EXPECT_NEAR(q[i], dihedral_angle(x, {row.atom, row.bond_to, row.angle_to, row.torsion_to}),
                  1e-14);
    }
  }
}

TEST(InternalCoordinates, TellMirrorImagesApart) {
  const InternalCoordinates map = branched();
  const Rows q = random_internal(map, 7);
  Rows mirrored = to_positions(map, q).value;
  for (std::size_t i = 0; i < mirrored.size(); i += 3) mirrored[i] = -mirrored[i];
  const Rows found = to_internal(map, mirrored).value;
  for (std::size_t i = 0; i < q.size(); ++i) {
    const bool torsion = map.coordinates()[i].kind == InternalKind::kTorsion;
    EXPECT_NEAR(found[i], torsion ? -q[i] : q[i], 1e-12) << i;
  }
}

TEST_P(InternalMaps, HasSlopesThatDifferencesConfirm) {
  const InternalCoordinates map = GetParam()();
  const Rows x = moved(to_positions(map, random_internal(map, 2)).value, 1);
  const ParameterStore none;
  Graph graph(none);
  const Value input = graph.input({map.positions(), 1});
  const Mapped mapped = map.to_internal(input);
  const Value total = sum(sin(3.0 * mapped.value)) + mapped.log_det;
  const Rows slope = run_graph<double>(graph, {vjp({total}, {}, {input})[0]}, {x}, {1})[0];
  const auto value = [&](const Rows& at) {
    return run_graph<double>(graph, {total}, {at}, {1})[0][0];
  };
  for (std::size_t i = 0; i < x.size(); ++i) {
    Rows up = x, down = x;
    up[i] += 1e-6;
    down[i] -= 1e-6;
    EXPECT_NEAR(slope[i], (value(up) - value(down)) / 2e-6, 1e-5 * (1.0 + std::abs(slope[i]))) << i;
  }
}

/// Components against Eigen's: the least sum of squared distances, by a singular value
/// decomposition (Kabsch 1976), and derivatives up to the third by differences of the ones below.
TEST(EckartFrame, SuperposesAsASingularValueDecompositionDoes) {
  const EckartFrame frame(kReference, {}, "reference");
  const ParameterStore none;
  Graph graph(none);
  const Value input = graph.input({15, 1});
  const EckartFrame::Superposed found = frame.superpose(reshape(input, {5, 3}));
  RandomSequence random(5, Stream::kEvaluation, 0);
  using Points = Eigen::Matrix<double, 5, 3, Eigen::RowMajor>;
  for (std::uint64_t number = 0; number < 50; ++number) {
    Rows x = kReference;
    for (double& value : x) value += 0.03 * random.normal();
    x = moved(x, number);
    const auto values =
        run_graph<double>(graph, {found.components, found.positions, found.turn}, {x}, {1});
    Points at = Eigen::Map<const Points>(x.data());
    at.rowwise() -= at.colwise().mean().eval();
    const Eigen::Map<const Points> reference(frame.reference().data());
    const Eigen::Matrix3d correlation = at.transpose() * reference;
    const Eigen::JacobiSVD<Eigen::Matrix3d> parts(correlation,
                                                  Eigen::ComputeFullU | Eigen::ComputeFullV);
    Eigen::Vector3d signs(1.0, 1.0, (parts.matrixU() * parts.matrixV()).determinant() > 0 ? 1 : -1);
    const Points superposed =
        at * parts.matrixU() * signs.asDiagonal() * parts.matrixV().transpose();
    expect_near(values[1], Rows(superposed.data(), superposed.data() + 15), 1e-13);
    // Nothing of the positions is lost in the components.
    expect_near(run_graph<double>(graph, {reshape(frame.to_positions(found.components), {15, 1})},
                                  {x}, {1})[0],
                values[1], 1e-13);
  }
}

TEST(EckartFrame, HasThreeDerivatives) {
  const EckartFrame frame(kReference, {}, "reference");
  const ParameterStore none;
  Graph graph(none);
  const Value input = graph.input({15, 1});
  const Value components = frame.superpose(reshape(input, {5, 3})).components;
  // Slopes of sums of all entries of the slopes before, times numbers that differ.
  std::vector<double> weights;
  for (int i = 0; i < 15; ++i) weights.push_back(std::sin(1.0 + i));
  const Value weight = graph.constant({15, 1}, weights);
  std::vector<Value> orders = {sum(components * slice(weight, 0, 9))};
  for (int order = 1; order <= 3; ++order)
    orders.push_back(sum(vjp({orders.back()}, {}, {input})[0] * weight));
  Rows x = kReference;
  RandomSequence random(6, Stream::kEvaluation, 0);
  for (double& value : x) value += 0.02 * random.normal();
  x = moved(x, 3);
  const auto at = [&](double step) {
    Rows there = x;
    for (std::size_t i = 0; i < there.size(); ++i) there[i] += step * weights[i];
    Rows values;
    for (const auto& value : run_graph<double>(graph, orders, {there}, {1}))
      values.push_back(value[0]);
    return values;
  };
  constexpr double kStep = 1e-5;
  const Rows here = at(0.0), up = at(kStep), down = at(-kStep);
  for (std::size_t order = 1; order <= 3; ++order)
    EXPECT_NEAR(here[order], (up[order - 1] - down[order - 1]) / (2.0 * kStep),
                1e-6 * (1.0 + std::abs(here[order])))
        << order;
}

TEST(EckartFrame, SaysWhereThereIsNoSuperposition) {
  const EckartFrame frame(kReference, {}, "reference");
  const ParameterStore none;
  Graph graph(none);
  const Value c = graph.input({9, 1});
  const Value volume = frame.log_volume(frame.to_positions(c));
  // Far out positions would be turned further: hardly anything weighs there.
  const auto of = [&](double size) {
    Rows components(9, 0.0);
    for (std::size_t i = 0; i < 9; ++i) components[i] = i % 2 == 0 ? size : -size;
    return run_graph<double>(graph, {volume}, {components}, {1})[0][0];
  };
  EXPECT_GT(of(0.0), of(10.0) + 30.0);
  EXPECT_TRUE(std::isfinite(of(10.0)));
  Graph other(none);
  const Value x = other.input({15, 1});
  const Value found = frame.superpose(reshape(x, {5, 3})).components;
  Rows line;
  for (int i = 0; i < 5; ++i) line.insert(line.end(), {0.1 * i, 0.2 * i, 0.0});
  for (const Rows& none_of_these : {line, Rows(15, 0.3)}) {
    const Rows values = run_graph<double>(other, {found}, {none_of_these}, {1})[0];
    for (const double value : values) EXPECT_TRUE(std::isnan(value));
  }
  Rows flat(15, 0.0);
  for (std::size_t i = 0; i < 15; i += 3) flat[i] = static_cast<double>(i);
  EXPECT_THROW(EckartFrame(flat, {}, "flat"), DataError);
  EXPECT_THROW(EckartFrame(Rows(6, 0.0), {}, "two"), ShapeError);
  EXPECT_THROW(EckartFrame(kReference, Rows(20, 0.1), "few"), ShapeError);
  EXPECT_THROW(EckartFrame(kReference, Rows(135, 0.1), "equal"), DataError);
}

TEST(EckartFrame, SortsDirectionsByHowMuchTheyVary) {
  const EckartFrame frame(kReference, {}, "reference");
  Rows covariance(81, 0.0);
  for (std::size_t i = 0; i < 9; ++i) covariance[10 * i] = static_cast<double>(1 + (i * 5) % 9);
  const Rows sorted = principal_directions(frame, covariance);
  const EckartFrame turned(kReference, sorted, "sorted");
  // The direction whose variance is the largest is the first, up to its sign.
  for (std::size_t i = 0; i < 9; ++i) {
    if (covariance[10 * i] != 9.0) continue;
    double product = 0.0;
    for (std::size_t k = 0; k < 15; ++k) product += sorted[k] * frame.directions()[15 * i + k];
    EXPECT_NEAR(std::abs(product), 1.0, 1e-12);
  }
}

TEST(InternalCoordinates, StayFiniteWhereAtomsAreOnALineOrCoincide) {
  const InternalCoordinates map = branched();
  Rows line, point(24, 0.3);
  for (int i = 0; i < 8; ++i) line.insert(line.end(), {0.1 * i, 0.2 * i, 0.0});
  const ParameterStore none;
  Graph graph(none);
  const Value input = graph.input({map.positions(), 1});
  const Mapped mapped = map.to_internal(input);
  const Value slope = vjp({sum(mapped.value) + mapped.log_det}, {}, {input})[0];
  for (const Rows& x : {line, point}) {
    const auto found = run_graph<double>(graph, {mapped.value, mapped.log_det, slope}, {x}, {1});
    for (const Rows& values : found)
      for (const double value : values) EXPECT_TRUE(std::isfinite(value));
    const std::vector<float> narrow(x.begin(), x.end());
    for (const auto& values :
         run_graph<float>(graph, {mapped.value, mapped.log_det, slope}, {narrow}, {1}))
      for (const float value : values) EXPECT_FALSE(std::isnan(value));
  }
  Rows straight = random_internal(map, 0);
  for (std::size_t i = 0; i < straight.size(); ++i)
    if (map.coordinates()[i].kind == InternalKind::kAngle) straight[i] = std::numbers::pi;
  for (const double value : to_positions(map, straight).value) EXPECT_TRUE(std::isfinite(value));
}

TEST_P(InternalMaps, TurnsVectorsWithTheMolecule) {
  const InternalCoordinates map = GetParam()();
  const Rows still = to_positions(map, random_internal(map, 3)).value;
  const Rows turned = moved(still, 9);
  // Differences of positions are vectors.
  Rows arrows, turned_arrows;
  for (std::size_t i = 0; i < still.size(); ++i) {
    arrows.push_back(still[i] - still[i % 3]);
    turned_arrows.push_back(turned[i] - turned[i % 3]);
  }
  const ParameterStore none;
  Graph graph(none);
  const Value x = graph.input({24, 1}), vectors = graph.input({24, 1});
  const Rows found =
      run_graph<double>(graph, {map.to_frame(x, vectors)}, {turned, turned_arrows}, {1})[0];
  expect_near(found, arrows, 1e-12);
}

void expect_failure(const std::function<void()>& call, const std::string& part) {
  try {
    call();
    FAIL() << "expected a failure with '" << part << "'";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

TEST(ZMatrix, IsMadeAlongBonds) {
  const std::vector<ZMatrixRow> rows = make_z_matrix(8, kBonds, "branched");
  ASSERT_EQ(rows.size(), 8U);
  check_z_matrix_bonds(rows, kBonds, atom_names({}, 8), "branched");
  // Complete already, so nothing moves.
  EXPECT_EQ(complete_z_matrix(rows, 8, kBonds, "branched"), rows);
  expect_failure(
      [] {
        make_z_matrix(4, std::vector<AtomPair>{{0, 1}, {1, 2}}, "cut");
      },
      "no chain of bonds");
  expect_failure([] { make_z_matrix(2, std::vector<AtomPair>{{0, 1}}, "two"); }, "at least 3");
}

TEST(ZMatrix, IsCompletedWhereAnchorsHaveNoRow) {
  const std::vector<ZMatrixRow> given = {
      {0, 1, 2, 5}, {3, 1, 2, 0}, {4, 1, 2, 0}, {6, 5, 2, 1}, {7, 5, 2, 6}};
  const std::vector<ZMatrixRow> rows = complete_z_matrix(given, 8, kBonds, "anchors");
  ASSERT_EQ(rows.size(), 8U);
  EXPECT_EQ(rows[0], (ZMatrixRow{1, -1, -1, -1}));
  EXPECT_EQ(rows[1], (ZMatrixRow{2, 1, -1, -1}));
  EXPECT_EQ(rows[2], (ZMatrixRow{5, 2, 1, -1}));
  check_z_matrix_bonds(rows, kBonds, atom_names({}, 8), "anchors");
}

TEST(ZMatrix, RefusesWhatIsNone) {
  const auto complete = [](std::vector<ZMatrixRow> rows) {
    return [rows] { complete_z_matrix(rows, 4, {}, "bad"); };
  };
  expect_failure(complete({{0}, {1, 0}, {2, 1, 0}, {3, 2, 1, 3}}), "three other atoms");
  expect_failure(complete({{0}, {1, 0}, {2, 1, 0}, {2, 1, 0}}), "two rows");
  expect_failure(complete({{0}, {1, 0}, {2, 1, 0}, {9, 2, 1, 0}}), "expected atoms from 0 to 3");
  expect_failure(complete({{0}, {1, 0}, {2, 3, 0}, {3, 2, 1, 0}}), "cannot be placed");
  const std::vector<ZMatrixRow> rows = {{0}, {1, 0}, {2, 1, 0}, {3, 2, 1, 0}};
  expect_failure(
      [&] {
        check_z_matrix_bonds(rows, std::vector<AtomPair>{{0, 1}, {1, 2}, {1, 3}}, atom_names({}, 4),
                             "bad");
      },
      "to which it is not bonded");
  for (const ZMatrixRow& row : rows) EXPECT_EQ(z_matrix_row(text_of(row)), row);
  expect_failure([] { z_matrix_row("1 2 x"); }, "molecule.rows");
  expect_failure([] { z_matrix_row(""); }, "molecule.rows");
}

TEST(ZMatrix, IsReadFromATable) {
  const TemporaryFolder folder;
  const std::string path = folder.path("z.csv");
  std::ofstream(path) << "atom,bond_to,angle_to,dihedral_to\n0,1,2,3\n2,1,3,-1\n3,1,-1,-1\n"
                         "1,-1,-1,-1\n";
  EXPECT_EQ(read_z_matrix(path, 4, {}).rows,
            (std::vector<ZMatrixRow>{{1}, {3, 1}, {2, 1, 3}, {0, 1, 2, 3}}));
  EXPECT_EQ(read_z_matrix(path, 4, {}).anchors, 0);
  std::ofstream(path) << "atom,bond_to,angle_to,dihedral_to\n0,1,2,3\n";
  EXPECT_EQ(read_z_matrix(path, 4, {}).rows,
            (std::vector<ZMatrixRow>{{1}, {2, 1}, {3, 1, 2}, {0, 1, 2, 3}}));
  EXPECT_EQ(read_z_matrix(path, 4, {}).anchors, 3);
  std::ofstream(path) << "atom,bond,angle\n0,1,2\n";
  expect_failure([&] { read_z_matrix(path, 4, {}); }, "expected the columns");
  std::ofstream(path) << "atom,bond_to,angle_to,dihedral_to\n0.5,1,2,3\n";
  expect_failure([&] { read_z_matrix(path, 4, {}); }, "expected numbers of atoms");
}

TEST(AtomLabels, GoToTextAndBack) {
  const AtomLabel atom{.name = "CA", .residue = "ALA", .residue_number = 2, .element = "C"};
  EXPECT_EQ(text_of(atom), "CA ALA 2 C -");
  const AtomLabel back = atom_label(text_of(atom));
  EXPECT_EQ(back.name, "CA");
  EXPECT_EQ(back.residue_number, 2);
  EXPECT_EQ(back.chain, "");
  EXPECT_TRUE(
      same_atom({.name = "1HH3", .residue_number = 1}, {.name = "HH31", .residue_number = 1}));
  EXPECT_FALSE(same_atom({.name = "CA"}, {.name = "CB"}));
  expect_failure([] { atom_label("CA ALA"); }, "molecule.atoms");
}

}  // namespace
}  // namespace thalweg
