#include "labs/order_statistics/load.hpp"

#include <algorithm>
#include <cmath>
#include <exception>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

#include "labs/harness/load/random.hpp"
#include "labs/order_statistics/calendar.hpp"
#include "labs/order_statistics/calibration.hpp"

namespace plateau::order_statistics {
namespace {

constexpr std::chrono::milliseconds longest_wait{50};
// Requests of the rush are others than those of the steady phase.
constexpr std::uint64_t first_of_rush = 1'000'000;

std::chrono::nanoseconds thought(std::uint64_t seed, std::uint64_t number, double mean_s) {
  harness::SplitMix64 random(harness::SplitMix64::mix(seed ^ 0x7417) ^ number);
  const double share = std::min(-std::log(1 - random.uniform()), 3.0);
  return std::chrono::nanoseconds(static_cast<std::int64_t>(share * mean_s * 1e9));
}

std::chrono::nanoseconds seconds(double s) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(s * 1e9));
}

}  // namespace

Load::Load(const LoadSettings& settings, const StoreUse& use, Desk& desk, const Truth& truth,
           const NewOrders& new_orders, std::atomic<bool>& stopping, LoadObserver observer)
    : settings_(settings),
      desk_(desk),
      truth_(truth),
      new_orders_(new_orders),
      stopping_(stopping),
      observer_(std::move(observer)) {
  for (std::size_t i = 0; i < std::max(settings.clients, rush_clients); ++i) readers_.emplace_back(use, stopping);
}

void Load::steady() {
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + seconds(settings_.steady_s);
  std::atomic<std::uint64_t> requests{0};
  on_clients(settings_.clients, [&](std::size_t client) {
    for (std::uint64_t number = client; !stopping_.load() && Clock::now() < end; number += settings_.clients) {
      add_digest(number, ask(client, number, Clock::now()));
      requests.fetch_add(1);
      std::this_thread::sleep_until(std::min(end, Clock::now() + thought(settings_.seed, number, settings_.think_s)));
    }
  });
  steady_requests_ = requests.load();
  steady_seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
}

void Load::rush() {
  const auto planned = static_cast<std::uint64_t>(settings_.rush_rate * settings_.rush_s);
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + seconds(settings_.rush_s);
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> answered{0};
  std::atomic<bool> over{false};
  std::thread at_the_end([&] {
    while (!over.load() && Clock::now() < end) std::this_thread::sleep_for(longest_wait);
    stopping_.store(true);
    while (!over.load()) {  // a query that begins just after an interrupt does not notice it
      for (Reader& reader : readers_) reader.interrupt();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const auto finish = [&] {
    over.store(true);
    at_the_end.join();
  };
  try {
    on_clients(rush_clients, [&](std::size_t client) {
      for (std::uint64_t i = next.fetch_add(1); i < planned && !stopping_.load(); i = next.fetch_add(1)) {
        const Clock::time_point due = begin + seconds(static_cast<double>(i) / settings_.rush_rate);
        std::this_thread::sleep_until(std::min(due, end));
        if (stopping_.load()) return;
        ask(client, first_of_rush + i, due);
        answered.fetch_add(1);
      }
    });
  } catch (...) {
    finish();
    throw;
  }
  finish();
  unanswered_ = planned - answered.load();
}

void Load::serve(const std::function<Clock::time_point(std::uint64_t)>& due) {
  std::atomic<std::uint64_t> next{0};
  on_clients(rush_clients, [&](std::size_t client) {
    for (std::uint64_t i = next.fetch_add(1);; i = next.fetch_add(1)) {
      while (due(i) > Clock::now()) std::this_thread::sleep_until(std::min(due(i), Clock::now() + longest_wait));
      ask(client, first_of_rush + i, due(i));
    }
  });
}

std::uint64_t Load::lock_waits() const {
  std::uint64_t sum = 0;
  for (const Reader& reader : readers_) sum += reader.locks().operations_that_waited();
  return sum;
}

std::chrono::nanoseconds Load::longest_lock_wait() const {
  std::chrono::nanoseconds longest{};
  for (const Reader& reader : readers_) longest = std::max(longest, reader.locks().longest());
  return longest;
}

// A thread for each. When all have ended, throws what the first one met that was not told to stop.
void Load::on_clients(std::size_t clients, const std::function<void(std::size_t)>& work) {
  std::vector<std::thread> threads;
  for (std::size_t client = 0; client < clients; ++client) {
    threads.emplace_back([&, client] {
      try {
        work(client);
      } catch (const std::exception& problem) {
        if (stopping_.exchange(true)) return;  // interrupted, or not the first
        const std::scoped_lock lock(mutex_);
        error_ = problem.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  if (!error_.empty()) throw std::runtime_error("a client's query failed: " + error_);
}

std::uint64_t Load::ask(std::size_t client, std::uint64_t number, Clock::time_point due) {
  const Question question = question_of(settings_.seed, number);
  const std::uint64_t at_least = new_orders_.written_by(Clock::now() - settings_.allowed_age);
  const LocalCache::Kept given = desk_.answer(readers_[client], question);
  const std::int64_t new_orders = truth_.new_orders_in(question, *given);
  const bool has_today = days_of_month(question.month).has(today);
  if (new_orders < 0 || (has_today && (static_cast<std::uint64_t>(new_orders) < at_least ||
                                       static_cast<std::uint64_t>(new_orders) > new_orders_.begun())))
    wrong_.fetch_add(1);
  const std::scoped_lock lock(mutex_);
  observer_.answered(due);
  return digest_of(question, *given);
}

void Load::add_digest(std::uint64_t number, std::uint64_t digest) {
  const std::scoped_lock lock(mutex_);
  digests_.emplace(number, digest);
  for (auto first = digests_.begin(); first != digests_.end() && first->first == next_digest_; ++next_digest_) {
    observer_.digest(first->second);
    first = digests_.erase(first);
  }
}

}  // namespace plateau::order_statistics
