// Limiter: a token bucket with the semantics of Go's golang.org/x/time/rate (v0.3.0), against which it is tested.
//
// The bucket holds up to `burst` tokens, begins full, and gains `limit` tokens a second. An event takes one. With a
// limit of `unlimited` every event may happen, whatever the burst is; a limit of 0 gives out the burst once; a limiter
// made without arguments denies all.
//
// Time is the caller's: nanoseconds since any moment that stays the same, within 146 years of it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>

namespace plateau {

class Limiter {
 public:
  using Time = std::chrono::nanoseconds;
  using Duration = std::chrono::nanoseconds;

  static constexpr double unlimited = std::numeric_limits<double>::max();
  // What a reservation that was not granted would have to wait.
  static constexpr Duration for_ever = Duration::max();

  // Tokens that were taken, and when their holder may act. A value: it must not outlive its limiter.
  class Reservation {
   public:
    // False when more was asked for than the bucket can hold, or than the longest wait allows.
    bool is_granted() const { return granted_; }
    // How long the holder must wait at `now`; for_ever when nothing was granted.
    Duration delay(Time now) const;
    // The holder will not act: tokens that later reservations have not been built on go back. Does nothing when the
    // moment to act is past. Thread-safe as the limiter is; takes its lock.
    void cancel(Time now);

   private:
    friend class Limiter;
    bool granted_ = false;
    Limiter* limiter_ = nullptr;
    std::int64_t tokens_ = 0;
    std::int64_t act_at_ns_ = 0;
    double limit_ = 0;  // when it was reserved; 0 where the original leaves it out
  };

  // Denies all.
  Limiter() : Limiter(0, 0) {}
  Limiter(double events_per_second, std::int64_t burst);
  Limiter(const Limiter&) = delete;
  Limiter& operator=(const Limiter&) = delete;

  // The rest is thread-safe. allow() and reserve() are one compare-and-swap of 16 bytes unless others try at the same
  // moment, and take no lock, except at a limit of 0. None allocates.

  // Takes `n` tokens if they are there.
  bool allow(Time now, std::int64_t n = 1) { return reserve_within(now, Duration::zero(), n).is_granted(); }
  // Takes `n` tokens, of the future if need be.
  Reservation reserve(Time now, std::int64_t n = 1) { return reserve_within(now, for_ever, n); }
  // As reserve, if the wait is at most `longest`.
  Reservation reserve_within(Time now, Duration longest, std::int64_t n = 1);

  // Negative while tokens of the future are taken.
  double tokens(Time now) const;
  double limit() const { return limit_.load(std::memory_order_relaxed); }
  std::int64_t burst() const { return burst_.load(std::memory_order_relaxed); }
  // A reservation that is made at the same moment is by the old value or by the new one.
  void set_limit(Time now, double events_per_second);
  void set_burst(Time now, std::int64_t burst);

 private:
  // Changes as a whole. The original's third field, the moment of the last event, follows from these two after each
  // reservation; only where it does not, because tokens went back or a setting changed, is it told apart.
  struct alignas(16) State {
    double tokens;
    std::int64_t last;  // ns * 2; odd: last_event_ns_ holds
  };

  std::int64_t last_event_of(const State& state) const;
  void set(Time now, double limit, std::int64_t burst);
  Reservation reserve_of_the_burst(Time now, std::int64_t n);
  void cancel(const Reservation& reservation, Time now);

  mutable State state_;  // only by atomic operations
  std::atomic<double> limit_;
  std::atomic<std::int64_t> burst_;
  std::mutex mutex_;                // of all that is rare: settings, cancelling, a limit of 0
  std::int64_t last_event_ns_ = 0;  // by the mutex
};

}  // namespace plateau
