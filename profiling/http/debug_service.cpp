#include "profiling/http/debug_service.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <optional>
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

// How long a footprint waits after a purge to see what comes back.
constexpr std::chrono::seconds after_a_purge{3};

bool looks_twice(const DebugRequest& request) {
  if (request.page == DebugPage::holders) return true;
  return request.page == DebugPage::footprint && (request.seconds || request.purge_first);
}

// Stands for a look in the list of what is under way: nothing has to be ended when its client has left.
class NothingToEnd final : public Recording {
  Profile finish() override { return Profile({}); }
};

}  // namespace

asio::awaitable<HttpAnswer> DebugService::answer(const HttpRequest& request, tcp::socket& client) {
  const auto understood = understand(head_of(request), rules_);
  if (const auto* const refusal = std::get_if<Refusal>(&understood)) co_return refusal_answer(*refusal);
  const auto& wanted = std::get<DebugRequest>(understood);
  std::optional<HttpAnswer> failed;
  try {
    workers_.start();
    if (wanted.page == DebugPage::profile) co_return co_await profile(wanted, client);
    if (looks_twice(wanted)) co_return co_await change(wanted, client);
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

asio::awaitable<HttpAnswer> DebugService::change(const DebugRequest& request, tcp::socket& client) {
  if (profiles_under_way_ >= most_profiles_under_way && !co_await end_abandoned(nullptr)) {
    co_return error_answer(503, "too many profiles are under way; try again");
  }
  const Counted one(profiles_under_way_);
  const auto heap = std::find_if(rules_.profiles.begin(), rules_.profiles.end(),
                                 [](const ProfileSource& source) { return source.name == "heap"; });
  const bool needs_heap = request.page == DebugPage::holders;
  // A footprint goes without, where there is none.
  const auto take_heap = [&]() -> std::optional<Profile> {
    if (heap == rules_.profiles.end()) {
      if (needs_heap) throw ProfileUnavailable("this server has no heap profile");
      return std::nullopt;
    }
    try {
      return recorder_.snapshot(*heap);
    } catch (const std::runtime_error&) {
      if (needs_heap) throw;
      return std::nullopt;
    }
  };
  std::optional<std::chrono::seconds> wait = request.seconds;
  if (request.purge_first && !wait) wait = after_a_purge;
  FirstLook first =
      co_await run_on(encoder_, [&] { return answers_.look(request, wait ? take_heap() : std::nullopt); });
  if (wait) {
    asio::steady_timer end(co_await asio::this_coro::executor, *wait);
    const auto place =
        recordings_.insert(recordings_.end(), {nullptr, &client, &end, std::make_unique<NothingToEnd>()});
    co_await end.async_wait(with_error);
    const bool is_wanted = place->recording != nullptr;
    recordings_.erase(place);
    if (!is_wanted) co_return error_answer(503, "the client had left, and another one wanted its place");
  }
  co_return co_await run_on(encoder_, [&] { return answers_.change(request, first, take_heap()); });
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
