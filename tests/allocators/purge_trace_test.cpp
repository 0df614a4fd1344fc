// Run on jemalloc, linked as a library, so that it is there under sanitizers too, which bring a malloc of their own.
// Protects the purge trace: it sees what jemalloc did, in every arena, it changes nothing but that, and it leaves no
// trace of its own behind.
#include "allocators/purge_trace.hpp"

#include <gtest/gtest.h>
#include <jemalloc/jemalloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "allocators/jemalloc/control.hpp"
#include "allocators/jemalloc_arena.hpp"

namespace plateau {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t block_bytes = 64 << 10;

template <class Value>
Value read(const std::string& name) {
  const auto told = jemalloc::read<Value>(name.c_str());
  EXPECT_TRUE(told) << name << ": " << to_string(told.error);
  return told.value;
}

extent_hooks_t* hooks_of(unsigned arena) {
  return read<extent_hooks_t*>("arena." + std::to_string(arena) + ".extent_hooks");
}

// Takes so many blocks of the arena, touches them, and gives them back.
void churn(JemallocArena& arena, std::size_t blocks) {
  std::vector<void*> taken;
  for (std::size_t i = 0; i < blocks; ++i) taken.push_back(std::memset(arena.allocate(block_bytes), 1, block_bytes));
  for (void* const block : taken) arena.deallocate(block, block_bytes);
}

std::vector<PurgeEvent> events_of(PurgeTrace::Reader& reader) {
  std::vector<PurgeEvent> events;
  reader.read([&](const PurgeEvent& event) { events.push_back(event); });
  return events;
}

PurgeTotals total() {
  const auto [own, background] = PurgeTrace::totals();
  return {own.calls + background.calls, own.bytes + background.bytes, own.wall_ns + background.wall_ns,
          own.cpu_ns + background.cpu_ns};
}

class Traced : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(PurgeTrace::start().done); }
  void TearDown() override { PurgeTrace::stop(); }
};

TEST(PurgeTrace, NotStartedNothingIsTouchedAndStoppedAllIsAsBefore) {
  JemallocArena early;
  extent_hooks_t* const before = hooks_of(early.index());
  const std::uint64_t calls = total().calls;
  EXPECT_FALSE(PurgeTrace::running());
  EXPECT_EQ(PurgeTrace::cover_new_arenas(), 0U);
  JemallocArena at_once({.dirty_decay = 0ms});
  churn(at_once, 10);
  EXPECT_EQ(total().calls, calls);

  ASSERT_TRUE(PurgeTrace::start().done);
  ASSERT_TRUE(PurgeTrace::start().done) << "twice is once";
  EXPECT_TRUE(PurgeTrace::running());
  EXPECT_NE(hooks_of(early.index()), before);
  EXPECT_NE(hooks_of(0), before);
  PurgeTrace::stop();
  PurgeTrace::stop();
  EXPECT_FALSE(PurgeTrace::running());
  EXPECT_EQ(hooks_of(early.index()), before);
  EXPECT_EQ(hooks_of(0), before);
  churn(at_once, 10);
  EXPECT_EQ(total().calls, calls);
}

TEST_F(Traced, SeesWhatJemallocCounts) {
  JemallocArena arena({.dirty_decay = 0ms, .muzzy_decay = 0ms});
  PurgeTrace::Reader reader;
  const PurgeTotals before = total();
  churn(arena, 500);
  arena.purge();
  std::uint64_t calls = 0;
  std::uint64_t bytes = 0;
  std::uint64_t last_end = 0;
  for (const PurgeEvent& event : events_of(reader)) {
    if (event.arena != arena.index()) continue;  // the test's own vectors may be purged too
    ++calls;
    bytes += event.bytes;
    EXPECT_EQ(event.kind, PurgeKind::forced);
    EXPECT_EQ(event.thread, static_cast<std::uint32_t>(::gettid()));
    EXPECT_FALSE(event.background);
    EXPECT_GT(event.wall_ns, 0U);
    EXPECT_GE(event.start_ns, last_end) << "one thread does one thing at a time";
    last_end = event.end_ns();
  }
  jemalloc::refresh_statistics();
  const std::string statistics = "stats.arenas." + std::to_string(arena.index()) + ".";
  EXPECT_EQ(calls, read<std::uint64_t>(statistics + "dirty_nmadvise"));
  EXPECT_EQ(bytes, read<std::uint64_t>(statistics + "dirty_purged") * read<std::size_t>("arenas.page"));
  EXPECT_GE(bytes, 500 * block_bytes);
  EXPECT_GE(total().calls - before.calls, calls);
  EXPECT_GE(total().bytes - before.bytes, bytes);
  EXPECT_GT(total().wall_ns, before.wall_ns);
}

TEST_F(Traced, TellsLazyFromForced) {
  JemallocArena arena({.dirty_decay = 1ms, .muzzy_decay = 10s});
  PurgeTrace::Reader reader;
  for (bool lazy = false; !lazy;) {  // until ctest gives up
    churn(arena, 50);
    for (const PurgeEvent& event : events_of(reader)) lazy = lazy || event.kind == PurgeKind::lazy;
  }
}

TEST_F(Traced, ArenasMadeByOthersAreFoundAlsoUnderAUsedNumber) {
  const unsigned number = [] {
    const JemallocArena gone;
    return gone.index();
  }();
  const auto again = read<unsigned>("arenas.create");
  ASSERT_EQ(again, number) << "jemalloc uses numbers again";
  PurgeTrace::cover_new_arenas();  // unless the trace's own thread was first
  EXPECT_EQ(hooks_of(again), hooks_of(0));
  EXPECT_EQ(PurgeTrace::cover_new_arenas(), 0U);
  EXPECT_EQ(jemalloc::Mib("arena.0.destroy").call(again), jemalloc::ControlError::none);
}

// Hooks of the program's own, by which one arena lives: only what is needed, in front of jemalloc's.
struct CountingHooks {
  extent_hooks_t hooks{};
  extent_hooks_t* defaults = nullptr;
  std::uint64_t allocated = 0;
  std::uint64_t purged = 0;

  explicit CountingHooks(extent_hooks_t* before) : defaults(before) {
    hooks.alloc = [](extent_hooks_t* self, void* at, std::size_t size, std::size_t alignment, bool* zero, bool* commit,
                     unsigned arena) {
      ++of(self).allocated;
      return of(self).defaults->alloc(of(self).defaults, at, size, alignment, zero, commit, arena);
    };
    hooks.purge_forced = [](extent_hooks_t* self, void* at, std::size_t size, std::size_t offset, std::size_t length,
                            unsigned arena) {
      ++of(self).purged;
      return of(self).defaults->purge_forced(of(self).defaults, at, size, offset, length, arena);
    };
  }
  static CountingHooks& of(extent_hooks_t* self) { return *reinterpret_cast<CountingHooks*>(self); }
};

TEST_F(Traced, HooksOfTheProgramAreCalledAndTimed) {
  PurgeTrace::stop();
  CountingHooks own(hooks_of(0));
  ASSERT_TRUE(PurgeTrace::start().done);
  PurgeTrace::Reader reader;
  {
    JemallocArena arena({.dirty_decay = 0ms, .extent_hooks = &own.hooks});
    churn(arena, 50);
    std::uint64_t seen = 0;
    for (const PurgeEvent& event : events_of(reader)) seen += event.arena == arena.index() ? 1U : 0U;
    EXPECT_GT(own.allocated, 0U);
    EXPECT_GT(own.purged, 0U);
    EXPECT_EQ(seen, own.purged);
  }
}

TEST_F(Traced, HooksThatAreLaidOverTheTraceStayThere) {
  JemallocArena arena({.dirty_decay = 0ms});
  CountingHooks over(hooks_of(arena.index()));
  const jemalloc::Mib extent_hooks("arena.0.extent_hooks");
  ASSERT_EQ(extent_hooks.write(&over.hooks, arena.index()), jemalloc::ControlError::none);
  PurgeTrace::cover_new_arenas();
  EXPECT_EQ(hooks_of(arena.index()), &over.hooks);
  PurgeTrace::Reader reader;
  churn(arena, 50);
  EXPECT_GT(over.purged, 0U);
  EXPECT_FALSE(events_of(reader).empty()) << "and call it";
  ASSERT_EQ(extent_hooks.write(over.defaults, arena.index()), jemalloc::ControlError::none);
}

TEST_F(Traced, EveryReaderSeesAll) {
  JemallocArena arena({.dirty_decay = 0ms});
  PurgeTrace::Reader one;
  PurgeTrace::Reader other;
  churn(arena, 50);
  const PurgeTrace::Reader late;
  EXPECT_FALSE(events_of(one).empty());
  EXPECT_FALSE(events_of(other).empty());
  EXPECT_TRUE(events_of(one).empty());
  PurgeTrace::Reader later = late;
  EXPECT_TRUE(events_of(later).empty()) << "what was before it was made is not its business";
}

TEST_F(Traced, ThreadsThatSayTheyAreInTheBackgroundAreCountedThere) {
  JemallocArena arena({.dirty_decay = 0ms});
  const std::uint64_t before = PurgeTrace::totals().background.calls;
  std::thread([&] {
    PurgeTrace::this_thread_is_background();
    churn(arena, 50);
  }).join();
  EXPECT_GT(PurgeTrace::totals().background.calls, before);
}

std::atomic<std::uint64_t> observed{0};
void observe(const PurgeEvent& /*event*/) noexcept {
  ++observed;
}

TEST_F(Traced, TheObserverIsCalledByTheThreadThatPurges) {
  JemallocArena arena({.dirty_decay = 0ms});
  PurgeTrace::set_observer(observe);
  const std::uint64_t before = total().calls;
  churn(arena, 50);
  PurgeTrace::set_observer(nullptr);
  EXPECT_EQ(observed, total().calls - before);
  EXPECT_GT(observed, 0U);
}

TEST_F(Traced, GoalIsWhatWasSet) {
  EXPECT_FALSE(PurgeTrace::goal());
  PurgeTrace::set_goal(1000);
  EXPECT_EQ(PurgeTrace::goal(), 1000U);
  PurgeTrace::set_goal(std::nullopt);
  EXPECT_FALSE(PurgeTrace::goal());
}

// The child's part asks nothing of operator new: AddressSanitizer's malloc does not look after its locks at a fork, and
// a child that calls it may wait for ever.
TEST_F(Traced, AForkedChildPurgesAndEnds) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "jemalloc holds more locks over a fork than ThreadSanitizer can count";
#endif
  JemallocArena arena({.dirty_decay = 0ms});
  for (int i = 0; i < 20; ++i) {  // at any moment of the trace's own thread
    const pid_t child = ::fork();
    if (child == 0) {
      PurgeTrace::Reader reader;
      arena.deallocate(std::memset(arena.allocate(block_bytes), 1, block_bytes), block_bytes);
      bool seen = false;
      reader.read([&seen](const PurgeEvent& event) { seen = event.thread == static_cast<std::uint32_t>(::getpid()); });
      PurgeTrace::stop();
      ::_exit(seen ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }
}

TEST(PurgeTrace, ArenasComeAndGoWhileItIsStartedStoppedAndRead) {
  PurgeTrace::Reader reader;
  const std::uint64_t before = total().calls;
  std::atomic<bool> ended{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 60; ++i) {
        JemallocArena arena({.thread_cache = i % 2 == 0, .dirty_decay = t == 0 ? 10ms : 0ms});
        churn(arena, 20);
        if (i % 3 == 0) arena.reset();
      }
    });
  }
  threads.emplace_back([&] {
    while (!ended) {
      PurgeTrace::start();
      PurgeTrace::cover_new_arenas();
      std::this_thread::yield();
      PurgeTrace::stop();
    }
  });
  std::uint64_t read = 0;
  threads.emplace_back([&] {
    while (!ended) read += reader.read([](const PurgeEvent& event) { ASSERT_GT(event.bytes, 0U); });
  });
  for (std::size_t i = 0; i < 3; ++i) threads[i].join();
  ended = true;
  threads[3].join();
  threads[4].join();
  PurgeTrace::stop();
  read += reader.read([](const PurgeEvent&) {});
  EXPECT_EQ(read + reader.lost(), total().calls - before);
}

#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST_F(Traced, JemallocsOwnThreadsAreInTheBackground) {
  ASSERT_TRUE(Heap::process().set_background_thread(true).done);
  JemallocArena arena({.dirty_decay = 200ms});
  const std::uint64_t before = PurgeTrace::totals().background.calls;
  churn(arena, 500);
  while (PurgeTrace::totals().background.calls == before) std::this_thread::yield();  // until ctest gives up
  EXPECT_TRUE(Heap::process().set_background_thread(false).done);
}
#endif

}  // namespace
}  // namespace plateau
