// PerThread: a value for each thread that uses an object; `thread_local` for members.
//
// The values belong to the object. When a thread ends, its value stays behind, unused, and the next new thread takes it
// over; so there are at most as many values as there ever were threads at the same time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace plateau {

// The part that does not depend on the type of the value.
class PerThreadRegistration {
 public:
  PerThreadRegistration(const PerThreadRegistration&) = delete;
  PerThreadRegistration& operator=(const PerThreadRegistration&) = delete;

 protected:
  // Both take a process-wide lock. The destructor waits for threads that are just ending.
  PerThreadRegistration();
  ~PerThreadRegistration() = default;
  // From here on no thread finds a value, and no thread that ends looks for one.
  void unregister() noexcept;

  // The calling thread's value, or null when it has none yet. Reads lines that nobody else writes, and two words of the
  // thread's own while it uses one object many times over.
  void* find() const noexcept {
    if (void* const found = find_last()) [[likely]]
      return found;
    return find_among_all();
  }
  // Same as find() when the thread used this object last; else null.
  void* find_last() const noexcept {
    if (slots_.last.id != id_) [[unlikely]]
      return nullptr;
    void* const value = slots_.last.value;
    if (value == nullptr) __builtin_unreachable();  // only what enter() took is found: callers need not look again
    return value;
  }
  // Makes `value` the calling thread's. False when there is no memory for it, or when the thread has ended so far that
  // nobody would hear of its end (destructors of static objects, in the main thread).
  bool enter(void* value) noexcept;
  static bool thread_is_ending() noexcept { return slots_.ended; }
  bool is_unregistered() const noexcept { return id_ == unregistered_id; }

  virtual void thread_ended(void* value) noexcept = 0;

 private:
  struct Slot {
    std::uint64_t id;
    void* value;
  };
  struct Slots {
    Slot last;  // the one that was found last
    Slot* begin;
    std::size_t count;
    bool ended;
  };
  struct ThreadEnd;
  static void end_thread() noexcept;
  void* find_among_all() const noexcept;

  static constexpr std::uint64_t no_id = 0;
  static constexpr std::uint64_t unregistered_id = UINT64_MAX;

  // Plain data, so that it needs no initialisation and outlives the thread's own destructors.
  static inline constinit thread_local Slots slots_{{no_id, nullptr}, nullptr, 0, false};

  std::size_t index_;  // place in every thread's slots; used again after unregister()
  std::uint64_t id_;   // never used again
};

// `T` is made from a `Context&`. Thread-safe. Objects that are used by several threads must outlive that use; a thread
// that merely ends, at any time, is safe.
template <class T, class Context>
class PerThread final : private PerThreadRegistration {
 public:
  explicit PerThread(Context& context) : context_(context) {}
  ~PerThread() { unregister(); }

  // The calling thread's value, made or taken over at its first call. Null when there is no memory for one, or during
  // the destruction of static objects. Does not lock after the first call.
  T* local() noexcept {
    if (void* const found = find()) [[likely]]
      return static_cast<T*>(found);
    return first_local();
  }
  // Like local(), but null too when the thread used another object since: for a fast path that must not call anything.
  T* local_if_last() const noexcept { return static_cast<T*>(find_last()); }
  // As local, but never makes one.
  T* local_if_any() const noexcept { return static_cast<T*>(find()); }

  // Destroys all values, before its time: no thread finds one afterwards.
  void retire() noexcept {
    unregister();
    const std::scoped_lock lock(mutex_);
    holders_.clear();
  }

  // Calls visit(value, in_use) for every value, under the lock that threads take when they come and go; `in_use` is
  // false for values that ended threads left behind.
  template <class Visit>
  void for_each(Visit visit) const {
    const std::scoped_lock lock(mutex_);
    for (const auto& holder : holders_) visit(holder->value, holder->in_use);
  }

 private:
  struct Holder {
    explicit Holder(Context& context) : value(context) {}
    T value;
    bool in_use = true;
  };

  [[gnu::noinline]] T* first_local() noexcept {
    if (thread_is_ending() || is_unregistered()) return nullptr;
    const std::scoped_lock lock(mutex_);
    try {
      for (const auto& holder : holders_) {
        if (holder->in_use) continue;
        if (!enter(&holder->value)) return nullptr;
        holder->in_use = true;
        return &holder->value;
      }
      auto holder = std::make_unique<Holder>(context_);
      holders_.reserve(holders_.size() + 1);
      if (!enter(&holder->value)) return nullptr;
      holders_.push_back(std::move(holder));
      return &holders_.back()->value;
    } catch (...) {
      return nullptr;
    }
  }

  void thread_ended(void* value) noexcept override {
    const std::scoped_lock lock(mutex_);
    for (const auto& holder : holders_) {
      if (&holder->value == value) holder->in_use = false;
    }
  }

  Context& context_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Holder>> holders_;
};

}  // namespace plateau
