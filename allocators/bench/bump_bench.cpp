// Things that die together: many allocations, then all is dropped at once.
#include <google/protobuf/arena.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <memory_resource>
#include <vector>

#include <boost/container/pmr/monotonic_buffer_resource.hpp>
#include <foonathan/memory/memory_stack.hpp>

#include "allocators/arena.hpp"
#include "allocators/bench/bench_case.hpp"
#include "allocators/bench/malloc_library.hpp"

namespace plateau::bench {
namespace {

constexpr std::size_t batch = 1000;
constexpr std::size_t most_bytes = batch * 600;

// Sizes of a request: all the same, or a mix with many small ones.
template <std::size_t bytes>
struct Fixed {
  static constexpr std::size_t at(std::size_t) { return bytes; }
};
struct Mixed {
  static std::size_t at(std::size_t i) {
    static constexpr std::array<std::uint16_t, 16> sizes{8,   24, 16, 40,  8,  64, 32,  16,
                                                         120, 8,  48, 256, 16, 24, 512, 32};
    return sizes[i % sizes.size()];
  }
};

// The ideal: a pointer in memory, sizes rounded so that it stays aligned to 8, a bound, and nothing else.
constexpr std::size_t rounded(std::size_t bytes) {
  return (bytes + 7) / 8 * 8;
}
struct IdealBump {
  std::unique_ptr<std::byte[]> memory = std::make_unique_for_overwrite<std::byte[]>(most_bytes);
  std::byte* next = memory.get();
  std::byte* end = memory.get() + most_bytes;
  void* take(std::size_t bytes) {
    if (bytes > static_cast<std::size_t>(end - next)) [[unlikely]]
      std::abort();
    return std::exchange(next, next + rounded(bytes));
  }
  void drop() { next = memory.get(); }
};
// The same without the bound: not an allocator, but the limit of what one could be.
struct UnboundedBump {
  std::unique_ptr<std::byte[]> memory = std::make_unique_for_overwrite<std::byte[]>(most_bytes);
  std::byte* next = memory.get();
  void* take(std::size_t bytes) { return std::exchange(next, next + rounded(bytes)); }
  void drop() { next = memory.get(); }
};
struct DirectArena {
  Arena arena{{.block_bytes = most_bytes, .max_block_bytes = most_bytes}};
  void* take(std::size_t bytes) { return arena.allocate(bytes, 8); }
  void drop() { arena.reset(); }
};
struct ArenaAsResource {
  Arena arena{{.block_bytes = most_bytes, .max_block_bytes = most_bytes}};
  std::pmr::memory_resource* resource = &arena;
  void* take(std::size_t bytes) { return resource->allocate(bytes, 8); }
  void drop() { arena.reset(); }
};
// Over a buffer, so that dropping does not cost it a call of malloc for each batch.
struct PmrMonotonic {
  std::unique_ptr<std::byte[]> memory = std::make_unique_for_overwrite<std::byte[]>(most_bytes);
  std::pmr::monotonic_buffer_resource monotonic{memory.get(), most_bytes};
  std::pmr::memory_resource* resource = &monotonic;
  void* take(std::size_t bytes) { return resource->allocate(bytes, 8); }
  void drop() { monotonic.release(); }
};
struct BoostMonotonic {
  std::unique_ptr<std::byte[]> memory = std::make_unique_for_overwrite<std::byte[]>(most_bytes);
  boost::container::pmr::monotonic_buffer_resource monotonic{memory.get(), most_bytes};
  boost::container::pmr::memory_resource* resource = &monotonic;
  void* take(std::size_t bytes) { return resource->allocate(bytes, 8); }
  void drop() { monotonic.release(); }
};
struct FoonathanStack {
  foonathan::memory::memory_stack<> stack{most_bytes};
  foonathan::memory::memory_stack<>::marker bottom = stack.top();
  void* take(std::size_t bytes) { return stack.allocate(bytes, 8); }
  void drop() { stack.unwind(bottom); }
};
struct ProtobufArena {
  std::unique_ptr<char[]> memory = std::make_unique_for_overwrite<char[]>(most_bytes);
  google::protobuf::Arena arena{memory.get(), most_bytes};
  void* take(std::size_t bytes) { return google::protobuf::Arena::CreateArray<char>(&arena, bytes); }
  void drop() { arena.Reset(); }
};
template <Malloc which>
struct FreeEach {
  MallocLibrary library = malloc_library(which);
  std::vector<void*> taken;
  void* take(std::size_t bytes) { return taken.emplace_back(library.allocate(bytes)); }
  void drop() {
    for (void* const block : taken) library.release(block);
    taken.clear();
  }
};

template <class Contestant, class Sizes>
void batch_then_drop(benchmark::State& state) {
  const auto contestant = std::make_unique<Contestant>();
  for (auto _ : state) {
    for (std::size_t i = 0; i < batch; ++i) use(contestant->take(Sizes::at(i)));
    contestant->drop();
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(batch));
}

template <class Sizes>
void register_sizes(const std::string& name) {
  add_case(name, "ideal bump", batch_then_drop<IdealBump, Sizes>);
  add_case(name, "bump without a bound", batch_then_drop<UnboundedBump, Sizes>);
  add_case(name, "plateau::Arena", batch_then_drop<DirectArena, Sizes>);
  add_case(name, "plateau::Arena as memory_resource", batch_then_drop<ArenaAsResource, Sizes>);
  add_case(name, "std::pmr::monotonic", batch_then_drop<PmrMonotonic, Sizes>);
  add_case(name, "boost::container::pmr::monotonic", batch_then_drop<BoostMonotonic, Sizes>);
  add_case(name, "foonathan::memory_stack", batch_then_drop<FoonathanStack, Sizes>);
  add_case(name, "protobuf::Arena", batch_then_drop<ProtobufArena, Sizes>);
  add_case(name, "glibc malloc", batch_then_drop<FreeEach<Malloc::glibc>, Sizes>);
  add_case(name, "jemalloc", batch_then_drop<FreeEach<Malloc::jemalloc>, Sizes>);
  add_case(name, "tcmalloc", batch_then_drop<FreeEach<Malloc::tcmalloc>, Sizes>);
  add_case(name, "mimalloc", batch_then_drop<FreeEach<Malloc::mimalloc>, Sizes>);
}

// Only the reset is timed. The objects are not touched: what a page costs is the kernel's, and the same for everybody.
void reset_of_a_gibibyte(benchmark::State& state, std::size_t object_bytes) {
  Arena arena;
  for (auto _ : state) {
    for (std::size_t used = 0; used < std::size_t{1} << 30; used += object_bytes)
      benchmark::DoNotOptimize(arena.allocate(object_bytes, 8));
    const auto begin = std::chrono::steady_clock::now();
    arena.reset();
    state.SetIterationTime(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
}

}  // namespace

void register_bump_cases() {
  register_sizes<Fixed<8>>("batch, 8 B");
  register_sizes<Fixed<64>>("batch, 64 B");
  register_sizes<Fixed<512>>("batch, 512 B");
  register_sizes<Mixed>("batch, 8 to 512 B");
  for (const auto& [contestant, bytes] : {std::pair{"64 B objects", 64}, std::pair{"64 KiB objects", 65536}}) {
    add_case("reset of a 1 GiB arena", contestant,
             [bytes](benchmark::State& state) { reset_of_a_gibibyte(state, static_cast<std::size_t>(bytes)); })
        ->UseManualTime()
        ->Iterations(5);
  }
}

}  // namespace plateau::bench
