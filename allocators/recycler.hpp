// Recycler<T>: keeps used objects for the next user, within bounds. The C++ counterpart of Go's sync.Pool.
//
// Every thread has a small cache of its own; whole batches move between it and a depot that all threads share, as the
// magazines of Bonwick and Adams do (Magazines and Vmem, 2001). What the caches and the depot hold together never
// exceeds `max_idle` objects and `max_idle_bytes`.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "allocators/per_thread.hpp"

namespace plateau {

// What a recycler needs to know of T. Specialise it, or pass a class of your own as Recycler's second argument, for
// types without capacity() and clear(). Neither function may throw. An optional `static std::unique_ptr<T> make()`
// makes new objects; without it they are default-constructed.
template <class T>
struct RecyclerTraits {
  // Bytes that an idle object holds on to.
  static std::size_t size_bytes(const T& object) noexcept { return object.capacity() * sizeof(typename T::value_type); }
  // Called when an object comes back, before it is kept.
  static void reset(T& object) noexcept { object.clear(); }
};

struct RecyclerOptions {
  std::size_t max_idle = 256;                     // objects kept; 0 keeps none
  std::size_t max_idle_bytes = 64 * 1024 * 1024;  // of all objects kept together
  std::size_t max_object_bytes = 64 * 1024;       // a larger object is destroyed: one giant must not be kept for ever
  // Objects that move between a thread's cache and the depot at a time, 16 at most and a sixteenth of max_idle. A
  // thread keeps up to two batches: small ones leave fewer objects idle with threads that do not need them just now.
  std::size_t batch = 16;
};

struct RecyclerStatistics {
  std::size_t idle = 0;        // objects kept now
  std::size_t idle_bytes = 0;  // their size_bytes
  std::size_t made = 0;        // objects constructed since none was idle
  std::size_t dropped = 0;     // objects destroyed: too large, too many, aged, or trimmed
};

// T's destructor must not use the recycler.
// Thread-safe. get and put cost a few nanoseconds and write to no line that other threads read, while the thread's
// cache is neither empty nor full; a batch more or less is one lock.
//
// The recycler must outlive its use by other threads. A handle may outlive it (a static handle, say): its object is
// destroyed when the handle ends. Threads may end at any time; what they had in their caches is kept for a new thread.
template <class T, class Traits = RecyclerTraits<T>>
class Recycler {
  class State;

 public:
  struct Return {
    State* home = nullptr;
    void operator()(T* object) const noexcept { State::give_back(home, object); }
  };
  // Owns an object and gives it back to the recycler at its end; with no home it simply owns it. An object of a
  // recycler must not be deleted otherwise (after release(), say).
  using Handle = std::unique_ptr<T, Return>;

  explicit Recycler(RecyclerOptions options = {}) : state_(new State(options)) {}
  ~Recycler() { state_->close(); }
  Recycler(const Recycler&) = delete;
  Recycler& operator=(const Recycler&) = delete;

  // The idle object that came back last, else a new one. Throws only what making a T throws.
  Handle get() { return Handle(state_->get(), Return{state_}); }

  // Time for ageing, as a garbage collection is for sync.Pool: call it now and then (a timer, every so many requests).
  // An object that stayed idle over two whole epochs is destroyed: in the depot and in caches of ended threads now, in
  // a running thread's cache when it next gives an object back. O(objects destroyed).
  void advance_epoch() noexcept { state_->advance_epoch(); }

  // For memory pressure: destroys idle objects, longest idle first, until the depot holds at most `keep_bytes`; caches
  // of this thread and of ended threads are emptied now, those of other threads when they next give an object back.
  // Returns the bytes freed by this call. Use it as a callback: [&recycler] { return recycler.trim(); }.
  std::size_t trim(std::size_t keep_bytes = 0) noexcept { return state_->trim(keep_bytes); }

  // A snapshot; counts of other threads may be a few calls old.
  RecyclerStatistics statistics() const { return state_->statistics(); }

 private:
  struct Entry {
    T* object;
    std::size_t bytes;
  };

  // How many entries at the bottom of a stack nobody has touched, for how long.
  class Age {
   public:
    void touch(std::size_t size) noexcept {
      if (size < low_) [[unlikely]]
        low_ = size;
    }
    // Ends an epoch of a stack that is `size` high now. Returns how many at its bottom stayed over the two last epochs.
    std::size_t end_epoch(std::size_t size) noexcept {
      const std::size_t aged = std::min(previous_low_, low_);
      previous_low_ = low_ - aged;
      low_ = size - aged;
      return aged;
    }
    void removed(std::size_t count) noexcept {
      low_ -= std::min(low_, count);
      previous_low_ -= std::min(previous_low_, count);
    }

   private:
    std::size_t low_ = 0;
    std::size_t previous_low_ = 0;
  };

  static constexpr std::size_t largest_batch = 16;

  // Only its own thread writes it, or, when that has ended, whoever holds the lock of PerThread. The atomics let
  // statistics() read; they are plain moves.
  //
  // The object that came back last stands apart from the stack of the others, which therefore holds `capacity` - 1 at
  // most: a put and the next get meet in one word, and the stack's size need not go through memory twice between them.
  struct alignas(64) Cache {
    explicit Cache(State& state)
        : capacity(state.cache_capacity()), epoch(capacity > 0 ? state.epoch() : epoch_of_no_cache) {}
    std::atomic<T*> newest{nullptr};
    std::atomic<std::size_t> newest_bytes{0};  // valid while there is a newest
    std::atomic<std::size_t> size{0};          // of the stack
    std::atomic<std::size_t> bytes{0};         // of the stack's objects
    std::size_t capacity;                      // 0 when the budget for caches is spent
    std::uint64_t epoch;
    Age age;
    std::array<Entry, 2 * largest_batch> entries;
  };
  // No epoch comes so far, so that a put to a cache without room always takes the slow path.
  static constexpr std::uint64_t epoch_of_no_cache = UINT64_MAX;

  class State {
   public:
    explicit State(RecyclerOptions options)
        : options_(options),
          batch_(std::clamp<std::size_t>(std::min(options.batch, options.max_idle / 16), 1, largest_batch)),
          caches_(*this),
          depot_capacity_(options.max_idle),
          depot_byte_limit_(options.max_idle_bytes) {
      depot_.reserve(options.max_idle);
    }

    std::uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_relaxed); }

    // get and give_back are called, and not inlined: what is left at each use of a handle is one call, which the
    // compiler places even in unlikely clean-up, so that handles stay in registers. Both are leaves: whatever needs a
    // frame is behind a jump.
    [[gnu::noinline, gnu::aligned(64)]] T* get() {
      if (Cache* const cache = caches_.local_if_last()) [[likely]] {
        const std::size_t size = cache->size.load(std::memory_order_relaxed);
        if (T* const newest = cache->newest.load(std::memory_order_relaxed)) [[likely]] {
          cache->newest.store(nullptr, std::memory_order_relaxed);
          cache->age.touch(size);
          return newest;
        }
        if (size > 0) [[likely]]
          return pop(*cache, size);
      }
      return get_slowly();
    }

    [[gnu::noinline, gnu::aligned(64)]] static void give_back(State* home, T* object) noexcept {
      if (home == nullptr) [[unlikely]]
        return destroy_homeless(object);
      home->put(object);
    }

    [[gnu::always_inline]] void put(T* object) noexcept {
      Cache* const cache = caches_.local_if_last();
      if (cache == nullptr) [[unlikely]]
        return find_cache_and_put(object);
      Traits::reset(*object);
      const std::size_t bytes = Traits::size_bytes(*object);
      if (bytes > options_.max_object_bytes || cache->epoch != epoch() || !add(*cache, object, bytes)) [[unlikely]]
        return put_slowly(*cache, object, bytes);
    }

    void advance_epoch() noexcept {
      epoch_.fetch_add(1, std::memory_order_relaxed);
      caches_.for_each([this](Cache& cache, bool in_use) {
        if (!in_use) age(cache);
      });
      const std::scoped_lock lock(mutex_);
      drop_oldest(depot_age_.end_epoch(depot_.size()));
    }

    std::size_t trim(std::size_t keep_bytes) noexcept {
      epoch_.fetch_add(epochs_that_age_all, std::memory_order_relaxed);
      std::size_t freed = 0;
      Cache* const own = caches_.local_if_any();
      caches_.for_each([&](Cache& cache, bool in_use) {
        if (in_use && &cache != own) return;
        push_newest(cache);
        freed += cache.bytes.load(std::memory_order_relaxed);
        drop_from_cache(cache, cache.size.load(std::memory_order_relaxed));
        cache.age = {};
      });
      const std::scoped_lock lock(mutex_);
      const std::size_t before = depot_bytes_;
      std::size_t count = 0;
      for (std::size_t left = before; count < depot_.size() && left > keep_bytes; ++count) left -= depot_[count].bytes;
      drop_oldest(count);
      depot_age_.removed(count);
      return freed + before - depot_bytes_;
    }

    RecyclerStatistics statistics() const {
      RecyclerStatistics result;
      result.made = made_.load(std::memory_order_relaxed);
      result.dropped = dropped_.load(std::memory_order_relaxed);
      caches_.for_each([&](const Cache& cache, bool) {
        result.idle += cache.size.load(std::memory_order_relaxed);
        result.idle_bytes += cache.bytes.load(std::memory_order_relaxed);
        if (cache.newest.load(std::memory_order_relaxed) == nullptr) return;
        ++result.idle;
        result.idle_bytes += cache.newest_bytes.load(std::memory_order_relaxed);
      });
      const std::scoped_lock lock(mutex_);
      result.idle += depot_.size();
      result.idle_bytes += depot_bytes_;
      return result;
    }

    // The recycler is gone. Destroys what is idle; handles that are left keep the state alive.
    void close() noexcept {
      std::size_t idle = depot_.size();
      for (const Entry& entry : depot_) destroy(entry.object);
      depot_.clear();
      caches_.for_each([&](Cache& cache, bool) {
        push_newest(cache);
        const std::size_t size = cache.size.load(std::memory_order_relaxed);
        idle += size;
        for (std::size_t i = 0; i < size; ++i) destroy(cache.entries[i].object);
      });
      caches_.retire();
      orphans_.store(made_ - dropped_ - idle, std::memory_order_relaxed);
      closed_ = true;
      if (orphans_.load(std::memory_order_relaxed) == 0) delete this;
    }

    // A cache may hold two batches. Caches together may take half of what may be idle, in objects and in bytes (each of
    // their objects counted at its largest), so that the depot keeps the rest.
    std::size_t cache_capacity() noexcept {
      const std::scoped_lock lock(mutex_);
      const std::size_t largest = std::max<std::size_t>(options_.max_object_bytes, 1);
      const std::size_t wanted = std::min({2 * batch_, options_.max_idle / 2, options_.max_idle_bytes / 2 / largest});
      const std::size_t bytes = wanted * options_.max_object_bytes;
      if (wanted == 0 || depot_capacity_ - wanted < options_.max_idle / 2 ||
          depot_byte_limit_ - bytes < options_.max_idle_bytes / 2) {
        return 0;
      }
      depot_capacity_ -= wanted;
      depot_byte_limit_ -= bytes;
      std::size_t count = 0;
      for (std::size_t left = depot_bytes_; depot_.size() - count > depot_capacity_ || left > depot_byte_limit_;
           ++count)
        left -= depot_[count].bytes;
      drop_oldest(count);
      depot_age_.removed(count);
      return wanted;
    }

   private:
    // After as many epochs nothing that was idle before them is young.
    static constexpr std::uint64_t epochs_that_age_all = 3;

    // The two words are stored one by one: a copy of an Entry would be loaded as a whole right after its halves were
    // written, which no processor forwards.
    [[gnu::always_inline]] static void push(Cache& cache, std::size_t size, T* object, std::size_t bytes) noexcept {
      cache.entries[size].object = object;
      cache.entries[size].bytes = bytes;
      set(cache, size + 1, cache.bytes.load(std::memory_order_relaxed) + bytes);
    }
    [[gnu::always_inline]] static T* pop(Cache& cache, std::size_t size) noexcept {
      const Entry& entry = cache.entries[--size];
      set(cache, size, cache.bytes.load(std::memory_order_relaxed) - entry.bytes);
      cache.age.touch(size);
      return entry.object;
    }

    // Puts the object on top of all others. False when the cache is full.
    [[gnu::always_inline]] static bool add(Cache& cache, T* object, std::size_t bytes) noexcept {
      T* const previous = cache.newest.load(std::memory_order_relaxed);
      if (previous == nullptr) [[likely]] {
        set_newest(cache, object, bytes);
        return true;
      }
      const std::size_t size = cache.size.load(std::memory_order_relaxed);
      if (size + 1 >= cache.capacity) [[unlikely]]
        return false;
      push(cache, size, previous, cache.newest_bytes.load(std::memory_order_relaxed));
      set_newest(cache, object, bytes);
      return true;
    }
    [[gnu::always_inline]] static void set_newest(Cache& cache, T* object, std::size_t bytes) noexcept {
      cache.newest.store(object, std::memory_order_relaxed);
      cache.newest_bytes.store(bytes, std::memory_order_relaxed);
    }

    // All that is not a get or a put sees one stack: the newest is pushed on it before, and taken from it again after.
    static void push_newest(Cache& cache) noexcept {
      T* const newest = cache.newest.load(std::memory_order_relaxed);
      if (newest == nullptr) return;
      cache.newest.store(nullptr, std::memory_order_relaxed);
      push(cache, cache.size.load(std::memory_order_relaxed), newest,
           cache.newest_bytes.load(std::memory_order_relaxed));
    }
    static void pop_newest(Cache& cache) noexcept {
      const std::size_t size = cache.size.load(std::memory_order_relaxed);
      if (size == 0) return;
      const Entry entry = cache.entries[size - 1];
      set(cache, size - 1, cache.bytes.load(std::memory_order_relaxed) - entry.bytes);
      set_newest(cache, entry.object, entry.bytes);
    }

    static void set(Cache& cache, std::size_t size, std::size_t bytes) noexcept {
      cache.size.store(size, std::memory_order_relaxed);
      cache.bytes.store(bytes, std::memory_order_relaxed);
    }

    // Objects stand on cache lines of their own: two threads that use two small ones must not share a line.
    static constexpr bool made_by_traits = requires {
      { Traits::make() } -> std::same_as<std::unique_ptr<T>>;
    };
    struct alignas(std::max<std::size_t>(alignof(T), 64)) Storage {
      std::byte bytes[sizeof(T)];
    };

    [[gnu::noinline]] T* make() {
      T* object = nullptr;
      if constexpr (made_by_traits) {
        object = Traits::make().release();
      } else {
        Storage* const memory = std::allocator<Storage>().allocate(1);
        try {
          object = ::new (memory) T();
        } catch (...) {
          std::allocator<Storage>().deallocate(memory, 1);
          throw;
        }
      }
      made_.fetch_add(1, std::memory_order_relaxed);
      return object;
    }
    [[gnu::noinline]] static void destroy_homeless(T* object) noexcept { delete object; }
    static void destroy(T* object) noexcept {
      if constexpr (made_by_traits) {
        delete object;
      } else {
        std::destroy_at(object);
        std::allocator<Storage>().deallocate(reinterpret_cast<Storage*>(object), 1);
      }
    }

    void drop(T* object) noexcept {
      dropped_.fetch_add(1, std::memory_order_relaxed);
      destroy(object);
    }

    void end_orphan(T* object) noexcept {
      destroy(object);
      if (orphans_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    // A batch, or less, from the depot. Returns the cache's new size.
    std::size_t refill(Cache& cache) noexcept {
      const std::scoped_lock lock(mutex_);
      std::size_t size = 0;
      std::size_t bytes = 0;
      // One at least, which the caller takes at once, even where the cache has no room.
      while (size < std::clamp<std::size_t>(cache.capacity, 1, batch_) && !depot_.empty()) {
        bytes += depot_.back().bytes;
        cache.entries[size++] = take_newest();
      }
      set(cache, size, bytes);
      cache.age = {};
      if (cache.capacity > 0) cache.epoch = epoch();
      return size;
    }

    [[gnu::noinline]] T* get_slowly() {
      if (Cache* const cache = caches_.local()) {
        if (T* const newest = cache->newest.exchange(nullptr, std::memory_order_relaxed)) {
          cache->age.touch(cache->size.load(std::memory_order_relaxed));
          return newest;
        }
        std::size_t size = cache->size.load(std::memory_order_relaxed);
        if (size == 0) size = refill(*cache);
        if (size > 0) return pop(*cache, size);
      } else if (T* const object = get_from_depot()) {
        return object;
      }
      return make();
    }

    // No thread finds a cache once the recycler is gone.
    [[gnu::noinline]] void find_cache_and_put(T* object) noexcept {
      Cache* const cache = caches_.local();
      if (cache == nullptr) return put_without_cache(object);
      Traits::reset(*object);
      put_slowly(*cache, object, Traits::size_bytes(*object));
    }

    [[gnu::noinline]] void put_slowly(Cache& cache, T* object, std::size_t bytes) noexcept {
      if (cache.capacity > 0) {
        if (cache.epoch != epoch()) age(cache);
        if (bytes <= options_.max_object_bytes) {
          if (add(cache, object, bytes)) return;
          spill(cache);
          if (add(cache, object, bytes)) return;
        }
      }
      put_into_depot({object, bytes});
    }

    [[gnu::noinline]] void put_without_cache(T* object) noexcept {
      if (closed_) return end_orphan(object);
      Traits::reset(*object);
      put_into_depot({object, Traits::size_bytes(*object)});
    }

    // The older batch of a full cache goes into the depot, as far as it fits.
    void spill(Cache& cache) noexcept {
      push_newest(cache);
      const std::size_t size = cache.size.load(std::memory_order_relaxed);
      const std::size_t count = std::min(batch_, size);
      std::array<T*, largest_batch> surplus;
      std::size_t surplus_count = 0;
      std::size_t bytes = cache.bytes.load(std::memory_order_relaxed);
      {
        const std::scoped_lock lock(mutex_);
        for (std::size_t i = 0; i < count; ++i) {
          bytes -= cache.entries[i].bytes;
          if (!keep(cache.entries[i])) surplus[surplus_count++] = cache.entries[i].object;
        }
      }
      std::move(cache.entries.begin() + static_cast<std::ptrdiff_t>(count),
                cache.entries.begin() + static_cast<std::ptrdiff_t>(size), cache.entries.begin());
      set(cache, size - count, bytes);
      cache.age.removed(count);
      for (std::size_t i = 0; i < surplus_count; ++i) drop(surplus[i]);
    }

    T* get_from_depot() noexcept {
      const std::scoped_lock lock(mutex_);
      return depot_.empty() ? nullptr : take_newest().object;
    }

    void put_into_depot(const Entry& entry) noexcept {
      {
        const std::scoped_lock lock(mutex_);
        if (keep(entry)) return;
      }
      drop(entry.object);
    }

    // With mutex_ held. Does not allocate: the constructor reserved for all that may be idle.
    bool keep(const Entry& entry) noexcept {
      if (entry.bytes > options_.max_object_bytes || depot_.size() >= depot_capacity_ ||
          entry.bytes > depot_byte_limit_ - depot_bytes_) {
        return false;
      }
      depot_.push_back(entry);
      depot_bytes_ += entry.bytes;
      return true;
    }
    Entry take_newest() noexcept {
      const Entry entry = depot_.back();
      depot_.pop_back();
      depot_bytes_ -= entry.bytes;
      depot_age_.touch(depot_.size());
      return entry;
    }
    void drop_oldest(std::size_t count) noexcept {
      for (std::size_t i = 0; i < count; ++i) {
        depot_bytes_ -= depot_[i].bytes;
        drop(depot_[i].object);
      }
      depot_.erase(depot_.begin(), depot_.begin() + static_cast<std::ptrdiff_t>(count));
    }

    void age(Cache& cache) noexcept {
      if (cache.capacity == 0) return;
      push_newest(cache);
      const std::uint64_t now = epoch();
      const std::uint64_t passed = std::min(now - cache.epoch, epochs_that_age_all);
      cache.epoch = now;
      for (std::uint64_t i = 0; i < passed; ++i)
        drop_from_cache(cache, cache.age.end_epoch(cache.size.load(std::memory_order_relaxed)));
      pop_newest(cache);
    }

    void drop_from_cache(Cache& cache, std::size_t count) noexcept {
      const std::size_t size = cache.size.load(std::memory_order_relaxed);
      std::size_t bytes = cache.bytes.load(std::memory_order_relaxed);
      for (std::size_t i = 0; i < count; ++i) {
        bytes -= cache.entries[i].bytes;
        drop(cache.entries[i].object);
      }
      std::move(cache.entries.begin() + static_cast<std::ptrdiff_t>(count),
                cache.entries.begin() + static_cast<std::ptrdiff_t>(size), cache.entries.begin());
      set(cache, size - count, bytes);
    }

    // Read by every call, written seldom.
    const RecyclerOptions options_;
    const std::size_t batch_;
    bool closed_ = false;
    std::atomic<std::uint64_t> epoch_{0};
    PerThread<Cache, State> caches_;

    alignas(64) mutable std::mutex mutex_;
    std::vector<Entry> depot_;  // longest idle first
    std::size_t depot_bytes_ = 0;
    std::size_t depot_capacity_;
    std::size_t depot_byte_limit_;
    Age depot_age_;
    std::atomic<std::size_t> made_{0};
    std::atomic<std::size_t> dropped_{0};
    std::atomic<std::size_t> orphans_{0};  // objects in handles that outlive the recycler
  };

  State* state_;
};

}  // namespace plateau
