// Protects what is known of memory that no malloc gave out: it is there with the stack that made it, in resident bytes,
// and gone when it is given back. Runs in front of each allocator, whose own mappings are not to be in it.
#include "profiling/program_mappings.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

namespace {

constexpr std::size_t page = 4096;

}  // namespace

extern "C" {

// Found in stacks by these names (the program exports them).
[[gnu::noinline]] char* maps_pages(std::size_t pages) {
  void* const mapped = ::mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  asm volatile("" ::: "memory");  // no tail call
  return static_cast<char*>(mapped);
}

[[gnu::noinline]] char* maps_file_in_memory(int file) {
  void* const mapped = ::mmap(nullptr, 4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  asm volatile("" ::: "memory");
  return static_cast<char*>(mapped);
}

[[gnu::noinline]] char* moves_break() {
  void* const before = ::sbrk(8 * page);
  asm volatile("" ::: "memory");
  return static_cast<char*>(before);
}

[[gnu::noinline]] void* waits_for_word(void* word) {
  auto& [mutex, told, said] = *static_cast<std::tuple<std::mutex, std::condition_variable, bool>*>(word);
  std::unique_lock lock(mutex);
  told.wait(lock, [&said = said] { return said; });
  return nullptr;
}

[[gnu::noinline]] void starts_thread(pthread_t* thread, void* word) {
  ASSERT_EQ(::pthread_create(thread, nullptr, waits_for_word, word), 0);
}

}  // extern "C"

namespace plateau {
namespace {

struct Sum {
  std::uint64_t bytes = 0;
  std::size_t count = 0;
};

// Of mappings with `function` on their stacks.
Sum made_by(std::string_view function, bool thread_stacks) {
  Sum sum;
  for (const ProgramMapping& mapping : program_mappings()) {
    if (mapping.is_thread_stack != thread_stacks) continue;
    for (const std::uintptr_t address : mapping.stack) {
      Dl_info info{};
      if (::dladdr(reinterpret_cast<void*>(address - 1), &info) == 0 || info.dli_sname == nullptr ||
          function != info.dli_sname)
        continue;
      sum.bytes += mapping.resident_bytes;
      ++sum.count;
      break;
    }
  }
  return sum;
}

TEST(ProgramMappings, AreResidentBytesUnderTheFunctionThatMapped) {
  char* const mapped = maps_pages(100);
  EXPECT_EQ(made_by("maps_pages", false).bytes, 0u) << "nothing is touched";
  std::memset(mapped, 1, 40 * page);
  EXPECT_EQ(made_by("maps_pages", false).bytes, 40 * page);
  ::munmap(mapped + 10 * page, 10 * page);
  EXPECT_EQ(made_by("maps_pages", false).bytes, 30 * page);
  EXPECT_EQ(made_by("maps_pages", false).count, 2u);
  ::munmap(mapped, 100 * page);
  EXPECT_EQ(made_by("maps_pages", false).count, 0u);
}

TEST(ProgramMappings, FilesInMemoryAreSharedMemory) {
  const int file = ::memfd_create("queue", MFD_CLOEXEC);
  ASSERT_GE(file, 0);
  ASSERT_EQ(::ftruncate(file, 4 * page), 0);
  char* const mapped = maps_file_in_memory(file);
  std::memset(mapped, 1, 3 * page);
  EXPECT_EQ(made_by("maps_file_in_memory", false).bytes, 3 * page);
  for (const ProgramMapping& mapping : program_mappings()) {
    if (mapping.start == reinterpret_cast<std::uintptr_t>(mapped)) {
      EXPECT_TRUE(mapping.is_shared && !mapping.is_file);
    }
  }
  ::munmap(mapped, 4 * page);
  ::close(file);
  EXPECT_EQ(made_by("maps_file_in_memory", false).count, 0u);
}

TEST(ProgramMappings, TheBreakIsUnderWhoMovedIt) {
  if (::sbrk(0) == reinterpret_cast<void*>(-1)) GTEST_SKIP() << "no brk heap";
  char* const start = moves_break();
  ASSERT_NE(start, reinterpret_cast<char*>(-1));
  std::memset(start, 1, 8 * page);
  EXPECT_GE(made_by("moves_break", false).bytes, 7 * page) << "the first page may be shared with what was there";
}

TEST(ProgramMappings, MoveAndGrowWithTheirStack) {
  char* mapped = maps_pages(4);
  std::memset(mapped, 1, 4 * page);
  mapped = static_cast<char*>(::mremap(mapped, 4 * page, 400 * page, MREMAP_MAYMOVE));
  ASSERT_NE(mapped, MAP_FAILED);
  std::memset(mapped, 1, 8 * page);
  EXPECT_EQ(made_by("maps_pages", false).bytes, 8 * page);
  ::munmap(mapped, 400 * page);
  EXPECT_EQ(made_by("maps_pages", false).count, 0u);
}

TEST(ProgramMappings, StacksOfThreadsAreUnderWhoStartedThemWhileTheyLive) {
  std::tuple<std::mutex, std::condition_variable, bool> word{};
  pthread_t thread{};
  starts_thread(&thread, &word);
  // The thread records its own stack, before it waits.
  while (made_by("starts_thread", true).count == 0) std::this_thread::yield();
  EXPECT_GE(made_by("starts_thread", true).bytes, page);
  {
    auto& [mutex, told, said] = word;
    const std::scoped_lock lock(mutex);
    said = true;
    told.notify_one();
  }
  ::pthread_join(thread, nullptr);
  EXPECT_EQ(made_by("starts_thread", true).count, 0u);
}

TEST(ProgramMappings, AllocatorsMappingsAreTheirOwn) {
  const auto count_before = program_mappings().size();
  std::vector<std::unique_ptr<char[]>> blocks;
  for (std::size_t i = 0; i < 64; ++i) {
    blocks.push_back(std::make_unique<char[]>(std::size_t{1} << 20));
    std::memset(blocks.back().get(), 1, std::size_t{1} << 20);
  }
  EXPECT_EQ(program_mappings().size(), count_before);
}

TEST(ProgramMappings, AForkedChildGoesOn) {
  std::jthread other([](const std::stop_token& stop) {
    while (!stop.stop_requested()) ::munmap(maps_pages(2), 2 * page);
  });
  for (int i = 0; i < 20; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::alarm(60);  // a lock that is never released ends the test, and not the machine's patience
      ::_exit(::munmap(maps_pages(3), 3 * page));
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    ASSERT_EQ(status, 0);
  }
}

}  // namespace
}  // namespace plateau
