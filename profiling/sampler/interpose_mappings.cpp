// mmap and its kin, and pthread_create, of libplateau_sampler.so. Mappings that the allocator makes are its own affair:
// they are not recorded, and neither is anything before the constructor below has found out where its code is.
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

#include "profiling/host/mapped_on_demand.hpp"
#include "profiling/sampler/mapped_memory.hpp"
#include "profiling/sampler/next_allocator.hpp"
#include "profiling/sampler/range_table.hpp"
#include "profiling/sampler/recorder.hpp"
#include "profiling/stacks/stack_capture.hpp"
#include "profiling/stacks/stack_table.hpp"

namespace plateau::sampler {
namespace {

// 1 MiB and at most 8 MiB, when they are needed.
using Ranges = RangeTable<32768>;
struct NoTotals {};
using MappingStacks = StackTable<NoTotals, 8192, std::size_t{1} << 20>;

constinit MappedOnDemand<Ranges> mapped_ranges;  // behind `mutex`
constinit MappingStacks stacks;
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
sigset_t signals_before_fork;  // of the thread that forks, which has the mutex meanwhile

// No signal handler runs on top of whoever has the mutex: one that maps memory would wait for ever.
sigset_t lock() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  ::pthread_mutex_lock(&mutex);
  return before;
}

void unlock(const sigset_t& signals) {
  ::pthread_mutex_unlock(&mutex);
  ::pthread_sigmask(SIG_SETMASK, &signals, nullptr);
}

class Locked {
 public:
  Locked() : signals_(lock()) {}
  ~Locked() { unlock(signals_); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  const sigset_t signals_;
};

// With `mutex` held. What finds no memory is not recorded.
void add_range(const Range& range) {
  if (Ranges* const ranges = mapped_ranges.find_or_map()) ranges->add(range);
}

void remove_range(std::uintptr_t start, std::uintptr_t limit) {
  if (Ranges* const ranges = mapped_ranges.find()) ranges->remove(start, limit);
}

std::optional<Range> find_range(std::uintptr_t address) {
  const Ranges* const ranges = mapped_ranges.find();
  return ranges == nullptr ? std::nullopt : ranges->find(address);
}

// Where the code of the allocator lies; nothing is recorded while that is not known.
std::uintptr_t allocator_start = 0;
std::uintptr_t allocator_limit = 0;
constinit std::atomic<bool> recording{false};

bool is_allocators(const void* caller) {
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  return !recording.load(std::memory_order_acquire) || (address >= allocator_start && address < allocator_limit);
}

bool is_recorded(const void* caller) {
  return !is_allocators(caller) && !thread_state.recording && !thread_state.ignored;
}

// The agent may stand between this library and the allocator, and forwards as this library does.
std::uintptr_t allocator_code() {
  next.free(nullptr);  // the first call of any looks them up
  using NextMalloc = void*();
  auto* const next_malloc = reinterpret_cast<NextMalloc*>(::dlsym(RTLD_NEXT, "plateau_next_malloc"));
  if (next_malloc == nullptr) ::dlerror();  // nothing for the program to hear of
  return next_malloc != nullptr ? reinterpret_cast<std::uintptr_t>(next_malloc())
                                : reinterpret_cast<std::uintptr_t>(next.malloc);
}

[[gnu::constructor]] void find_allocator() {
  std::uintptr_t code = allocator_code();
  const auto find = [](dl_phdr_info* object, std::size_t /*size*/, void* wanted) {
    const auto address = *static_cast<const std::uintptr_t*>(wanted);
    std::uintptr_t start = UINTPTR_MAX;
    std::uintptr_t limit = 0;
    for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
      const ElfW(Phdr)& header = object->dlpi_phdr[i];
      if (header.p_type != PT_LOAD) continue;
      start = std::min<std::uintptr_t>(start, object->dlpi_addr + header.p_vaddr);
      limit = std::max<std::uintptr_t>(limit, object->dlpi_addr + header.p_vaddr + header.p_memsz);
    }
    if (address < start || address >= limit) return 0;
    allocator_start = start;
    allocator_limit = limit;
    return 1;
  };
  if (::dl_iterate_phdr(find, &code) == 0) return;
  // A forked child goes on with a mutex that is free and a table that is whole.
  const auto unlock_after_fork = [] { unlock(sigset_t{signals_before_fork}); };
  if (::pthread_atfork([] { signals_before_fork = lock(); }, unlock_after_fork, unlock_after_fork) != 0) return;
  recording.store(true, std::memory_order_release);
}

std::uint32_t stack_of(const void* caller) {
  thread_state.recording = true;  // what the unwinder allocates or maps is nobody's
  CapturedFrames frames;
  const std::uint32_t stack = stacks.find_or_add(capture_stack(frames, caller));
  thread_state.recording = false;
  return stack;
}

std::uintptr_t rounded_up(std::size_t bytes) {
  constexpr std::uintptr_t page = 4096;
  return (bytes + page - 1) & ~(page - 1);
}

// The kernel counts files of tmpfs, memfd among them, as shared anonymous memory (RssShmem).
bool is_shared_memory(int flags, int file) {
  if ((flags & MAP_ANONYMOUS) != 0) return (flags & MAP_TYPE) != MAP_PRIVATE;
  struct statfs system {};
  return ::fstatfs(file, &system) == 0 && system.f_type == TMPFS_MAGIC;
}

void* map(void* wanted, std::size_t bytes, int protection, int flags, int file, off_t offset, const void* caller) {
  // The kernel itself: whoever else stands before it may allocate.
  const long result = ::syscall(SYS_mmap, wanted, bytes, protection, flags, file, offset);
  auto* const mapped = reinterpret_cast<void*>(result);
  if (mapped == MAP_FAILED || !is_recorded(caller)) return mapped;
  const int saved_errno = errno;
  const auto start = reinterpret_cast<std::uintptr_t>(mapped);
  const bool in_memory = is_shared_memory(flags, file);
  const Range range{.start = start,
                    .limit = start + rounded_up(bytes),
                    .stack = stack_of(caller),
                    .is_shared = in_memory,
                    .is_file = !in_memory && (flags & MAP_ANONYMOUS) == 0};
  {
    const Locked locked;
    add_range(range);
  }
  errno = saved_errno;
  return mapped;
}

struct ThreadStart {
  void* (*routine)(void*);
  void* argument;
  std::uint32_t stack;
};

// The stack of the calling thread, recorded while it lives; ended by the destructor also at pthread_exit.
class RecordedThread {
 public:
  explicit RecordedThread(std::uint32_t stack) {
    thread_state.recording = true;  // glibc allocates for the processors that the thread may run on
    pthread_attr_t attributes;
    if (::pthread_getattr_np(::pthread_self(), &attributes) == 0) {
      void* start = nullptr;
      std::size_t bytes = 0;
      if (::pthread_attr_getstack(&attributes, &start, &bytes) == 0) {
        start_ = reinterpret_cast<std::uintptr_t>(start);
        limit_ = start_ + bytes;
      }
      ::pthread_attr_destroy(&attributes);
    }
    thread_state.recording = false;
    const Locked locked;
    add_range({.start = start_, .limit = limit_, .stack = stack, .is_thread_stack = true});
  }
  ~RecordedThread() {
    const Locked locked;
    remove_range(start_, limit_);
  }
  RecordedThread(const RecordedThread&) = delete;
  RecordedThread& operator=(const RecordedThread&) = delete;

 private:
  std::uintptr_t start_ = 0;
  std::uintptr_t limit_ = 0;
};

std::size_t read(MappedRange* out, std::size_t capacity) {
  const Locked locked;
  const Ranges* const ranges = mapped_ranges.find();
  const auto all = ranges == nullptr ? std::span<const Range>{} : ranges->ranges();
  for (std::size_t i = 0; i < std::min(capacity, all.size()); ++i) {
    const auto frames = stacks.stack(all[i].stack);
    out[i] = {all[i].start,           all[i].limit,     frames.data(), frames.size(),
              all[i].is_thread_stack, all[i].is_shared, all[i].is_file};
  }
  return all.size();
}

constexpr MappedMemoryInterface mapped_memory{.read = read, .own_pages = unlocked_pages};

// After the end of the brk heap went from `before` to `after`.
void record_break(std::uintptr_t before, std::uintptr_t after, const void* caller) {
  if (after == before || !is_recorded(caller)) return;
  const std::uint32_t stack = after > before ? stack_of(caller) : 0;
  const Locked locked;
  if (after > before) {
    add_range({.start = before, .limit = after, .stack = stack});
  } else {
    remove_range(after, before);
  }
}

}  // namespace
}  // namespace plateau::sampler

// glibc's own, behind what stands here; no look-up, which might allocate in the middle of an allocator's call.
extern "C" void* __sbrk(std::intptr_t increment) noexcept;  // NOLINT(bugprone-reserved-identifier)

// Not in the sampler's namespace: heap profiles drop what a function of the sampler calls (drop_frames).
static void* run_recorded_thread(void* argument) {
  using namespace plateau::sampler;
  const ThreadStart start = *static_cast<ThreadStart*>(argument);
  next.free(argument);
  const RecordedThread recorded(start.stack);
  return start.routine(start.argument);
}

extern "C" {
#pragma GCC visibility push(default)

using plateau::sampler::is_allocators;
using plateau::sampler::Locked;

void* mmap(void* wanted, std::size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  return plateau::sampler::map(wanted, bytes, protection, flags, file, offset, __builtin_return_address(0));
}

void* mmap64(void* wanted, std::size_t bytes, int protection, int flags, int file, off64_t offset) noexcept {
  return plateau::sampler::map(wanted, bytes, protection, flags, file, offset, __builtin_return_address(0));
}

int munmap(void* mapped, std::size_t bytes) noexcept {
  // The lock is held until the record is gone: the next owner of these addresses waits for it.
  if (is_allocators(__builtin_return_address(0))) return static_cast<int>(::syscall(SYS_munmap, mapped, bytes));
  const Locked locked;
  const int result = static_cast<int>(::syscall(SYS_munmap, mapped, bytes));
  const auto start = reinterpret_cast<std::uintptr_t>(mapped);
  if (result == 0) plateau::sampler::remove_range(start, start + plateau::sampler::rounded_up(bytes));
  return result;
}

void* mremap(void* mapped, std::size_t old_bytes, std::size_t bytes, int flags, ...) noexcept {
  va_list more;
  va_start(more, flags);
  void* const wanted = (flags & MREMAP_FIXED) != 0 ? va_arg(more, void*) : nullptr;
  va_end(more);
  if (is_allocators(__builtin_return_address(0)))
    return reinterpret_cast<void*>(::syscall(SYS_mremap, mapped, old_bytes, bytes, flags, wanted));
  const Locked locked;
  auto* const moved = reinterpret_cast<void*>(::syscall(SYS_mremap, mapped, old_bytes, bytes, flags, wanted));
  if (moved == MAP_FAILED) return moved;
  const auto old_start = reinterpret_cast<std::uintptr_t>(mapped);
  const auto start = reinterpret_cast<std::uintptr_t>(moved);
  if (auto range = plateau::sampler::find_range(old_start)) {
    plateau::sampler::remove_range(old_start, old_start + plateau::sampler::rounded_up(old_bytes));
    range->start = start;
    range->limit = start + plateau::sampler::rounded_up(bytes);
    plateau::sampler::add_range(*range);
  }
  return moved;
}

void* sbrk(std::intptr_t increment) noexcept {
  void* const before = __sbrk(increment);
  const auto start = reinterpret_cast<std::uintptr_t>(before);
  if (increment != 0 && start != UINTPTR_MAX) {
    plateau::sampler::record_break(start, start + static_cast<std::uintptr_t>(increment), __builtin_return_address(0));
  }
  return before;
}

int brk(void* end) noexcept {
  const auto before = reinterpret_cast<std::uintptr_t>(__sbrk(0));
  const auto after = reinterpret_cast<std::uintptr_t>(end);
  if (__sbrk(static_cast<std::intptr_t>(after - before)) == reinterpret_cast<void*>(-1)) return -1;
  plateau::sampler::record_break(before, after, __builtin_return_address(0));
  return 0;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*routine)(void*),
                   void* argument) noexcept {
  using namespace plateau::sampler;
  using Create = int(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
  static Create* const create = reinterpret_cast<Create*>(::dlsym(RTLD_NEXT, "pthread_create"));
  const void* const caller = __builtin_return_address(0);
  if (!is_recorded(caller)) return create(thread, attributes, routine, argument);
  void* const memory = next.malloc(sizeof(ThreadStart));
  if (memory == nullptr) return EAGAIN;
  auto* const start = new (memory) ThreadStart{routine, argument, stack_of(caller)};
  const int error = create(thread, attributes, run_recorded_thread, start);
  if (error != 0) next.free(memory);
  return error;
}

const plateau::sampler::MappedMemoryInterface* plateau_mapped_memory() {
  return &plateau::sampler::mapped_memory;
}

#pragma GCC visibility pop
}
