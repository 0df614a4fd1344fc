// mmap and its kin of the agent and of libplateau_sampler.so. Mappings that the allocator makes are its own affair.
// Where nothing is recorded, a call costs a load and a jump; a recorded one costs its stack, and no system call.
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "profiling/sampler/mapped_memory.hpp"
#include "profiling/sampler/mapped_ranges.hpp"

// glibc's own, behind what stands here; no look-up, which might allocate in the middle of an allocator's call.
extern "C" void* __sbrk(std::intptr_t increment) noexcept;  // NOLINT(bugprone-reserved-identifier)

namespace plateau::sampler {
namespace {

// All noexcept, so that a call that is not recorded is a jump, and whoever is called sees who called.
using Map = void*(void*, std::size_t, int, int, int, off_t) noexcept;
using Unmap = int(void*, std::size_t) noexcept;
using Remap = void*(void*, std::size_t, std::size_t, int, void*) noexcept;
using SetBreak = int(void*) noexcept;
using MoveBreak = void*(std::intptr_t) noexcept;

void* kernels_map(void* wanted, std::size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  return reinterpret_cast<void*>(::syscall(SYS_mmap, wanted, bytes, protection, flags, file, offset));
}

int kernels_unmap(void* mapped, std::size_t bytes) noexcept {
  return static_cast<int>(::syscall(SYS_munmap, mapped, bytes));
}

void* kernels_remap(void* mapped, std::size_t old_bytes, std::size_t bytes, int flags, void* wanted) noexcept {
  return reinterpret_cast<void*>(::syscall(SYS_mremap, mapped, old_bytes, bytes, flags, wanted));
}

// Goes on with glibc's own.
int glibcs_set_break(void* end) noexcept {
  const auto before = reinterpret_cast<std::intptr_t>(__sbrk(0));
  return __sbrk(reinterpret_cast<std::intptr_t>(end) - before) == reinterpret_cast<void*>(-1) ? -1 : 0;
}

// Whom a call goes to. They are looked up by the constructor: before it, another library's function may not be ready,
// and the kernel does.
template <class Function>
struct Next {
  std::atomic<Function*> function;

  Function* get() const { return function.load(std::memory_order_relaxed); }
  void look_up(const char* name) {
    auto* const found = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
    if (found != nullptr) function.store(found, std::memory_order_relaxed);
  }
};

constinit Next<Map> next_map{kernels_map};
constinit Next<Unmap> next_unmap{kernels_unmap};
constinit Next<Remap> next_remap{kernels_remap};
constinit Next<MoveBreak> next_move_break{__sbrk};
constinit Next<SetBreak> next_set_break{glibcs_set_break};

[[gnu::constructor]] void look_up_next() {
  next_map.look_up("mmap");
  next_unmap.look_up("munmap");
  next_remap.look_up("mremap");
  next_move_break.look_up("sbrk");
  next_set_break.look_up("brk");
}

std::uintptr_t rounded_up(std::size_t bytes) {
  constexpr std::uintptr_t page = 4096;
  return (bytes + page - 1) & ~(page - 1);
}

// Out of line: the way of a call that is not recorded stays short.
[[gnu::noinline]] void* map_recorded(void* wanted, std::size_t bytes, int protection, int flags, int file, off_t offset,
                                     const void* caller) {
  void* const mapped = next_map.get()(wanted, bytes, protection, flags, file, offset);
  if (mapped == MAP_FAILED) return mapped;
  const int saved_errno = errno;
  const auto start = reinterpret_cast<std::uintptr_t>(mapped);
  const bool is_anonymous = (flags & MAP_ANONYMOUS) != 0;
  add_range({.start = start,
             .limit = start + rounded_up(bytes),
             .stack = mapping_stack(caller),
             .is_shared = is_anonymous && (flags & MAP_TYPE) != MAP_PRIVATE,
             .is_file = !is_anonymous});
  errno = saved_errno;
  return mapped;
}

// The record goes before the mapping does: the next owner of these addresses can only come afterwards.
[[gnu::noinline]] int unmap_recorded(void* mapped, std::size_t bytes) {
  const auto start = reinterpret_cast<std::uintptr_t>(mapped);
  remove_range(start, start + rounded_up(bytes));
  return next_unmap.get()(mapped, bytes);
}

[[gnu::noinline]] void* remap_recorded(void* mapped, std::size_t old_bytes, std::size_t bytes, int flags,
                                       void* wanted) {
  const auto old_start = reinterpret_cast<std::uintptr_t>(mapped);
  auto range = take_range(old_start, old_start + rounded_up(old_bytes));
  void* const moved = next_remap.get()(mapped, old_bytes, bytes, flags, wanted);
  if (!range) return moved;
  const int saved_errno = errno;
  range->start = moved == MAP_FAILED ? old_start : reinterpret_cast<std::uintptr_t>(moved);
  range->limit = range->start + rounded_up(moved == MAP_FAILED ? old_bytes : bytes);
  add_range(*range);
  errno = saved_errno;
  return moved;
}

// After the end of the brk heap went from `before` to `after`.
void record_break(std::uintptr_t before, std::uintptr_t after, const void* caller) {
  if (after == before || !records_mappings_of(caller)) return;
  const int saved_errno = errno;
  if (after > before) {
    add_range({.start = before, .limit = after, .stack = mapping_stack(caller)});
  } else {
    remove_range(after, before);
  }
  errno = saved_errno;
}

constexpr MappedMemoryInterface mapped_memory{.read = read_ranges, .own_pages = unlocked_pages};

}  // namespace
}  // namespace plateau::sampler

extern "C" {
#pragma GCC visibility push(default)

using plateau::sampler::records_mappings_of;

void* mmap(void* wanted, std::size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  const void* const caller = __builtin_return_address(0);
  if (!records_mappings_of(caller)) [[likely]]
    return plateau::sampler::next_map.get()(wanted, bytes, protection, flags, file, offset);
  return plateau::sampler::map_recorded(wanted, bytes, protection, flags, file, offset, caller);
}

void* mmap64(void* wanted, std::size_t bytes, int protection, int flags, int file, off64_t offset) noexcept {
  const void* const caller = __builtin_return_address(0);
  if (!records_mappings_of(caller)) [[likely]]
    return plateau::sampler::next_map.get()(wanted, bytes, protection, flags, file, offset);
  return plateau::sampler::map_recorded(wanted, bytes, protection, flags, file, offset, caller);
}

int munmap(void* mapped, std::size_t bytes) noexcept {
  if (!records_mappings_of(__builtin_return_address(0))) [[likely]]
    return plateau::sampler::next_unmap.get()(mapped, bytes);
  return plateau::sampler::unmap_recorded(mapped, bytes);
}

void* mremap(void* mapped, std::size_t old_bytes, std::size_t bytes, int flags, ...) noexcept {
  va_list more;
  va_start(more, flags);
  void* const wanted = (flags & MREMAP_FIXED) != 0 ? va_arg(more, void*) : nullptr;
  va_end(more);
  if (!records_mappings_of(__builtin_return_address(0)))
    return plateau::sampler::next_remap.get()(mapped, old_bytes, bytes, flags, wanted);
  return plateau::sampler::remap_recorded(mapped, old_bytes, bytes, flags, wanted);
}

void* sbrk(std::intptr_t increment) noexcept {
  const void* const caller = __builtin_return_address(0);
  void* const before = plateau::sampler::next_move_break.get()(increment);
  const auto start = reinterpret_cast<std::uintptr_t>(before);
  if (increment != 0 && start != UINTPTR_MAX)
    plateau::sampler::record_break(start, start + static_cast<std::uintptr_t>(increment), caller);
  return before;
}

int brk(void* end) noexcept {
  const void* const caller = __builtin_return_address(0);
  const auto before = reinterpret_cast<std::uintptr_t>(__sbrk(0));
  const int result = plateau::sampler::next_set_break.get()(end);
  if (result == 0) plateau::sampler::record_break(before, reinterpret_cast<std::uintptr_t>(end), caller);
  return result;
}

// Where this library leaves mappings to another of ours, that one tells.
const plateau::sampler::MappedMemoryInterface* plateau_mapped_memory() {
  if (!plateau::sampler::records_mappings()) {
    using Get = const plateau::sampler::MappedMemoryInterface*();
    if (auto* const next = reinterpret_cast<Get*>(::dlsym(RTLD_NEXT, "plateau_mapped_memory"))) return next();
    ::dlerror();  // nothing for the program to hear of
  }
  return &plateau::sampler::mapped_memory;
}

#pragma GCC visibility pop
}
