// Run on jemalloc with MALLOC_CONF=dirty_decay_ms:0 (see tests/CMakeLists.txt). Protects the answer to "who was made
// to wait for purges": the function that freed, with what it freed, and no background thread.
#include "profiling/purge_pauses.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "allocators/purge_trace.hpp"
#include "profiling/pause_profile.hpp"

namespace {

constexpr std::size_t block_bytes = 4 << 10;
constexpr std::size_t block_count = 20'000;
constexpr std::size_t all_bytes = block_bytes * block_count;

void free_all(std::vector<void*>& blocks) {
  for (void* const block : blocks) std::free(block);
}

}  // namespace

// Found in the profile by these names (the program exports them).
extern "C" {
[[gnu::noinline]] void drop_sessions(std::vector<void*>& blocks) {
  free_all(blocks);
  asm volatile("" ::: "memory");  // no tail call: this function is to be on the stack
}
[[gnu::noinline]] void drop_cache(std::vector<void*>& blocks) {
  free_all(blocks);
  asm volatile("" ::: "memory");
}
[[gnu::noinline]] void drop_in_background(std::vector<void*>& blocks) {
  free_all(blocks);
  asm volatile("" ::: "memory");
}
}

namespace plateau {
namespace {

// Of the stacks that lead through the function.
std::vector<std::int64_t> values_through(std::string_view function) {
  const Profile profile = PauseProfile::process().snapshot();
  std::vector<std::int64_t> sum(3);
  for (const Profile::Sample& sample : profile.samples()) {
    bool leads_through = false;
    for (const std::uint64_t address : profile.stack(sample)) {
      Dl_info info{};
      leads_through = leads_through || (dladdr(reinterpret_cast<void*>(address - 1), &info) != 0 &&
                                        info.dli_sname != nullptr && info.dli_sname == function);
    }
    if (!leads_through) continue;
    EXPECT_EQ(profile.labels(sample)[0].text, "purge");
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += profile.values(sample)[i];
  }
  return sum;
}

std::vector<void*> touched_blocks() {
  std::vector<void*> blocks;
  for (std::size_t i = 0; i < block_count; ++i) blocks.push_back(std::memset(std::malloc(block_bytes), 1, block_bytes));
  return blocks;
}

// A burst ends when the thread does something else for a while.
void do_something_else() {
  const auto end = std::chrono::steady_clock::now() + 3 * PurgeBursts::gap;
  while (std::chrono::steady_clock::now() < end) {
  }
}

TEST(PurgePauses, NameWhoFreedAndHowMuch) {
  ASSERT_TRUE(record_purge_pauses().done);
  auto sessions = touched_blocks();
  auto cache = touched_blocks();
  const std::uint64_t purged_before = PurgeTrace::totals().request_threads.bytes;
  do_something_else();
  drop_sessions(sessions);
  do_something_else();
  drop_cache(cache);
  const std::uint64_t purged = PurgeTrace::totals().request_threads.bytes - purged_before;
  const auto by_sessions = values_through("drop_sessions");
  const auto by_cache = values_through("drop_cache");
  for (const auto& values : {by_sessions, by_cache}) {
    EXPECT_GE(values[0], 1) << "pauses";
    EXPECT_LT(values[0], 1000) << "and not one a call of the kernel";
    EXPECT_GT(values[1], 0) << "nanoseconds";
    EXPECT_GE(values[2], static_cast<std::int64_t>(0.9 * all_bytes));
    EXPECT_LE(values[2], static_cast<std::int64_t>(1.2 * all_bytes));
  }
  EXPECT_LE(by_sessions[2] + by_cache[2], static_cast<std::int64_t>(purged));
}

TEST(PurgePauses, LeaveOutThreadsInTheBackground) {
  ASSERT_TRUE(record_purge_pauses().done);
  auto blocks = touched_blocks();
  const std::uint64_t before = PurgeTrace::totals().background.calls;
  std::thread([&] {
    PurgeTrace::this_thread_is_background();
    std::vector<void*> own(1, std::malloc(64));  // see the warning in purge_trace.hpp
    free_all(own);
    drop_in_background(blocks);
  }).join();
  EXPECT_GT(PurgeTrace::totals().background.calls, before);
  EXPECT_EQ(values_through("drop_in_background"), std::vector<std::int64_t>(3));
}

}  // namespace
}  // namespace plateau
