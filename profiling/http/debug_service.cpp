#include "profiling/http/debug_service.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "allocators/heap.hpp"
#include "profiling/http/counted.hpp"
#include "profiling/http/http_service.hpp"
#include "profiling/http/request_head.hpp"
#include "profiling/http/run_on.hpp"

namespace plateau {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr auto with_error = asio::as_tuple(asio::use_awaitable);

}  // namespace

asio::awaitable<HttpAnswer> DebugService::answer(const HttpRequest& request, tcp::socket& client) {
  const auto understood = understand(head_of(request), rules_);
  if (const auto* const refusal = std::get_if<Refusal>(&understood)) co_return refusal_answer(*refusal);
  const auto& wanted = std::get<DebugRequest>(understood);
  std::optional<HttpAnswer> failed;
  try {
    workers_.start();
    if (wanted.page == DebugPage::profile) co_return co_await profile(wanted, client);
    co_return co_await run_on(workers_.pool().get_executor(), [&] { return answers_.page(wanted, request.body()); });
  } catch (const std::exception& error) {
    failed = error_answer(error);
  }
  co_return *std::move(failed);
}

asio::awaitable<HttpAnswer> DebugService::profile(const DebugRequest& request, tcp::socket& client) {
  if (profiles_under_way_ >= most_profiles_under_way && !co_await end_abandoned(nullptr)) {
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
  const auto place = recordings_.insert(recordings_.end(), {&source, &client, &end, std::move(begun)});
  co_await end.async_wait(with_error);  // a client that leaves meanwhile changes nothing
  const std::unique_ptr<Recording> recording = std::move(place->recording);
  recordings_.erase(place);
  if (recording == nullptr) co_return error_answer(503, "the client had left, and another one wanted its place");
  co_return co_await run_on(encoder_, [&] { return answers_.profile(request, recording->finish()); });
}

asio::awaitable<std::unique_ptr<Recording>> DebugService::record(const DebugRequest& request) {
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

asio::awaitable<bool> DebugService::end_abandoned(const ProfileSource* source) {
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
