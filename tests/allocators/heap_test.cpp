// Run once on each allocator (see tests/CMakeLists.txt). Protects: the facade says what really runs, its figures follow
// the heap, and what cannot be had says so.
#include "allocators/heap.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "profiling/heap_profiler.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau {
namespace {

using namespace std::chrono_literals;

std::string expected() {
  const char* const name = std::getenv("EXPECTED_ALLOCATOR");
  return name != nullptr ? name : "glibc";
}

class Block {
 public:
  explicit Block(std::size_t bytes) : memory_(std::malloc(bytes)) { std::memset(memory_, 1, bytes); }
  Block(Block&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)) {}
  Block& operator=(Block&&) = delete;
  ~Block() { std::free(memory_); }

 private:
  void* memory_;
};

std::vector<Block> blocks_of(std::size_t count, std::size_t bytes) {
  std::vector<Block> blocks;
  for (std::size_t i = 0; i < count; ++i) blocks.emplace_back(bytes);
  return blocks;
}

TEST(Heap, IsWhatWasPreloaded) {
  EXPECT_EQ(to_string(Heap::process().kind()), expected());
  EXPECT_FALSE(Heap::process().library().empty());
  if (expected() == "unknown") return;
  EXPECT_TRUE(std::isdigit(static_cast<unsigned char>(Heap::process().version().front()))) << Heap::process().version();
}

TEST(Heap, AllocatedFollowsTheProgramWhereItIsTold) {
  const auto before = Heap::process().statistics().allocated;
  const auto blocks = blocks_of(64, 1 << 20);
  const auto after = Heap::process().statistics().allocated;
  if (expected() == "mimalloc" || expected() == "unknown") {
    EXPECT_FALSE(after.has_value()) << "a figure that is not known must be empty, not 0";
    return;
  }
  ASSERT_TRUE(before && after);
  EXPECT_GE(*after - *before, std::uint64_t{63} << 20);  // caches may have been counted before
  EXPECT_LT(*after - *before, std::uint64_t{80} << 20);
}

TEST(Heap, StepsOfTheWaterfallAreInOrder) {
  const auto blocks = blocks_of(1000, 5000);
  const HeapStatistics s = Heap::process().statistics();
  if (expected() == "jemalloc") {
    ASSERT_TRUE(s.allocated && s.active && s.resident && s.mapped && s.retained && s.metadata && s.dirty && s.purges &&
                s.madvise_calls);
  }
  if (s.allocated && s.active) {
    EXPECT_LE(*s.allocated, *s.active);
  }
  if (s.active && s.resident) {
    EXPECT_LE(*s.active, *s.resident);
  }
  EXPECT_FALSE(s.requested.has_value()) << "no allocator here knows what was requested";
}

TEST(Heap, PurgeGivesBackFreedPages) {
  if (expected() == "unknown") {
    EXPECT_FALSE(Heap::process().purge().done);
    return;
  }
  { const auto blocks = blocks_of(200, 1 << 20); }
  EXPECT_TRUE(Heap::process().purge().done);
  const auto dirty = Heap::process().statistics().dirty;
  if (dirty) {
    EXPECT_LT(*dirty, std::uint64_t{20} << 20);
  }
}

TEST(Heap, KnobsAreReadBackOrRefusedWithAReason) {
  Heap& heap = Heap::process();
  const HeapReply decay = heap.set_dirty_decay(1234ms);
  const HeapReply background = heap.set_background_thread(true);
  if (expected() == "jemalloc") {
    EXPECT_TRUE(decay.done) << decay.reason;
    EXPECT_EQ(heap.dirty_decay(), 1234ms);
    EXPECT_TRUE(heap.set_dirty_decay(-1ms).done);
    EXPECT_EQ(heap.dirty_decay(), -1ms);
    EXPECT_TRUE(background.done) << background.reason;
    EXPECT_EQ(heap.background_thread(), true);
    EXPECT_TRUE(heap.set_background_thread(false).done);
    EXPECT_EQ(heap.background_thread(), false);
    return;
  }
  EXPECT_FALSE(decay.done);
  EXPECT_FALSE(decay.reason.empty());
  EXPECT_FALSE(background.done);
  EXPECT_FALSE(background.reason.empty());
  EXPECT_FALSE(heap.dirty_decay().has_value());
  EXPECT_FALSE(heap.background_thread().has_value());
}

TEST(Heap, SlabSlackShowsPinning) {
  const auto size_class = Heap::process().size_class(512);
  if (expected() != "jemalloc") {
    EXPECT_FALSE(size_class.has_value());
    EXPECT_FALSE(Heap::process().slab_statistics().has_value());
    return;
  }
  ASSERT_TRUE(size_class);
  EXPECT_EQ(size_class->region_bytes, 512U);
  EXPECT_EQ(size_class->slab_bytes, size_class->regions_per_slab * size_class->region_bytes);
  EXPECT_FALSE(Heap::process().size_class(1 << 20).has_value());

  // One block in eight survives: a 512-byte slab has eight regions, so about two slabs in three stay.
  constexpr std::size_t count = 100'000;
  auto blocks = blocks_of(count, 500);
  std::vector<Block> survivors;
  for (std::size_t i = 0; i < count; ++i) {
    if (i % 8 == i / 8 % 8) survivors.push_back(std::move(blocks[i]));
  }
  blocks.clear();
  static_cast<void>(Heap::process().statistics());
  const auto slabs = Heap::process().slab_statistics();
  ASSERT_TRUE(slabs);
  EXPECT_GT(slabs->slab_bytes - slabs->region_bytes, count * 512 / 2);
}

// The hook by which the labs write heap profiles, on the same four allocators.
TEST(HeapProfiler, WritesAProfileOrSaysWhyNot) {
  const ProfileReply available = HeapProfiler::available();
  if (expected() != "jemalloc" && expected() != "tcmalloc") {
    EXPECT_FALSE(available.done);
    EXPECT_NE(available.reason.find("no heap profiler"), std::string::npos) << available.reason;
    EXPECT_FALSE(HeapProfiler::dump_raw("never-written.heap").done);
    return;
  }
  ASSERT_TRUE(available.done) << available.reason;
  const testing::ScratchFolder folder;
  ASSERT_TRUE(HeapProfiler::start(folder / "own").done);
  const auto blocks = blocks_of(100, 100'000);
  const ProfileReply dumped = HeapProfiler::dump_raw(folder / "test.heap");
  EXPECT_TRUE(dumped.done) << dumped.reason;
  std::ifstream profile(folder / "test.heap");
  std::string line;
  std::getline(profile, line);
  EXPECT_TRUE(line.starts_with(expected() == "jemalloc" ? "heap_v2/4096" : "heap profile:")) << line;
  EXPECT_FALSE(HeapProfiler::dump_raw(folder / "no-such-folder/test.heap").done);
}

}  // namespace
}  // namespace plateau
