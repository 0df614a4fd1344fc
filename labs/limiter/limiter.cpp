#include "labs/limiter/limiter.hpp"

#include <algorithm>

#include <boost/atomic/atomic_ref.hpp>

namespace plateau {
namespace {

constexpr std::int64_t ns_a_second = 1'000'000'000;
// The original's zero time: longer ago than a duration can tell.
constexpr std::int64_t never = std::numeric_limits<std::int64_t>::min() / 2;
constexpr std::int64_t longest_ns = std::numeric_limits<std::int64_t>::max();

// In the original's order of operations, so that the last bit is the same.
double tokens_in(double limit, std::int64_t ns) {
  if (limit <= 0) return 0;
  const double seconds =
      static_cast<double>(ns / ns_a_second) + static_cast<double>(ns % ns_a_second) / static_cast<double>(ns_a_second);
  return seconds * limit;
}

std::int64_t ns_for(double limit, double tokens) {
  if (limit <= 0) return longest_ns;
  const double ns = static_cast<double>(ns_a_second) * (tokens / limit);
  return ns >= static_cast<double>(longest_ns) ? longest_ns : static_cast<std::int64_t>(ns);
}

std::int64_t between(std::int64_t from, std::int64_t to) {
  if (from == never) return to == never ? 0 : longest_ns;
  if (to == never) return std::numeric_limits<std::int64_t>::min();
  return to - from;
}

std::int64_t later(std::int64_t moment, std::int64_t by) {
  return by > longest_ns - std::max<std::int64_t>(moment, 0) ? longest_ns : moment + by;
}

// Tokens at `now`, which may be before `last`.
double advance(double tokens, std::int64_t last, std::int64_t now, double limit, std::int64_t burst) {
  const std::int64_t elapsed = now < last ? 0 : between(last, now);
  return std::min(tokens + tokens_in(limit, elapsed), static_cast<double>(burst));
}

template <class State>
boost::atomic_ref<State> atomic(State& state) {
  static_assert(boost::atomic_ref<State>::is_always_lock_free, "needs a compare-and-swap of 16 bytes (-mcx16)");
  return boost::atomic_ref<State>(state);
}

constexpr std::int64_t packed(std::int64_t ns, bool explicit_event) {
  return ns * 2 + (explicit_event ? 1 : 0);
}
constexpr std::int64_t last_of(std::int64_t packed_last) {
  return packed_last >> 1;
}

}  // namespace

Limiter::Limiter(double events_per_second, std::int64_t burst)
    : state_(State{0, packed(never, false)}), limit_(events_per_second), burst_(burst) {}

std::int64_t Limiter::last_event_of(const State& state) const {
  if ((state.last & 1) != 0) return last_event_ns_;
  const std::int64_t last = last_of(state.last);
  return state.tokens < 0 ? later(last, ns_for(limit(), -state.tokens)) : last;
}

Limiter::Reservation Limiter::reserve_within(Time now, Duration longest, std::int64_t n) {
  Reservation reservation;
  reservation.limiter_ = this;
  State state = atomic(state_).load(boost::memory_order_relaxed);
  for (;;) {
    const double limit_now = limit();
    if (limit_now == 0) return reserve_of_the_burst(now, n);
    if (limit_now == unlimited) {
      reservation.granted_ = true;
      reservation.tokens_ = n;
      reservation.act_at_ns_ = now.count();
      return reservation;
    }
    const std::int64_t burst_now = burst();
    const double left =
        advance(state.tokens, last_of(state.last), now.count(), limit_now, burst_now) - static_cast<double>(n);
    const std::int64_t wait = left < 0 ? ns_for(limit_now, -left) : 0;
    reservation.limit_ = limit_now;
    if (n > burst_now || wait > longest.count()) return reservation;
    if (atomic(state_).compare_exchange_weak(state, State{left, packed(now.count(), false)},
                                             boost::memory_order_relaxed)) {
      reservation.granted_ = true;
      reservation.tokens_ = n;
      reservation.act_at_ns_ = later(now.count(), wait);
      return reservation;
    }
  }
}

// With no tokens to come, what the bucket holds is given out once. The odd number of tokens is the original's.
Limiter::Reservation Limiter::reserve_of_the_burst(Time now, std::int64_t n) {
  const std::scoped_lock lock(mutex_);
  Reservation reservation;
  reservation.limiter_ = this;
  if (burst() >= n) {
    reservation.granted_ = true;
    burst_.store(burst() - n, std::memory_order_relaxed);
  }
  reservation.tokens_ = burst();
  reservation.act_at_ns_ = now.count();
  return reservation;
}

double Limiter::tokens(Time now) const {
  const State state = atomic(state_).load(boost::memory_order_relaxed);
  return advance(state.tokens, last_of(state.last), now.count(), limit(), burst());
}

void Limiter::set_limit(Time now, double events_per_second) {
  const std::scoped_lock lock(mutex_);
  set(now, events_per_second, burst());
}

void Limiter::set_burst(Time now, std::int64_t burst) {
  const std::scoped_lock lock(mutex_);
  set(now, limit(), burst);
}

void Limiter::set(Time now, double limit, std::int64_t burst) {
  State state = atomic(state_).load(boost::memory_order_relaxed);
  State next{};
  do {
    last_event_ns_ = last_event_of(state);
    next = {advance(state.tokens, last_of(state.last), now.count(), limit_.load(std::memory_order_relaxed),
                    burst_.load(std::memory_order_relaxed)),
            packed(now.count(), true)};
  } while (!atomic(state_).compare_exchange_weak(state, next, boost::memory_order_relaxed));
  limit_.store(limit, std::memory_order_relaxed);
  burst_.store(burst, std::memory_order_relaxed);
}

void Limiter::cancel(const Reservation& reservation, Time now) {
  const std::scoped_lock lock(mutex_);
  if (limit() == unlimited || reservation.tokens_ == 0 || reservation.act_at_ns_ < now.count()) return;
  State state = atomic(state_).load(boost::memory_order_relaxed);
  const std::int64_t told = last_event_ns_;
  for (;;) {
    last_event_ns_ = told;
    std::int64_t last_event = last_event_of(state);
    const double restored = static_cast<double>(reservation.tokens_) -
                            tokens_in(reservation.limit_, between(reservation.act_at_ns_, last_event));
    if (restored <= 0) return;
    const double tokens = std::min(advance(state.tokens, last_of(state.last), now.count(), limit(), burst()) + restored,
                                   static_cast<double>(burst()));
    if (reservation.act_at_ns_ == last_event) {
      const std::int64_t taken = ns_for(reservation.limit_, static_cast<double>(reservation.tokens_));
      const std::int64_t previous =
          reservation.limit_ > 0 ? reservation.act_at_ns_ - taken : later(reservation.act_at_ns_, taken);
      if (previous >= now.count()) last_event = previous;
    }
    last_event_ns_ = last_event;
    if (atomic(state_).compare_exchange_weak(state, State{tokens, packed(now.count(), true)},
                                             boost::memory_order_relaxed))
      return;
  }
}

Limiter::Duration Limiter::Reservation::delay(Time now) const {
  if (!granted_) return for_ever;
  return Duration(std::max<std::int64_t>(act_at_ns_ - now.count(), 0));
}

void Limiter::Reservation::cancel(Time now) {
  if (granted_) limiter_->cancel(*this, now);
}

}  // namespace plateau
