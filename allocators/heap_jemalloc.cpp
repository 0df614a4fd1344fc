#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "allocators/heap_backend.hpp"
#include "allocators/jemalloc_arena_claim.hpp"

namespace plateau::heap_backend {
namespace {

// Names and meanings: the MALLCTL NAMESPACE section of jemalloc(3), version 5.3.
class JemallocHeap final : public Heap {
 public:
  explicit JemallocHeap(std::string library) : Heap(std::move(library)) {
    mallctl_ = runtime_symbol<Mallctl>("mallctl");
    name_to_mib_ = runtime_symbol<NameToMib>("mallctlnametomib");
    by_mib_ = runtime_symbol<ByMib>("mallctlbymib");
    const unsigned bins = read<unsigned>("arenas.nbins").value_or(0);
    for (unsigned i = 0; i < bins; ++i) {
      const std::string prefix = "arenas.bin." + std::to_string(i) + ".";
      classes_.push_back({read<std::size_t>((prefix + "size").c_str()).value_or(0),
                          read<std::size_t>((prefix + "slab_size").c_str()).value_or(0),
                          read<std::uint32_t>((prefix + "nregs").c_str()).value_or(0)});
    }
    current_regions_ = Mib(*this, "stats.arenas.0.bins.0.curregs");
    current_slabs_ = Mib(*this, "stats.arenas.0.bins.0.curslabs");
    arena_dirty_ = Mib(*this, "stats.arenas.0.pdirty");
    arena_muzzy_ = Mib(*this, "stats.arenas.0.pmuzzy");
    arena_purge_ = Mib(*this, "arena.0.purge");
    page_bytes_ = read<std::size_t>("arenas.page").value_or(4096);
    own_arenas_ = read<unsigned>("opt.narenas").value_or(0);
    // One more, after them, serves very large blocks, unless the threshold is out of bounds.
    const std::size_t oversize = read<std::size_t>("opt.oversize_threshold").value_or(0);
    if (oversize >= 4 * page_bytes_ && oversize <= (std::size_t{7} << 60)) ++own_arenas_;
  }

  AllocatorKind kind() const override { return AllocatorKind::jemalloc; }
  std::string version() const override { return read<const char*>("version").value_or("unknown"); }

  std::string configuration() const override {
    std::string text = "dirty_decay_ms:" + std::to_string(read<ssize_t>("opt.dirty_decay_ms").value_or(0));
    text += ",muzzy_decay_ms:" + std::to_string(read<ssize_t>("opt.muzzy_decay_ms").value_or(0));
    text +=
        std::string(",background_thread:") + (read<bool>("opt.background_thread").value_or(false) ? "true" : "false");
    text += std::string(",retain:") + (read<bool>("opt.retain").value_or(false) ? "true" : "false");
    text += ",narenas:" + std::to_string(read<unsigned>("opt.narenas").value_or(0));
    if (read<bool>("config.prof").value_or(false)) {
      text += std::string(",prof:") + (read<bool>("opt.prof").value_or(false) ? "true" : "false");
    }
    return text;
  }

  HeapStatistics statistics() override {
    refresh();
    HeapStatistics result;
    result.allocated = read<std::size_t>("stats.allocated");
    result.active = read<std::size_t>("stats.active");
    result.resident = read<std::size_t>("stats.resident");
    result.mapped = read<std::size_t>("stats.mapped");
    result.retained = read<std::size_t>("stats.retained");
    result.metadata = read<std::size_t>("stats.metadata");
    result.dirty = pages("pdirty");
    result.muzzy = pages("pmuzzy");
    result.purges = sum("dirty_npurge", "muzzy_npurge");
    result.madvise_calls = sum("dirty_nmadvise", "muzzy_nmadvise");
    return result;
  }

  std::optional<SlabStatistics> slab_statistics() override {
    SlabStatistics result;
    for (std::size_t i = 0; i < classes_.size(); ++i) {
      const auto regions = current_regions_.read_bin(*this, i);
      const auto slabs = current_slabs_.read_bin(*this, i);
      if (!regions || !slabs) return std::nullopt;
      result.slab_bytes += *slabs * classes_[i].slab_bytes;
      result.region_bytes += *regions * classes_[i].region_bytes;
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
    const unsigned arenas = read<unsigned>("arenas.narenas").value_or(0);
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
    return mallctl_("thread.tcache.flush", nullptr, nullptr, nullptr, 0) == 0
               ? heap_done
               : HeapReply{false, "jemalloc refused thread.tcache.flush (the thread has no cache)"};
  }

  PurgeSupport purge_support() const override { return {heap_done, heap_done, heap_done, heap_done}; }

  HeapReply set_dirty_decay(std::chrono::milliseconds decay) override { return set_decay("dirty_decay_ms", decay); }
  HeapReply set_muzzy_decay(std::chrono::milliseconds decay) override { return set_decay("muzzy_decay_ms", decay); }
  std::optional<std::chrono::milliseconds> dirty_decay() const override { return decay("arenas.dirty_decay_ms"); }
  std::optional<std::chrono::milliseconds> muzzy_decay() const override { return decay("arenas.muzzy_decay_ms"); }

  HeapReply set_background_thread(bool on) override {
    if (mallctl_("background_thread", nullptr, nullptr, &on, sizeof on) != 0) {
      return {false, "jemalloc refused background_thread (not built with it, or no threads here)"};
    }
    return background_thread() == on ? heap_done : HeapReply{false, "background_thread did not take"};
  }
  std::optional<bool> background_thread() const override { return read<bool>("background_thread"); }

 private:
  using Mallctl = int(const char*, void*, std::size_t*, void*, std::size_t);
  using NameToMib = int(const char*, std::size_t*, std::size_t*);
  using ByMib = int(const std::size_t*, std::size_t, void*, std::size_t*, void*, std::size_t);
  static constexpr std::size_t all_arenas = 4096;  // MALLCTL_ARENAS_ALL

  // A name of the form stats.arenas.<i>.bins.<j>.X, looked up once and read for all arenas and a chosen bin.
  class Mib {
   public:
    Mib() = default;
    Mib(const JemallocHeap& heap, const char* name) {
      length_ = path_.size();
      if (heap.name_to_mib_ == nullptr || heap.name_to_mib_(name, path_.data(), &length_) != 0) length_ = 0;
    }
    std::optional<std::size_t> read_bin(const JemallocHeap& heap, std::size_t bin) const {
      if (length_ != 6) return std::nullopt;
      auto path = path_;
      path[2] = all_arenas;
      path[4] = bin;
      return read(heap, path);
    }
    // Of stats.arenas.<i>.X; empty for an arena that is not there.
    std::optional<std::size_t> read_arena(const JemallocHeap& heap, unsigned arena) const {
      if (length_ != 4) return std::nullopt;
      auto path = path_;
      path[2] = arena;
      return read(heap, path);
    }
    // arena.<i>.X, which takes and gives nothing.
    bool call_arena(const JemallocHeap& heap, unsigned arena) const {
      if (length_ != 3) return false;
      auto path = path_;
      path[1] = arena;
      return heap.by_mib_(path.data(), length_, nullptr, nullptr, nullptr, 0) == 0;
    }

   private:
    using Path = std::array<std::size_t, 8>;
    std::optional<std::size_t> read(const JemallocHeap& heap, const Path& path) const {
      std::size_t value = 0;
      std::size_t size = sizeof value;
      if (heap.by_mib_(path.data(), length_, &value, &size, nullptr, 0) != 0) return std::nullopt;
      return value;
    }

    Path path_{};
    std::size_t length_ = 0;
  };

  // Of the arenas that may be purged, the one with the fewest unused bytes of those with at least `bytes`, else the one
  // with the most. Empty when none has any.
  std::optional<unsigned> best_arena(std::uint64_t bytes) const {
    const unsigned arenas = read<unsigned>("arenas.narenas").value_or(0);
    std::optional<unsigned> best;
    std::uint64_t best_unused = 0;
    for (unsigned i = 0; i < arenas; ++i) {
      if (i >= own_arenas_ && !arena_may_be_purged(i)) continue;
      const std::uint64_t unused =
          (arena_dirty_.read_arena(*this, i).value_or(0) + arena_muzzy_.read_arena(*this, i).value_or(0)) * page_bytes_;
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
    return arena_purge_.call_arena(*this, arena) ? heap_done : HeapReply{false, "jemalloc refused arena.<i>.purge"};
  }

  template <class Value>
  std::optional<Value> read(const char* name) const {
    Value value{};
    std::size_t size = sizeof value;
    if (mallctl_ == nullptr || mallctl_(name, &value, &size, nullptr, 0) != 0 || size != sizeof value)
      return std::nullopt;
    return value;
  }

  // Statistics are a snapshot that only writing the epoch renews.
  void refresh() const {
    std::uint64_t epoch = 1;
    std::size_t size = sizeof epoch;
    mallctl_("epoch", &epoch, &size, &epoch, size);
  }

  std::optional<std::uint64_t> pages(const char* what) const {
    std::array<char, 64> name{};
    const auto count = read<std::size_t>(arena_name(name, what));
    return count ? std::optional<std::uint64_t>(*count * page_bytes_) : std::nullopt;
  }

  // Of all arenas there are, and of those there were: jemalloc counts the latter by themselves, once there is one.
  std::optional<std::uint64_t> sum(const char* one, const char* other) const {
    std::array<char, 64> name{};
    const auto first = read<std::uint64_t>(arena_name(name, one));
    const auto second = read<std::uint64_t>(arena_name(name, other));
    if (!first || !second) return std::nullopt;
    constexpr std::string_view destroyed = "stats.arenas.4097.";  // MALLCTL_ARENAS_DESTROYED
    return *first + *second + read<std::uint64_t>(arena_name(name, one, destroyed)).value_or(0) +
           read<std::uint64_t>(arena_name(name, other, destroyed)).value_or(0);
  }

  // <prefix><what>, without allocating.
  static const char* arena_name(std::array<char, 64>& buffer, const char* what,
                                std::string_view prefix = "stats.arenas.4096.") {
    auto end = std::copy(prefix.begin(), prefix.end(), buffer.begin());
    while (*what != '\0' && end != buffer.end() - 1) *end++ = *what++;
    *end = '\0';
    return buffer.data();
  }

  std::optional<std::chrono::milliseconds> decay(const char* name) const {
    const auto value = read<ssize_t>(name);
    return value ? std::optional(std::chrono::milliseconds(*value)) : std::nullopt;
  }

  // `arenas.X` is only for arenas made later, so every initialised arena is written as well.
  HeapReply set_decay(const std::string& what, std::chrono::milliseconds decay) {
    auto value = static_cast<ssize_t>(decay.count());
    if (mallctl_(("arenas." + what).c_str(), nullptr, nullptr, &value, sizeof value) != 0) {
      return {false, "jemalloc refused the decay for future arenas"};
    }
    const unsigned arenas = read<unsigned>("arenas.narenas").value_or(0);
    refresh();  // which arenas are initialised is told as of then
    for (unsigned i = 0; i < arenas; ++i) {
      const std::string prefix = "arena." + std::to_string(i) + ".";
      if (!read<bool>((prefix + "initialized").c_str()).value_or(false)) continue;
      if (mallctl_((prefix + what).c_str(), nullptr, nullptr, &value, sizeof value) != 0 ||
          read<ssize_t>((prefix + what).c_str()) != value) {
        return {false, "the decay of an arena did not take"};
      }
    }
    return read<ssize_t>(("arenas." + what).c_str()) == value
               ? heap_done
               : HeapReply{false, "the decay for future arenas did not take"};
  }

  Mallctl* mallctl_ = nullptr;
  NameToMib* name_to_mib_ = nullptr;
  ByMib* by_mib_ = nullptr;
  std::vector<SizeClass> classes_;
  Mib current_regions_;
  Mib current_slabs_;
  Mib arena_dirty_;
  Mib arena_muzzy_;
  Mib arena_purge_;
  unsigned own_arenas_ = 0;  // those that jemalloc made for itself: they never end, and have the lowest numbers
  std::size_t page_bytes_ = 4096;
};

}  // namespace

std::unique_ptr<Heap> make_jemalloc(std::string library) {
  return std::make_unique<JemallocHeap>(std::move(library));
}

}  // namespace plateau::heap_backend
