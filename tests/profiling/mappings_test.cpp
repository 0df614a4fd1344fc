// Protects: lines of /proc/PID/maps are read as several kernels write them.
#include "profiling/mappings.hpp"

#include <gtest/gtest.h>

#include <string_view>

namespace plateau {
namespace {

struct Line {
  const char* text;
  std::uint64_t start;
  std::uint64_t limit;
  std::uint64_t offset;
  const char* file;
};

TEST(ExecutableMapping, IsReadAsKernelsWriteIt) {
  const Line lines[] = {
      // Linux fills up to the name's column; before 2.6.39, and in gVisor, names follow at once.
      {"00400000-0040b000 r-xp 00000000 fd:00 33554567                           /usr/bin/cat", 0x400000, 0x40b000, 0,
       "/usr/bin/cat"},
      {"55f2a0c02000-55f2a0c06000 r-xp 00002000 fe:01 1835172                    /usr/bin/my program", 0x55f2a0c02000,
       0x55f2a0c06000, 0x2000, "/usr/bin/my program"},
      {"7f1e5a3c2000-7f1e5a517000 r-xp 00026000 00:1a 402 /usr/lib/x86_64-linux-gnu/libc.so.6 (deleted)",
       0x7f1e5a3c2000, 0x7f1e5a517000, 0x26000, "/usr/lib/x86_64-linux-gnu/libc.so.6"},
      {"7ffd4dd3d000-7ffd4dd3f000 r-xp 00000000 00:00 0                          [vdso]", 0x7ffd4dd3d000,
       0x7ffd4dd3f000, 0, "[vdso]"},
      {"7f0000000000-7f0000001000 rwxs 00000000 00:01 2050 /memfd:jit (deleted)", 0x7f0000000000, 0x7f0000001000, 0,
       "/memfd:jit"},
  };
  for (const Line& line : lines) {
    const auto mapping = executable_mapping(line.text);
    ASSERT_TRUE(mapping) << line.text;
    EXPECT_EQ(mapping->start, line.start) << line.text;
    EXPECT_EQ(mapping->limit, line.limit) << line.text;
    EXPECT_EQ(mapping->offset, line.offset) << line.text;
    EXPECT_EQ(mapping->file, line.file);
    EXPECT_EQ(mapping->file_is_it, std::string_view(line.text).find("(deleted)") == std::string_view::npos);
  }
}

TEST(ExecutableMapping, OfOtherMemoryAndOfOtherTextThereIsNone) {
  for (const char* const line :
       {"55f2a0c06000-55f2a0c08000 r--p 00006000 fe:01 1835172                    /usr/bin/cat",  // not code
        "7f1e58000000-7f1e58021000 rwxp 00000000 00:00 0 ",                                       // without a name
        "ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0                  [vsyscall]",    // Linux 4.19
        "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]",    // since 5.2
        "55f56a457000-7ffd4dd41000 ---p 00000000 00:00 0                          [rollup]",      //
        "00400000-00400000 r-xp 00000000 fd:00 3 /usr/bin/cat", "00400000 r-xp 00000000 fd:00 3 /usr/bin/cat",
        "Rss:              106844 kB", "00400000-", "00400000-0040b000 r-xp", ""}) {
    EXPECT_FALSE(executable_mapping(line)) << line;
  }
}

}  // namespace
}  // namespace plateau
