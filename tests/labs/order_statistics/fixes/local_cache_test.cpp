// The cache: how old an answer may be, who loads it, and how much memory all of them have. Time is the test's own.
#include "labs/order_statistics/fixes/local_cache.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>
#include <stdexcept>
#include <thread>
#include <vector>

#include "labs/harness/load/random.hpp"
#include "tests/support/random_seed.hpp"

namespace plateau::order_statistics {
namespace {

using namespace std::chrono_literals;
using Clock = LocalCache::Clock;

constexpr Question january{0, false};

Answer rows(std::int64_t orders, std::size_t count = 1) {
  return Answer(count, DayStatistics{0, orders, 0});
}

struct TestedCache {
  explicit TestedCache(CacheSettings settings) : cache(settings, [this] { return now; }) {}
  Clock::time_point now{};
  LocalCache cache;
  // The number of orders that are in the answer; loads `orders`.
  std::int64_t ask(const Question& question, std::int64_t orders) {
    return cache.get(question, [orders] { return rows(orders); })->at(0).orders;
  }
};

constexpr CacheSettings roomy{.most_bytes = 1 << 20, .max_age = 10s};

TEST(LocalCache, AnAnswerIsKeptForAtLeastHalfOfItsAge) {
  TestedCache cache(roomy);
  EXPECT_EQ(cache.ask(january, 1), 1);
  cache.now += 4999ms;
  EXPECT_EQ(cache.ask(january, 2), 1);
  EXPECT_EQ(cache.cache.counts().hits, 1U);
  EXPECT_EQ(cache.cache.counts().loads, 1U);
}

// What is loaded says when it was loaded, so what comes out says how old it is.
TEST(LocalCache, NoAnswerIsEverOlderThanStated) {
  for (const bool jitter : {true, false}) {
    TestedCache cache({.most_bytes = 4096, .max_age = 10s, .jitter = jitter});
    harness::SplitMix64 random(testing::random_seed());
    std::chrono::nanoseconds oldest{};
    for (int i = 0; i < 20'000; ++i) {
      cache.now += std::chrono::milliseconds(random.below(300));
      const Question question{static_cast<int>(random.below(24)), random.below(2) == 0};
      const std::chrono::nanoseconds loaded(
          cache.ask(question, std::chrono::nanoseconds(cache.now.time_since_epoch()).count()));
      oldest = std::max(oldest, cache.now.time_since_epoch() - loaded);
    }
    EXPECT_LE(oldest, 10s);
    EXPECT_GT(oldest, 5s) << "and they are kept";
  }
}

TEST(LocalCache, AnAnswerIsAsOldAsTheMomentBeforeItWasLoaded) {
  TestedCache cache({.most_bytes = 1 << 20, .max_age = 10s, .jitter = false});
  cache.cache.get(january, [&] {
    cache.now += 6s;  // so long does the query take
    return rows(1);
  });
  cache.now += 5s;
  EXPECT_EQ(cache.ask(january, 2), 2) << "11 s after the query began";
}

TEST(LocalCache, EntriesThatAreLoadedTogetherDoNotExpireTogether) {
  const auto expired_at_once = [](bool jitter) {
    TestedCache cache({.most_bytes = 1 << 20, .max_age = 10s, .jitter = jitter});
    for (int month = 0; month < 24; ++month) cache.ask({month, false}, -1);
    std::int64_t most = 0;
    for (int tenth = 0; tenth <= 100; ++tenth) {
      std::int64_t loaded = 0;
      for (int month = 0; month < 24; ++month) {
        if (cache.ask({month, false}, tenth) == tenth) ++loaded;
      }
      most = std::max(most, loaded);
      cache.now += 100ms;
    }
    return most;
  };
  EXPECT_EQ(expired_at_once(false), 24);
  EXPECT_LT(expired_at_once(true), 8);
}

TEST(LocalCache, AnEmptyAnswerIsKeptAsAnyOther) {
  TestedCache cache(roomy);
  int loads = 0;
  const auto nothing = [&loads] {
    ++loads;
    return Answer{};
  };
  EXPECT_TRUE(cache.cache.get({24, false}, nothing)->empty());
  EXPECT_TRUE(cache.cache.get({24, false}, nothing)->empty());
  EXPECT_EQ(loads, 1);
}

TEST(LocalCache, HoldsNoMoreBytesThanItMayAndDropsWhatWasNotUsed) {
  const std::size_t one = LocalCache::weight(rows(1));
  TestedCache cache({.most_bytes = 3 * one, .max_age = 10s});
  for (int month = 0; month < 3; ++month) cache.ask({month, false}, month);
  cache.ask({0, false}, 99);  // used
  cache.ask({3, false}, 3);
  EXPECT_EQ(cache.cache.counts().entries, 3U);
  EXPECT_EQ(cache.cache.counts().bytes, 3 * one);
  EXPECT_LE(cache.cache.counts().most_bytes, 3 * one);
  EXPECT_EQ(cache.ask({0, false}, 99), 0) << "kept";
  EXPECT_EQ(cache.ask({1, false}, 99), 99) << "dropped";
}

TEST(LocalCache, WhatIsLargerThanAllOfItIsNotKept) {
  TestedCache cache({.most_bytes = 1000, .max_age = 10s});
  cache.cache.get(january, [] { return rows(1, 1000); });
  EXPECT_EQ(cache.cache.counts().entries, 0U);
  EXPECT_EQ(cache.cache.counts().bytes, 0U);
}

// All of them ask while the answer is being loaded, which does not end before they do.
std::uint64_t loads_of(LocalCache& cache, std::size_t clients) {
  std::atomic<std::uint64_t> loads{0};
  std::latch asked(static_cast<std::ptrdiff_t>(clients));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      asked.count_down();
      const auto answer = cache.get(january, [&] {
        ++loads;
        asked.wait();
        // Others are on their way into get(): it is theirs to have joined, which is counted.
        while (cache.counts().joined + loads.load() < clients) std::this_thread::yield();
        return rows(7);
      });
      EXPECT_EQ(answer->at(0).orders, 7);
    });
  }
  for (std::thread& thread : threads) thread.join();
  return loads.load();
}

TEST(LocalCache, OneClientLoadsAndTheOthersWaitForIt) {
  LocalCache with({.most_bytes = 1 << 20, .max_age = 3600s});
  EXPECT_EQ(loads_of(with, 8), 1U);
  EXPECT_EQ(with.counts().joined, 7U);
  LocalCache without({.most_bytes = 1 << 20, .max_age = 3600s, .jitter = false, .single_flight = false});
  EXPECT_EQ(loads_of(without, 8), 8U);
}

TEST(LocalCache, AFailedLoadFailsForAllWhoWaitAndIsNotKept) {
  LocalCache cache({.most_bytes = 1 << 20, .max_age = 3600s});
  std::promise<void> may_fail;
  std::thread loader([&] {
    EXPECT_THROW(cache.get(january,
                           [&]() -> Answer {
                             may_fail.get_future().wait();
                             throw std::runtime_error("no store");
                           }),
                 std::runtime_error);
  });
  while (cache.counts().loads == 0) std::this_thread::yield();
  std::thread waiter([&] { EXPECT_THROW(cache.get(january, [] { return rows(1); }), std::runtime_error); });
  while (cache.counts().joined == 0) std::this_thread::yield();
  may_fail.set_value();
  loader.join();
  waiter.join();
  EXPECT_EQ(cache.get(january, [] { return rows(2); })->at(0).orders, 2);
}

TEST(LocalCache, NobodyJoinsALoadThatBeganTooLongAgo) {
  std::atomic<std::int64_t> now_s{0};
  LocalCache cache({.most_bytes = 1 << 20, .max_age = 10s}, [&] { return Clock::time_point(now_s.load() * 1s); });
  std::promise<void> may_end;
  std::thread slow([&] {
    cache.get(january, [&] {
      may_end.get_future().wait();
      return rows(1);
    });
  });
  while (cache.counts().loads == 0) std::this_thread::yield();
  now_s = 11;
  EXPECT_EQ(cache.get(january, [] { return rows(2); })->at(0).orders, 2);
  may_end.set_value();
  slow.join();
}

TEST(LocalCache, BeforeAsksEveryTime) {
  LocalCache cache(roomy);
  int loads = 0;
  for (int i = 0; i < 3; ++i) answer_before(cache, january, [&] { return rows(++loads); });
  EXPECT_EQ(loads, 3);
}

}  // namespace
}  // namespace plateau::order_statistics
