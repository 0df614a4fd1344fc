// Server-sent events of the dashboard: the last ten minutes for who comes, and then what happens.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/json.hpp>

#include "labs/live/live_sample.hpp"

namespace plateau::harness {

// A knob that was turned, as the charts mark it.
struct LiveMark {
  double t = 0;  // s
  std::string knob;
  std::string name;  // of the knob
  std::string unit;
  boost::json::value before;
  boost::json::value wanted;
  boost::json::value read_back;
};
boost::json::object to_json(const LiveMark& mark);

// All on the one thread of the service's executor. One log for all clients: one that sleeps costs nothing, and begins
// anew when it has missed too much.
class LiveFeed {
 public:
  static constexpr std::chrono::minutes kept{10};
  static constexpr std::size_t most_samples = kept / live_period;

  // `greeting`: what a client is told first, beside the history.
  explicit LiveFeed(std::function<boost::json::object()> greeting) : greeting_(std::move(greeting)) {}
  LiveFeed(const LiveFeed&) = delete;
  LiveFeed& operator=(const LiveFeed&) = delete;

  void add(LiveSample sample);
  void add(LiveMark mark);
  // An event of another kind; `data` is a JSON text without line breaks.
  void add(std::string_view event, const std::string& data);
  // Everything anew, for all clients: the service was started again.
  void greet_again() { add("hello", hello()); }
  // The streams end when they have written what there is.
  void close();

  const std::deque<LiveSample>& samples() const { return samples_; }

  // {"columns", "latency_edges_us", "marks", "history"}, as the page reads them: what there is of the last ten minutes.
  std::string seen() const;

  // Writes events until the client leaves or does not take them in time, which is thrown, or the feed is closed.
  boost::asio::awaitable<void> stream(boost::beast::tcp_stream& client);

 private:
  static constexpr std::size_t kept_events = 64;

  std::string hello() const;
  void wake();

  const std::function<boost::json::object()> greeting_;
  std::deque<LiveSample> samples_;
  std::deque<LiveMark> marks_;
  std::deque<std::string> events_;  // the last ones, as they are written
  std::uint64_t next_ = 0;          // number of the next event
  std::list<boost::asio::steady_timer*> waiting_;
  bool closed_ = false;
};

}  // namespace plateau::harness
