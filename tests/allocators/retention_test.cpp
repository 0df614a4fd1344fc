// Run once on each allocator (see tests/CMakeLists.txt). Protects the shell round the decision: what is decided is done
// on the real heap, by a thread that allocates nothing, survives fork, and puts everything back.
#include "allocators/retention.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "allocators/allocation_counter.hpp"
#include "allocators/jemalloc_arena.hpp"
#include "allocators/process_memory.hpp"
#include "allocators/purge_trace.hpp"

namespace plateau {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

constexpr std::uint64_t mib = 1 << 20;

std::string expected() {
  const char* const name = std::getenv("EXPECTED_ALLOCATOR");
  return name != nullptr ? name : "glibc";
}

// The policy works on a thread and in a time of its own; a test can only wait for what must come.
template <class Condition>
bool comes_true(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

class Blocks {
 public:
  Blocks(std::uint64_t bytes, std::size_t block_bytes) {
    for (std::uint64_t taken = 0; taken < bytes; taken += block_bytes) {
      blocks_.push_back(std::malloc(block_bytes));
      std::memset(blocks_.back(), 1, block_bytes);
    }
  }
  ~Blocks() { clear(); }
  Blocks(const Blocks&) = delete;
  Blocks& operator=(const Blocks&) = delete;
  void clear() {
    for (void* const block : blocks_) std::free(block);
    blocks_.clear();
  }

 private:
  std::vector<void*> blocks_;
};

TEST(RetentionPolicy, SaysWhatItCannotDo) {
  const RetentionPolicy policy;
  const RetentionSupport& support = policy.support();
  for (const HeapReply& reply :
       {support.retain_percent, support.slices, support.flush, support.sole_purger, support.heap_limit}) {
    EXPECT_EQ(reply.done, reply.reason.empty());
  }
  const bool tells = expected() == "jemalloc" || expected() == "tcmalloc";
  EXPECT_EQ(support.retain_percent.done, tells) << support.retain_percent.reason;
  EXPECT_EQ(support.slices.done, tells) << support.slices.reason;
  EXPECT_EQ(support.flush.done, tells || expected() == "mimalloc") << support.flush.reason;
  EXPECT_EQ(support.sole_purger.done, expected() == "jemalloc") << support.sole_purger.reason;
}

TEST(RetentionPolicy, RefusesWhatMakesNoSense) {
  EXPECT_THROW(RetentionPolicy({.purge_cpu_share = 0}), std::invalid_argument);
  EXPECT_THROW(RetentionPolicy({.limit_cpu_share = 1.5}), std::invalid_argument);
  EXPECT_THROW(RetentionPolicy({.retain_for = -1ms}), std::invalid_argument);
  const RetentionPolicy policy;
  EXPECT_THROW(RetentionPolicy(), std::logic_error) << "malloc is one";
}

TEST(RetentionPolicy, NobodyElsePurgesWhileItLives) {
  if (expected() != "jemalloc") return;
  Heap& heap = Heap::process();
  const auto before = heap.dirty_decay();
  {
    const RetentionPolicy policy({.soft_limit = no_soft_limit});
    EXPECT_EQ(heap.dirty_decay(), -1ms);
    EXPECT_TRUE(comes_true([] { return PurgeTrace::goal() > 0; })) << "for those who print purges: decay is none";
  }
  EXPECT_EQ(heap.dirty_decay(), before);
  EXPECT_FALSE(PurgeTrace::goal());
}

TEST(RetentionPolicy, WithoutAPercentageDecayIsLeftToTheAllocator) {
  const auto before = Heap::process().dirty_decay();
  RetentionPolicy policy({.retain_percent = std::nullopt, .retain_for = 10ms, .soft_limit = no_soft_limit});
  EXPECT_EQ(Heap::process().dirty_decay(), before);
  EXPECT_FALSE(policy.support().sole_purger.done);
  EXPECT_FALSE(policy.support().sole_purger.reason.empty());
  EXPECT_FALSE(policy.set_retain_percent(0));
  const std::uint64_t looks = policy.statistics().looks;
  EXPECT_TRUE(comes_true([&] { return policy.statistics().looks > looks + 20; }));
  EXPECT_EQ(policy.statistics().counts.purged_bytes, 0U);
}

TEST(RetentionPolicy, KeepsThePercentageAndGivesTheRestBack) {
  if (expected() != "jemalloc" && expected() != "tcmalloc") return;
  const Blocks live(32 * mib, 40'000);
  RetentionPolicy policy({.retain_percent = 1000, .retain_for = 20ms, .soft_limit = no_soft_limit});
  { const Blocks burst(64 * mib, 40'000); }
  const std::uint64_t looks = policy.statistics().looks;
  ASSERT_TRUE(comes_true([&] { return policy.statistics().looks > looks + 50; }));
  // tcmalloc gives a little back by itself; see SaysWhatItCannotDo.
  EXPECT_GT(policy.statistics().unused.value_or(0), 32 * mib) << "it is within the percentage";

  EXPECT_TRUE(policy.set_retain_percent(10));
  EXPECT_TRUE(comes_true([&] {
    const RetentionStatistics now = policy.statistics();
    return *now.unused <= *now.live / 10 + mib;
  }));
  EXPECT_GT(policy.statistics().counts.purged_bytes, 30 * mib);
  EXPECT_TRUE(comes_true([&] { return policy.state() == RetentionState::steady; }));
}

TEST(RetentionPolicy, AsksCachesUnderTheLimitAndHoldsIt) {
  if (expected() == "unknown") return;  // a sanitizer's malloc keeps what is freed
  Heap::process().purge();              // what other tests left behind must not suffice
  Blocks precious(40 * mib, 40'000);
  Blocks cache(60 * mib, 40'000);
  std::atomic<int> asked{0};
  RetentionPolicy policy({.retain_for = 100ms, .soft_limit = no_soft_limit});
  const auto second = policy.on_shed(
      2, [] { return 40 * mib; },
      [&](const ShedRequest&) {
        asked += 100;
        return std::uint64_t{0};
      });
  const auto first = policy.on_shed(
      1, [] { return 60 * mib; },
      [&](const ShedRequest& request) {
        EXPECT_GT(request.deadline, std::chrono::steady_clock::now() - 30s);
        ++asked;
        cache.clear();
        return 60 * mib;
      });
  const std::uint64_t limit = own_rss_bytes() - 20 * mib;
  policy.set_soft_limit(limit);
  EXPECT_EQ(policy.limit_source(), "given");
  EXPECT_TRUE(comes_true([&] {
    flush_if_asked();  // mimalloc: only this thread can give back what it allocated
    const RetentionStatistics now = policy.statistics();
    return now.shed.delivered_bytes > 0 && now.used <= limit && policy.state() == RetentionState::steady;
  })) << to_string(policy.state());
  EXPECT_GE(asked, 1);
  EXPECT_GE(policy.statistics().flushes, 1u);
  if (expected() == "jemalloc") {
    EXPECT_EQ(asked, 1) << "the first one sufficed";
  }
}

TEST(RetentionPolicy, TellsTheApplicationOnceThatTheLimitCannotBeHeld) {
  std::atomic<int> told{0};
  RetentionPolicy policy({.soft_limit = mib, .give_up_after = 50ms, .on_change = [&](RetentionState now) {
                            if (now == RetentionState::backed_off) ++told;
                          }});
  ASSERT_TRUE(comes_true([&] { return policy.state() == RetentionState::backed_off; }));
  const std::uint64_t looks = policy.statistics().looks;
  ASSERT_TRUE(comes_true([&] { return policy.statistics().looks > looks + 20; }));
  EXPECT_EQ(told, 1);
  policy.set_soft_limit(no_soft_limit);
  EXPECT_TRUE(comes_true([&] { return policy.state() == RetentionState::steady; }));
  EXPECT_EQ(policy.limit_source(), "none");
}

TEST(RetentionPolicy, AThreadFlushesItsCacheWhenAskedAndOnlyThen) {
  static_cast<void>(flush_if_asked());
  EXPECT_FALSE(flush_if_asked());
  ask_threads_to_flush();
  EXPECT_EQ(flush_if_asked(), Heap::process().purge_support().flush.done);
  EXPECT_FALSE(flush_if_asked());
}

TEST(RetentionPolicy, ItsThreadAllocatesNothing) {
  if (expected() == "unknown") return;
  Blocks growing(8 * mib, 40'000);
  // Both are called on the policy's thread, round after round, with looks, flushes and purges in between.
  std::atomic<std::uint64_t> least{UINT64_MAX};
  std::atomic<std::uint64_t> most{0};
  std::atomic<int> rounds{0};
  RetentionPolicy policy({.retain_percent = 0, .retain_for = 1ms, .soft_limit = mib, .give_up_after = 30s});
  const auto cache = policy.on_shed(
      0,
      [&] {
        const std::uint64_t calls = thread_allocation_counts().calls;
        least = std::min(least.load(), calls);
        most = std::max(most.load(), calls);
        ++rounds;
        return 1;
      },
      [](const ShedRequest&) { return 0; });
  ASSERT_TRUE(comes_true([&] { return rounds > 20; }));
  EXPECT_EQ(least, most);
}

TEST(RetentionPolicy, ExplicitArenasArePurgedAndMayEndAtAnyTime) {
  if (expected() != "jemalloc") return;
  const RetentionPolicy policy(
      {.retain_percent = 0, .retain_for = 0ms, .soft_limit = no_soft_limit, .purge_cpu_share = 1});
  {
    JemallocArena arena;
    void* const block = arena.allocate(20 * mib);
    std::memset(block, 1, 20 * mib);
    arena.deallocate(block, 20 * mib);
    EXPECT_TRUE(comes_true([&] { return arena.statistics().dirty == 0; }));
  }
  for (int i = 0; i < 100; ++i) {
    JemallocArena arena;
    void* const block = arena.allocate(mib);
    std::memset(block, 1, mib);
    arena.deallocate(block, mib);
    if (i % 3 == 0) arena.reset();
  }
}

TEST(RetentionPolicy, IsOffInAForkedChildUntilRestarted) {
  RetentionPolicy policy({.retain_for = 10ms, .soft_limit = mib});
  const auto cache = policy.on_shed(
      0, [] { return 1; }, [](const ShedRequest&) { return 0; });
  // The thread is at different things each time.
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      if (policy.state() != RetentionState::off) ::_exit(1);
      policy.set_retain_percent(50);
      static_cast<void>(policy.statistics());
      {
        const auto late = policy.on_shed(
            1, [] { return 1; }, [](const ShedRequest&) { return 0; });
      }
#ifndef __SANITIZE_THREAD__  // which has no threads after a fork
      const std::uint64_t looks = policy.statistics().looks;
      policy.restart();
      if (!comes_true([&] { return policy.statistics().looks > looks + 5; })) ::_exit(2);
      if (policy.state() == RetentionState::off) ::_exit(3);
#endif
      policy.~RetentionPolicy();
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(status, 0);
  }
  const std::uint64_t looks = policy.statistics().looks;
  EXPECT_TRUE(comes_true([&] { return policy.statistics().looks > looks; })) << "the parent's goes on";
}

}  // namespace
}  // namespace plateau
