// Recycler<T>: keeps used objects for the next user, within bounds. The C++ counterpart of Go's sync.Pool.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace plateau {

// What a recycler needs to know of T; specialise for types without capacity() and clear().
template <class T>
struct RecyclerTraits {
  static std::size_t size_bytes(const T& object) { return object.capacity() * sizeof(typename T::value_type); }
  static void reset(T& object) { object.clear(); }
};

struct RecyclerOptions {
  std::size_t max_idle = 64;                 // objects kept
  std::size_t max_object_bytes = 64 * 1024;  // a larger object is destroyed: one giant buffer must not be kept for ever
};

struct RecyclerStatistics {
  std::size_t idle = 0;
  std::size_t idle_bytes = 0;
  std::size_t made = 0;     // objects constructed since none was idle
  std::size_t dropped = 0;  // objects destroyed since they were too large or too many
};

// Thread-safe (one uncontended lock a call). Must outlive every handle. Objects are constructed by default.
template <class T>
class Recycler {
 public:
  struct Return {
    Recycler* home = nullptr;
    void operator()(T* object) const noexcept { home != nullptr ? home->put(object) : delete object; }
  };
  // Owns an object and gives it back to the recycler at its end; with no home it simply owns it.
  using Handle = std::unique_ptr<T, Return>;

  explicit Recycler(RecyclerOptions options = {}) : options_(options) { idle_.reserve(options.max_idle); }
  ~Recycler() {
    for (T* const object : idle_) delete object;
  }
  Recycler(const Recycler&) = delete;
  Recycler& operator=(const Recycler&) = delete;

  // An idle object, already reset, else a new one. Throws only what T's constructor and operator new throw.
  Handle get() {
    {
      const std::scoped_lock lock(mutex_);
      if (!idle_.empty()) {
        T* const object = idle_.back();
        idle_.pop_back();
        return Handle(object, Return{this});
      }
      ++made_;
    }
    return Handle(new T(), Return{this});
  }

  RecyclerStatistics statistics() const {
    const std::scoped_lock lock(mutex_);
    RecyclerStatistics result{idle_.size(), 0, made_, dropped_};
    for (const T* const object : idle_) result.idle_bytes += RecyclerTraits<T>::size_bytes(*object);
    return result;
  }

 private:
  void put(T* object) noexcept {
    RecyclerTraits<T>::reset(*object);
    const bool fits = RecyclerTraits<T>::size_bytes(*object) <= options_.max_object_bytes;
    {
      const std::scoped_lock lock(mutex_);
      if (fits && idle_.size() < options_.max_idle) {
        idle_.push_back(object);  // within what the constructor reserved: does not allocate
        return;
      }
      ++dropped_;
    }
    delete object;
  }

  const RecyclerOptions options_;
  mutable std::mutex mutex_;
  std::vector<T*> idle_;
  std::size_t made_ = 0;
  std::size_t dropped_ = 0;
};

}  // namespace plateau
