// Protects the word on which files lie in memory: a growing file of tmpfs is shared memory, and no file.
#include "allocators/system/memory_filesystems.hpp"

#include <gtest/gtest.h>

#include <sstream>

namespace plateau::testing {
namespace {

MemoryFilesystems mounted(const std::string& text) {
  std::istringstream mountinfo(text);
  return MemoryFilesystems(mountinfo);
}

TEST(MemoryFilesystems, AreThoseOfTmpfsByTheNearestMount) {
  const MemoryFilesystems files = mounted(
      "22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n"
      "25 22 0:5 / /dev rw,nosuid shared:2 - devtmpfs udev rw,size=10k\n"
      "31 25 0:26 / /dev/shm rw shared:4 - tmpfs tmpfs rw\n"
      "40 22 0:40 / /mnt/a\\040queue rw master:3 propagate_from:2 - tmpfs none rw\n"
      "41 40 254:2 / /mnt/a\\040queue/disk rw - xfs /dev/vdb rw\n"
      "42 22 0:41 / /hidden rw - tmpfs none rw\n"
      "43 42 254:2 / /hidden rw - xfs /dev/vdb rw\n"
      "no line of such a file\n");
  EXPECT_TRUE(files.hold("/dev/shm/ring"));
  EXPECT_TRUE(files.hold("/mnt/a queue/x (deleted)"));
  EXPECT_FALSE(files.hold("/mnt/a queue/disk/x"));
  EXPECT_FALSE(files.hold("/mnt/a queues/x")) << "another folder";
  EXPECT_FALSE(files.hold("/usr/lib/x.so"));
  EXPECT_FALSE(files.hold("/hidden/x")) << "the later mount hides the first";
}

TEST(MemoryFilesystems, WhatTheKernelMakesItselfIsInMemory) {
  const MemoryFilesystems files = mounted("");
  EXPECT_TRUE(files.hold("/memfd:a queue (deleted)"));
  EXPECT_TRUE(files.hold("/SYSV00000000 (deleted)"));
  EXPECT_TRUE(files.hold("/dev/zero (deleted)"));
  EXPECT_FALSE(files.hold("/usr/lib/x.so"));
}

}  // namespace
}  // namespace plateau::testing
