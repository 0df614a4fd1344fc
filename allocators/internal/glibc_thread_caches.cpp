#include "allocators/internal/glibc_thread_caches.hpp"

#include <link.h>
#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>

#include "allocators/heap.hpp"
#include "allocators/system/memory_maps.hpp"

namespace plateau {

#ifdef __x86_64__
namespace {

constexpr std::size_t bins = 64;

// tcache_perthread_struct of malloc/malloc.c, glibc 2.30 to 2.41.
struct Cache {
  std::array<std::uint16_t, bins> counts;
  std::array<std::uint64_t, bins> entries;
};

// A block with its head; the smallest has 32 bytes, and bins are 16 bytes apart.
constexpr std::uint64_t block_bytes(std::size_t bin) {
  return 32 + 16 * static_cast<std::uint64_t>(bin);
}

constexpr std::size_t probe_bytes = 600;  // of a size that hardly anything else has, so that its bin has room
constexpr std::size_t probe_bin = (probe_bytes + 8 + 15 - 32) / 16;
static_assert(block_bytes(probe_bin) >= probe_bytes + 8 && block_bytes(probe_bin) < probe_bytes + 8 + 16);

// From a thread's pointer to its own variables.
struct Places {
  std::ptrdiff_t cache = 0;        // libc's pointer to the cache
  std::ptrdiff_t robust_list = 0;  // what the kernel was told, see set_robust_list(2)
};

std::optional<std::uint64_t> robust_list_of(pid_t thread) {
  void* head = nullptr;
  std::size_t bytes = 0;
  if (::syscall(SYS_get_robust_list, thread, &head, &bytes) != 0 || head == nullptr) return std::nullopt;
  return reinterpret_cast<std::uint64_t>(head);
}

// libc's own variables in the calling thread.
struct ThreadVariables {
  std::uint64_t start = 0;
  std::uint64_t limit = 0;
};

ThreadVariables variables_of_libc() {
  struct Search {
    std::uint64_t code;
    ThreadVariables found;
  } search{reinterpret_cast<std::uint64_t>(&::malloc_info), {}};
  const auto look = [](dl_phdr_info* object, std::size_t /*size*/, void* to) {
    auto& wanted = *static_cast<Search*>(to);
    bool is_libc = false;
    std::uint64_t bytes = 0;
    for (std::size_t i = 0; i < object->dlpi_phnum; ++i) {
      const ElfW(Phdr)& header = object->dlpi_phdr[i];
      const std::uint64_t start = object->dlpi_addr + header.p_vaddr;
      if (header.p_type == PT_LOAD && wanted.code >= start && wanted.code < start + header.p_memsz) is_libc = true;
      if (header.p_type == PT_TLS) bytes = header.p_memsz;
    }
    const auto start = reinterpret_cast<std::uint64_t>(object->dlpi_tls_data);
    if (!is_libc || start == 0) return 0;
    wanted.found = {start, start + bytes};
    return 1;
  };
  ::dl_iterate_phdr(look, &search);
  return search.found;
}

std::optional<Cache> cache_at(std::uint64_t pointer) {
  Cache cache;
  std::uint64_t address = 0;
  if (!read_own_memory(pointer, &address, sizeof address) || address == 0 || address % 16 != 0) return std::nullopt;
  return read_own_memory(address, &cache, sizeof cache) ? std::optional(cache) : std::nullopt;
}

std::optional<Places> find_places() {
  const auto thread_pointer = reinterpret_cast<std::uint64_t>(__builtin_thread_pointer());
  const auto robust_list = robust_list_of(::gettid());
  const ThreadVariables variables = variables_of_libc();
  if (!robust_list || variables.start == 0) return std::nullopt;
  // The compiler must not leave the two calls out.
  void* volatile block = std::malloc(probe_bytes);
  const auto freed = reinterpret_cast<std::uint64_t>(block);
  std::free(block);
  for (std::uint64_t at = variables.start; at + sizeof at <= variables.limit; at += sizeof at) {
    const auto with = cache_at(at);
    if (!with || with->entries[probe_bin] != freed || with->counts[probe_bin] == 0) continue;
    block = std::malloc(probe_bytes);
    const bool came_back = reinterpret_cast<std::uint64_t>(block) == freed;
    const auto without = cache_at(at);
    std::free(block);
    if (!came_back || !without || without->counts[probe_bin] + 1 != with->counts[probe_bin]) return std::nullopt;
    return Places{static_cast<std::ptrdiff_t>(at - thread_pointer),
                  static_cast<std::ptrdiff_t>(*robust_list - thread_pointer)};
  }
  return std::nullopt;
}

// Nothing for a thread that is not one of glibc's, or is just ending.
std::optional<std::uint64_t> cached_bytes(pid_t thread, const Places& places) {
  const auto robust_list = robust_list_of(thread);
  if (!robust_list) return std::nullopt;
  const std::uint64_t pointer = *robust_list - static_cast<std::uint64_t>(places.robust_list);
  std::array<std::uint64_t, 3> head{};  // tcbhead_t: itself, its table of variables, itself
  if (!read_own_memory(pointer, head.data(), sizeof head) || head[0] != pointer || head[2] != pointer)
    return std::nullopt;
  const auto cache = cache_at(pointer + static_cast<std::uint64_t>(places.cache));
  if (!cache) return std::nullopt;
  std::uint64_t bytes = 0;
  for (std::size_t bin = 0; bin < bins; ++bin) bytes += cache->counts[bin] * block_bytes(bin);
  return bytes;
}

}  // namespace

std::optional<GlibcThreadCaches> glibc_thread_caches(bool (*leaves_out)(pid_t thread)) {
  if (Heap::process().kind() != AllocatorKind::glibc) return std::nullopt;
  static const std::optional<Places> places = find_places();
  if (!places) return std::nullopt;
  GlibcThreadCaches caches;
  std::error_code error;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task", error)) {
    const std::string name = task.path().filename();
    pid_t thread = 0;
    std::from_chars(name.data(), name.data() + name.size(), thread);
    if (leaves_out(thread)) continue;
    const auto bytes = cached_bytes(thread, *places);
    if (!bytes) continue;
    caches.bytes += *bytes;
    ++caches.threads;
  }
  return caches;
}

#else

std::optional<GlibcThreadCaches> glibc_thread_caches(bool (* /*leaves_out*/)(pid_t thread)) {
  return std::nullopt;
}

#endif

}  // namespace plateau
