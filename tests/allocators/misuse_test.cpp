// Protects the checks of debug builds: each kind of misuse aborts with its line. Linked with the library whose checks
// are always on.
#include "allocators/misuse.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "allocators/arena.hpp"
#include "allocators/concurrent_pool.hpp"
#include "allocators/pool.hpp"

namespace plateau {
namespace {

static_assert(misuse_checks);

TEST(MisuseDeathTest, RewindToAMarkOfAnotherArena) {
  Arena arena;
  const Arena other;
  EXPECT_DEATH(arena.rewind(other.mark()), "plateau: Arena::rewind to a mark of another arena");
}

TEST(MisuseDeathTest, RewindToAMarkOfBeforeAReset) {
  Arena arena;
  static_cast<void>(arena.allocate(10));
  const Arena::Mark mark = arena.mark();
  arena.reset();
  EXPECT_DEATH(arena.rewind(mark), "plateau: Arena::rewind to a mark of before a reset");
}

TEST(MisuseDeathTest, RewindToAMarkThatAnEarlierRewindUndid) {
  Arena arena;
  const Arena::Mark early = arena.mark();
  static_cast<void>(arena.allocate(10));
  const Arena::Mark late = arena.mark();
  arena.rewind(early);
  EXPECT_DEATH(arena.rewind(late), "plateau: Arena::rewind to a mark that an earlier rewind undid");
}

TEST(MisuseDeathTest, AnAlignmentThatIsNotAPowerOfTwo) {
  Arena arena;
  EXPECT_DEATH(static_cast<void>(arena.allocate(8, 24)), "plateau: Arena::allocate with an alignment");
  std::pmr::memory_resource& resource = arena;
  EXPECT_DEATH(static_cast<void>(resource.allocate(8, 24)), "plateau: Arena::allocate with an alignment");
}

TEST(MisuseDeathTest, FreeToTheWrongPool) {
  Pool right({.block_bytes = 64});
  Pool wrong({.block_bytes = 64});
  static_cast<void>(wrong.allocate_block());
  void* const block = right.allocate_block();
  EXPECT_DEATH(wrong.deallocate_block(block), "plateau: Pool: free of a block that is not this pool's");
  std::array<char, 64> local;
  EXPECT_DEATH(wrong.deallocate_block(local.data()), "plateau: Pool: free of a block that is not this pool's");
}

TEST(MisuseDeathTest, DoubleFree) {
  Pool pool({.block_bytes = 64});
  void* const block = pool.allocate_block();
  pool.deallocate_block(block);
  EXPECT_DEATH(pool.deallocate_block(block), "plateau: Pool: double free of a block");
}

TEST(MisuseDeathTest, FreeOfAnAddressInsideABlock) {
  Pool pool({.block_bytes = 64});
  auto* const block = static_cast<char*>(pool.allocate_block());
  EXPECT_DEATH(pool.deallocate_block(block + 16), "plateau: Pool: free of an address inside a block");
}

TEST(MisuseDeathTest, DoubleFreeAcrossThreads) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  ConcurrentPool pool({.block_bytes = 64});
  void* const block = pool.allocate_block();
  std::thread([&] { pool.deallocate_block(block); }).join();
  EXPECT_DEATH(pool.deallocate_block(block), "plateau: Pool: double free of a block");
}

TEST(MisuseDeathTest, FreeToTheWrongConcurrentPool) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  Pool right({.block_bytes = 64});
  ConcurrentPool wrong({.block_bytes = 64});
  void* const block = right.allocate_block();
  EXPECT_DEATH(wrong.deallocate_block(block), "plateau: ConcurrentPool: free of a block that is not this pool's");
}

}  // namespace
}  // namespace plateau
