// Protects what is said of glibc's caches of threads: each thread's are found, and are gone with it; on whatever does
// not have them, nothing is said.
#include "allocators/internal/glibc_thread_caches.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <cstdint>
#include <cstdlib>
#include <thread>

#include "allocators/heap.hpp"

namespace plateau::testing {
namespace {

// A cache has room for seven blocks of a size.
constexpr std::size_t blocks = 7;
constexpr std::size_t sizes = 32;

void fill_own_cache() {
  for (std::size_t size = 0; size < sizes; ++size) {
    std::array<void* volatile, blocks> made{};
    for (auto& block : made) block = std::malloc(24 + 16 * size);
    for (auto& block : made) std::free(block);
  }
}

std::uint64_t filled_bytes() {
  std::uint64_t bytes = 0;
  for (std::size_t size = 0; size < sizes; ++size) bytes += blocks * (32 + 16 * size);
  return bytes;
}

bool leaves_none_out(pid_t /*thread*/) {
  return false;
}

TEST(GlibcThreadCaches, OfEachThreadAreFoundAsLongAsItLives) {
  const auto before = glibc_thread_caches(leaves_none_out);
  if (!before) {
    if (Heap::process().kind() == AllocatorKind::glibc)
      GTEST_SKIP() << "not to be had of " << Heap::process().version();
    GTEST_SKIP() << "not on glibc";
  }
  EXPECT_GE(before->threads, 1U);
  std::barrier filled(2);
  std::barrier looked(2);
  std::thread other([&] {
    fill_own_cache();
    filled.arrive_and_wait();
    looked.arrive_and_wait();
  });
  filled.arrive_and_wait();
  const auto with = glibc_thread_caches(leaves_none_out);
  // Looking changes the cache of who looks.
  const auto others = glibc_thread_caches([](pid_t thread) { return thread == ::gettid(); });
  looked.arrive_and_wait();
  other.join();
  ASSERT_TRUE(with && others);
  EXPECT_EQ(with->threads, before->threads + 1);
  EXPECT_EQ(others->threads, before->threads);
  EXPECT_GE(others->bytes, filled_bytes());
  EXPECT_LE(others->bytes, filled_bytes() + 32 * 1024) << "what the thread itself had besides";
  EXPECT_GE(with->bytes, others->bytes);
  const auto after = glibc_thread_caches(leaves_none_out);
  ASSERT_TRUE(after);
  EXPECT_EQ(after->threads, before->threads);
}

TEST(GlibcThreadCaches, OfTheCallingThreadFollowItsFrees) {
  if (!glibc_thread_caches(leaves_none_out)) GTEST_SKIP() << "not to be had";
  void* volatile block = std::malloc(968);
  const auto before = glibc_thread_caches(leaves_none_out);
  std::free(block);
  const auto after = glibc_thread_caches(leaves_none_out);
  ASSERT_TRUE(before && after);
  EXPECT_EQ(after->bytes, before->bytes + 976);
}

}  // namespace
}  // namespace plateau::testing
