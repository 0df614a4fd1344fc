#include "labs/limiter/limiter_wait.hpp"

#include <condition_variable>
#include <mutex>
#include <utility>

namespace plateau {
namespace {

using Clock = std::chrono::steady_clock;

Limiter::Time now() {
  return Clock::now().time_since_epoch();
}

}  // namespace

Admission wait_for(Limiter& limiter, std::stop_token stop, std::int64_t n, std::optional<Clock::time_point> deadline) {
  if (n > limiter.burst() && limiter.limit() != Limiter::unlimited) return Admission::more_than_the_burst;
  if (stop.stop_requested()) return Admission::stopped;
  const Limiter::Time begin = now();
  Limiter::Reservation reservation =
      limiter.reserve_within(begin, deadline ? deadline->time_since_epoch() - begin : Limiter::for_ever, n);
  if (!reservation.is_granted()) return Admission::too_late;
  const Limiter::Duration delay = reservation.delay(begin);
  if (delay == Limiter::Duration::zero()) return Admission::granted;

  std::mutex mutex;
  std::condition_variable_any changed;
  std::unique_lock lock(mutex);
  changed.wait_until(lock, stop, Clock::time_point(begin + delay), [] { return false; });
  if (!stop.stop_requested()) return Admission::granted;
  reservation.cancel(now());
  return Admission::stopped;
}

}  // namespace plateau
