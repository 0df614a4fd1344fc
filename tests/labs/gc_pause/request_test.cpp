// The recorded stream must be the same for every arm, stay in its lane, and name only sessions that live.
#include "labs/gc_pause/request.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace plateau::gc_pause {
namespace {

constexpr std::uint64_t per_generation = 600;

TEST(RequestStream, IsTheSameForTheSameSeedAndAnotherForAnother) {
  const RequestStream one(7, per_generation);
  const RequestStream same(7, per_generation);
  const RequestStream other(8, per_generation);
  std::size_t differ = 0;
  for (std::uint64_t i = 0; i < 200; ++i) {
    Request a;
    Request b;
    Request c;
    one.read(i, a);
    same.read(i, b);
    other.read(i, c);
    EXPECT_EQ(a.user.email, b.user.email);
    EXPECT_EQ(a.events[0].attributes[0].value, b.events[0].attributes[0].value);
    differ += a.events[0].attributes[0].value != c.events[0].attributes[0].value ? 1 : 0;
  }
  EXPECT_GT(differ, 100U);
}

TEST(RequestStream, UsersStayInTheLaneOfTheirRequests) {
  const RequestStream stream(1, per_generation);
  Request request;
  for (std::uint64_t i = 0; i < 3 * per_generation; ++i) {
    stream.read(i, request);
    EXPECT_EQ(request.user.id % lanes, i % lanes);
  }
}

TEST(RequestStream, PagesHaveTheSizeThatWasChosenAndAllElseStays) {
  const RequestStream small(1, per_generation, 8192);
  const RequestStream large(1, per_generation, 300'000);
  Request one;
  Request other;
  for (std::uint64_t i = 0; i < per_generation; ++i) {
    small.read(i, one);
    large.read(i, other);
    ASSERT_EQ(one.user.page.size(), 8192U);
    ASSERT_EQ(other.user.page.size(), 300'000U);
    EXPECT_EQ(one.user.id, other.user.id);
    EXPECT_EQ(one.events[0].name, other.events[0].name);
    EXPECT_EQ(one.events[0].attribute_count, other.events[0].attribute_count);
  }
}

TEST(RequestStream, AnEventHasNoKeyTwice) {
  const RequestStream stream(1, per_generation);
  Request request;
  for (std::uint64_t i = 0; i < per_generation; ++i) {
    stream.read(i, request);
    for (const EventInput& event : request.events) {
      std::set<std::string_view> keys;
      for (std::size_t k = 0; k < event.attribute_count; ++k) keys.insert(event.attributes[k].key);
      EXPECT_EQ(keys.size(), event.attribute_count);
      EXPECT_GE(event.attribute_count, least_attributes);
      EXPECT_LE(event.attribute_count, most_attributes);
    }
  }
}

// Odd and even numbers of requests to a generation: the lane of a number shifts.
class ReadSession : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(ReadSession, IsOfAUserWhoWasServedInThatGenerationAndLane) {
  const RequestStream stream(3, GetParam());
  const std::uint64_t current = generations + 2;
  std::vector<std::set<UserId>> served((current + 1) * lanes);
  Request request;
  for (std::uint64_t i = 0; i < (current + 1) * GetParam(); ++i) {
    stream.read(i, request);
    served[stream.generation_of(i) * lanes + i % lanes].insert(request.user.id);
    if (request.read_age == 0) continue;
    ASSERT_LT(request.read_age, generations) << "older ones have expired";
    const std::uint64_t of = stream.generation_of(i) - request.read_age;
    EXPECT_TRUE(served[of * lanes + i % lanes].contains(request.read_user)) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, ReadSession, ::testing::Values(600, 601, 2, 3),
                         [](const auto& test) { return std::to_string(test.param); });

}  // namespace
}  // namespace plateau::gc_pause
