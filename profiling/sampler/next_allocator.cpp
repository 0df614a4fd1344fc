#include "profiling/sampler/next_allocator.hpp"

#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>

#include "profiling/sampler/recorder.hpp"

namespace plateau::sampler {
namespace {

// The dynamic linker may allocate while it looks the allocator up (glibc's dlsym does so for its error message).
constexpr std::size_t reserve_bytes = 64 * 1024;
alignas(4096) constinit std::array<char, reserve_bytes> reserve{};
constinit std::atomic<std::size_t> reserve_used{0};
constinit thread_local bool looking_up = false;

void* take_from_reserve(std::size_t bytes) {
  constexpr std::size_t alignment = alignof(std::max_align_t);
  if (bytes > reserve_bytes) return nullptr;
  const std::size_t rounded = (std::max<std::size_t>(bytes, 1) + alignment - 1) / alignment * alignment;
  const std::size_t at = reserve_used.fetch_add(rounded, std::memory_order_relaxed);
  if (at + rounded > reserve_bytes) return nullptr;
  recorder.watch_page_of(&reserve[at]);
  return &reserve[at];
}

[[noreturn]] void die(const char* message, std::size_t length) {
  static_cast<void>(!::write(STDERR_FILENO, message, length));
  std::abort();
}

// Not every allocator has all of them; dlerror() says nothing of that to the program.
template <class Function>
Function* definition(const char* name) {
  void* const found = ::dlsym(RTLD_NEXT, name);
  if (found == nullptr) ::dlerror();
  return reinterpret_cast<Function*>(found);
}

void look_up() {
  if (looking_up) return;
  looking_up = true;
  const int saved_errno = errno;
  NextAllocator found{
      .malloc = definition<void*(std::size_t) noexcept>("malloc"),
      .calloc = definition<void*(std::size_t, std::size_t) noexcept>("calloc"),
      .realloc = definition<void*(void*, std::size_t) noexcept>("realloc"),
      .free = definition<void(void*) noexcept>("free"),
      .posix_memalign = definition<int(void**, std::size_t, std::size_t) noexcept>("posix_memalign"),
      .aligned_alloc = definition<void*(std::size_t, std::size_t) noexcept>("aligned_alloc"),
      .memalign = definition<void*(std::size_t, std::size_t) noexcept>("memalign"),
      .valloc = definition<void*(std::size_t) noexcept>("valloc"),
      .pvalloc = definition<void*(std::size_t) noexcept>("pvalloc"),
  };
  constexpr char message[] = "plateau: no malloc behind the sampler: preload its library, do not load it later\n";
  if (found.malloc == nullptr || found.free == nullptr) die(message, sizeof message - 1);
  // Two threads may do this at once; they store the same.
  next = found;
  errno = saved_errno;
  looking_up = false;
}

void* first_malloc(std::size_t bytes) noexcept {
  look_up();
  return looking_up ? take_from_reserve(bytes) : next.malloc(bytes);
}
void* first_calloc(std::size_t count, std::size_t bytes) noexcept {
  look_up();
  std::size_t total = 0;
  if (!looking_up) return next.calloc(count, bytes);
  return __builtin_mul_overflow(count, bytes, &total) ? nullptr : take_from_reserve(total);  // zero from the start
}
void* first_realloc(void* block, std::size_t bytes) noexcept {
  look_up();
  return looking_up ? nullptr : next.realloc(block, bytes);
}
void first_free(void* block) noexcept {
  look_up();
  if (!looking_up) next.free(block);
}
int first_posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
  look_up();
  return looking_up ? ENOMEM : next.posix_memalign(block, alignment, bytes);
}
void* first_aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  look_up();
  return looking_up ? nullptr : next.aligned_alloc(alignment, bytes);
}
void* first_memalign(std::size_t alignment, std::size_t bytes) noexcept {
  look_up();
  return looking_up ? nullptr : next.memalign(alignment, bytes);
}
void* first_valloc(std::size_t bytes) noexcept {
  look_up();
  return looking_up ? nullptr : next.valloc(bytes);
}
void* first_pvalloc(std::size_t bytes) noexcept {
  look_up();
  return looking_up ? nullptr : next.pvalloc(bytes);
}

}  // namespace

constinit NextAllocator next{first_malloc,        first_calloc,   first_realloc, first_free,   first_posix_memalign,
                             first_aligned_alloc, first_memalign, first_valloc,  first_pvalloc};

bool in_bootstrap_reserve(const void* block) {
  return block >= reserve.data() && block < reserve.data() + reserve_bytes;
}

std::size_t bootstrap_readable_bytes(const void* block) {
  return static_cast<std::size_t>(reserve.data() + reserve_bytes - static_cast<const char*>(block));
}

}  // namespace plateau::sampler
