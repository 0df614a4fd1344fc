// A malloc of the program's own, as programs bring it that are linked with one: blocks in one arena, each with a head
// that says whose it is. Whoever frees here what was not allocated here ends the program.
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

constexpr std::size_t arena_bytes = std::size_t{1} << 36;  // reserved, not used
constexpr std::uint64_t mine = 0x0dd0457a110c;
constexpr std::size_t classes = 40;

struct alignas(16) Head {
  std::uint64_t owner;
  std::size_t size_class;
  Head* next;
  void* start;  // what free() is given
};

std::atomic_flag busy = ATOMIC_FLAG_INIT;
char* arena = nullptr;
std::size_t used = 0;
Head* free_blocks[classes];

class Locked {
 public:
  Locked() {
    while (busy.test_and_set(std::memory_order_acquire)) {
    }
  }
  ~Locked() { busy.clear(std::memory_order_release); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
};

std::size_t class_of(std::size_t bytes) {
  std::size_t size_class = 5;
  while ((std::size_t{1} << size_class) < bytes && size_class + 1 < classes) ++size_class;
  return size_class;
}

[[noreturn]] void refuse(const char* message) {
  static_cast<void>(!::write(STDERR_FILENO, message, std::strlen(message)));
  std::abort();
}

Head* head_of(void* block) {
  Head* const head = static_cast<Head*>(block) - 1;
  const bool inside = arena != nullptr && static_cast<char*>(block) > arena && static_cast<char*>(block) < arena + used;
  if (!inside || head->owner != mine) refuse("own malloc: a block of somebody else's\n");
  return head;
}

void* take(std::size_t alignment, std::size_t bytes) {
  if (bytes > (std::size_t{1} << 34)) {
    errno = ENOMEM;
    return nullptr;
  }
  const std::size_t size_class = class_of(bytes + sizeof(Head) + (alignment > 16 ? alignment : 0));
  const Locked locked;
  Head* found = alignment <= 16 ? free_blocks[size_class] : nullptr;
  if (found != nullptr) {
    free_blocks[size_class] = found->next;
    found->owner = mine;
    return found->start;
  }
  if (arena == nullptr) {
    void* const memory =
        ::mmap(nullptr, arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) return nullptr;
    arena = static_cast<char*>(memory);
  }
  auto start = reinterpret_cast<std::uintptr_t>(arena + used) + sizeof(Head);
  start = (start + alignment - 1) / alignment * alignment;
  used += std::size_t{1} << size_class;
  if (used > arena_bytes) refuse("own malloc: the arena is full\n");
  auto* const block = reinterpret_cast<void*>(start);
  *(static_cast<Head*>(block) - 1) = {mine, alignment <= 16 ? size_class : classes, nullptr, block};
  return block;
}

std::size_t readable(void* block) {
  const Head* const head = head_of(block);
  return head->size_class == classes ? 0 : (std::size_t{1} << head->size_class) - sizeof(Head);
}

}  // namespace

extern "C" {

void* malloc(std::size_t bytes) {
  return take(16, bytes);
}

void free(void* block) {
  if (block == nullptr) return;
  Head* const head = head_of(block);
  head->owner = ~mine;
  if (head->size_class == classes) return;  // blocks with an alignment are not used again
  const Locked locked;
  head->next = free_blocks[head->size_class];
  free_blocks[head->size_class] = head;
}

void* calloc(std::size_t count, std::size_t bytes) {
  std::size_t total = 0;
  if (__builtin_mul_overflow(count, bytes, &total)) {
    errno = ENOMEM;
    return nullptr;
  }
  void* const block = take(16, total);
  if (block != nullptr) std::memset(block, 0, total);
  return block;
}

void* realloc(void* block, std::size_t bytes) {
  if (block == nullptr) return take(16, bytes);
  const std::size_t old_bytes = readable(block);
  if (old_bytes == 0) refuse("own malloc: a block with an alignment is not resized\n");
  if (bytes <= old_bytes) return block;
  void* const moved = take(16, bytes);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, block, old_bytes);
  free(block);
  return moved;
}

int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) {
  *block = take(alignment, bytes);
  return *block == nullptr ? ENOMEM : 0;
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return take(alignment, bytes);
}

void* memalign(std::size_t alignment, std::size_t bytes) {
  return take(alignment, bytes);
}

void* valloc(std::size_t bytes) {
  return take(4096, bytes);
}

void* pvalloc(std::size_t bytes) {
  return take(4096, (bytes + 4095) / 4096 * 4096);
}

std::size_t malloc_usable_size(void* block) {
  return block == nullptr ? 0 : readable(block);
}

}  // extern "C"
