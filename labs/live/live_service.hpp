// A service with its dashboard: runs an arm of a lab until it is told to end, watches it from outside, turns its knobs,
// and answers the page.
//
//   GET  /                  the page
//   GET  /live/stream       server-sent events: hello, sample, mark, knobs, end
//   POST /live/knobs/ID     {"value": …}; with the token of hello in X-Plateau-Token
//   GET  /live/report       what was seen, as one self-contained page
//   GET  /debug/…, /pprof/…, /metrics: of the service's own debug server
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>

#include "labs/harness/arm/arm.hpp"
#include "labs/harness/arm/running_arm.hpp"
#include "labs/harness/lab.hpp"
#include "labs/live/fetch.hpp"
#include "labs/live/live_feed.hpp"
#include "labs/live/live_knobs.hpp"
#include "labs/live/live_sample.hpp"
#include "profiling/http/debug_request.hpp"
#include "profiling/http/http_answer.hpp"

namespace plateau::harness {

// All on the one thread of the executor that runs it.
class LiveService final : public HttpHandler {
 public:
  // Starts the arm. `command`: as the user gave it, for the report. `loopback`: the page is for this machine only.
  LiveService(const Lab& lab, ArmSpec spec, std::vector<std::string> command, bool loopback);

  // Samples until Ctrl-C or SIGTERM, then tells the clients, and answers what the service has already been asked.
  boost::asio::awaitable<void> run();
  // Once run() has returned and before its executor ends: nothing of this uses that any more.
  void finish();
  boost::asio::awaitable<HttpAnswer> answer(const HttpRequest& request, boost::asio::ip::tcp::socket& client) override;

  // Share of a CPU that the service spent on being watched, since it was ready.
  double cost() const;

 private:
  using Clock = std::chrono::steady_clock;

  struct End {
    std::string outcome;
    std::string text;
  };

  double now_s() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  bool is_running() const { return !end_; }
  boost::json::object greeting() const;
  boost::json::array knobs_json() const;
  void look();
  void end(End how);
  HttpAnswer start_again();
  // To a server of the service's own. With a client: for as long as that waits.
  boost::asio::awaitable<HttpAnswer> hand_on(const std::atomic<std::uint32_t>& port, const HttpRequest& request,
                                             boost::asio::ip::tcp::socket* client = nullptr);
  boost::asio::awaitable<HttpAnswer> report();
  boost::asio::awaitable<HttpAnswer> knob_answer(std::string_view id, const HttpRequest& request);
  boost::asio::awaitable<HttpAnswer> turn(const LiveKnob& knob, double value);
  HttpAnswer mark(const LiveKnob& knob, boost::json::value before, boost::json::value wanted);

  const Lab& lab_;
  const ArmSpec spec_;
  const std::vector<std::string> command_;
  const RequestRules rules_;
  const std::string token_;
  const std::vector<LiveKnob> knobs_;
  const Clock::time_point start_ = Clock::now();
  std::unique_ptr<RunningArm> arm_;
  std::uint64_t starts_ = 1;  // of the arm
  std::optional<LiveSampler> sampler_;
  std::deque<Sample> series_;  // of this process, for the report; as many as the feed keeps
  std::optional<End> end_;     // of the arm
  Upstream upstream_;
  std::size_t handed_on_ = 0;           // and not answered yet
  std::size_t reports_ = 0;             // being made
  boost::asio::thread_pool worker_{1};  // for what takes long
  LiveFeed feed_{[this] { return greeting(); }};
};

}  // namespace plateau::harness
