#include "thalweg/io/npy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"

namespace thalweg {
namespace {

using Shape = std::vector<std::int64_t>;
using Values = std::vector<double>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A file as NumPy lays it out, from the words of its header.
std::string npy_bytes(const std::string& header, const std::string& data, int version = 1) {
  std::string bytes = "\x93NUMPY";
  bytes += static_cast<char>(version);
  bytes += '\0';
  const std::size_t length = header.size() + 1;
  for (std::size_t i = 0; i < (version == 1 ? 2 : 4); ++i) {
    bytes += static_cast<char>(length >> (8 * i) & 255);
  }
  return bytes + header + "\n" + data;
}

std::string header_of(const std::string& type, const std::string& order, const std::string& shape) {
  return "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

template <typename T>
std::string memory(const std::vector<T>& values, bool big_endian = false) {
  std::string bytes;
  for (const T value : values) {
    char item[sizeof(T)];
    std::memcpy(item, &value, sizeof(T));
    if (big_endian) std::reverse(item, item + sizeof(T));
    bytes.append(item, sizeof(T));
  }
  return bytes;
}

template <typename T>
void expect_type(const std::string& name, bool integer, const std::vector<T>& values) {
  const TemporaryFolder folder;
  for (const bool big_endian : {false, true}) {
    const std::string type = (sizeof(T) == 1 ? "|" : big_endian ? ">" : "<") + name;
    const Array array = read_npy(folder.file(
        "a.npy", npy_bytes(header_of(type, "False", "(3,)"), memory(values, big_endian))));
    EXPECT_EQ(array.shape, Shape{3}) << type;
    EXPECT_EQ(array.values, Values(values.begin(), values.end())) << type;
    EXPECT_EQ(array.integer_dtype, integer) << type;
    EXPECT_EQ(array.single_precision, name == "f4") << type;
  }
}

template <typename T>
std::vector<T> extremes() {
  return {std::numeric_limits<T>::lowest(), T{7}, std::numeric_limits<T>::max()};
}

TEST(ReadNpy, ConvertsEveryType) {
  expect_type<float>("f4", false, extremes<float>());
  expect_type<double>("f8", false, extremes<double>());
  expect_type<std::int8_t>("i1", true, extremes<std::int8_t>());
  expect_type<std::int16_t>("i2", true, extremes<std::int16_t>());
  expect_type<std::int32_t>("i4", true, extremes<std::int32_t>());
  expect_type<std::uint8_t>("u1", true, extremes<std::uint8_t>());
  expect_type<std::uint16_t>("u2", true, extremes<std::uint16_t>());
  expect_type<std::uint32_t>("u4", true, extremes<std::uint32_t>());
  constexpr std::int64_t limit = std::int64_t{1} << 53;
  expect_type<std::int64_t>("i8", true, {-limit, 7, limit});
  expect_type<std::uint64_t>("u8", true, {0, 7, std::uint64_t{1} << 53});
  const TemporaryFolder folder;
  const Array array = read_npy(
      folder.file("b.npy", npy_bytes(header_of("|b1", "False", "(3,)"), std::string("\1\0\1", 3))));
  EXPECT_EQ(array.values, (Values{1, 0, 1}));
  EXPECT_TRUE(array.integer_dtype);
}

TEST(ReadNpy, RefusesIntegersThatDoubleCannotKeep) {
  const TemporaryFolder folder;
  constexpr std::int64_t beyond = (std::int64_t{1} << 53) + 1;
  for (const std::int64_t value : {beyond, -beyond, std::numeric_limits<std::int64_t>::min()}) {
    const std::string path = folder.file(
        "a.npy",
        npy_bytes(header_of("<i8", "False", "(2,)"), memory(std::vector<std::int64_t>{1, value})));
    expect_parts(message_of<DataError>([&] { read_npy(path); }),
                 {path, std::to_string(value), "2^53", "astype"});
  }
  const std::string path =
      folder.file("u.npy", npy_bytes(header_of("<u8", "False", "(1,)"),
                                     memory(std::vector<std::uint64_t>{~std::uint64_t{0}})));
  expect_parts(message_of<DataError>([&] { read_npy(path); }), {"18446744073709551615"});
}

TEST(ReadNpy, UnderstandsVersionsAndSpellings) {
  const TemporaryFolder folder;
  const std::string data = memory(Values{1, 2});
  for (const int version : {1, 2, 3}) {
    const std::string bytes = npy_bytes(header_of("<f8", "False", "(2,)"), data, version);
    EXPECT_EQ(read_npy(folder.file("v.npy", bytes)).values, (Values{1, 2})) << version;
  }
  for (const std::string header :
       {"{\"shape\":(2L,),\"descr\":\"<f8\",\"fortran_order\":False}",
        "  { 'shape' : ( 1 , 2 ) , 'fortran_order' : True , 'descr' : '=f8' }   "}) {
    EXPECT_EQ(read_npy(folder.file("v.npy", npy_bytes(header, data))).values, (Values{1, 2}));
  }
}

TEST(ReadNpy, TurnsFortranOrderIntoCOrder) {
  const TemporaryFolder folder;
  // a[i][j][k] = 100 i + 10 j + k of shape (2, 3, 2); Fortran order runs i fastest.
  std::vector<float> c_order, fortran_order;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 2; ++k) c_order.push_back(static_cast<float>(100 * i + 10 * j + k));
  for (int k = 0; k < 2; ++k)
    for (int j = 0; j < 3; ++j)
      for (int i = 0; i < 2; ++i) fortran_order.push_back(static_cast<float>(100 * i + 10 * j + k));
  const std::string c =
      folder.file("c.npy", npy_bytes(header_of("<f4", "False", "(2, 3, 2)"), memory(c_order)));
  const std::string f =
      folder.file("f.npy", npy_bytes(header_of("<f4", "True", "(2, 3, 2)"), memory(fortran_order)));
  const Values expected(c_order.begin(), c_order.end());
  for (const std::string& path : {c, f}) {
    EXPECT_EQ(read_npy(path).values, expected);
    EXPECT_EQ(read_npy(path).shape, (Shape{2, 3, 2}));
    const Array slice = read_npy(path + "[1]");
    EXPECT_EQ(slice.shape, (Shape{3, 2}));
    EXPECT_EQ(slice.values, (Values{100, 101, 110, 111, 120, 121}));
    EXPECT_EQ(read_npy(path + "[1,2]").values, (Values{120, 121}));
    EXPECT_EQ(read_npy(path + "[0,1,1]").values, Values{11});
    EXPECT_TRUE(read_npy(path + "[0,1,1]").shape.empty());
  }
}

TEST(ReadNpy, CrossesChunksInBothOrders) {
  const TemporaryFolder folder;
  // More elements than are read at a time (2^18), in a shape that does not divide them.
  const std::int64_t rows = 200'003, columns = 3;
  std::vector<float> transposed;
  Values expected;
  for (std::int64_t c = 0; c < columns; ++c) {
    for (std::int64_t r = 0; r < rows; ++r) transposed.push_back(static_cast<float>(3 * r + c));
  }
  for (std::int64_t i = 0; i < rows * columns; ++i) expected.push_back(static_cast<double>(i));
  const std::string path =
      folder.file("f.npy", npy_bytes(header_of("<f4", "True", "(200003, 3)"), memory(transposed)));
  EXPECT_TRUE(read_npy(path).values == expected);
  write_npy(folder.path("c.npy"), Shape{rows, columns}, expected, FloatType::kFloat32);
  EXPECT_TRUE(read_npy(folder.path("c.npy")).values == expected);
}

TEST(ReadNpy, ReadsOnlyTheSliceOfALargeFile) {
  const TemporaryFolder folder;
  // A sparse file of 4 TB: reading more than the slice would not end.
  const std::string path =
      folder.file("large.npy", npy_bytes(header_of("<f8", "False", "(500000000, 500, 2)"), ""));
  const auto start = std::filesystem::file_size(path);
  std::error_code error;
  std::filesystem::resize_file(path, start + 8ULL * 500'000'000 * 1000, error);
  if (error) GTEST_SKIP() << "no sparse files of this size here: " << error.message();
  const Array slice = read_npy(path + "[499999999]");
  EXPECT_EQ(slice.shape, (Shape{500, 2}));
  EXPECT_EQ(slice.values, Values(1000, 0.0));
}

TEST(ReadNpy, KeepsWhatIsNotFinite) {
  const TemporaryFolder folder;
  const Values values = {std::nan(""), kInfinity, -kInfinity, -0.0,
                         std::numeric_limits<double>::denorm_min()};
  for (const FloatType type : {FloatType::kFloat32, FloatType::kFloat64}) {
    write_npy(folder.path("a.npy"), Shape{5}, values, type);
    const Values read = read_npy(folder.path("a.npy")).values;
    EXPECT_TRUE(std::isnan(read[0]));
    EXPECT_EQ(read[1], kInfinity);
    EXPECT_EQ(read[2], -kInfinity);
    EXPECT_TRUE(std::signbit(read[3]));
    EXPECT_EQ(read[4], type == FloatType::kFloat64 ? values[4] : 0.0);
  }
}

TEST(ReadNpy, ReadsEmptyAndSingleArrays) {
  const TemporaryFolder folder;
  const Array single =
      read_npy(folder.file("s.npy", npy_bytes(header_of("<f8", "False", "()"), memory(Values{5}))));
  EXPECT_TRUE(single.shape.empty());
  EXPECT_EQ(single.values, Values{5});
  // A zero in the shape outweighs what would overflow.
  for (const std::string order : {"False", "True"}) {
    const std::string path = folder.file(
        "e.npy",
        npy_bytes(header_of("<f8", order, "(4000000000000000000, 4000000000000000000, 0)"), ""));
    EXPECT_TRUE(read_npy(path).values.empty());
    EXPECT_TRUE(read_npy(path + "[3999999999999999999,3999999999999999999]").values.empty());
  }
}

TEST(ReadNpy, ExplainsBadSlices) {
  const TemporaryFolder folder;
  const std::string path =
      folder.file("a.npy", npy_bytes(header_of("<f8", "False", "(2, 3)"), memory(Values(6, 1.0))));
  expect_parts(message_of<DataError>([&] { read_npy(path + "[2]"); }),
               {path, "index 2", "dimension 0", "(2, 3)"});
  expect_parts(message_of<DataError>([&] { read_npy(path + "[1,3]"); }),
               {"index 3", "dimension 1"});
  expect_parts(message_of<DataError>([&] { read_npy(path + "[1,1,1]"); }),
               {"at most 2 indices", "got 3"});
  for (const std::string slice :
       {"[]", "[a]", "[-1]", "[1:2]", "[1,]", "[,1]", "[99999999999999999999]"}) {
    expect_parts(message_of<DataError>([&] { read_npy(path + slice); }), {slice, "file.npy[3,0]"});
  }
  EXPECT_EQ(read_npy(path + "[1]").values.size(), 3U);
}

TEST(ReadNpy, ExplainsWhatIsNoArrayOfNumbers) {
  const TemporaryFolder folder;
  expect_parts(message_of<DataError>([&] { read_npy(folder.path("missing.npy")); }),
               {"missing.npy", "No such file"});
  expect_parts(message_of<DataError>([&] { read_npy(folder.path("")); }), {"got a folder"});
  expect_parts(message_of<DataError>([&] { read_npy(folder.file("a.npy", "")); }), {"is empty"});
  expect_parts(message_of<DataError>([&] { read_npy(folder.file("a.npy", "x,y\n1,2\n")); }),
               {"expected a .npy array", "numpy.save"});
  expect_parts(
      message_of<DataError>([&] { read_npy(folder.file("a.npy", npy_bytes("{}", "", 9))); }),
      {"version 1, 2 or 3", "got 9"});
  const std::vector<std::pair<std::string, std::string>> types = {
      {"|O", "objects"}, {"<c16", "complex"}, {"<U5", "text"},         {"|S3", "text"},
      {"<f2", "'<f2'"},  {"<f16", "'<f16'"},  {"<M8[ns]", "'<M8[ns]'"}};
  for (const auto& [type, word] : types) {
    const std::string path =
        folder.file("a.npy", npy_bytes(header_of(type, "False", "(1,)"), std::string(16, 'x')));
    expect_parts(message_of<DataError>([&] { read_npy(path); }), {path, word, "astype"});
  }
  const std::string control =
      folder.file("a.npy", npy_bytes(header_of("<f\n", "False", "(1,)"), "12345678"));
  expect_parts(message_of<DataError>([&] { read_npy(control); }), {"'<f?'"});
  const std::string structured =
      "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,), }";
  expect_parts(message_of<DataError>(
                   [&] { read_npy(folder.file("a.npy", npy_bytes(structured, "12345678"))); }),
               {"structured type"});
}

TEST(ReadNpy, ExplainsDamage) {
  const TemporaryFolder folder;
  const std::string whole = npy_bytes(header_of("<f8", "False", "(2, 3)"), memory(Values(6, 1.0)));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const std::string path = folder.file("cut.npy", whole.substr(0, length));
    EXPECT_THROW(read_npy(path), DataError) << length;
  }
  expect_parts(message_of<DataError>(
                   [&] { read_npy(folder.file("cut.npy", whole.substr(0, whole.size() - 1))); }),
               {"expected 48 bytes", "got 47", "cut off"});
  expect_parts(message_of<DataError>([&] { read_npy(folder.file("long.npy", whole + "x")); }),
               {"expected 48 bytes", "got 49"});
  for (const std::string shape :
       {"(4294967296, 4294967296)", "(2305843009213693952,)", "(9223372036854775807, 2)"}) {
    const std::string path = folder.file("a.npy", npy_bytes(header_of("<f8", "False", shape), ""));
    expect_parts(message_of<DataError>([&] { read_npy(path); }), {path, "larger than any file"});
  }
  for (const std::string header :
       {"", "{", "{}", "{'descr': '<f8'}", "garbage", "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8', 'fortran_order': Maybe, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1.5,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} extra",
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}"}) {
    const std::string path = folder.file("a.npy", npy_bytes(header, memory(Values{1})));
    expect_parts(message_of<DataError>([&] { read_npy(path); }), {path, "header"});
  }
}

TEST(ReadNpy, SurvivesFlippedBytes) {
  const TemporaryFolder folder;
  const std::string whole = npy_bytes(header_of("<f8", "True", "(2, 3)"), memory(Values(6, 1.0)));
  const std::string path = folder.path("flipped.npy");
  for (std::size_t position = 0; position < whole.size(); ++position) {
    for (const int mask : {1, 16, 255}) {
      std::string bytes = whole;
      bytes[position] = static_cast<char>(bytes[position] ^ mask);
      folder.file("flipped.npy", bytes);
      try {
        EXPECT_EQ(read_npy(path).values.size() % 2, 0U);
      } catch (const DataError&) {
      }
    }
  }
}

TEST(WriteNpy, WritesTheBytesOfTheFormat) {
  const TemporaryFolder folder;
  const std::string path = folder.path("a.npy");
  write_npy(path, Shape{2, 1}, Values{1.5, -2.0}, FloatType::kFloat32);
  std::string text = header_of("<f4", "False", "(2, 1)");
  text.resize(117, ' ');
  EXPECT_EQ(read_bytes(path), npy_bytes(text, memory(std::vector<float>{1.5F, -2.0F})));
  write_npy(path, Shape{1}, Values{1.5});
  text = header_of("<f8", "False", "(1,)");
  text.resize(117, ' ');
  EXPECT_EQ(read_bytes(path), npy_bytes(text, memory(Values{1.5})));
  write_npy(path, Shape(60, 1), Values{1.5});
  EXPECT_EQ(read_npy(path).shape, Shape(60, 1));
  EXPECT_EQ((read_bytes(path).size() - 8) % 64, 0U);
}

TEST(WriteNpy, RefusesWhatDoesNotFit) {
  const TemporaryFolder folder;
  const std::string path = folder.path("a.npy");
  expect_parts(message_of<ShapeError>([&] {
                 write_npy(path, Shape{2, 2}, Values{1, 2, 3});
               }),
               {path, "(2, 2)", "got 3"});
  expect_parts(
      message_of<DataError>([&] { write_npy(path, Shape{1}, Values{1e300}, FloatType::kFloat32); }),
      {path, "1e+300", "float64"});
  EXPECT_TRUE(folder.names().empty());
}

TEST(NpyWriter, StreamsRowsAndCountsThem) {
  const TemporaryFolder folder;
  const std::string path = folder.path("stream.npy");
  for (const FloatType type : {FloatType::kFloat32, FloatType::kFloat64}) {
    NpyWriter writer(path, 2, type);
    Values expected;
    for (int part = 0; part < 50; ++part) {
      Values rows(static_cast<std::size_t>(2 * part * 101));
      for (double& value : rows) {
        value = static_cast<double>(expected.size() % 1000) + 0.5;
        expected.push_back(value);
      }
      writer.append(rows);
    }
    EXPECT_THROW(writer.append(Values{1, 2, 3}), ShapeError);
    writer.finish();
    const Array array = read_npy(path);
    EXPECT_EQ(array.shape, (Shape{std::ssize(expected) / 2, 2}));
    EXPECT_TRUE(array.values == expected);
  }
  EXPECT_EQ(folder.names().size(), 1U);
  NpyWriter(path, 3).finish();
  EXPECT_EQ(read_npy(path).shape, (Shape{0, 3}));
  EXPECT_THROW(NpyWriter(path, 0), ShapeError);
  { NpyWriter unfinished(path, 7); }
  EXPECT_EQ(read_npy(path).shape, (Shape{0, 3}));
}

}  // namespace
}  // namespace thalweg
