// Protects the ring of events: every reader sees every event once and whole, or counts it as lost.
#include "allocators/event_ring.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace plateau {
namespace {

// All fields say the same, so that one of two halves is noticed.
struct Event {
  std::uint64_t first = 0;
  std::uint64_t second = 0;
  std::uint32_t thread = 0;
  std::uint64_t third = 0;
};
using Ring = EventRing<Event>;

Event event(std::uint64_t value, std::uint32_t thread = 0) {
  return {value, value, thread, value};
}

std::vector<std::uint64_t> values(Ring::Reader& reader) {
  std::vector<std::uint64_t> result;
  reader.read([&](const Event& e) { result.push_back(e.first); });
  return result;
}

TEST(EventRing, ReadersGoAtTheirOwnPace) {
  Ring ring(8);
  Ring::Reader one(ring);
  Ring::Reader other(ring);
  ring.publish(event(1));
  ring.publish(event(2));
  EXPECT_EQ(values(one), (std::vector<std::uint64_t>{1, 2}));
  ring.publish(event(3));
  EXPECT_EQ(values(one), std::vector<std::uint64_t>{3});
  EXPECT_EQ(values(other), (std::vector<std::uint64_t>{1, 2, 3}));
  EXPECT_EQ(values(other), std::vector<std::uint64_t>{});
}

TEST(EventRing, KeepsTheLastAndCountsTheRest) {
  Ring ring(5);
  EXPECT_EQ(ring.capacity(), 8U);
  Ring::Reader reader(ring);
  for (std::uint64_t i = 0; i < 20; ++i) ring.publish(event(i));
  EXPECT_EQ(values(reader), (std::vector<std::uint64_t>{12, 13, 14, 15, 16, 17, 18, 19}));
  EXPECT_EQ(reader.lost(), 12U);
  EXPECT_EQ(ring.published(), 20U);
}

TEST(EventRing, AReaderMayBeginNow) {
  Ring ring(8);
  ring.publish(event(1));
  Ring::Reader reader(ring);
  reader.skip();
  ring.publish(event(2));
  EXPECT_EQ(values(reader), std::vector<std::uint64_t>{2});
  EXPECT_EQ(reader.lost(), 0U);
}

TEST(EventRing, UnderThreadsNothingIsTornTwiceOrForgotten) {
  constexpr std::uint64_t each = 200'000;
  constexpr std::uint32_t writers = 3;
  Ring ring(1024);
  std::atomic<std::uint32_t> running{writers};
  std::vector<std::thread> threads;
  for (std::uint32_t t = 0; t < writers; ++t) {
    threads.emplace_back([&ring, &running, t] {
      for (std::uint64_t i = 1; i <= each; ++i) ring.publish(event(i, t));
      --running;
    });
  }
  const auto read_all = [&] {
    Ring::Reader reader(ring);
    std::vector<std::uint64_t> last(writers, 0);
    std::uint64_t seen = 0;
    const auto check = [&](const Event& e) {
      ++seen;
      ASSERT_EQ(e.first, e.second);
      ASSERT_EQ(e.first, e.third);
      ASSERT_GT(e.first, last[e.thread]) << "events of one thread come in order, once";
      last[e.thread] = e.first;
    };
    while (running > 0) reader.read(check);
    reader.read(check);
    EXPECT_EQ(seen + reader.lost(), writers * each);
    EXPECT_GT(seen, 0U);
  };
  for (int i = 0; i < 2; ++i) threads.emplace_back(read_all);
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace plateau
