// What a token bucket promises, and what the Go package whose semantics it has says of the odd cases.
#include "labs/limiter/limiter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <stop_token>
#include <thread>
#include <vector>

#include "labs/limiter/limiter_wait.hpp"
#include "tests/support/random_seed.hpp"

namespace plateau::testing {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr seconds begin{1000};

TEST(Limiter, BeginsFullAndRefills) {
  Limiter limiter(10, 3);
  EXPECT_TRUE(limiter.allow(begin, 3));
  EXPECT_FALSE(limiter.allow(begin));
  EXPECT_FALSE(limiter.allow(begin + milliseconds(99)));
  EXPECT_TRUE(limiter.allow(begin + milliseconds(100)));
  EXPECT_TRUE(limiter.allow(begin + seconds(100), 3)) << "it holds no more than its burst";
  EXPECT_FALSE(limiter.allow(begin + seconds(100)));
}

TEST(Limiter, MadeOfNothingDeniesAll) {
  Limiter limiter;
  EXPECT_FALSE(limiter.allow(begin));
  EXPECT_FALSE(limiter.reserve(begin + seconds(1000)).is_granted());
}

TEST(Limiter, UnlimitedIgnoresTheBurst) {
  Limiter limiter(Limiter::unlimited, 0);
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(limiter.allow(begin, 1000));
}

TEST(Limiter, WithALimitOf0GivesTheBurstOnce) {
  Limiter limiter(0, 2);
  EXPECT_TRUE(limiter.allow(begin));
  EXPECT_TRUE(limiter.allow(begin));
  EXPECT_FALSE(limiter.allow(begin + seconds(1000)));
}

TEST(Limiter, MoreThanTheBurstFailsAtOnce) {
  Limiter limiter(10, 3);
  EXPECT_FALSE(limiter.reserve(begin, 4).is_granted());
  EXPECT_EQ(limiter.reserve(begin, 4).delay(begin), Limiter::for_ever);
  EXPECT_EQ(limiter.tokens(begin), 3);
  EXPECT_EQ(wait_for(limiter, {}, 4), Admission::more_than_the_burst);
}

TEST(Limiter, ACancelledReservationGivesItsTokensBack) {
  Limiter limiter(10, 3);
  limiter.allow(begin, 3);
  Limiter::Reservation reservation = limiter.reserve(begin, 2);
  EXPECT_EQ(reservation.delay(begin), milliseconds(200));
  reservation.cancel(begin);
  EXPECT_EQ(limiter.reserve(begin).delay(begin), milliseconds(100));
}

TEST(Limiter, TokensThatALaterReservationWasBuiltOnStayTaken) {
  Limiter limiter(10, 3);
  limiter.allow(begin, 3);
  Limiter::Reservation first = limiter.reserve(begin, 2);
  limiter.reserve(begin, 1);
  first.cancel(begin);
  EXPECT_EQ(limiter.reserve(begin).delay(begin), milliseconds(300)) << "one of the two came back";
}

TEST(Limiter, AWaitThatWouldEndTooLateTakesNothing) {
  Limiter limiter(0.001, 1);
  const auto now = std::chrono::steady_clock::now();
  EXPECT_EQ(wait_for(limiter, {}), Admission::granted);
  EXPECT_EQ(wait_for(limiter, {}, 1, now + seconds(1)), Admission::too_late);
  EXPECT_GT(limiter.tokens(now.time_since_epoch()), -0.5);
}

TEST(Limiter, AStopGivesBackWhatWasReserved) {
  Limiter limiter(0.001, 1);
  EXPECT_EQ(wait_for(limiter, {}), Admission::granted);
  std::stop_source stop;
  std::thread stopper([&] {
    while (limiter.tokens(std::chrono::steady_clock::now().time_since_epoch()) > -0.5) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_EQ(wait_for(limiter, stop.get_token()), Admission::stopped);
  stopper.join();
  EXPECT_GT(limiter.tokens(std::chrono::steady_clock::now().time_since_epoch()), -0.5);
}

// Each window from one event to another, in whatever way threads and time have run.
void expect_no_window_above(double limit, double burst, std::vector<nanoseconds> events) {
  std::sort(events.begin(), events.end());
  // Events i..j are at most limit * (t_j - t_i) + burst, for all i <= j: looked at from each j in one pass.
  double least = 0;  // of i - limit * t_i so far
  for (std::size_t i = 0; i < events.size(); ++i) {
    const double allowed = limit * std::chrono::duration<double>(events[i] - events[0]).count();
    least = std::min(least, static_cast<double>(i) - allowed);
    const double window = static_cast<double>(i) - allowed - least + 1;
    ASSERT_LE(window, burst + limit * 2e-9 + 1e-6) << "up to event " << i;  // moments are cut to whole nanoseconds
  }
}

TEST(LimiterProperty, NeverMoreThanRateTimesTimeAndTheBurstInAnyWindow) {
  const std::uint64_t seed = random_seed();
  SCOPED_TRACE(::testing::Message() << "seed " << seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 200; ++round) {
    const double limit = 1 + static_cast<double>(random() % 10'000);
    const auto burst = static_cast<std::int64_t>(1 + random() % 50);
    Limiter limiter(limit, burst);
    nanoseconds now = begin;
    std::vector<nanoseconds> events;
    for (int i = 0; i < 1000; ++i) {
      now += nanoseconds(random() % static_cast<std::uint64_t>(2e9 / limit));
      if (random() % 3 == 0) {
        Limiter::Reservation reservation = limiter.reserve(now);
        const nanoseconds acts = now + reservation.delay(now);
        if (random() % 4 == 0 && acts > now) {
          reservation.cancel(now);
        } else {
          events.push_back(acts);
        }
      } else if (limiter.allow(now)) {
        events.push_back(now);
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_no_window_above(limit, static_cast<double>(burst), events)) << "round " << round;
  }
}

TEST(LimiterProperty, ManyThreadsAtOnceGetExactlyWhatThereIs) {
  constexpr std::int64_t burst = 100'000;
  constexpr std::size_t threads = 4;
  Limiter limiter(1000, burst);
  const auto granted_at = [&limiter](nanoseconds now) {
    std::atomic<std::int64_t> granted{0};
    std::vector<std::thread> tries;
    for (std::size_t i = 0; i < threads; ++i) {
      tries.emplace_back([&] {
        for (std::int64_t j = 0; j < burst; ++j) granted += limiter.allow(now) ? 1 : 0;
      });
    }
    for (std::thread& thread : tries) thread.join();
    return granted.load();
  };
  EXPECT_EQ(granted_at(begin), burst);
  EXPECT_EQ(granted_at(begin + seconds(30)), 30'000);
}

}  // namespace
}  // namespace plateau::testing
