// Fix `local_cache`: answers are kept in the process. Before: every request is a query.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "labs/order_statistics/question.hpp"

namespace plateau::order_statistics {

struct CacheSettings {
  std::size_t most_bytes = 0;
  std::chrono::nanoseconds max_age{};  // of an answer, when it is asked for
  bool jitter = true;                  // an entry lives between half of max_age and all of it; else all of it
  bool single_flight = true;           // whoever asks for what is being loaded waits for it; else loads it, too
};

struct CacheCounts {
  std::uint64_t hits = 0;
  std::uint64_t joined = 0;  // waited for somebody else's load
  std::uint64_t loads = 0;
  std::size_t bytes = 0;  // now, as the next
  std::size_t entries = 0;
  std::size_t most_bytes = 0;  // ever
};

// Least recently used goes first when the bytes do not suffice. Empty answers are kept as any other. Thread-safe; a hit
// is a lock, a look-up and a reference more.
class LocalCache {
 public:
  using Clock = std::chrono::steady_clock;
  using Now = std::function<Clock::time_point()>;
  using Load = std::function<Answer()>;
  using Kept = std::shared_ptr<const Answer>;

  explicit LocalCache(const CacheSettings& settings, Now now = Clock::now);
  LocalCache(const LocalCache&) = delete;
  LocalCache& operator=(const LocalCache&) = delete;

  // What `load` gave not longer than max_age ago, or gives now. What it throws is thrown to all who wait for it, and is
  // not kept.
  Kept get(const Question& question, const Load& load);
  CacheCounts counts() const;

  // What an entry is counted with: the answer, and its places in the tables.
  static std::size_t weight(const Answer& answer);

 private:
  struct Entry {
    int key = 0;
    Kept answer;
    std::size_t bytes = 0;
    Clock::time_point expires;
  };
  struct Flight {
    std::shared_future<Kept> answer;
    Clock::time_point begun;
  };
  using Entries = std::list<Entry>;  // the most recently used first

  Kept find(int key, Clock::time_point now);
  Kept load_alone(int key, const Load& load, Clock::time_point begun);
  void keep(int key, const Kept& answer, Clock::time_point begun);
  void drop(Entries::iterator entry);

  const CacheSettings settings_;
  const Now now_;
  mutable std::mutex mutex_;
  Entries entries_;
  std::unordered_map<int, Entries::iterator> by_key_;
  std::unordered_map<int, Flight> flights_;
  std::uint64_t kept_ever_ = 0;
  CacheCounts counts_;
};

LocalCache::Kept answer_before(LocalCache& cache, const Question& question, const LocalCache::Load& load);
LocalCache::Kept answer_after(LocalCache& cache, const Question& question, const LocalCache::Load& load);

}  // namespace plateau::order_statistics
