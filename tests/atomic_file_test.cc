#include "thalweg/io/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "temporary_folder.h"
#include "thalweg/core/error.h"

namespace thalweg {
namespace {

/// Lowers the limit on file sizes while it lives.
class SizeLimit {
 public:
  explicit SizeLimit(rlim_t bytes) {
    std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{bytes, old_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SizeLimit() { setrlimit(RLIMIT_FSIZE, &old_); }
  SizeLimit(const SizeLimit&) = delete;
  SizeLimit& operator=(const SizeLimit&) = delete;

 private:
  rlimit old_{};
};

/// Acts as a user without privileges while it lives, if the tests run as root.
class OrdinaryUser {
 public:
  OrdinaryUser() : changed_(geteuid() == 0 && seteuid(65534) == 0) {}
  ~OrdinaryUser() {
    if (changed_ && seteuid(0) != 0) ADD_FAILURE() << "cannot become root again";
  }
  OrdinaryUser(const OrdinaryUser&) = delete;
  OrdinaryUser& operator=(const OrdinaryUser&) = delete;

 private:
  bool changed_;
};

using Names = std::vector<std::string>;

TEST(AtomicFile, WritesNewAndReplacesOld) {
  const TemporaryFolder folder;
  const std::string path = folder.path("model");
  write_file_atomically(path, "first");
  EXPECT_EQ(read_bytes(path), "first");
  write_file_atomically(path, std::string_view("a\0b", 3));
  EXPECT_EQ(read_bytes(path), std::string("a\0b", 3));
  write_file_atomically(path, "");
  EXPECT_EQ(read_bytes(path), "");
  EXPECT_EQ(folder.names(), Names{"model"});
}

TEST(AtomicFile, WritesRelativePathsAndLongNames) {
  const TemporaryFolder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path(""));
  const std::string name(255, 'n');
  write_file_atomically(name, "text");
  std::filesystem::current_path(before);
  EXPECT_EQ(read_bytes(folder.path(name)), "text");
}

TEST(AtomicFile, StreamsManyBuffersAndPatchesTheStart) {
  const TemporaryFolder folder;
  const std::string path = folder.path("stream");
  std::string expected = "header";
  AtomicFile file(path);
  file.write(expected);
  for (int i = 0; i < 300; ++i) {
    // Pieces below and above the buffer's size of 1 MiB.
    const std::string piece(i % 100 == 0 ? 2'000'000 : 12'345, static_cast<char>('a' + i % 26));
    file.write(piece);
    expected += piece;
  }
  EXPECT_FALSE(std::filesystem::exists(path));
  file.overwrite_start("HEAD");
  file.write("end");
  file.commit();
  expected.replace(0, 4, "HEAD");
  EXPECT_TRUE(read_bytes(path) == expected + "end");
  EXPECT_THROW(file.write("more"); file.commit(), DataError);
  EXPECT_EQ(folder.names(), Names{"stream"});
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TemporaryFolder folder;
  const std::string path = folder.file("kept", "old");
  {
    AtomicFile file(path);
    file.write(std::string(3'000'000, 'x'));
    EXPECT_EQ(folder.names().size(), 2U);
  }
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_EQ(folder.names(), Names{"kept"});
}

TEST(AtomicFile, RefusesToPatchBeyondWhatWasWritten) {
  const TemporaryFolder folder;
  AtomicFile file(folder.path("short"));
  file.write("ab");
  EXPECT_THROW(file.overwrite_start("abc"), DataError);
}

TEST(AtomicFile, KeepsTheOldFileAtASizeLimit) {
  const TemporaryFolder folder;
  const std::string path = folder.file("kept", "old");
  for (const std::size_t size : {20'000, 5'000'000}) {
    const SizeLimit limit(10'000);
    const std::string message =
        message_of<DataError>([&] { write_file_atomically(path, std::string(size, 'x')); });
    expect_parts(message, {path, "File too large", "ulimit -f"});
    EXPECT_EQ(read_bytes(path), "old");
    EXPECT_EQ(folder.names(), Names{"kept"});
  }
  const SizeLimit limit(10'000);
  write_file_atomically(path, std::string(10'000, 'y'));
  EXPECT_EQ(read_bytes(path), std::string(10'000, 'y'));
}

TEST(AtomicFile, RefusesADevice) {
  expect_parts(message_of<DataError>([] { write_file_atomically("/dev/full", "x"); }),
               {"/dev/full", "device", "give a file name"});
}

TEST(AtomicFile, SaysThatTheFolderIsMissing) {
  const TemporaryFolder folder;
  const std::string path = folder.path("missing/model");
  expect_parts(message_of<DataError>([&] { write_file_atomically(path, "x"); }),
               {path, "No such file", "create the folder '" + folder.path("missing") + "'"});
  const std::string below_file = folder.file("plain", "old") + "/model";
  expect_parts(message_of<DataError>([&] { write_file_atomically(below_file, "x"); }),
               {below_file, "Not a directory"});
  EXPECT_EQ(folder.names(), Names{"plain"});
}

TEST(AtomicFile, RefusesAFolder) {
  const TemporaryFolder folder;
  std::filesystem::create_directory(folder.path("run"));
  expect_parts(message_of<DataError>([&] { write_file_atomically(folder.path("run"), "x"); }),
               {folder.path("run"), "got a folder"});
  expect_parts(message_of<DataError>([&] { write_file_atomically(folder.path("run/"), "x"); }),
               {folder.path("run/"), "got a folder"});
}

TEST(AtomicFile, RespectsPermissions) {
  const TemporaryFolder folder;
  std::filesystem::permissions(folder.path(""), std::filesystem::perms(0755));
  std::filesystem::create_directory(folder.path("locked"));
  const std::string path = folder.file("locked/model", "old");
  const std::string open_path = folder.file("read_only", "old");
  std::filesystem::permissions(path, std::filesystem::perms(0666));
  std::filesystem::permissions(open_path, std::filesystem::perms(0444));
  std::filesystem::permissions(folder.path("locked"), std::filesystem::perms(0555));
  if (geteuid() == 0) std::filesystem::permissions(folder.path(""), std::filesystem::perms(0777));
  {
    const OrdinaryUser user;
    for (const std::string& refused : {path, open_path, folder.path("locked/new")}) {
      expect_parts(message_of<DataError>([&] { write_file_atomically(refused, "new"); }),
                   {refused, "Permission denied", "where you may write"});
    }
  }
  std::filesystem::permissions(folder.path("locked"), std::filesystem::perms(0755));
  EXPECT_EQ(read_bytes(path), "old");
  EXPECT_EQ(read_bytes(open_path), "old");
}

TEST(AtomicFile, KeepsModeAndSymbolicLink) {
  const TemporaryFolder folder;
  const std::string path = folder.file("real", "old");
  std::filesystem::permissions(path, std::filesystem::perms(0640));
  std::filesystem::create_symlink("real", folder.path("link"));
  write_file_atomically(folder.path("link"), "new");
  EXPECT_TRUE(std::filesystem::is_symlink(folder.path("link")));
  EXPECT_EQ(read_bytes(path), "new");
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0640));
  const mode_t mask = ::umask(022);
  write_file_atomically(folder.path("fresh"), "new");
  ::umask(mask);
  EXPECT_EQ(std::filesystem::status(folder.path("fresh")).permissions(),
            std::filesystem::perms(0644));
}

}  // namespace
}  // namespace thalweg
