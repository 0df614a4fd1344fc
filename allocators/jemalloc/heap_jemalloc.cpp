#include <sys/types.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "allocators/internal/heap_backend.hpp"
#include "allocators/jemalloc/control.hpp"
#include "allocators/jemalloc/jemalloc_arena_claim.hpp"

namespace plateau::heap_backend {
namespace {

using jemalloc::all_arenas;
using jemalloc::ControlError;
using jemalloc::destroyed_arenas;
using jemalloc::Mib;

// The controls that statistics() and a controller of retention ask for again and again.
struct Figures {
  Mib allocated{"stats.allocated"};
  Mib active{"stats.active"};
  Mib resident{"stats.resident"};
  Mib mapped{"stats.mapped"};
  Mib retained{"stats.retained"};
  Mib metadata{"stats.metadata"};
  // Of an arena.
  Mib cached{"stats.arenas.0.tcache_bytes"};
  Mib dirty_pages{"stats.arenas.0.pdirty"};
  Mib muzzy_pages{"stats.arenas.0.pmuzzy"};
  Mib dirty_purges{"stats.arenas.0.dirty_npurge"};
  Mib muzzy_purges{"stats.arenas.0.muzzy_npurge"};
  Mib dirty_madvise_calls{"stats.arenas.0.dirty_nmadvise"};
  Mib muzzy_madvise_calls{"stats.arenas.0.muzzy_nmadvise"};
  // Of an arena and a small size class.
  Mib regions{"stats.arenas.0.bins.0.curregs"};
  Mib slabs{"stats.arenas.0.bins.0.curslabs"};
};

// How long unused pages of one kind are kept.
struct Decay {
  Mib of_later_arenas;
  Mib of_arena;
};

class JemallocHeap final : public Heap {
 public:
  explicit JemallocHeap(std::string library) : Heap(std::move(library)) {
    const Mib region_bytes("arenas.bin.0.size");
    const Mib slab_bytes("arenas.bin.0.slab_size");
    const Mib regions("arenas.bin.0.nregs");
    const unsigned bins = jemalloc::read<unsigned>("arenas.nbins").value_or(0);
    for (unsigned i = 0; i < bins; ++i) {
      classes_.push_back({region_bytes.read<std::size_t>(i).value_or(0), slab_bytes.read<std::size_t>(i).value_or(0),
                          regions.read<std::uint32_t>(i).value_or(0)});
    }
    page_bytes_ = jemalloc::read<std::size_t>("arenas.page").value_or(4096);
    own_arenas_ = jemalloc::read<unsigned>("opt.narenas").value_or(0);
    // One more, after them, serves very large blocks, unless the threshold is out of bounds.
    const std::size_t oversize = jemalloc::read<std::size_t>("opt.oversize_threshold").value_or(0);
    if (oversize >= 4 * page_bytes_ && oversize <= (std::size_t{7} << 60)) ++own_arenas_;
  }

  AllocatorKind kind() const override { return AllocatorKind::jemalloc; }
  std::string version() const override { return jemalloc::read<const char*>("version").value_or("unknown"); }

  std::string configuration() const override {
    const auto on = [](const char* name) { return jemalloc::read<bool>(name).value_or(false) ? "true" : "false"; };
    std::string text = "dirty_decay_ms:" + std::to_string(jemalloc::read<ssize_t>("opt.dirty_decay_ms").value_or(0));
    text += ",muzzy_decay_ms:" + std::to_string(jemalloc::read<ssize_t>("opt.muzzy_decay_ms").value_or(0));
    text += std::string(",background_thread:") + on("opt.background_thread");
    text += std::string(",retain:") + on("opt.retain");
    text += ",narenas:" + std::to_string(jemalloc::read<unsigned>("opt.narenas").value_or(0));
    if (jemalloc::read<bool>("config.prof").value_or(false)) text += std::string(",prof:") + on("opt.prof");
    return text;
  }

  HeapStatistics statistics() override {
    jemalloc::refresh_statistics();
    HeapStatistics result;
    result.cached = figures_.cached.read<std::size_t>(all_arenas).optional();
    // jemalloc counts what lies in caches of threads as allocated.
    if (const auto allocated = figures_.allocated.read<std::size_t>()) {
      result.allocated = allocated.value - std::min<std::uint64_t>(allocated.value, result.cached.value_or(0));
    }
    result.active = figures_.active.read<std::size_t>().optional();
    result.resident = figures_.resident.read<std::size_t>().optional();
    result.mapped = figures_.mapped.read<std::size_t>().optional();
    result.retained = figures_.retained.read<std::size_t>().optional();
    result.metadata = figures_.metadata.read<std::size_t>().optional();
    result.dirty = in_bytes(figures_.dirty_pages.read<std::size_t>(all_arenas));
    result.muzzy = in_bytes(figures_.muzzy_pages.read<std::size_t>(all_arenas));
    result.purges = sum(figures_.dirty_purges, figures_.muzzy_purges);
    result.madvise_calls = sum(figures_.dirty_madvise_calls, figures_.muzzy_madvise_calls);
    return result;
  }

  std::optional<SlabStatistics> slab_statistics() override {
    SlabStatistics result;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      const auto regions = figures_.regions.read<std::size_t>(all_arenas, i);
      const auto slabs = figures_.slabs.read<std::size_t>(all_arenas, i);
      if (!regions || !slabs) return std::nullopt;
      result.slab_bytes += slabs.value * classes_[i].slab_bytes;
      result.region_bytes += regions.value * classes_[i].region_bytes;
    }
    return result;
  }

  std::optional<SizeClass> size_class(std::uint64_t bytes) const override {
    const auto found =
        std::lower_bound(classes_.begin(), classes_.end(), bytes,
                         [](const SizeClass& c, std::uint64_t wanted) { return c.region_bytes < wanted; });
    if (found == classes_.end()) return std::nullopt;
    return *found;
  }

  HeapReply purge() override {
    // What other threads hold in their caches stays: each can only flush its own. Not by jemalloc's number of all
    // arenas, with which an arena could be destroyed meanwhile. One that another thread purges is left to that.
    flush_thread_cache();
    const unsigned arenas = arena_count();
    HeapReply reply = heap_done;
    for (unsigned i = 0; i < arenas; ++i) {
      if (const HeapReply one = purge_if_it_stays(i); !one.done) reply = one;
    }
    return reply;
  }

  // A slice is an arena: jemalloc purges one wholly, or by a decay that request threads would take part in. The
  // smallest that suffices is taken, else the largest. Threads that allocate do not wait for it.
  HeapReply purge_slice(std::uint64_t bytes) override {
    flush_thread_cache();
    const std::optional<unsigned> arena = best_arena(bytes);
    if (!arena) return {false, "no arena has unused pages that may be purged from here"};
    if (*arena < own_arenas_) return purge_arena(*arena);
    const ArenaClaim claim(*arena);
    return claim.holds() ? purge_arena(*arena) : HeapReply{false, "the arena is being purged or ends"};
  }

  HeapReply flush_thread_cache() override {
    return thread_cache_flush_.call() == ControlError::none
               ? heap_done
               : HeapReply{false, "jemalloc refused thread.tcache.flush (the thread has no cache)"};
  }

  PurgeSupport purge_support() const override { return {heap_done, heap_done, heap_done, heap_done}; }

  HeapReply set_dirty_decay(std::chrono::milliseconds decay) override { return set_decay(dirty_decay_, decay); }
  HeapReply set_muzzy_decay(std::chrono::milliseconds decay) override { return set_decay(muzzy_decay_, decay); }
  std::optional<std::chrono::milliseconds> dirty_decay() const override { return decay(dirty_decay_); }
  std::optional<std::chrono::milliseconds> muzzy_decay() const override { return decay(muzzy_decay_); }

  HeapReply set_background_thread(bool on) override {
    switch (jemalloc::set("background_thread", on)) {
      case ControlError::none:
        return heap_done;
      case ControlError::not_taken:
        return {false, "background_thread did not take"};
      default:
        return {false, "jemalloc refused background_thread (not built with it, or no threads here)"};
    }
  }
  std::optional<bool> background_thread() const override {
    return jemalloc::read<bool>("background_thread").optional();
  }

 private:
  unsigned arena_count() const { return arena_count_.read<unsigned>().value_or(0); }

  // Of the arenas that may be purged, the one with the fewest unused bytes of those with at least `bytes`, else the one
  // with the most. Empty when none has any.
  std::optional<unsigned> best_arena(std::uint64_t bytes) const {
    const unsigned arenas = arena_count();
    std::optional<unsigned> best;
    std::uint64_t best_unused = 0;
    for (unsigned i = 0; i < arenas; ++i) {
      if (i >= own_arenas_ && !arena_may_be_purged(i)) continue;
      const std::uint64_t unused = in_bytes(figures_.dirty_pages.read<std::size_t>(i)).value_or(0) +
                                   in_bytes(figures_.muzzy_pages.read<std::size_t>(i)).value_or(0);
      const bool better = best_unused >= bytes ? unused >= bytes && unused < best_unused : unused > best_unused;
      if (!better) continue;
      best = i;
      best_unused = unused;
    }
    return best;
  }

  HeapReply purge_if_it_stays(unsigned arena) const {
    if (arena < own_arenas_ || arena_is_unannounced(arena)) return purge_arena(arena);
    const ArenaClaim claim(arena);
    return claim.holds() ? purge_arena(arena) : heap_done;
  }

  HeapReply purge_arena(unsigned arena) const {
    return arena_purge_.call(arena) == ControlError::none ? heap_done
                                                          : HeapReply{false, "jemalloc refused arena.<i>.purge"};
  }

  std::optional<std::uint64_t> in_bytes(const jemalloc::Answer<std::size_t>& pages) const {
    return pages ? std::optional<std::uint64_t>(pages.value * page_bytes_) : std::nullopt;
  }

  // Counts those of all arenas there are, and of those there were: jemalloc keeps the latter by themselves, once there
  // is one.
  static std::optional<std::uint64_t> sum(const Mib& one, const Mib& other) {
    const auto first = one.read<std::uint64_t>(all_arenas);
    const auto second = other.read<std::uint64_t>(all_arenas);
    if (!first || !second) return std::nullopt;
    return first.value + second.value + one.read<std::uint64_t>(destroyed_arenas).value_or(0) +
           other.read<std::uint64_t>(destroyed_arenas).value_or(0);
  }

  static std::optional<std::chrono::milliseconds> decay(const Decay& of) {
    const auto value = of.of_later_arenas.read<ssize_t>();
    return value ? std::optional(std::chrono::milliseconds(value.value)) : std::nullopt;
  }

  // `arenas.X` is only for arenas made later, so every initialised arena is written as well.
  HeapReply set_decay(const Decay& of, std::chrono::milliseconds decay) const {
    const auto value = static_cast<ssize_t>(decay.count());
    if (of.of_later_arenas.write(value) != ControlError::none) {
      return {false, "jemalloc refused the decay for future arenas"};
    }
    const unsigned arenas = arena_count();
    jemalloc::refresh_statistics();  // which arenas are initialised is told as of then
    for (unsigned i = 0; i < arenas; ++i) {
      if (!arena_initialized_.read<bool>(i).value_or(false)) continue;
      if (of.of_arena.set(value, i) != ControlError::none) return {false, "the decay of an arena did not take"};
    }
    const auto taken = of.of_later_arenas.read<ssize_t>();
    return taken && taken.value == value ? heap_done : HeapReply{false, "the decay for future arenas did not take"};
  }

  const Figures figures_;
  const Mib arena_count_{"arenas.narenas"};
  const Mib arena_initialized_{"arena.0.initialized"};
  const Mib arena_purge_{"arena.0.purge"};
  const Mib thread_cache_flush_{"thread.tcache.flush"};
  const Decay dirty_decay_{Mib("arenas.dirty_decay_ms"), Mib("arena.0.dirty_decay_ms")};
  const Decay muzzy_decay_{Mib("arenas.muzzy_decay_ms"), Mib("arena.0.muzzy_decay_ms")};
  std::vector<SizeClass> classes_;
  unsigned own_arenas_ = 0;  // those that jemalloc made for itself: they never end, and have the lowest numbers
  std::size_t page_bytes_ = 4096;
};

}  // namespace

std::unique_ptr<Heap> make_jemalloc(std::string library) {
  return std::make_unique<JemallocHeap>(std::move(library));
}

}  // namespace plateau::heap_backend
