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

}  // namespace
}  // namespace thalweg::testing
