#include "labs/order_statistics/fixes/local_cache.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "labs/harness/load/random.hpp"

namespace plateau::order_statistics {

LocalCache::LocalCache(const CacheSettings& settings, Now now) : settings_(settings), now_(std::move(now)) {}

LocalCache::Kept LocalCache::get(const Question& question, const Load& load) {
  const int key = question.key();
  const Clock::time_point begun = now_();
  std::promise<Kept> promise;
  {
    std::unique_lock lock(mutex_);
    if (Kept kept = find(key, begun)) {
      ++counts_.hits;
      return kept;
    }
    if (!settings_.single_flight) {
      ++counts_.loads;
      lock.unlock();
      return load_alone(key, load, begun);
    }
    // Whoever came when it had begun long ago would get what is too old.
    if (const auto flight = flights_.find(key);
        flight != flights_.end() && begun - flight->second.begun < settings_.max_age) {
      ++counts_.joined;
      const std::shared_future<Kept> answer = flight->second.answer;
      lock.unlock();
      return answer.get();
    }
    ++counts_.loads;
    flights_.insert_or_assign(key, Flight{promise.get_future().share(), begun});
  }
  const auto land = [&] {  // unless another one has begun meanwhile
    const std::scoped_lock lock(mutex_);
    if (const auto flight = flights_.find(key); flight != flights_.end() && flight->second.begun == begun)
      flights_.erase(flight);
  };
  try {
    Kept answer = load_alone(key, load, begun);
    land();
    promise.set_value(answer);
    return answer;
  } catch (...) {
    land();
    promise.set_exception(std::current_exception());
    throw;
  }
}

CacheCounts LocalCache::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

std::size_t LocalCache::weight(const Answer& answer) {
  constexpr std::size_t places =
      sizeof(Entry) + 2 * sizeof(void*) + sizeof(std::pair<int, Entries::iterator>) + sizeof(void*);
  return sizeof(Answer) + answer.capacity() * sizeof(DayStatistics) + places;
}

LocalCache::Kept LocalCache::find(int key, Clock::time_point now) {
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  const Entries::iterator entry = found->second;
  if (entry->expires <= now) {
    drop(entry);
    return nullptr;
  }
  entries_.splice(entries_.begin(), entries_, entry);
  return entry->answer;
}

LocalCache::Kept LocalCache::load_alone(int key, const Load& load, Clock::time_point begun) {
  auto answer = std::make_shared<const Answer>(load());
  const std::scoped_lock lock(mutex_);
  keep(key, answer, begun);
  return answer;
}

// Its age counts from before it was loaded: what was written meanwhile may not be in it.
void LocalCache::keep(int key, const Kept& answer, Clock::time_point begun) {
  if (const auto old = by_key_.find(key); old != by_key_.end()) drop(old->second);
  const std::size_t bytes = weight(*answer);
  if (bytes > settings_.most_bytes) return;
  double share = 1;
  if (settings_.jitter) {
    harness::SplitMix64 random(harness::SplitMix64::mix(static_cast<std::uint64_t>(key)) ^ kept_ever_++);
    share = 0.5 + 0.5 * random.uniform();
  }
  const auto lives =
      std::chrono::nanoseconds(static_cast<std::int64_t>(static_cast<double>(settings_.max_age.count()) * share));
  entries_.push_front({key, answer, bytes, begun + lives});
  by_key_[key] = entries_.begin();
  counts_.bytes += bytes;
  ++counts_.entries;
  while (counts_.bytes > settings_.most_bytes) drop(std::prev(entries_.end()));
  counts_.most_bytes = std::max(counts_.most_bytes, counts_.bytes);
}

void LocalCache::drop(Entries::iterator entry) {
  counts_.bytes -= entry->bytes;
  --counts_.entries;
  by_key_.erase(entry->key);
  entries_.erase(entry);
}

LocalCache::Kept answer_before(LocalCache& /*cache*/, const Question& /*question*/, const LocalCache::Load& load) {
  return std::make_shared<const Answer>(load());
}

LocalCache::Kept answer_after(LocalCache& cache, const Question& question, const LocalCache::Load& load) {
  return cache.get(question, load);
}

}  // namespace plateau::order_statistics
