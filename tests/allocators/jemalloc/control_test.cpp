// Run once on each allocator (see tests/CMakeLists.txt). Protects: the door to jemalloc's controls hands on what
// jemalloc itself says, and each way in which a control cannot be had has an answer of its own.
#include "allocators/jemalloc/control.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include <cstdlib>
#include <string>

#include "allocators/heap.hpp"

namespace plateau::jemalloc {
namespace {

bool on_jemalloc() {
  const char* const name = std::getenv("EXPECTED_ALLOCATOR");
  return name != nullptr && std::string(name) == "jemalloc";
}

// The independent word: the raw function, as the dynamic linker finds it.
using Mallctl = int(const char*, void*, std::size_t*, void*, std::size_t);
template <class Value>
Value said_by_jemalloc(const char* name) {
  auto* const raw = reinterpret_cast<Mallctl*>(dlsym(RTLD_DEFAULT, "mallctl"));
  Value value{};
  std::size_t size = sizeof value;
  EXPECT_EQ(raw(name, &value, &size, nullptr, 0), 0) << name;
  return value;
}

TEST(JemallocControl, WithoutJemallocEveryAnswerSaysSo) {
  if (on_jemalloc()) return;
  EXPECT_FALSE(loaded());
  EXPECT_EQ(read<unsigned>("arenas.narenas").error, ControlError::no_jemalloc);
  EXPECT_EQ(write("background_thread", true), ControlError::no_jemalloc);
  EXPECT_EQ(set("background_thread", true), ControlError::no_jemalloc);
  EXPECT_EQ(exchange<unsigned>("arenas.create", 0L).error, ControlError::no_jemalloc);
  EXPECT_EQ(call("thread.tcache.flush"), ControlError::no_jemalloc);
  const Mib purge("arena.0.purge");
  EXPECT_EQ(purge.error(), ControlError::no_jemalloc);
  EXPECT_EQ(purge.call(0U), ControlError::no_jemalloc);
  EXPECT_FALSE(provides(dlsym(RTLD_DEFAULT, "malloc")));
  refresh_statistics();
}

class JemallocControlOn : public testing::Test {
 protected:
  void SetUp() override {
    if (!on_jemalloc()) GTEST_SKIP() << "of jemalloc only";
  }
};

TEST_F(JemallocControlOn, ReadsWhatJemallocSaysByNameAndByNumber) {
  ASSERT_TRUE(loaded());
  EXPECT_STREQ(read<const char*>("version").value, said_by_jemalloc<const char*>("version"));
  EXPECT_EQ(read<std::size_t>("arenas.page").value, said_by_jemalloc<std::size_t>("arenas.page"));
  EXPECT_EQ(Mib("arenas.narenas").read<unsigned>().value, said_by_jemalloc<unsigned>("arenas.narenas"));
  const Mib size("arenas.bin.0.size");
  EXPECT_EQ(size.read<std::size_t>(7).value, said_by_jemalloc<std::size_t>("arenas.bin.7.size"));
  refresh_statistics();
  const Mib regions("stats.arenas.0.bins.0.curregs");
  EXPECT_EQ(regions.read<std::size_t>(all_arenas, 3).value,
            said_by_jemalloc<std::size_t>("stats.arenas.4096.bins.3.curregs"));
}

TEST_F(JemallocControlOn, WritesReadsBackAndExchanges) {
  const Mib decay("arena.0.dirty_decay_ms");
  const ssize_t before = said_by_jemalloc<ssize_t>("arena.0.dirty_decay_ms");
  EXPECT_EQ(decay.set(ssize_t{1234}, 0U), ControlError::none);
  EXPECT_EQ(said_by_jemalloc<ssize_t>("arena.0.dirty_decay_ms"), 1234);
  EXPECT_EQ(decay.exchange(before, 0U).value, 1234);
  EXPECT_EQ(said_by_jemalloc<ssize_t>("arena.0.dirty_decay_ms"), before);
}

TEST_F(JemallocControlOn, EachFailureHasAnAnswerOfItsOwn) {
  EXPECT_EQ(read<bool>("no.such.name").error, ControlError::unknown_name);
  EXPECT_EQ(Mib("arena.0.no_such_name").error(), ControlError::unknown_name);
  EXPECT_EQ(Mib().read<bool>().error, ControlError::unknown_name);
  EXPECT_EQ(read<char>("arenas.page").error, ControlError::wrong_type) << "a size_t into a byte";
  EXPECT_EQ(write("arenas.page", std::size_t{1}), ControlError::not_permitted);
  EXPECT_EQ(write("arenas.dirty_decay_ms", ssize_t{-2}), ControlError::refused) << "EFAULT: -1 is the least";
  const char* const unwritable = "/proc/none/dump";
  EXPECT_EQ(write("prof.dump", unwritable), ControlError::refused);
  // Numbers in a name and indices of a use must be as many.
  EXPECT_EQ(Mib("arena.0.purge").call(), ControlError::unknown_name);
  EXPECT_EQ(Mib("arenas.page").read<std::size_t>(1U).error, ControlError::unknown_name);
  EXPECT_EQ(read<bool>("no.such.name").value_or(true), true);
  EXPECT_EQ(read<bool>("no.such.name").optional(), std::nullopt);
}

TEST_F(JemallocControlOn, ErrorsReadAsClauses) {
  for (const auto error :
       {ControlError::no_jemalloc, ControlError::unknown_name, ControlError::wrong_type, ControlError::not_permitted,
        ControlError::no_memory, ControlError::refused, ControlError::not_taken}) {
    EXPECT_NE(to_string(error).find("jemalloc"), std::string_view::npos);
  }
}

TEST_F(JemallocControlOn, KnowsTheLibraryThatHasIt) {
  EXPECT_TRUE(provides(dlsym(RTLD_DEFAULT, "mallocx")));
  EXPECT_FALSE(provides(dlsym(RTLD_DEFAULT, "getenv")));
  EXPECT_FALSE(provides(nullptr));
}

// jemalloc counts what this thread takes, so that anything which the paths below took would show.
TEST_F(JemallocControlOn, StatisticsAndPurgesAllocateNothing) {
  Heap& heap = Heap::process();
  const Mib allocated("thread.allocated");
  heap.statistics();
  const auto before = allocated.read<std::uint64_t>();
  ASSERT_TRUE(before);
  heap.statistics();
  heap.slab_statistics();
  heap.size_class(100);
  heap.flush_thread_cache();
  heap.purge_slice(1 << 20);
  heap.purge();
  EXPECT_EQ(allocated.read<std::uint64_t>().value, before.value);
}

}  // namespace
}  // namespace plateau::jemalloc
