#include "allocators/shed_order.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace plateau {

struct ShedOrder::Cache {
  int priority;
  ShedPromise promise;
  Shed shed;
  std::uint64_t round;  // the last one that it was asked in
};

struct ShedOrder::State {
  mutable std::mutex mutex;
  std::optional<std::condition_variable> idle{std::in_place};  // nobody is being called
  std::vector<std::shared_ptr<Cache>> caches;                  // in the order in which they are asked
  std::shared_ptr<Cache> called;
  std::thread::id caller;
  std::uint64_t round = 0;
  ShedCounts counts;

  // The next one to ask, marked as asked and as being called.
  std::shared_ptr<Cache> take_next() {
    const std::scoped_lock lock(mutex);
    const auto next = std::find_if(caches.begin(), caches.end(), [this](const auto& c) { return c->round != round; });
    if (next == caches.end()) return nullptr;
    (*next)->round = round;
    called = *next;
    caller = std::this_thread::get_id();
    return called;
  }

  void end_call() {
    const std::scoped_lock lock(mutex);
    called.reset();
    caller = {};
    idle->notify_all();
  }
};

ShedOrder::ShedOrder() : state_(std::make_shared<State>()) {}

ShedOrder::Registration::Registration(std::shared_ptr<State> state, std::shared_ptr<Cache> cache)
    : state_(std::move(state)), cache_(std::move(cache)) {}

ShedOrder::Registration& ShedOrder::Registration::operator=(Registration&& other) noexcept {
  if (this == &other) return *this;
  end();
  state_ = std::move(other.state_);
  cache_ = std::move(other.cache_);
  return *this;
}

void ShedOrder::Registration::end() noexcept {
  if (state_ == nullptr) return;
  {
    std::unique_lock lock(state_->mutex);
    std::erase(state_->caches, cache_);
    if (state_->caller != std::this_thread::get_id()) {
      state_->idle->wait(lock, [this] { return state_->called != cache_; });
    }
  }
  cache_.reset();
  state_.reset();
}

ShedOrder::Registration ShedOrder::add(int priority, ShedPromise promise, Shed shed) {
  const std::scoped_lock lock(state_->mutex);
  auto cache = std::make_shared<Cache>(Cache{priority, std::move(promise), std::move(shed), state_->round});
  const auto place = std::upper_bound(state_->caches.begin(), state_->caches.end(), priority,
                                      [](int p, const auto& other) { return p < other->priority; });
  state_->caches.insert(place, cache);
  return {state_, std::move(cache)};
}

void ShedOrder::begin_round() noexcept {
  const std::scoped_lock lock(state_->mutex);
  ++state_->round;
}

std::uint64_t ShedOrder::ask_next(std::uint64_t bytes, std::chrono::nanoseconds time) noexcept {
  ShedCounts asked;
  for (std::shared_ptr<Cache> cache = state_->take_next(); cache != nullptr; cache = state_->take_next()) {
    try {
      asked.promised_bytes = cache->promise();
      if (asked.promised_bytes > 0) {
        asked.asked = 1;
        const auto deadline = std::chrono::steady_clock::now() + time;
        asked.delivered_bytes = cache->shed({bytes, deadline});
        asked.late = std::chrono::steady_clock::now() > deadline ? 1 : 0;
      }
    } catch (...) {
      asked.failed = 1;
    }
    cache.reset();
    state_->end_call();
    if (asked.asked > 0 || asked.failed > 0) break;
  }
  const std::scoped_lock lock(state_->mutex);
  ShedCounts& counts = state_->counts;
  counts.asked += asked.asked;
  counts.promised_bytes += asked.promised_bytes;
  counts.delivered_bytes += asked.delivered_bytes;
  counts.late += asked.late;
  counts.failed += asked.failed;
  return asked.delivered_bytes;
}

std::size_t ShedOrder::left() const noexcept {
  const std::scoped_lock lock(state_->mutex);
  return static_cast<std::size_t>(std::count_if(state_->caches.begin(), state_->caches.end(),
                                                [this](const auto& c) { return c->round != state_->round; }));
}

ShedCounts ShedOrder::counts() const noexcept {
  const std::scoped_lock lock(state_->mutex);
  return state_->counts;
}

void ShedOrder::lock_for_fork() noexcept {
  state_->mutex.lock();
}

void ShedOrder::unlock_after_fork(bool in_child) noexcept {
  if (in_child) {
    // The thread that called a cache is not here; and a condition that it waited on must not be destroyed.
    std::construct_at(&state_->idle, std::in_place);
    state_->called.reset();
    state_->caller = {};
  }
  state_->mutex.unlock();
}

}  // namespace plateau
