// Caches that give memory back when asked, in order of priority.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

namespace plateau {

struct ShedRequest {
  std::uint64_t bytes = 0;                           // wanted; more is welcome
  std::chrono::steady_clock::time_point deadline{};  // when to stop, done or not
};

// How many bytes a cache could give back now; it may be wrong.
using ShedPromise = std::function<std::uint64_t()>;
// Gives back what it can and returns how many bytes that was. An exception counts as 0.
using Shed = std::function<std::uint64_t(const ShedRequest&)>;

struct ShedCounts {
  std::uint64_t asked = 0;            // caches that were asked to give back
  std::uint64_t promised_bytes = 0;   // by those
  std::uint64_t delivered_bytes = 0;  // as they say
  std::uint64_t late = 0;             // came back after the deadline
  std::uint64_t failed = 0;           // threw
};

// Thread-safe; caches are called one at a time, by whoever asks, and with no lock held.
class ShedOrder {
  struct Cache;
  struct State;

 public:
  // While it lives the cache is asked. Its end waits for a call of the cache that is under way, unless it is ended
  // within that call. May outlive the order.
  class [[nodiscard]] Registration {
   public:
    Registration() = default;
    Registration(Registration&&) noexcept = default;
    Registration& operator=(Registration&& other) noexcept;
    ~Registration() { end(); }
    void end() noexcept;

   private:
    friend class ShedOrder;
    Registration(std::shared_ptr<State> state, std::shared_ptr<Cache> cache);
    std::shared_ptr<State> state_;
    std::shared_ptr<Cache> cache_;
  };

  ShedOrder();
  ShedOrder(const ShedOrder&) = delete;
  ShedOrder& operator=(const ShedOrder&) = delete;

  // Lower priorities are asked first; equal ones in order of registration.
  Registration add(int priority, ShedPromise promise, Shed shed);

  // All caches are to be asked again.
  void begin_round() noexcept;
  // Asks the next one that promises anything, if any is left. Returns what it says it gave back. Allocates nothing but
  // what the cache does.
  std::uint64_t ask_next(std::uint64_t bytes, std::chrono::nanoseconds time) noexcept;
  std::size_t left() const noexcept;  // caches not yet asked in this round
  ShedCounts counts() const noexcept;

  // Around fork(): nobody holds the lock meanwhile. In the child no call is under way.
  void lock_for_fork() noexcept;
  void unlock_after_fork(bool in_child) noexcept;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace plateau
