// Protects the sampler as a user has it: preloaded in front of each allocator. Blocks of known sizes from known
// functions are found again, whichever function gave and took them, and nothing is left when they are freed.
#include "profiling/heap_sampler.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>
#include <thread>
#include <vector>

#include "allocators/heap.hpp"
#include "profiling/sampler/block_table.hpp"

namespace {

// Found in profiles by these names (the program exports them).
template <class Take>
std::vector<void*> take_many(std::size_t count, Take take) {
  std::vector<void*> blocks;
  blocks.reserve(count);
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(take(i));
  return blocks;
}

}  // namespace

extern "C" {

[[gnu::noinline]] std::vector<void*> from_malloc(std::size_t count, std::size_t bytes) {
  return take_many(count, [=](std::size_t) { return std::malloc(bytes); });
}
[[gnu::noinline]] std::vector<void*> from_new(std::size_t count, std::size_t bytes) {
  return take_many(count, [=](std::size_t) { return ::operator new(bytes); });
}
[[gnu::noinline]] void* from_realloc(void* old, std::size_t bytes) {
  void* const block = std::realloc(old, bytes);
  asm volatile("" ::: "memory");  // no tail call: this function is to be on the stack
  return block;
}

}  // extern "C"

namespace plateau {
namespace {

using ::testing::AnyOf;
using ::testing::Each;
using ::testing::Eq;
using ::testing::HasSubstr;

struct Found {
  std::int64_t alloc_objects = 0;
  std::int64_t alloc_bytes = 0;
  std::int64_t inuse_objects = 0;
  std::int64_t inuse_bytes = 0;
};

// Sum over the stacks that go through the function.
Found through(const char* function) {
  const std::optional<Profile> profile = HeapSampler::snapshot();
  Found found;
  for (const Profile::Sample& sample : profile->samples()) {
    for (const std::uint64_t address : profile->stack(sample)) {
      Dl_info info{};
      if (dladdr(reinterpret_cast<void*>(address - 1), &info) == 0 || info.dli_sname == nullptr ||
          std::string_view(info.dli_sname) != function)
        continue;
      const auto values = profile->values(sample);
      found.alloc_objects += values[0];
      found.alloc_bytes += values[1];
      found.inuse_objects += values[2];
      found.inuse_bytes += values[3];
      break;
    }
  }
  return found;
}

// Such a pair the compiler would leave out.
void allocate_and_free(std::size_t bytes) {
  void* volatile block = std::malloc(bytes);
  std::free(block);
}

// Every block is recorded, so that figures are exact.
class ExactSampler : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(HeapSampler::available().done) << HeapSampler::available().reason;
    ASSERT_TRUE(HeapSampler::start(1).done);
    allocate_and_free(std::size_t{64} << 20);  // ends the countdown that this thread has of the period before
  }
  void TearDown() override { HeapSampler::stop(); }
};

TEST(HeapSampler, TheFacadeSeesTheAllocatorBehindIt) {
  EXPECT_EQ(to_string(Heap::process().kind()), std::getenv("EXPECTED_ALLOCATOR"));
  EXPECT_THAT(Heap::process().library(), ::testing::Not(HasSubstr("sampler")));
}

TEST_F(ExactSampler, FindsTheBlocksOfMallocAndForgetsThemAfterFree) {
  const Found before = through("from_malloc");
  const auto blocks = from_malloc(100, 1000);
  Found now = through("from_malloc");
  EXPECT_EQ(now.inuse_objects - before.inuse_objects, 100 + 1);  // and the vector's own
  EXPECT_EQ(now.inuse_bytes - before.inuse_bytes, 100 * 1000 + 800);
  for (void* const block : blocks) std::free(block);
  now = through("from_malloc");
  EXPECT_EQ(now.inuse_bytes - before.inuse_bytes, 800);
  EXPECT_EQ(now.alloc_objects - before.alloc_objects, 101) << "cumulative figures stay";
}

TEST_F(ExactSampler, FindsTheBlocksOfOperatorNewInAllItsForms) {
  const Found before = through("from_new");
  const auto blocks = from_new(10, 123);
  EXPECT_EQ(through("from_new").inuse_bytes - before.inuse_bytes, 10 * 123 + 80);
  for (std::size_t i = 0; i < blocks.size(); ++i)
    i % 2 == 0 ? ::operator delete(blocks[i]) : ::operator delete (blocks[i], std::size_t{123});
  EXPECT_EQ(through("from_new").inuse_bytes - before.inuse_bytes, 80);
}

TEST_F(ExactSampler, EveryWayOfAllocatingIsSeenAndEveryWayOfFreeing) {
  struct Way {
    const char* name;
    void* (*take)(std::size_t);
    void (*give)(void*);
  };
  constexpr std::align_val_t aligned{64};
  const std::array ways{
      Way{"calloc", [](std::size_t n) { return std::calloc(n, 1); }, std::free},
      Way{"realloc", [](std::size_t n) { return std::realloc(nullptr, n); }, std::free},
      Way{"reallocarray", [](std::size_t n) { return ::reallocarray(nullptr, n, 1); }, std::free},
      Way{"posix_memalign",
          [](std::size_t n) {
            void* block = nullptr;
            return ::posix_memalign(&block, 64, n) == 0 ? block : nullptr;
          },
          std::free},
      Way{"aligned_alloc", [](std::size_t n) { return std::aligned_alloc(64, n); }, std::free},
      Way{"memalign", [](std::size_t n) { return ::memalign(64, n); }, std::free},
      Way{"valloc", [](std::size_t n) { return ::valloc(n); }, std::free},
      Way{"new[]", [](std::size_t n) { return ::operator new[](n); }, [](void* p) { ::operator delete[](p); }},
      Way{"new nothrow", [](std::size_t n) { return ::operator new(n, std::nothrow); },
          [](void* p) { ::operator delete(p, std::nothrow); }},
      Way{"new[] nothrow", [](std::size_t n) { return ::operator new[](n, std::nothrow); },
          [](void* p) { ::operator delete[](p, std::nothrow); }},
      Way{"new aligned", [](std::size_t n) { return ::operator new(n, aligned); },
          [](void* p) { ::operator delete(p, aligned); }},
      Way{"new[] aligned", [](std::size_t n) { return ::operator new[](n, aligned); },
          [](void* p) { ::operator delete[](p, aligned); }},
      Way{"new aligned nothrow", [](std::size_t n) { return ::operator new(n, aligned, std::nothrow); },
          [](void* p) { ::operator delete(p, aligned, std::nothrow); }},
      Way{"new[] aligned nothrow", [](std::size_t n) { return ::operator new[](n, aligned, std::nothrow); },
          [](void* p) { ::operator delete[](p, aligned, std::nothrow); }},
      Way{"sized delete", [](std::size_t n) { return ::operator new(n); },
          [](void* p) { ::operator delete (p, std::size_t{640}); }},
      Way{"sized delete[]", [](std::size_t n) { return ::operator new[](n); },
          [](void* p) { ::operator delete[](p, std::size_t{640}); }},
  };
  for (const Way& way : ways) {
    const SamplerCounts before = HeapSampler::counts();
    void* const block = way.take(640);
    ASSERT_NE(block, nullptr) << way.name;
    const SamplerCounts with = HeapSampler::counts();
    way.give(block);
    const SamplerCounts after = HeapSampler::counts();
    EXPECT_EQ(with.recorded - before.recorded, 1u) << way.name << ": once, not twice";
    EXPECT_EQ(with.live - before.live, 1u) << way.name;
    EXPECT_EQ(after.live, before.live) << way.name;
    EXPECT_EQ(after.frees_unseen, before.frees_unseen) << way.name;
  }
}

TEST_F(ExactSampler, AResizedBlockIsANewOneAndAFailedResizeChangesNothing) {
  const Found before = through("from_realloc");
  void* block = from_realloc(nullptr, 1000);
  block = from_realloc(block, 50000);
  Found now = through("from_realloc");
  EXPECT_EQ(now.inuse_bytes - before.inuse_bytes, 50000);
  EXPECT_EQ(now.alloc_bytes - before.alloc_bytes, 51000);
  volatile std::size_t impossible = PTRDIFF_MAX;
  EXPECT_EQ(from_realloc(block, impossible), nullptr);
  EXPECT_EQ(through("from_realloc").inuse_bytes - before.inuse_bytes, 50000);
  std::free(block);
  EXPECT_EQ(through("from_realloc").inuse_bytes, before.inuse_bytes);
}

TEST_F(ExactSampler, ImpossibleSizesFailAsEverAndAreNotRecorded) {
  volatile std::size_t impossible = PTRDIFF_MAX;
  volatile std::size_t all = SIZE_MAX;
  const SamplerCounts before = HeapSampler::counts();
  EXPECT_EQ(std::malloc(impossible), nullptr);
  EXPECT_EQ(std::malloc(all), nullptr);
  EXPECT_EQ(std::calloc(all / 2, 3), nullptr);
  EXPECT_EQ(::operator new(impossible, std::nothrow), nullptr);
  EXPECT_EQ(::operator new (impossible, std::align_val_t{64}, std::nothrow), nullptr);
  EXPECT_EQ(::operator new (all, std::align_val_t{64}, std::nothrow), nullptr);
  EXPECT_EQ(HeapSampler::counts().live, before.live);
  EXPECT_THROW(static_cast<void>(::operator new(impossible)), std::bad_alloc);
}

int handler_calls = 0;

TEST_F(ExactSampler, TheNewHandlerIsCalledUntilItGivesUp) {
  handler_calls = 0;
  std::set_new_handler([] {
    if (++handler_calls == 3) std::set_new_handler(nullptr);
  });
  volatile std::size_t impossible = PTRDIFF_MAX;
  EXPECT_THROW(static_cast<void>(::operator new(impossible)), std::bad_alloc);
  EXPECT_EQ(handler_calls, 3);
}

TEST_F(ExactSampler, LeavesOutTheThreadThatAsksForIt) {
  const UnsampledScope unsampled;
  const SamplerCounts before = HeapSampler::counts();
  allocate_and_free(1000);
  EXPECT_EQ(HeapSampler::counts().recorded, before.recorded);
}

TEST_F(ExactSampler, StoppedItRecordsNothingAndStillSeesFrees) {
  const Found before = through("from_malloc");
  const auto blocks = from_malloc(10, 1000);
  HeapSampler::stop();
  const SamplerCounts stopped = HeapSampler::counts();
  allocate_and_free(1000);
  EXPECT_EQ(HeapSampler::counts().recorded, stopped.recorded);
  for (void* const block : blocks) std::free(block);
  EXPECT_EQ(through("from_malloc").inuse_bytes - before.inuse_bytes, 80);
  const auto profile = HeapSampler::snapshot();
  EXPECT_THAT(profile->comments, ::testing::Contains(HasSubstr("stopped")));
}

TEST_F(ExactSampler, BlocksThatChangeThreadsAreFollowed) {
  const SamplerCounts before = HeapSampler::counts();
  for (int round = 0; round < 20; ++round) {
    std::vector<void*> blocks;
    std::thread([&] { blocks = from_malloc(500, 100); }).join();
    std::thread([&] {
      for (void* const block : blocks) std::free(block);
    }).join();
  }
  EXPECT_LE(HeapSampler::counts().live, before.live + 20) << "a few blocks belong to the threads themselves";
}

TEST_F(ExactSampler, AFullTableOfBlocksIsSaid) {
  const SamplerCounts before = HeapSampler::counts();
  const auto blocks = from_malloc(sampler::BlockTable::capacity + 1000, 8);
  const SamplerCounts full = HeapSampler::counts();
  EXPECT_GE(full.blocks_lost - before.blocks_lost, 1000u);
  EXPECT_EQ(full.recorded - before.recorded, sampler::BlockTable::capacity + 1001);
  EXPECT_THAT(HeapSampler::snapshot()->comments, ::testing::Contains(HasSubstr("table of live blocks was full")));
  for (void* const block : blocks) std::free(block);
  EXPECT_LE(HeapSampler::counts().live, before.live + 1);
}

// While other threads are inside malloc and the sampler, a child must be able to go on alone.
TEST_F(ExactSampler, AChildOfAForkCanAllocateFreeAndTakeAProfile) {
  std::atomic<bool> stop{false};
  std::vector<std::thread> busy;
  for (int i = 0; i < 3; ++i) {
    busy.emplace_back([&stop] {
      while (!stop) allocate_and_free(100);
    });
  }
  std::vector<int> statuses;
  for (int round = 0; round < 15; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::alarm(20);  // a child that hangs is a failure, not a stopped test
      const auto blocks = from_malloc(50, 1000);
      const bool seen = through("from_malloc").inuse_bytes >= 50000;
      for (void* const block : blocks) std::free(block);
      ::_exit(seen ? 0 : 1);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    statuses.push_back(status);
  }
  stop = true;
  for (std::thread& thread : busy) thread.join();
  EXPECT_THAT(statuses, Each(Eq(0)));
}

TEST(HeapSampler, ThreadsThatAllocateAndFreeEachOthersBlocksLeaveNothingBehind) {
  ASSERT_TRUE(HeapSampler::start(4096).done);
  const SamplerCounts before = HeapSampler::counts();
  std::array<std::atomic<void*>, 1024> exchange{};
  std::vector<std::thread> threads;
  for (std::uint32_t seed = 1; seed <= 4; ++seed) {
    threads.emplace_back([&exchange, seed] {
      std::uint32_t state = seed;
      for (int i = 0; i < 300000; ++i) {
        state = state * 1664525 + 1013904223;
        void* const mine = state % 3 == 0 ? std::calloc(1, state % 2000) : std::malloc(state % 700);
        std::free(exchange[(state >> 16) % exchange.size()].exchange(mine));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& block : exchange) std::free(block.load());
  const SamplerCounts after = HeapSampler::counts();
  EXPECT_GT(after.recorded, before.recorded + 50000);
  EXPECT_LE(after.live, before.live + 8) << "a few blocks belong to the threads themselves";
  EXPECT_EQ(after.frees_unseen, before.frees_unseen);
  HeapSampler::stop();
}

}  // namespace
}  // namespace plateau
