// Protects what a program locks into memory: all that is its own, and nothing of what serves it.
#include "profiling/host/program_memory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "allocators/system/descriptor.hpp"
#include "profiling/host/file_image.hpp"
#include "profiling/host/unlocked_pages.hpp"

namespace plateau {
namespace {

using Ranges = std::vector<AddressRange>;

constexpr std::string_view maps =
    "00001000-00003000 r-xp 00000000 08:01 1 /bin/true\n"
    "00003000-00009000 rw-p 00000000 00:00 0 \n"
    "no line of the kernel's\n"
    "0000a000-0000c000 ---p 00000000 00:00 0\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

TEST(ProgramMemory, IsWhatIsMappedAndNotOurs) {
  EXPECT_EQ(ranges_without(maps, {}), (Ranges{{0x1000, 0x3000}, {0x3000, 0x9000}, {0xa000, 0xc000}}));
  EXPECT_EQ(ranges_without(maps, {{0x1000, 0x3000}}), (Ranges{{0x3000, 0x9000}, {0xa000, 0xc000}}));
  // The kernel shows neighbours as one, and ours may be any part of it, in any order.
  EXPECT_EQ(ranges_without(maps, {{0x7000, 0x8000}, {0x4000, 0x5000}, {0xb000, 0xd000}, {0, 0x2000}}),
            (Ranges{{0x2000, 0x3000}, {0x3000, 0x4000}, {0x5000, 0x7000}, {0x8000, 0x9000}, {0xa000, 0xb000}}));
  EXPECT_EQ(ranges_without(maps, {{0, 0x10000}}), Ranges{});
  EXPECT_EQ(ranges_without("", {{1, 2}}), Ranges{});
}

bool holds(const Ranges& ranges, const void* place) {
  const auto address = reinterpret_cast<std::uintptr_t>(place);
  return std::any_of(ranges.begin(), ranges.end(),
                     [&](const AddressRange& one) { return one.start <= address && address < one.limit; });
}

TEST(ProgramMemory, OfThisProcessHasItsStackAndNoPagesOfOurs) {
  void* const page = map_unlocked_pages(4096);
  ASSERT_NE(page, nullptr);
  const Descriptor file(::open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  {
    const auto image = FileImage::of(file.get());
    ASSERT_TRUE(image);
    EXPECT_EQ(std::memcmp(image->start(), "\177ELF", 4), 0);
    const Ranges ranges = program_memory();
    EXPECT_TRUE(holds(ranges, &page));
    EXPECT_FALSE(holds(ranges, page));
    EXPECT_FALSE(holds(ranges, image->start()));
  }
  std::array<UnlockedPages, 16> files;
  EXPECT_EQ(unlocked_files(files.data(), files.size()), 0U);
  unmap_pages(page, 4096);
}

TEST(FileImage, ThereIsNoneOfWhatIsNoRegularFile) {
  std::array<int, 2> ends;
  ASSERT_EQ(::pipe(ends.data()), 0);
  const Descriptor reader(ends[0]);
  const Descriptor writer(ends[1]);
  EXPECT_FALSE(FileImage::of(reader.get()));
  EXPECT_FALSE(FileImage::of(-1));
}

}  // namespace
}  // namespace plateau
