// JSON files that are sound, and what is said of those that are not.
#include "thalweg/io/json_file.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "temporary_folder.h"
#include "thalweg/core/error.h"
#include "thalweg/io/safetensors.h"
#include "thalweg/runs/run_folder.h"
#include "thalweg/sampling/chain_state_file.h"

namespace thalweg {
namespace {

TEST(JsonFile, GivesWhatItHolds) {
  const TemporaryFolder folder;
  const std::string path =
      folder.file("a.json",
                  R"({"name": "x", "count": -9223372036854775808, "size": 1e-300, "none": null,
          "most": "inf", "least": "-inf", "parts": [{"value": 0.1}, {"value": null}]})");
  const JsonObject json = read_json_file(path, "delete it");
  EXPECT_EQ(json.text("name"), "x");
  EXPECT_EQ(json.whole("count"), INT64_MIN);
  EXPECT_EQ(json.number("size"), 1e-300);
  EXPECT_TRUE(std::isnan(json.number_or_nan("none")));
  EXPECT_EQ(json.number_or_nan("size"), 1e-300);
  EXPECT_EQ(json.number_or_nan("most"), INFINITY);
  EXPECT_EQ(json.number_or_nan("least"), -INFINITY);
  const std::vector<JsonObject> parts = json.objects("parts");
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].number("value"), 0.1);
  EXPECT_TRUE(std::isnan(parts[1].number_or_nan("value")));
}

TEST(JsonFile, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  const auto said_of = [&](const std::string& bytes) {
    const std::string path = folder.file("a.json", bytes);
    const std::string message = message_of<DataError>([&] { read_json_file(path, "delete it"); });
    EXPECT_EQ(message.substr(0, path.size()), path);
    return message.substr(path.size());
  };
  EXPECT_EQ(said_of(""), ": damaged: the file is empty; delete it");
  EXPECT_EQ(said_of(" \n"), ": damaged: the file is empty; delete it");
  EXPECT_EQ(said_of("{\"a\": 1,\n"), ": damaged: the file is cut off after 9 bytes; delete it");
  EXPECT_EQ(said_of("{\"a\": \"te"), ": damaged: the file is cut off after 9 bytes; delete it");
  EXPECT_EQ(said_of("{\n\"a\": 1,\n\"b\": what}\n"), ": damaged: line 3 is not JSON; delete it");
  EXPECT_EQ(said_of("{\"a\": 1} more"), ": damaged: line 1 is not JSON; delete it");
  EXPECT_EQ(said_of(std::string("\0\0\0\0", 4)), ": damaged: line 1 is not JSON; delete it");
  EXPECT_EQ(said_of("{\"a\": \"\xff\"}"), ": damaged: line 1 is not JSON; delete it");
  EXPECT_EQ(said_of("{\"a\": 1e999}"),
            ": damaged: it holds a number beyond the range of double; delete it");
  EXPECT_EQ(said_of("[1]"), ": damaged: expected an object, got a list; delete it");
  EXPECT_EQ(message_of<DataError>([&] { read_json_file(folder.path("none"), "delete it"); }),
            folder.path("none") +
                ": cannot read: No such file or directory; check the name and its permissions");
}

TEST(JsonFile, NamesKeysThatAreMissingOrOfAnotherType) {
  const TemporaryFolder folder;
  const std::string path = folder.file(
      "a.json", R"({"a": "text", "b": 1.5, "c": null, "big": 9223372036854775808, "parts": [{}, 3],
                    "one": [{"a": []}]})");
  const JsonObject json = read_json_file(path, "delete it");
  const auto said = [&](const std::function<void()>& call) {
    return message_of<DataError>(call).substr(path.size());
  };
  EXPECT_EQ(said([&] { json.whole("seed"); }), ": damaged: the key 'seed' is missing; delete it");
  EXPECT_EQ(said([&] { json.whole("a"); }),
            ": damaged: 'a': expected a whole number below 2^63, got a text; delete it");
  EXPECT_EQ(said([&] { json.whole("b"); }),
            ": damaged: 'b': expected a whole number below 2^63, got a number; delete it");
  EXPECT_EQ(said([&] { json.whole("big"); }),
            ": damaged: 'big': expected a whole number below 2^63, got a whole number; delete it");
  EXPECT_EQ(said([&] { json.text("b"); }),
            ": damaged: 'b': expected a text, got a number; delete it");
  EXPECT_EQ(said([&] { json.number("c"); }),
            ": damaged: 'c': expected a number, got null; delete it");
  EXPECT_EQ(said([&] { json.objects("a"); }),
            ": damaged: 'a': expected a list, got a text; delete it");
  EXPECT_EQ(said([&] { json.objects("parts"); }),
            ": damaged: 'parts', entry 2: expected an object, got a whole number; delete it");
  EXPECT_EQ(said([&] { json.objects("one")[0].number("a"); }),
            ", entry 1 of 'one': damaged: 'a': expected a number, got a list; delete it");
}

TEST(JsonFile, TellsOfManifestsInOurOwnWords) {
  const TemporaryFolder folder;
  const RunFolder run{folder.path(".")};
  RunManifest manifest;
  manifest.seed = 7;
  write_manifest(run, manifest);
  EXPECT_EQ(read_manifest(run).seed, 7);
  folder.file("manifest.json", R"({"format": 1, "program": "0.1", "status": 3})");
  EXPECT_EQ(message_of<DataError>([&] { read_manifest(run); }),
            run.manifest() +
                ": damaged: 'status': expected a text, got a whole number; copy the "
                "run's folder again, or train anew");
  folder.file("manifest.json", R"({"format": 0})");
  EXPECT_EQ(message_of<DataError>([&] { read_manifest(run); }),
            fmt::format("{}: damaged: expected a format from 1 to {}, got 0; copy the run's folder "
                        "again, or train anew",
                        run.manifest(), kRunFormat));
}

TEST(ChainStateFile, SaysWhatIsMissingOrOfAnotherType) {
  const TemporaryFolder folder;
  const std::string path = folder.path("state");
  const auto said = [&](const TensorFile& file) {
    write_safetensors(path, file);
    return message_of<DataError>([&] { read_chain_state(path); }).substr(path.size());
  };
  TensorFile file;
  EXPECT_EQ(said(file),
            ": expected the state of Markov chains, found no 'counts' in it; start the chains anew "
            "without it");
  file.tensors["counts"] = {"F64", {1}, {0.0}, {}};
  EXPECT_EQ(said(file),
            ": 'counts': expected numbers of type I64, got F64; start the chains anew without it");
  file.tensors["counts"] = {"I64", {1}, {}, {0}};
  file.tensors["step_sizes"] = {"F64", {0}, {}, {}};
  EXPECT_EQ(said(file),
            ": expected the state of Markov chains, found no 'kernels' in its texts; start the "
            "chains anew without it");
  file.metadata["kernels"] = "mala,hmc";
  EXPECT_EQ(said(file),
            ": expected 9 counts and 8 step sizes for its 2 kernels, got 1 and 0; start the chains "
            "anew without it");
}

}  // namespace
}  // namespace thalweg
