#include "allocators/jemalloc_arena.hpp"

#include <jemalloc/jemalloc.h>  // for the flags of mallocx; the functions are looked up in what is loaded
#include <sys/types.h>

#include <bit>
#include <new>
#include <stdexcept>
#include <string>

#include "allocators/heap.hpp"
#include "allocators/purge_trace.hpp"
#include "allocators/jemalloc_arena_claim.hpp"
#include "allocators/runtime_symbol.hpp"

namespace plateau {
namespace {

struct Jemalloc {
  decltype(::mallctl)* control = runtime_symbol<decltype(::mallctl)>("mallctl");
  decltype(::mallocx)* allocate = runtime_symbol<decltype(::mallocx)>("mallocx");
  decltype(::sdallocx)* deallocate = runtime_symbol<decltype(::sdallocx)>("sdallocx");

  bool loaded() const { return control != nullptr && allocate != nullptr && deallocate != nullptr; }

  template <class Value>
  bool read(const std::string& name, Value& value) const {
    std::size_t size = sizeof value;
    return control(name.c_str(), &value, &size, nullptr, 0) == 0 && size == sizeof value;
  }
  template <class Value>
  bool write(const std::string& name, Value value) const {
    return control(name.c_str(), nullptr, nullptr, &value, sizeof value) == 0;
  }
  bool call(const std::string& name) const { return control(name.c_str(), nullptr, nullptr, nullptr, 0) == 0; }
};

const Jemalloc& jemalloc() {
  static const Jemalloc functions;
  return functions;
}

std::string of_arena(unsigned index, const char* what) {
  return "arena." + std::to_string(index) + "." + what;
}

void set_decay(unsigned index, const char* what, std::chrono::milliseconds decay) {
  const auto wanted = static_cast<ssize_t>(decay.count());
  ssize_t got = 0;
  if (!jemalloc().write(of_arena(index, what), wanted) || !jemalloc().read(of_arena(index, what), got) ||
      got != wanted) {
    throw std::runtime_error("jemalloc refused " + of_arena(index, what) + " = " + std::to_string(wanted));
  }
}

}  // namespace

JemallocArena::JemallocArena(JemallocArenaOptions options) : has_thread_cache_(options.thread_cache) {
  if (!jemalloc().loaded()) {
    throw std::runtime_error("JemallocArena needs jemalloc, and malloc here is " +
                             std::string(to_string(Heap::process().kind())) +
                             "'s: link libjemalloc or preload libjemalloc.so.2");
  }
  std::size_t size = sizeof index_;
  extent_hooks_t* hooks = options.extent_hooks;
  if (jemalloc().control("arenas.create", &index_, &size, hooks != nullptr ? static_cast<void*>(&hooks) : nullptr,
                         hooks != nullptr ? sizeof hooks : 0) != 0) {
    throw std::runtime_error("jemalloc has no further arena (arenas.create failed)");
  }
  try {
    if (options.dirty_decay) set_decay(index_, "dirty_decay_ms", *options.dirty_decay);
    if (options.muzzy_decay) set_decay(index_, "muzzy_decay_ms", *options.muzzy_decay);
    make_thread_cache();
    PurgeTrace::cover_arena(index_);
    arena_made(index_);
  } catch (...) {
    jemalloc().call(of_arena(index_, "destroy"));
    throw;
  }
}

JemallocArena::~JemallocArena() {
  arena_ends(index_);
  destroy_thread_cache();
  jemalloc().call(of_arena(index_, "destroy"));
}

void JemallocArena::make_thread_cache() {
  if (has_thread_cache_ && !jemalloc().read("tcache.create", thread_cache_)) {
    throw std::runtime_error("jemalloc has no further thread cache (tcache.create failed)");
  }
  flags_ = MALLOCX_ARENA(index_) | (has_thread_cache_ ? MALLOCX_TCACHE(thread_cache_) : MALLOCX_TCACHE_NONE);
}

// Its blocks belong to the arena, so it goes first.
void JemallocArena::destroy_thread_cache() noexcept {
  if (has_thread_cache_) jemalloc().write("tcache.destroy", thread_cache_);
}

void JemallocArena::reset() {
  destroy_thread_cache();
  arena_ends(index_);  // a reset takes the arena apart as the end does
  jemalloc().call(of_arena(index_, "reset"));
  arena_made(index_);
  make_thread_cache();
}

void JemallocArena::purge() {
  if (has_thread_cache_) jemalloc().write("tcache.flush", thread_cache_);
  if (!jemalloc().call(of_arena(index_, "purge"))) {
    throw std::runtime_error("jemalloc refused " + of_arena(index_, "purge"));
  }
}

JemallocArenaStatistics JemallocArena::statistics() const {
  jemalloc().write("epoch", std::uint64_t{1});
  const auto figure = [this](const char* what) {
    std::size_t value = 0;
    const std::string name = "stats.arenas." + std::to_string(index_) + "." + what;
    if (!jemalloc().read(name, value)) throw std::runtime_error("jemalloc does not tell " + name);
    return static_cast<std::uint64_t>(value);
  };
  std::size_t page = 0;
  jemalloc().read("arenas.page", page);
  JemallocArenaStatistics result;
  result.allocated = figure("small.allocated") + figure("large.allocated");
  result.active = figure("pactive") * page;
  result.dirty = figure("pdirty") * page;
  result.muzzy = figure("pmuzzy") * page;
  result.resident = figure("resident");
  result.mapped = figure("mapped");
  return result;
}

void* JemallocArena::do_allocate(std::size_t bytes, std::size_t alignment) {
  const int flags = flags_ | MALLOCX_LG_ALIGN(std::countr_zero(alignment));
  void* const block = jemalloc().allocate(bytes + static_cast<std::size_t>(bytes == 0), flags);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void JemallocArena::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
  const int flags = flags_ | MALLOCX_LG_ALIGN(std::countr_zero(alignment));
  jemalloc().deallocate(block, bytes + static_cast<std::size_t>(bytes == 0), flags);
}

}  // namespace plateau
