#include "profiling/http_service.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>

#include "allocators/heap.hpp"
#include "profiling/request_head.hpp"
#include "profiling/service_thread.hpp"

namespace plateau {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto with_error = asio::as_tuple(asio::use_awaitable);

// The result of `function`, run on another executor; what it throws is thrown here.
template <class Executor, class Function>
auto run_on(Executor executor, Function function) -> asio::awaitable<decltype(function())> {
  auto there = [function = std::move(function)]() mutable -> asio::awaitable<decltype(function())> {
    become_service_thread("plateau-answer");
    co_return function();
  };
  co_return co_await asio::co_spawn(std::move(executor), std::move(there), asio::use_awaitable);
}

// One more of something, until the end of the block.
class Counted {
 public:
  explicit Counted(std::size_t& count) : count_(++count) {}
  ~Counted() { --count_; }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;

 private:
  std::size_t& count_;
};

DebugAnswer refuse(const Refusal& refusal) {
  DebugAnswer answer = error_answer(refusal.status, refusal.reason);
  answer.allow = refusal.allow;
  return answer;
}

// Whether the client has closed its side, at which nobody waits for an answer any more.
bool has_left(tcp::socket& client) {
  char byte = 0;
  const ssize_t received = ::recv(client.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR);
}

// What to tell a client whose request could not be read; no status when there is nobody to tell.
std::optional<DebugAnswer> refuse_unreadable(error_code error) {
  if (error == http::error::header_limit) return error_answer(431, "the request's head is too large");
  if (error == http::error::body_limit) return error_answer(413, "the request's body is too large");
  if (error == beast::error::timeout) return error_answer(408, "the request did not arrive in time");
  if (error == http::error::end_of_stream || error == http::error::partial_message) return std::nullopt;
  if (error.category() == make_error_code(http::error::bad_method).category()) {
    return error_answer(400, "the request is no HTTP: " + error.message());
  }
  return std::nullopt;
}

}  // namespace

HttpService::Connection::Connection(HttpService& service, tcp::socket socket)
    : stream(std::move(socket)),
      service_(service),
      place_(service.connections_.insert(service.connections_.end(), this)) {}

HttpService::Connection::~Connection() {
  if (!given_up_) service_.connections_.erase(place_);
}

void HttpService::Connection::give_up() {
  given_up_ = true;
  service_.connections_.erase(place_);
  stream.close();  // the coroutine ends with an error, a moment later
}

asio::awaitable<void> HttpService::accept(tcp::acceptor acceptor) {
  asio::steady_timer pause(acceptor.get_executor());
  for (;;) {
    bool accepted = false;
    try {
      auto [error, socket] = co_await acceptor.async_accept(with_error);
      accepted = !error;
      if (accepted) {
        make_room();
        // Else the new one is closed: all others are being served.
        if (connections_.size() < limits_.connections) {
          asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), asio::detached);
        }
      }
    } catch (const std::bad_alloc&) {
      accepted = false;
    }
    if (accepted) continue;
    pause.expires_after(std::chrono::milliseconds(100));  // out of descriptors or memory: others must end first
    co_await pause.async_wait(with_error);
  }
}

// A client that holds a connection without asking for anything must not keep out one that asks.
void HttpService::make_room() {
  if (connections_.size() < limits_.connections) return;
  const auto idle =
      std::find_if(connections_.begin(), connections_.end(), [](const Connection* one) { return one->waiting; });
  if (idle != connections_.end()) (*idle)->give_up();
}

asio::awaitable<void> HttpService::serve(tcp::socket socket) {
  try {
    Connection connection(*this, std::move(socket));
    while (co_await exchange(connection)) {
    }
  } catch (const std::exception&) {
    // The client has left, or memory is short: this connection ends, the server goes on.
  }
}

// One request and its answer; whether there may be another on this connection.
asio::awaitable<bool> HttpService::exchange(Connection& connection) {
  http::request_parser<http::string_body> parser;
  parser.header_limit(limits_.head_bytes);
  parser.body_limit(limits_.body_bytes);
  connection.stream.expires_after(limits_.to_send_request);
  const auto [error, bytes] = co_await http::async_read(connection.stream, connection.buffer, parser, with_error);
  if (error) {
    if (auto refusal = refuse_unreadable(error)) {
      co_await write(connection, std::move(*refusal), 11, false, false);
    }
    co_return false;
  }
  connection.waiting = false;
  const Request request = parser.release();
  const bool head_only = request.method() == http::verb::head;
  DebugAnswer made = co_await answer(connection, request);
  co_await write(connection, std::move(made), request.version(), head_only, request.keep_alive());
  connection.waiting = true;
  co_return request.keep_alive();
}

asio::awaitable<void> HttpService::write(Connection& connection, DebugAnswer answer, unsigned version, bool head_only,
                                         bool keep_alive) {
  http::response<http::string_body> response(static_cast<http::status>(answer.status), version);
  response.set(http::field::content_type, answer.content_type);
  response.set("X-Content-Type-Options", "nosniff");
  response.set(http::field::cache_control, "no-store");
  if (answer.status >= 400) response.set("X-Go-Pprof", "1");
  if (answer.retry_later) response.set(http::field::retry_after, "5");
  if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
  if (!answer.file_name.empty()) {
    response.set(http::field::content_disposition, "attachment; filename=\"" + answer.file_name + "\"");
  }
  response.keep_alive(keep_alive);
  response.body() = std::move(answer.body);
  response.prepare_payload();

  connection.stream.expires_after(limits_.to_take_answer);
  http::response_serializer<http::string_body> serializer(response);
  if (head_only) {
    co_await http::async_write_header(connection.stream, serializer, asio::use_awaitable);
  } else {
    co_await http::async_write(connection.stream, serializer, asio::use_awaitable);
  }
  if (keep_alive) co_return;
  // Closing with bytes unread would reset the connection, and the client could lose the answer.
  error_code ignored;
  connection.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
  connection.waiting = true;
  connection.stream.expires_after(std::chrono::seconds(1));
  for (std::size_t drained = 0; drained < limits_.body_bytes;) {
    const auto [error, bytes] =
        co_await connection.stream.async_read_some(connection.buffer.prepare(limits_.head_bytes), with_error);
    if (error) co_return;
    drained += bytes;
  }
}

asio::awaitable<DebugAnswer> HttpService::answer(Connection& connection, const Request& request) {
  const auto understood = understand(head_of(request), rules_);
  if (const auto* const refusal = std::get_if<Refusal>(&understood)) co_return refuse(*refusal);
  const auto& wanted = std::get<DebugRequest>(understood);
  std::optional<DebugAnswer> failed;
  try {
    if (wanted.page == DebugPage::profile) co_return co_await profile(connection, wanted);
    co_return co_await run_on(workers_.get_executor(), [&] { return answers_.page(wanted, request.body()); });
  } catch (const std::exception& error) {
    failed = error_answer(error);
  }
  co_return *std::move(failed);
}

asio::awaitable<DebugAnswer> HttpService::profile(Connection& connection, const DebugRequest& request) {
  if (profiles_under_way_ >= limits_.profiles_under_way && !co_await end_abandoned(nullptr)) {
    co_return error_answer(503, "too many profiles are under way; try again");
  }
  const Counted one(profiles_under_way_);
  const ProfileSource& source = *request.source;
  if (request.purge_first) co_await run_on(encoder_, [] { return Heap::process().purge().done; });
  if (!request.seconds) {
    co_return co_await run_on(encoder_, [&] { return answers_.profile(request, recorder_.snapshot(source)); });
  }
  auto begun = co_await record(request);
  asio::steady_timer end(co_await asio::this_coro::executor, *request.seconds);
  const auto place =
      recordings_.insert(recordings_.end(), {&source, &connection.stream.socket(), &end, std::move(begun)});
  co_await end.async_wait(with_error);  // a client that leaves meanwhile changes nothing
  const std::unique_ptr<Recording> recording = std::move(place->recording);
  recordings_.erase(place);
  if (recording == nullptr) co_return error_answer(503, "the client had left, and another one wanted its place");
  co_return co_await run_on(encoder_, [&] { return answers_.profile(request, recording->finish()); });
}

asio::awaitable<std::unique_ptr<Recording>> HttpService::record(const DebugRequest& request) {
  for (;;) {
    std::exception_ptr busy;
    try {
      co_return co_await run_on(encoder_,
                                [&] { return recorder_.record(*request.source, {.keep_inuse = request.keep_inuse}); });
    } catch (const ProfileBusy&) {
      busy = std::current_exception();
    }
    if (!co_await end_abandoned(request.source)) std::rethrow_exception(busy);
  }
}

asio::awaitable<bool> HttpService::end_abandoned(const ProfileSource* source) {
  const auto abandoned = std::find_if(recordings_.begin(), recordings_.end(), [&](const UnderWay& one) {
    return one.recording != nullptr && (source == nullptr || one.source == source) && has_left(*one.client);
  });
  if (abandoned == recordings_.end()) co_return false;
  std::unique_ptr<Recording> recording = std::move(abandoned->recording);
  abandoned->end->cancel();
  co_await run_on(encoder_, [&] {
    recording.reset();
    return true;
  });
  co_return true;
}

}  // namespace plateau
