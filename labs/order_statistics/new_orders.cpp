#include "labs/order_statistics/new_orders.hpp"

#include <algorithm>
#include <exception>

#include "allocators/system/cpu_clock.hpp"

namespace plateau::order_statistics {
namespace {

constexpr std::chrono::milliseconds longest_wait{50};

std::chrono::nanoseconds of_seconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

}  // namespace

NewOrders::NewOrders(const StoreUse& use, std::uint64_t note_bytes, const OrderRate& rate,
                     const std::atomic<bool>& stopping)
    : use_(use),
      rate_(rate),
      stopping_(stopping),
      writer_(use, note_bytes, stopping),
      start_(Clock::now()),
      thread_([this] { run(); }) {}

NewOrders::~NewOrders() {
  join();
}

void NewOrders::join() {
  if (thread_.joinable()) thread_.join();
}

std::uint64_t NewOrders::written_by(Clock::time_point moment) const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::uint64_t>(std::upper_bound(written_.begin(), written_.end(), moment) - written_.begin());
}

std::uint64_t NewOrders::come_by(Clock::time_point moment) const {
  const double passed = std::chrono::duration<double>(moment - start_).count();
  return static_cast<std::uint64_t>(std::max(passed, 0.0) * rate_.orders_a_second);
}

std::uint64_t NewOrders::late() const {
  const std::uint64_t due = come_by(Clock::now() - 2 * of_seconds(rate_.group_s));  // which is to begin, and to be done
  const std::scoped_lock lock(mutex_);
  return due > written_.size() ? due - written_.size() : 0;
}

void NewOrders::run() {
  try {
    std::uint64_t next = 0;
    std::vector<Order> group;
    for (Clock::time_point begin = start_ + of_seconds(rate_.group_s); !stopping_.load(std::memory_order_relaxed);) {
      const Clock::time_point now = Clock::now();
      if (begin > now) {
        std::this_thread::sleep_until(std::min(begin, now + longest_wait));
        continue;
      }
      group.clear();
      for (const std::uint64_t come = come_by(now); next < come; ++next)
        group.push_back(new_order(use_.seed, use_.rows, next));
      begun_.store(next);
      if (!group.empty()) writer_.write(group);
      {
        const std::scoped_lock lock(mutex_);
        written_.resize(next, Clock::now());
      }
      cpu_ns_.store(std::chrono::nanoseconds(thread_cpu_time()).count(), std::memory_order_relaxed);
      begin = std::max(begin + of_seconds(rate_.group_s), Clock::now());
    }
  } catch (const std::exception& problem) {
    if (!stopping_.load()) error_ = problem.what();  // else it was told to stop while it waited for a lock
  }
}

}  // namespace plateau::order_statistics
