#include "profiling/sampler/mapped_ranges.hpp"

#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <span>
#include <string_view>

#include "profiling/host/mapped_on_demand.hpp"
#include "profiling/sampler/next_allocator.hpp"
#include "profiling/sampler/recorder.hpp"
#include "profiling/stacks/stack_capture.hpp"
#include "profiling/stacks/stack_table.hpp"

namespace plateau::sampler {
namespace {

// 1 MiB and at most 8 MiB, when they are needed.
using Ranges = RangeTable<32768>;
struct NoTotals {};
using MappingStacks = StackTable<NoTotals, 8192, std::size_t{1} << 20>;

constinit MappedOnDemand<Ranges> mapped_ranges;  // behind `table_lock`
constinit MappingStacks stacks;

enum class State : int { undecided, deciding, recording, off };
constinit std::atomic<State> state{State::undecided};

// Where code of an allocator lies; known before `state` is recording. One stands behind this library; another may stand
// before it, and then serves the program.
struct Code {
  std::uintptr_t start = 0;
  std::uintptr_t limit = 0;

  bool has(std::uintptr_t address) const { return address >= start && address < limit; }
};
constinit Code allocator_behind;
constinit Code allocator_in_front;

constinit std::atomic<bool> table_lock{false};
constinit thread_local bool has_table = false;  // in the middle of a change, on top of which a signal may come

std::int64_t monotonic_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// Waits by yielding, not by a futex: an owner that is gone wakes nobody.
bool wait_for_table() noexcept {
  constexpr int short_spins = 100;
  constexpr std::int64_t patience_ms = 200;
  for (int i = 0; i < short_spins; ++i) {
    if (!table_lock.load(std::memory_order_relaxed) && !table_lock.exchange(true, std::memory_order_acquire))
      return true;
  }
  const int saved_errno = errno;
  const std::int64_t end = monotonic_ms() + patience_ms;
  bool taken = false;
  while (!taken && monotonic_ms() < end) {
    ::syscall(SYS_sched_yield);
    taken = !table_lock.load(std::memory_order_relaxed) && !table_lock.exchange(true, std::memory_order_acquire);
  }
  errno = saved_errno;
  return taken;
}

class TableLock {
 public:
  TableLock() noexcept {
    if (has_table) return;  // a handler on top of this thread's own change: it goes without
    has_table = true;
    is_held_ = !table_lock.exchange(true, std::memory_order_acquire) || wait_for_table();
    if (is_held_) return;
    has_table = false;
    state.store(State::off, std::memory_order_release);
  }
  ~TableLock() {
    if (!is_held_) return;
    table_lock.store(false, std::memory_order_release);
    has_table = false;
  }
  TableLock(const TableLock&) = delete;
  TableLock& operator=(const TableLock&) = delete;

  explicit operator bool() const { return is_held_; }

 private:
  bool is_held_ = false;
};

// A forked child has one thread: when another was in the middle of a change, the table is none any more.
void after_fork_in_child() noexcept {
  if (has_table || !table_lock.load(std::memory_order_relaxed)) return;
  if (Ranges* const ranges = mapped_ranges.find()) ranges->clear();
  table_lock.store(false, std::memory_order_release);
}

struct Objects {
  std::uintptr_t behind = 0;      // a function of the allocator behind this library
  std::uintptr_t in_front = 0;    // of the one that is asked first, which may be this library itself
  std::size_t count_of_ours = 0;  // libraries that are preloaded, as this one is
};

int look_at(dl_phdr_info* object, std::size_t /*size*/, void* to) {
  auto& objects = *static_cast<Objects*>(to);
  const std::string_view name = object->dlpi_name;
  if (name.substr(name.rfind('/') + 1).starts_with("libplateau_")) ++objects.count_of_ours;
  Code code{UINTPTR_MAX, 0};
  for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& header = object->dlpi_phdr[i];
    if (header.p_type != PT_LOAD) continue;
    code.start = std::min<std::uintptr_t>(code.start, object->dlpi_addr + header.p_vaddr);
    code.limit = std::max<std::uintptr_t>(code.limit, object->dlpi_addr + header.p_vaddr + header.p_memsz);
  }
  if (code.has(objects.behind)) allocator_behind = code;
  if (code.has(objects.in_front)) allocator_in_front = code;
  return 0;
}

// Neither allocates nor changes what dlerror() says: there is a malloc behind this one. aligned_alloc is of whoever has
// malloc; of malloc itself, a program at a fixed address may have a stub. Before the constructors of our
// other libraries nobody knows whom they forward to.
State decide(bool is_early) noexcept {
  State before = State::undecided;
  if (!state.compare_exchange_strong(before, State::deciding, std::memory_order_acq_rel)) return before;
  State now = State::off;
  if (wants_mappings()) {
    Objects objects{.behind = reinterpret_cast<std::uintptr_t>(::dlsym(RTLD_NEXT, "malloc")),
                    .in_front = reinterpret_cast<std::uintptr_t>(::dlsym(RTLD_DEFAULT, "aligned_alloc"))};
    ::dl_iterate_phdr(look_at, &objects);
    now = allocator_behind.limit == 0 ? State::off : State::recording;
    if (is_early && objects.count_of_ours > 1) now = State::undecided;
  }
  state.store(now, std::memory_order_release);
  return now;
}

[[gnu::constructor]] void begin_recording_mappings() {
  decide(false);
  if (state.load() != State::recording) return;
  next.free(nullptr);  // the first call of any looks them up
  using NextMalloc = void*();
  auto* const next_malloc = reinterpret_cast<NextMalloc*>(::dlsym(RTLD_NEXT, "plateau_next_malloc"));
  if (next_malloc == nullptr) {
    ::dlerror();  // nothing for the program to hear of
  } else {
    Objects objects{.behind = reinterpret_cast<std::uintptr_t>(next_malloc())};
    ::dl_iterate_phdr(look_at, &objects);
  }
  if (::pthread_atfork(nullptr, nullptr, after_fork_in_child) != 0) stop_recording_mappings();
}

}  // namespace

bool records_mappings_of(const void* caller) noexcept {
  State now = state.load(std::memory_order_acquire);
  if (now == State::off) [[likely]]
    return false;
  if (now == State::undecided) now = decide(true);
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  return now == State::recording && !allocator_behind.has(address) && !allocator_in_front.has(address) &&
         !thread_state.recording && !thread_state.ignored;
}

bool records_mappings() noexcept {
  return state.load(std::memory_order_acquire) == State::recording;
}

void stop_recording_mappings() noexcept {
  state.store(State::off, std::memory_order_release);
  const TableLock lock;
  if (Ranges* const ranges = mapped_ranges.find(); lock && ranges != nullptr) ranges->clear();
}

void add_range(const Range& range) noexcept {
  const TableLock lock;
  if (!lock) return;
  if (Ranges* const ranges = mapped_ranges.find_or_map()) ranges->add(range);
}

void remove_range(std::uintptr_t start, std::uintptr_t limit) noexcept {
  static_cast<void>(take_range(start, limit));
}

std::optional<Range> take_range(std::uintptr_t start, std::uintptr_t limit) noexcept {
  Ranges* const ranges = mapped_ranges.find();
  if (ranges == nullptr) return std::nullopt;
  const TableLock lock;
  if (!lock) return std::nullopt;
  auto found = ranges->find(start);
  ranges->remove(start, limit);
  return found;
}

std::size_t read_ranges(MappedRange* out, std::size_t capacity) noexcept {
  const Ranges* const ranges = mapped_ranges.find();
  if (ranges == nullptr || state.load(std::memory_order_acquire) != State::recording) return 0;
  const TableLock lock;
  if (!lock) return 0;
  const std::span<const Range> all = ranges->ranges();
  for (std::size_t i = 0; i < std::min(capacity, all.size()); ++i) {
    const auto frames = stacks.stack(all[i].stack);
    out[i] = {all[i].start,           all[i].limit,     frames.data(), frames.size(),
              all[i].is_thread_stack, all[i].is_shared, all[i].is_file};
  }
  return all.size();
}

std::uint32_t mapping_stack(const void* caller) noexcept {
  thread_state.recording = true;  // what the unwinder allocates or maps is nobody's
  CapturedFrames frames;
  const std::uint32_t stack = stacks.find_or_add(capture_stack(frames, caller));
  thread_state.recording = false;
  return stack;
}

}  // namespace plateau::sampler
