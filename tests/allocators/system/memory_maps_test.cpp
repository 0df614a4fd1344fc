// Protects the reader of smaps, and what is said of glibc's arenas and of resident pages: every figure of the waterfall
// rests on them.
#include "allocators/system/memory_maps.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <sstream>

#include "allocators/internal/glibc_arenas.hpp"

namespace plateau::testing {
namespace {

constexpr std::size_t page = 4096;

TEST(MemoryMaps, AreReadWithTheirNamesAndFigures) {
  std::istringstream smaps(
      "7f00dead0000-7f00dead5000 rw-s 00001000 00:01 1042   /memfd:a queue (deleted)\n"
      "Size:                 20 kB\nRss:                  12 kB\nAnonymous:             0 kB\nSwap:   4 kB\n"
      "VmFlags: rd wr sh \n"
      "7f00deae0000-7f00deae4000 ---p 00000000 00:00 0 \nRss:                   0 kB\n"
      "55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]\n"
      "Rss:                 132 kB\nAnonymous:           132 kB\nLazyFree:              8 kB\nLocked:  132 kB\n");
  const std::vector<MemoryMap> maps = memory_maps_in(smaps);
  ASSERT_EQ(maps.size(), 3U);
  EXPECT_EQ(maps[0].start, 0x7f00dead0000U);
  EXPECT_EQ(maps[0].size(), 5 * page);
  EXPECT_EQ(maps[0].name, "/memfd:a queue (deleted)");
  EXPECT_TRUE(maps[0].shared && maps[0].readable && maps[0].writable);
  EXPECT_FALSE(maps[0].is_anonymous());
  EXPECT_EQ(maps[0].resident_bytes, 3 * page);
  EXPECT_EQ(maps[0].swapped_bytes, page);
  EXPECT_FALSE(maps[1].readable || maps[1].writable || maps[1].shared);
  EXPECT_TRUE(maps[1].is_anonymous());
  EXPECT_EQ(maps[2].name, "[heap]");
  EXPECT_EQ(maps[2].anonymous_bytes, 33 * page);
  EXPECT_EQ(maps[2].lazily_freed_bytes, 2 * page);
  EXPECT_EQ(maps[2].locked_bytes, 33 * page);
}

TEST(MemoryMaps, OddLinesAreLeftOut) {
  std::istringstream smaps("Rss: 1 kB\n\nnonsense\n1000-\n2000-1000 rw-p 0 0:0 0\n1000-2000 rw-p 0 0:0 0\nRss: x kB\n");
  const std::vector<MemoryMap> maps = memory_maps_in(smaps);
  ASSERT_EQ(maps.size(), 1U);
  EXPECT_EQ(maps[0].resident_bytes, 0U);
}

TEST(ResidentPages, AreThoseThatWereTouched) {
  auto* const mapped =
      static_cast<char*>(::mmap(nullptr, 64 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(mapped, MAP_FAILED);
  ::madvise(mapped, 64 * page, MADV_NOHUGEPAGE);
  std::memset(mapped + 10 * page, 1, 5 * page);
  const auto start = reinterpret_cast<std::uint64_t>(mapped);
  const ResidentPages pages;
  EXPECT_EQ(pages.in(start, start + 64 * page), 5 * page);
  EXPECT_EQ(pages.in(start + 12 * page, start + 13 * page), page);
  EXPECT_EQ(pages.in(start, start + 10 * page), 0U);
  ::munmap(mapped, 64 * page);
  EXPECT_EQ(pages.in(start, start + 64 * page), 0U);
}

TEST(OwnMemory, ThatIsGoneIsNotRead) {
  void* const mapped = ::mmap(nullptr, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  std::strcpy(static_cast<char*>(mapped), "here");
  char text[5] = {};
  EXPECT_TRUE(read_own_memory(reinterpret_cast<std::uint64_t>(mapped), text, sizeof text));
  EXPECT_STREQ(text, "here");
  ::munmap(mapped, page);
  EXPECT_FALSE(read_own_memory(reinterpret_cast<std::uint64_t>(mapped), text, sizeof text));
}

// As glibc 2.36 writes it; the last free block of an arena is in its sum and in no list.
TEST(GlibcArenas, AreReadFromMallocInfo) {
  const auto arenas = glibc_arenas_in(
      "<malloc version=\"1\">\n<heap nr=\"0\">\n<sizes>\n"
      "  <size from=\"33\" to=\"48\" total=\"96\" count=\"2\"/>\n"
      "  <size from=\"200001\" to=\"200001\" total=\"200001\" count=\"1\"/>\n"
      "  <unsorted from=\"9000\" to=\"9000\" total=\"9000\" count=\"1\"/>\n</sizes>\n"
      "<total type=\"fast\" count=\"2\" size=\"96\"/>\n<total type=\"rest\" count=\"3\" size=\"259001\"/>\n"
      "<system type=\"current\" size=\"1000000\"/>\n<system type=\"max\" size=\"2000000\"/>\n"
      "<aspace type=\"total\" size=\"1000000\"/>\n<aspace type=\"mprotect\" size=\"1000000\"/>\n</heap>\n"
      "<heap nr=\"1\">\n<sizes>\n</sizes>\n<total type=\"fast\" count=\"0\" size=\"0\"/>\n"
      "<total type=\"rest\" count=\"1\" size=\"4000\"/>\n<system type=\"current\" size=\"135168\"/>\n"
      "<aspace type=\"subheaps\" size=\"2\"/>\n</heap>\n"
      "<total type=\"fast\" count=\"2\" size=\"96\"/>\n<total type=\"rest\" count=\"4\" size=\"263001\"/>\n"
      "<total type=\"mmap\" count=\"3\" size=\"700416\"/>\n<system type=\"current\" size=\"1135168\"/>\n</malloc>\n");
  ASSERT_TRUE(arenas);
  ASSERT_EQ(arenas->arenas.size(), 2U);
  const GlibcArena& main = arenas->arenas[0];
  EXPECT_EQ(main.system, 1'000'000U);
  EXPECT_EQ(main.free, 259'097U);
  EXPECT_EQ(main.top, 50'000U);
  EXPECT_EQ(main.large, 200'001U);
  EXPECT_EQ(main.trimmable, 200'001U - page + 9'000 - page + 50'000 - page);
  EXPECT_EQ(main.heaps, 0U);
  EXPECT_EQ(arenas->arenas[1].heaps, 2U);
  EXPECT_EQ(arenas->mapped_bytes, 700'416U);
  EXPECT_EQ(arenas->mapped_blocks, 3U);
}

TEST(GlibcArenas, OfATextThatIsCutAreNothing) {
  EXPECT_FALSE(glibc_arenas_in(""));
  EXPECT_FALSE(glibc_arenas_in("<heap nr=\"0\">\n<total type=\"rest\" count=\"1\" size=\"1\"/>\n"));
}

}  // namespace
}  // namespace plateau::testing
