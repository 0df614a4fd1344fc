#include "allocators/heap.hpp"

#include <link.h>

#include <cstdlib>
#include <filesystem>

#include "allocators/heap_backend.hpp"

namespace plateau {
namespace {

// The object file that an address is of, or "" when it is of none.
std::string file_of(const void* address) {
  Dl_info info{};
  if (address == nullptr || dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {};
  std::error_code error;
  const auto file = std::filesystem::canonical(info.dli_fname, error);
  return error ? std::string(info.dli_fname) : file.string();
}

// A program at a fixed address that takes the address of a function has a stub of it, which the dynamic linker gives to
// everybody who asks for that function (Debian's python3 does so with malloc).
bool is_stub(const void* address) {
  Dl_info info{};
  void* symbol = nullptr;
  return dladdr1(address, &info, &symbol, RTLD_DL_SYMENT) != 0 && symbol != nullptr &&
         static_cast<const ElfW(Sym)*>(symbol)->st_shndx == SHN_UNDEF;
}

// The object file that provides the symbol, or "" when there is none.
std::string provider_of(const char* name) {
  return file_of(dlsym(RTLD_DEFAULT, name));
}

// What provides malloc provides this as well, and hardly a program takes its address.
const char* function_of_malloc() {
  return is_stub(dlsym(RTLD_DEFAULT, "malloc")) ? "malloc_usable_size" : "malloc";
}

// The object file whose malloc serves. A profiler that stands in front of it (libplateau_sampler.so) has a function
// that tells the address of the malloc behind.
std::string malloc_library() {
  std::string library = provider_of(function_of_malloc());
  constexpr const char* behind = "plateau_next_malloc";
  auto* const next = runtime_symbol<const void*()>(behind);
  return next != nullptr && provider_of(behind) == library ? file_of(next()) : library;
}

class UnknownHeap final : public Heap {
 public:
  using Heap::Heap;
  AllocatorKind kind() const override { return AllocatorKind::unknown; }
  std::string version() const override { return "unknown"; }
  HeapStatistics statistics() override { return {}; }
  HeapReply purge() override { return {false, "this allocator is unknown: no purge can be asked of it"}; }
  HeapReply flush_thread_cache() override { return {false, "this allocator is unknown: it is not asked to flush"}; }
  PurgeSupport purge_support() const override {
    constexpr HeapReply no{false, "this allocator is unknown: nothing can be asked of it"};
    return {no, no, no, no};
  }
};

std::unique_ptr<Heap> detect() {
  std::string library = malloc_library();
  // An allocator counts only when the object that serves malloc is the one that has its control functions: a library
  // that is merely loaded (as a dependency of another) does not.
  const auto serves = [&library](const char* name) { return !library.empty() && provider_of(name) == library; };
  if (serves("mallctl")) return heap_backend::make_jemalloc(std::move(library));
  if (serves("MallocExtension_GetNumericProperty")) return heap_backend::make_tcmalloc(std::move(library));
  if (serves("mi_version")) return heap_backend::make_mimalloc(std::move(library));
  if (serves("gnu_get_libc_version")) return heap_backend::make_glibc(std::move(library));
  return std::make_unique<UnknownHeap>(std::move(library));
}

}  // namespace

std::string_view to_string(AllocatorKind kind) {
  switch (kind) {
    case AllocatorKind::glibc:
      return "glibc";
    case AllocatorKind::jemalloc:
      return "jemalloc";
    case AllocatorKind::tcmalloc:
      return "tcmalloc";
    case AllocatorKind::mimalloc:
      return "mimalloc";
    case AllocatorKind::unknown:
      break;
  }
  return "unknown";
}

Heap& Heap::process() {
  static const std::unique_ptr<Heap> heap = detect();
  return *heap;
}

std::optional<SizeClass> Heap::size_class(std::uint64_t /*bytes*/) const {
  return std::nullopt;
}

HeapReply Heap::purge_slice(std::uint64_t /*bytes*/) {
  return purge();
}

HeapReply Heap::set_heap_limit(std::optional<std::uint64_t> /*bytes*/) {
  return {false, "this allocator has no limit of its own"};
}

HeapReply Heap::set_dirty_decay(std::chrono::milliseconds /*decay*/) {
  return {false, "this allocator has no dirty decay"};
}

HeapReply Heap::set_muzzy_decay(std::chrono::milliseconds /*decay*/) {
  return {false, "this allocator has no muzzy decay"};
}

HeapReply Heap::set_background_thread(bool /*on*/) {
  return {false, "this allocator has no background thread"};
}

}  // namespace plateau
