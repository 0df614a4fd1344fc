// Protects what a dashboard is told of the past: all columns, the same number of samples of each, at most ten minutes,
// and only the marks of that time.
#include "labs/live/live_feed.hpp"

#include <gtest/gtest.h>

#include <string>

namespace plateau::harness {
namespace {

namespace json = boost::json;

LiveSample sample_at(double t) {
  LiveSample sample;
  sample.t = t;
  sample.values.assign(live_columns().size(), t);
  sample.values.back() = LiveSample::unknown;
  sample.latency.assign(LiveSampler::latency_edges_us().size(), 1);
  return sample;
}

LiveMark mark_at(double t) {
  return {t, "load", "Load: a \"quoted\" title", "1/s", 1, 2, 2};
}

class LiveFeedTest : public ::testing::Test {
 protected:
  json::object seen() const { return json::parse(feed_.seen()).as_object(); }

  LiveFeed feed_{[] { return json::object{{"lab", "of the test"}}; }};
};

TEST_F(LiveFeedTest, WithoutSamplesThereIsAnEmptyHistory) {
  const json::object seen = this->seen();
  EXPECT_EQ(seen.at("columns").as_array().size(), live_columns().size());
  EXPECT_TRUE(seen.at("history").at("t").as_array().empty());
  EXPECT_TRUE(seen.at("marks").as_array().empty());
}

TEST_F(LiveFeedTest, EveryColumnHasEverySampleAndWhatIsUnknownIsNull) {
  feed_.add(sample_at(0.2));
  feed_.add(sample_at(0.4));
  const json::object seen = this->seen();
  const json::object& history = seen.at("history").as_object();
  EXPECT_EQ(history.at("t"), (json::array{0.2, 0.4}));
  for (const LiveColumn& column : live_columns().first(live_columns().size() - 1)) {
    EXPECT_EQ(history.at(column.id), (json::array{0.2, 0.4})) << column.id;
  }
  EXPECT_EQ(history.at(live_columns().back().id), (json::array{nullptr, nullptr}));
  EXPECT_EQ(history.at("latency").as_array().size(), 2U);
}

TEST_F(LiveFeedTest, TheLastTenMinutesAreKeptAndTheirMarks) {
  feed_.add(mark_at(0.5));
  const double period = std::chrono::duration<double>(live_period).count();
  for (std::size_t i = 0; i < LiveFeed::most_samples; ++i) feed_.add(sample_at(static_cast<double>(i) * period));
  feed_.add(mark_at(599));
  EXPECT_EQ(seen().at("marks").as_array().size(), 2U);
  for (std::size_t i = 0; i < 10; ++i) feed_.add(sample_at(600 + static_cast<double>(i) * period));
  const json::object seen = this->seen();
  EXPECT_EQ(seen.at("history").at("t").as_array().size(), LiveFeed::most_samples);
  ASSERT_EQ(seen.at("marks").as_array().size(), 1U) << "the other is older than the history";
  EXPECT_EQ(seen.at("marks").at(0).at("t").to_number<double>(), 599);
  EXPECT_EQ(seen.at("marks").at(0).at("name").as_string(), "Load: a \"quoted\" title");
}

}  // namespace
}  // namespace plateau::harness
