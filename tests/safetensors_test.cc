#include "thalweg/io/safetensors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"

namespace thalweg {
namespace {

using Values = std::vector<double>;

std::string file_bytes(const std::string& header, const std::string& data) {
  std::string bytes;
  for (std::size_t i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i) & 255);
  return bytes + header + data;
}

std::string error_of(const std::string& header, const std::string& data) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors", file_bytes(header, data));
  std::string message = message_of<DataError>([&] { read_safetensors(path); });
  EXPECT_TRUE(message.starts_with(path + ": ")) << message;
  return message;
}

TensorFile example() {
  TensorFile content;
  content.metadata = {{"format", "1"}, {"names", "[\"a\\n\", \"\xC3\xB6\"]"}};
  content.tensors["flow.weight"] = {"F32", {3, 1}, {0.5, static_cast<double>(0.1F), -0.0}, {}};
  content.tensors["base.mean"] = {"F64", {2}, {0.1, std::numeric_limits<double>::denorm_min()}, {}};
  content.tensors["step"] = {"I64", {}, {}, {std::numeric_limits<std::int64_t>::min() + 1}};
  content.tensors["none"] = {"F64", {0, 4}, {}, {}};
  return content;
}

void expect_same(const TensorFile& a, const TensorFile& b) {
  EXPECT_EQ(a.metadata, b.metadata);
  ASSERT_EQ(a.tensors.size(), b.tensors.size());
  for (const auto& [name, tensor] : a.tensors) {
    ASSERT_TRUE(b.tensors.contains(name)) << name;
    const Tensor& other = b.tensors.at(name);
    EXPECT_EQ(tensor.dtype, other.dtype);
    EXPECT_EQ(tensor.shape, other.shape);
    EXPECT_EQ(tensor.integers, other.integers);
    ASSERT_EQ(tensor.values.size(), other.values.size());
    if (tensor.values.empty()) continue;
    EXPECT_EQ(std::memcmp(tensor.values.data(), other.values.data(),
                          tensor.values.size() * sizeof(double)),
              0)
        << name;
  }
}

TEST(Safetensors, ReadsBackTheSameBits) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.safetensors");
  write_safetensors(path, example());
  expect_same(read_safetensors(path), example());
  const std::string bytes = read_bytes(path);
  write_safetensors(path, read_safetensors(path));
  EXPECT_EQ(read_bytes(path), bytes);
  write_safetensors(path, {});
  expect_same(read_safetensors(path), {});
  EXPECT_EQ(folder.names().size(), 1U);
}

TEST(Safetensors, WritesTheFormat) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.safetensors");
  write_safetensors(path, example());
  const std::string bytes = read_bytes(path);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0U);
  EXPECT_EQ(bytes[8], '{');
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  const std::string data = bytes.substr(8 + length);
  EXPECT_EQ(data.size(), 2 * 8 + 8 + 3 * 4U);
  EXPECT_EQ(header["flow.weight"]["dtype"], "F32");
  EXPECT_EQ(header["flow.weight"]["shape"], nlohmann::json({3, 1}));
  EXPECT_EQ(header["__metadata__"]["format"], "1");
  const std::size_t begin = header["flow.weight"]["data_offsets"][0];
  float value = 0.0F;
  std::memcpy(&value, data.data() + begin + 4, 4);
  EXPECT_EQ(value, 0.1F);
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__") continue;
    const std::size_t width = tensor["dtype"] == "F32" ? 4 : 8;
    EXPECT_EQ(tensor["data_offsets"][0].get<std::size_t>() % width, 0U) << name;
  }
}

TEST(Safetensors, ReadsAHandMadeFile) {
  const TemporaryFolder folder;
  const double data[] = {1.5, -2.0};
  const TensorFile content = read_safetensors(folder.file(
      "m.safetensors",
      file_bytes("{\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[8,16]},"
                 "\"a\":{\"dtype\":\"F64\",\"shape\":[1,1],\"data_offsets\":[0,8],\"more\":[]}}   ",
                 std::string(reinterpret_cast<const char*>(data), sizeof data))));
  EXPECT_EQ(content.tensors.at("a").values, Values{1.5});
  EXPECT_EQ(content.tensors.at("b").values, Values{-2.0});
}

TEST(Safetensors, KeepsWhatIsNotFinite) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.safetensors");
  for (const std::string dtype : {"F32", "F64"}) {
    TensorFile content;
    content.tensors["a"] = {dtype, {3}, {std::nan(""), INFINITY, -INFINITY}, {}};
    write_safetensors(path, content);
    const Values values = read_safetensors(path).tensors.at("a").values;
    EXPECT_TRUE(std::isnan(values[0]));
    EXPECT_EQ(values[1], INFINITY);
    EXPECT_EQ(values[2], -INFINITY);
  }
}

TEST(Safetensors, RefusesToWriteWhatDoesNotFit) {
  const TemporaryFolder folder;
  const std::string path = folder.file("m.safetensors", "old");
  const auto write = [&](const std::string& name, const Tensor& tensor) {
    TensorFile content;
    content.tensors["good"] = {"F32", {1}, {1}, {}};
    content.tensors[name] = tensor;
    write_safetensors(path, content);
  };
  EXPECT_THROW(write("a", {"F64", {2}, {1}, {}}), ShapeError);
  EXPECT_THROW(write("a", {"F64", {1}, {1}, {1}}), ShapeError);
  EXPECT_THROW(write("a", {"I64", {1}, {1}, {}}), ShapeError);
  EXPECT_THROW(write("a", {"F64", {-1}, {}, {}}), ShapeError);
  EXPECT_THROW(write("a", {"F16", {1}, {1}, {}}), DataError);
  EXPECT_THROW(write("a", {"F32", {1}, {1e300}, {}}), DataError);
  EXPECT_THROW(write("__metadata__", {"F64", {1}, {1}, {}}), DataError);
  EXPECT_THROW(write("Gr\xF6\xDF"
                     "e",
                     {"F64", {1}, {1}, {}}),
               DataError);
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_EQ(folder.names().size(), 1U);
}

TEST(Safetensors, ExplainsDamagedHeaders) {
  const std::string data(8, '\0');
  const auto tensor = [](const std::string& dtype, const std::string& shape,
                         const std::string& offsets) {
    return "{\"a\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape +
           ",\"data_offsets\":" + offsets + "}}";
  };
  expect_parts(error_of(" {}", ""), {"begin with '{'"});
  expect_parts(error_of("{nonsense}", ""), {"JSON object"});
  expect_parts(error_of("[]", ""), {"begin with '{'"});
  expect_parts(error_of("{\"a\":[]}", data), {"'a'", "dtype, shape and data_offsets"});
  expect_parts(error_of("{\"a\":{\"dtype\":\"F64\"}}", data), {"'a'", "data_offsets"});
  expect_parts(error_of(tensor("F16", "[4]", "[0,8]"), data), {"'a'", "F16", "convert"});
  for (const std::string shape : {"[2]", "[0]", "[4294967296,4294967296]", "[2305843009213693953]",
                                  "[9223372036854775807,3]"}) {
    expect_parts(error_of(tensor("F64", shape, "[0,8]"), data), {"'a'", "bytes 0 to 8"});
  }
  for (const std::string shape :
       {"[-1]", "[1.0]", "[18446744073709551615]", "[[1]]", "1", "null"}) {
    expect_parts(error_of(tensor("F64", shape, "[0,8]"), data), {"'a'", "shape"});
  }
  for (const std::string offsets : {"[0]", "[0,8,16]", "[-8,0]", "[0,8.5]", "{}"}) {
    expect_parts(error_of(tensor("F64", "[1]", offsets), data), {"'a'", "data_offsets"});
  }
  expect_parts(error_of(tensor("F64", "[1]", "[8,0]"), data), {"bytes 8 to 0"});
  expect_parts(error_of(tensor("F64", "[1]", "[8,16]"), std::string(16, '\0')),
               {"at byte 0", "got 8"});
  expect_parts(error_of(tensor("F64", "[1]", "[0,8]"), data + "x"), {"8 bytes of data", "got 9"});
  expect_parts(error_of("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                        "\"b\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}",
                        data),
               {"'b'", "at byte 8", "got 0"});
  expect_parts(error_of("{\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
                        "\"a\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}",
                        data),
               {"'a' twice"});
  expect_parts(error_of("{\"__metadata__\":{\"a\":1}}", ""), {"__metadata__", "texts"});
  // What the file says is shown without line ends and control characters.
  expect_parts(
      error_of("{\"a\\n \\u001bb\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}",
               data),
      {"'a? ?b'", "bytes 0 to 8"});
  expect_parts(error_of(tensor("F6\\n4", "[1]", "[0,8]"), data), {"'F6?4'"});
  expect_parts(error_of("{\"a\\n\":{},\"a\\n\":{}}", ""), {"'a?' twice"});
  expect_parts(error_of("{\"a\":" + std::string(100'000, '[') + "}", ""), {"nested too deeply"});
}

TEST(Safetensors, SurvivesTruncationAndFlippedBytes) {
  const TemporaryFolder folder;
  const std::string path = folder.path("m.safetensors");
  write_safetensors(path, example());
  const std::string whole = read_bytes(path);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    folder.file("m.safetensors", whole.substr(0, length));
    EXPECT_THROW(read_safetensors(path), DataError) << length;
  }
  std::size_t refused = 0;
  for (std::size_t position = 0; position < whole.size(); ++position) {
    for (const int mask : {1, 4, 128}) {
      std::string bytes = whole;
      bytes[position] = static_cast<char>(bytes[position] ^ mask);
      folder.file("m.safetensors", bytes);
      try {
        EXPECT_LE(read_safetensors(path).tensors.size(), 4U);
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, whole.size() / 2);
}

}  // namespace
}  // namespace thalweg
