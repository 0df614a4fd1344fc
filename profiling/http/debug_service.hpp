// The debug server's answers over HTTP: its rules, and the profiles under way.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include "profiling/host/worker_threads.hpp"
#include "profiling/http/debug_answers.hpp"
#include "profiling/http/debug_request.hpp"
#include "profiling/http/http_answer.hpp"
#include "profiling/http/profile_recorder.hpp"

namespace plateau {

// Everything but the answers themselves runs on the one thread of the service's executor. Must outlive that executor.
class DebugService final : public HttpHandler {
 public:
  // Answers are made on `workers`: profiles one at a time, so that there must be two threads for the other pages not to
  // wait. Profiles are taken by `recorder`.
  DebugService(DebugAnswers& answers, ProfileRecorder& recorder, RequestRules rules, WorkerThreads& workers)
      : answers_(answers),
        recorder_(recorder),
        rules_(rules),
        workers_(workers),
        encoder_(boost::asio::make_strand(workers.pool())) {}

  boost::asio::awaitable<HttpAnswer> answer(const HttpRequest& request, boost::asio::ip::tcp::socket& client) override;

 private:
  static constexpr std::size_t most_profiles_under_way = 4;

  // A recording, until its end. The client that asked for it may leave meanwhile: it then goes on, but makes way for
  // another one that needs its place.
  struct UnderWay {
    const ProfileSource* source;
    boost::asio::ip::tcp::socket* client;
    boost::asio::steady_timer* end;
    std::unique_ptr<Recording> recording;
  };

  boost::asio::awaitable<HttpAnswer> profile(const DebugRequest& request, boost::asio::ip::tcp::socket& client);
  // A page that looks twice, or purges.
  boost::asio::awaitable<HttpAnswer> change(const DebugRequest& request, boost::asio::ip::tcp::socket& client);
  boost::asio::awaitable<std::unique_ptr<Recording>> record(const DebugRequest& request);
  // Ends a recording whose client has left, of `source` or, when null, of any. Gives whether there was one.
  boost::asio::awaitable<bool> end_abandoned(const ProfileSource* source);

  DebugAnswers& answers_;
  ProfileRecorder& recorder_;
  RequestRules rules_;
  WorkerThreads& workers_;
  boost::asio::strand<boost::asio::thread_pool::executor_type> encoder_;
  std::size_t profiles_under_way_ = 0;
  std::list<UnderWay> recordings_;
};

}  // namespace plateau
