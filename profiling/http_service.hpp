// The debug server's HTTP side, on Boost.Beast: connections, their limits, and the profiles under way.
#pragma once

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "profiling/debug_answers.hpp"
#include "profiling/debug_request.hpp"
#include "profiling/profile_recorder.hpp"

namespace plateau {

struct HttpLimits {
  std::size_t connections = 64;
  std::size_t profiles_under_way = 4;
  std::uint32_t head_bytes = 8 * 1024;
  std::size_t body_bytes = 1024 * 1024;  // pprof asks for the symbols of a whole profile at once
  std::chrono::seconds to_send_request{10};
  std::chrono::seconds to_take_answer{60};
};

// Everything but the answers themselves runs on the one thread of the acceptor's executor. Must outlive that executor.
class HttpService {
 public:
  // Answers are made on `workers`: profiles one at a time, so that there must be two threads for the other pages not to
  // wait. Profiles are taken by `recorder`.
  HttpService(DebugAnswers& answers, ProfileRecorder& recorder, RequestRules rules, boost::asio::thread_pool& workers)
      : answers_(answers), recorder_(recorder), rules_(rules), workers_(workers), encoder_(make_strand(workers)) {}

  // Accepts connections for as long as the executor runs.
  boost::asio::awaitable<void> accept(boost::asio::ip::tcp::acceptor acceptor);

 private:
  using Request = boost::beast::http::request<boost::beast::http::string_body>;

  // Known to the service for as long as it lives, which is as long as its coroutine does.
  class Connection {
   public:
    Connection(HttpService& service, boost::asio::ip::tcp::socket socket);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Closes it, to make room for another.
    void give_up();

    boost::beast::tcp_stream stream;
    boost::beast::flat_buffer buffer;
    bool waiting = true;  // for a request

   private:
    HttpService& service_;
    std::list<Connection*>::iterator place_;
    bool given_up_ = false;
  };

  // A recording, until its end. The client that asked for it may leave meanwhile: it then goes on, but makes way for
  // another one that needs its place.
  struct UnderWay {
    const ProfileSource* source;
    boost::asio::ip::tcp::socket* client;
    boost::asio::steady_timer* end;
    std::unique_ptr<Recording> recording;
  };

  void make_room();
  boost::asio::awaitable<void> serve(boost::asio::ip::tcp::socket socket);
  boost::asio::awaitable<bool> exchange(Connection& connection);
  boost::asio::awaitable<void> write(Connection& connection, DebugAnswer answer, unsigned version, bool head_only,
                                     bool keep_alive);
  boost::asio::awaitable<DebugAnswer> answer(Connection& connection, const Request& request);
  boost::asio::awaitable<DebugAnswer> profile(Connection& connection, const DebugRequest& request);
  boost::asio::awaitable<std::unique_ptr<Recording>> record(const DebugRequest& request);
  // Ends a recording whose client has left, of `source` or, when null, of any. Gives whether there was one.
  boost::asio::awaitable<bool> end_abandoned(const ProfileSource* source);

  DebugAnswers& answers_;
  ProfileRecorder& recorder_;
  RequestRules rules_;
  boost::asio::thread_pool& workers_;
  boost::asio::strand<boost::asio::thread_pool::executor_type> encoder_;
  HttpLimits limits_;
  std::list<Connection*> connections_;  // the oldest first
  std::size_t profiles_under_way_ = 0;
  std::list<UnderWay> recordings_;
};

}  // namespace plateau
