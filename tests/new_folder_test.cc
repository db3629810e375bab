// Folders that appear whole, beside others that are nobody's business.
#include "thalweg/runs/new_folder.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "temporary_folder.h"
#include "thalweg/core/error.h"

namespace thalweg::testing {
namespace {

namespace fs = std::filesystem;

TEST(NewFolder, LeavesOthersBesideItAlone) {
  const TemporaryFolder work;
  const std::string out = work.path("data");
  fs::create_directories(work.path("data.new"));
  work.file("data.new/mine.txt", "keep me");
  {
    const NewFolder abandoned(out + "/", false, {});
    const NewFolder second(out, false, {});  // as another process has it
    EXPECT_NE(abandoned.path(), second.path());
  }
  EXPECT_FALSE(fs::exists(out));
  {
    NewFolder kept(out, false, {});
    work.file(fs::path(kept.path()).filename().string() + "/a.txt", "a");
    kept.keep();
  }
  EXPECT_EQ(read_bytes(out + "/a.txt"), "a");
  EXPECT_EQ(read_bytes(work.path("data.new/mine.txt")), "keep me");
  EXPECT_EQ(std::distance(fs::directory_iterator(work.path(".")), fs::directory_iterator()), 2);
  EXPECT_THROW(NewFolder(out, false, {}), ConfigError);
  EXPECT_EQ(free_path(out), out + "-2");
}

TEST(NewFolder, LosesNothingWhereItCannotBePutInPlace) {
  const TemporaryFolder work;
  const std::string out = work.path("data");
  fs::create_directories(out);
  work.file("data/a.txt", "old");
  const fs::path before = fs::current_path();
  fs::current_path(out);
  // The folder that a process runs in has no other name to be moved to.
  EXPECT_THROW(NewFolder(".", true, {"a.txt"}), ConfigError);
  EXPECT_THROW(NewFolder(out, true, {"a.txt"}), ConfigError);
  EXPECT_THROW(NewFolder("../data/.", true, {"a.txt"}), ConfigError);
  fs::current_path(before);
  EXPECT_EQ(read_bytes(out + "/a.txt"), "old");
}

TEST(NewFolder, KeepsWhatWasMadeWhereAnotherWasFirst) {
  const TemporaryFolder work;
  const std::string out = work.path("data");
  {
    NewFolder made(out, false, {});
    work.file(fs::path(made.path()).filename().string() + "/a.txt", "mine");
    fs::create_directories(out);
    work.file("data/a.txt", "first");
    EXPECT_THROW(made.keep(), DataError);
  }
  EXPECT_EQ(read_bytes(out + "/a.txt"), "first");
  EXPECT_EQ(read_bytes(work.path("data.new/a.txt")), "mine");
  EXPECT_THROW(replace_folder(work.path("absent"), out), DataError);
  EXPECT_EQ(read_bytes(out + "/a.txt"), "first");
  replace_folder(work.path("data.new"), out);
  EXPECT_EQ(read_bytes(out + "/a.txt"), "mine");
  EXPECT_EQ(std::distance(fs::directory_iterator(work.path(".")), fs::directory_iterator()), 1);
}

}  // namespace
}  // namespace thalweg::testing
