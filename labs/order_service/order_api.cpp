#include "labs/order_service/order_api.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <chrono>
#include <deque>
#include <memory_resource>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include "allocators/signals_for_others.hpp"
#include "labs/harness/json_answer.hpp"
#include "labs/order_service/order_json.hpp"
#include "profiling/http/debug_answers.hpp"
#include "profiling/http/debug_request.hpp"
#include "profiling/http/http_service.hpp"
#include "profiling/http/request_head.hpp"

namespace plateau::order_service {
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace json = boost::json;
using asio::ip::tcp;
using harness::json_answer;
using harness::json_error;

namespace {

constexpr std::size_t connections = 256;

// Boost.JSON in the memory that the request itself is in.
class RequestJsonResource final : public json::memory_resource {
 public:
  explicit RequestJsonResource(std::pmr::memory_resource& memory) : memory_(memory) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override { return memory_.allocate(bytes, alignment); }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    memory_.deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const json::memory_resource& other) const noexcept override { return this == &other; }
  std::pmr::memory_resource& memory_;
};

// Orders of one request, of which some are under way.
class Batch {
 public:
  Batch(asio::io_context& io, std::chrono::steady_clock::time_point arrived)
      : io_(io), arrived_(arrived), all_done_(io, asio::steady_timer::time_point::max()) {}

  OutsideOrder& add(OutsideOrder order) {
    order.arrived = arrived_;
    order.done = [this] {
      // The batch may end as soon as the last one is counted, but not before the post has run.
      if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) asio::post(io_, [this] { all_done_.cancel(); });
    };
    return orders_.emplace_back(std::move(order));
  }
  std::deque<OutsideOrder>& orders() { return orders_; }

  // Sends all, each to the lane that its place says, and waits until they are done.
  asio::awaitable<void> handle(std::span<OutsideOrders, lanes> queues, std::span<const std::size_t> lane_of) {
    left_.store(orders_.size(), std::memory_order_release);
    for (std::size_t i = 0; i < orders_.size(); ++i) queues[lane_of[i]].push(orders_[i]);
    co_await all_done_.async_wait(asio::as_tuple(asio::use_awaitable));
  }

 private:
  asio::io_context& io_;
  const std::chrono::steady_clock::time_point arrived_;
  asio::steady_timer all_done_;
  std::deque<OutsideOrder> orders_;
  std::atomic<std::size_t> left_{0};
};

std::vector<OrderId> read_ids(std::string_view text) {
  std::vector<OrderId> ids;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    OrderId id = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), id);
    if (error != std::errc() || end != word.data() + word.size() || id == OutsideOrder::newest) {
      throw std::invalid_argument("ids is not a list of order numbers such as 1,2,3");
    }
    ids.push_back(id);
  }
  if (ids.size() > OrderApi::most_orders) {
    throw std::invalid_argument(fmt::format("ids has more than {} numbers", OrderApi::most_orders));
  }
  return ids;
}

}  // namespace

class OrderApi::State final : public HttpHandler {
 public:
  State(const Store& store, std::span<OutsideOrders, lanes> queues, std::function<bool()> use_arena)
      : store_(store),
        queues_(queues),
        use_arena_(std::move(use_arena)),
        service_(*this, {.connections = connections, .body_bytes = most_body_bytes}) {
    tcp::acceptor acceptor = listen_on(io_, parse_listen_address("127.0.0.1:0", false));
    port_ = acceptor.local_endpoint().port();
    asio::co_spawn(io_, service_.accept(std::move(acceptor)), asio::detached);
    const SignalsForOthers signals;
    thread_ = std::thread([this] { io_.run(); });
  }
  ~State() override {
    io_.stop();
    thread_.join();
  }

  std::uint16_t port() const { return port_; }

  std::pmr::memory_resource& memory_for_request(std::pmr::memory_resource& until_answered) override {
    return use_arena_() ? until_answered : *std::pmr::new_delete_resource();
  }
  asio::awaitable<HttpAnswer> answer(const HttpRequest& request, tcp::socket& /*client*/) override {
    const auto arrived = std::chrono::steady_clock::now();
    if (const auto refusal = refuse_foreigner(head_of(request), {})) co_return refusal_answer(*refusal);
    const std::string_view target = request.target();
    const std::string_view path = target.substr(0, target.find('?'));
    if (path != "/api/orders") co_return json_error(404, "no such page; there is /api/orders");
    const bool reads = request.method() == http::verb::get || request.method() == http::verb::head;
    if (!reads && request.method() != http::verb::post) co_return refusal_answer({405, "use GET or POST", "GET, POST"});
    std::optional<HttpAnswer> refused;
    try {
      if (reads) co_return co_await find(target.substr(path.size()), arrived);
      co_return co_await take(request, arrived);
    } catch (const std::invalid_argument& error) {
      refused = json_error(400, error.what());
    } catch (const boost::system::system_error& error) {
      refused = json_error(400, "the body is no JSON: " + error.code().message());
    } catch (const std::bad_alloc&) {
      refused = json_error(503, "there is no memory for it; try again");
    }
    co_return *std::move(refused);
  }

 private:
  using Time = std::chrono::steady_clock::time_point;

  asio::awaitable<HttpAnswer> take(const HttpRequest& request, Time arrived) {
    std::pmr::memory_resource& memory = *request.get_allocator().resource();
    RequestJsonResource json_memory(memory);
    const json::value document = json::parse(request.body(), &json_memory);
    const std::span<const json::value> values =
        document.is_array() ? std::span<const json::value>(document.get_array()) : std::span(&document, 1);
    if (values.empty()) throw std::invalid_argument("there is no order in the array");
    if (values.size() > most_orders) {
      throw std::invalid_argument(fmt::format("more than {} orders in a request", most_orders));
    }
    std::pmr::vector<Order> orders(&memory);
    orders.reserve(values.size());
    for (std::size_t i = 0; i < values.size(); ++i) {
      try {
        Order& order = orders.emplace_back(Order{.lines = std::pmr::vector<OrderLine>(&memory)});
        read_order(values[i], store_, order);
      } catch (const std::invalid_argument& error) {
        if (!document.is_array()) throw;
        throw std::invalid_argument(fmt::format("order {}: {}", i, error.what()));
      }
    }
    Batch batch(io_, arrived);
    for (Order& order : orders) batch.add({.order = &order});
    co_return co_await handled(batch);
  }

  asio::awaitable<HttpAnswer> find(std::string_view query, Time arrived) {
    Batch batch(io_, arrived);
    constexpr std::string_view ids = "?ids=";
    if (query.starts_with(ids)) {
      for (const OrderId id : read_ids(query.substr(ids.size()))) batch.add({.id = id});
      if (batch.orders().empty()) throw std::invalid_argument("ids is empty");
    } else if (query.empty()) {
      for (std::size_t lane = 0; lane < lanes; ++lane) batch.add({.id = OutsideOrder::newest});
    } else {
      throw std::invalid_argument("give ids=1,2,3 or nothing");
    }
    co_return co_await handled(batch);
  }

  // All or none of them: 503 when there is no room for all.
  asio::awaitable<HttpAnswer> handled(Batch& batch) {
    std::vector<std::size_t> lane_of;
    std::array<std::size_t, lanes> counts{};
    for (const OutsideOrder& one : batch.orders()) {
      const bool by_number = one.order == nullptr && one.id != OutsideOrder::newest;
      lane_of.push_back(by_number ? one.id % lanes : next_lane_++ % lanes);
      ++counts[lane_of.back()];
    }
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      if (queues_[lane].reserve(counts[lane])) continue;
      while (lane-- > 0) queues_[lane].unreserve(counts[lane]);
      co_return json_error(503, "too much is waiting to be handled; try again");
    }
    co_await batch.handle(queues_, lane_of);
    json::array found;
    json::array missing;
    for (const OutsideOrder& one : batch.orders()) {
      if (one.found) {
        found.push_back(json::object{{"order_id", one.id}, {"total_cents", one.total_cents}});
      } else if (one.id != OutsideOrder::newest) {  // of a lane without an order there is none
        missing.push_back(one.id);
      }
    }
    json::object body{{"orders", std::move(found)}};
    if (batch.orders().front().order == nullptr) body["missing"] = std::move(missing);
    co_return json_answer(200, body);
  }

  const Store& store_;
  const std::span<OutsideOrders, lanes> queues_;
  const std::function<bool()> use_arena_;
  std::size_t next_lane_ = 0;
  HttpService service_;
  std::uint16_t port_ = 0;
  asio::io_context io_{1};  // ends before what its coroutines use
  std::thread thread_;
};

OrderApi::OrderApi(const Store& store, std::span<OutsideOrders, lanes> queues, std::function<bool()> use_arena)
    : state_(std::make_unique<State>(store, queues, std::move(use_arena))) {}

OrderApi::~OrderApi() = default;

std::uint16_t OrderApi::port() const {
  return state_->port();
}

}  // namespace plateau::order_service
