#include "labs/live/live_service.hpp"

#include <fmt/format.h>
#include <sys/random.h>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <system_error>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "allocators/process_memory.hpp"
#include "labs/harness/arm/arm_reading.hpp"
#include "labs/harness/interrupt.hpp"
#include "labs/harness/json_answer.hpp"
#include "labs/harness/usage_error.hpp"
#include "labs/live/live_report.hpp"
#include "labs/report/document.hpp"
#include "labs/report/page.hpp"
#include "profiling/http/counted.hpp"
#include "profiling/http/debug_answers.hpp"
#include "profiling/http/request_head.hpp"
#include "profiling/http/run_on.hpp"

namespace plateau::harness {
namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace json = boost::json;
namespace {

constexpr auto with_error = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::milliseconds between_looks_at_a_knob{10};
constexpr std::chrono::seconds longest_turn{30};
constexpr std::chrono::milliseconds for_last_words{300};  // to clients
constexpr std::chrono::seconds for_last_answers{2};       // of the service
constexpr std::chrono::seconds longest_operation{30};
constexpr std::chrono::minutes longest_recording{11};  // ten, and a profile to be written
constexpr std::string_view start_again_id = "start_again";

std::string make_token() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw std::system_error(errno, std::generic_category(), "no random bytes for a token");
  }
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

asio::awaitable<void> sleep_for(std::chrono::milliseconds time) {
  asio::steady_timer timer(co_await asio::this_coro::executor, time);
  co_await timer.async_wait(with_error);
}

}  // namespace

LiveService::LiveService(const Lab& lab, ArmSpec spec, std::vector<std::string> command, bool loopback)
    : lab_(lab),
      spec_(std::move(spec)),
      command_(std::move(command)),
      rules_{.loopback = loopback},
      token_(make_token()),
      knobs_(live_knobs(lab.description())),
      arm_(std::make_unique<RunningArm>(lab_, spec_)),
      sampler_(std::in_place, lab_.description(), spec_) {}

asio::awaitable<void> LiveService::run() {
  asio::steady_timer next(co_await asio::this_coro::executor);
  for (auto at = Clock::now(); !interrupted(); at = std::max(at + live_period, Clock::now())) {
    next.expires_at(at);
    co_await next.async_wait(with_error);
    look();
  }
  end({"stopped", "the service was ended"});
  feed_.close();
  co_await sleep_for(for_last_words);
  for (const auto until = Clock::now() + for_last_answers; handed_on_ > 0 && Clock::now() < until;) {
    co_await sleep_for(between_looks_at_a_knob);
  }
}

void LiveService::finish() {
  worker_.join();
  upstream_.close();
}

void LiveService::look() {
  if (!is_running()) return;
  if (arm_->ended()) {
    ArmResult result;
    arm_->judge_end(result);
    std::string text = result.outcome == Outcome::oom_killed ? "the kernel killed the service at its memory limit"
                       : result.outcome == Outcome::allocation_failed ? "the service ran out of memory"
                                                                      : "the service failed";
    if (!result.message.empty()) text += ": " + result.message;
    if (feed_.samples().empty()) throw UsageError(text + "; it was not even ready");
    fmt::print("{} after {:.0f} s; the page stays until Ctrl-C\n", text, now_s());
    std::fflush(stdout);
    end({std::string(to_string(result.outcome)), std::move(text)});
    return;
  }
  const auto process = process_memory(arm_->pid());
  // A sample counts only if the service was at work after it was taken: RSS falls while a process ends.
  if (!process || arm_->block().phase.load(std::memory_order_acquire) != Phase::running) return;
  if (series_.empty()) {
    fmt::print("{} is ready: {} {}, limit {} by {}\n", lab_.description().name, load_text(arm_->block().allocator_name),
               load_text(arm_->block().allocator_version),
               spec_.memory_limit ? fmt::format("{:.0f} MB", static_cast<double>(*spec_.memory_limit) / 1e6) : "none",
               to_string(arm_->limit_kind()));
    std::fflush(stdout);
    feed_.greet_again();  // now its knobs are known
  }
  series_.push_back(take_sample(spec_, arm_->block(), *process));
  if (series_.size() > LiveFeed::most_samples) series_.pop_front();
  feed_.add(sampler_->take(now_s(), arm_->block(), *process));
}

void LiveService::end(End how) {
  if (!is_running()) return;
  end_ = std::move(how);
  feed_.add("end", json::serialize(json::object{{"outcome", end_->outcome}, {"text", end_->text}}));
}

json::object LiveService::greeting() const {
  return {{"lab", lab_.description().name},
          {"description", lab_.description().symptom},
          {"token", token_},
          {"knobs", knobs_json()},
          {"end", end_ ? json::value{{"outcome", end_->outcome}, {"text", end_->text}} : json::value(nullptr)}};
}

json::array LiveService::knobs_json() const {
  json::array result;
  for (const LiveKnob& knob : knobs_) result.push_back(to_json(knob, is_running() ? &arm_->block() : nullptr));
  result.push_back(json::object{{"id", start_again_id},
                                {"name", "Start the service again"},
                                {"meaning", "as it was started"},
                                {"group", "knobs"},
                                {"kind", "action"},
                                {"value", nullptr},
                                {"available", true},
                                {"why_not", nullptr}});
  return result;
}

asio::awaitable<HttpAnswer> LiveService::answer(const HttpRequest& request, asio::ip::tcp::socket& client) {
  if (const auto refusal = refuse_foreigner(head_of(request), rules_)) co_return refusal_answer(*refusal);
  if (request.method() == http::verb::unknown) co_return refusal_answer({405, "use GET or POST", "GET, HEAD, POST"});
  const std::string_view target = request.target();
  const std::string_view path = target.substr(0, target.find('?'));
  const bool reads = request.method() == http::verb::get || request.method() == http::verb::head;
  constexpr std::string_view knobs = "/live/knobs/";
  if (path.starts_with(knobs)) {
    if (request.method() != http::verb::post) co_return refusal_answer({405, "use POST", "POST"});
    co_return co_await knob_answer(path.substr(knobs.size()), request);
  }
  if (path.starts_with("/api/")) co_return co_await hand_on(arm_->block().api_port, request);
  for (const std::string_view of_the_service : {"/debug/", "/pprof/", "/metrics"}) {
    if (path.starts_with(of_the_service)) co_return co_await hand_on(arm_->block().debug_port, request, &client);
  }
  if (path != "/" && path != "/live/stream" && path != "/live/report")
    co_return error_answer(404, "no such page; / is the dashboard");
  if (!reads) co_return refusal_answer({405, "use GET", "GET, HEAD"});
  if (path == "/live/report") co_return co_await report();
  if (path == "/") co_return HttpAnswer{.content_type = "text/html; charset=utf-8", .body = report::load_page("live")};
  co_return HttpAnswer{.content_type = "text/event-stream",
                       .stream = [this](boost::beast::tcp_stream& page) { return feed_.stream(page); }};
}

asio::awaitable<HttpAnswer> LiveService::hand_on(const std::atomic<std::uint32_t>& port, const HttpRequest& request,
                                                 asio::ip::tcp::socket* client) {
  const auto number = static_cast<std::uint16_t>(port.load(std::memory_order_relaxed));
  if (!is_running() || number == 0) co_return error_answer(503, "the service does not run, or has no such port");
  const Counted one(handed_on_);
  std::optional<HttpAnswer> failed;
  try {
    if (client == nullptr) co_return co_await upstream_.fetch(number, request, longest_operation);
    co_return co_await upstream_.fetch_while_awaited(number, request, longest_recording, *client);
  } catch (const boost::system::system_error& error) {
    failed = error_answer(502, "the service did not answer: " + error.code().message());
  }
  co_return *std::move(failed);
}

asio::awaitable<HttpAnswer> LiveService::report() {
  if (series_.empty()) co_return error_answer(503, "nothing has been seen of the service yet");
  if (reports_ > 0) co_return error_answer(503, "a report is being made; try again");
  const Counted one(reports_);
  report::ResultFile seen{.path = "what was seen live", .text = {}, .result = {}};
  seen.result = live_result(lab_, spec_, *arm_, series_, feed_, command_);
  std::string page = co_await run_on(worker_.get_executor(), [&seen] {
    seen.text = json::serialize(seen.result);
    std::vector<std::string> missing;
    return report::document({std::move(seen)}, missing);
  });
  co_return HttpAnswer{.content_type = "text/html; charset=utf-8",
                       .body = std::move(page),
                       .file_name = std::string(lab_.description().name) + "-live.html"};
}

asio::awaitable<HttpAnswer> LiveService::knob_answer(std::string_view id, const HttpRequest& request) {
  if (request["X-Plateau-Token"] != token_) {
    co_return json_error(403, "the token is not that of this service; reload the page");
  }
  if (id == start_again_id) {
    co_return start_again();
  }
  const auto knob = std::find_if(knobs_.begin(), knobs_.end(), [id](const LiveKnob& one) { return one.id == id; });
  if (knob == knobs_.end()) co_return json_error(404, "there is no such knob");
  std::string reason;
  double value = 0;
  try {
    const json::value body = json::parse(request.body());
    value = check_value(*knob, body.at("value"));
  } catch (const std::invalid_argument& error) {
    reason = error.what();
  } catch (const std::exception&) {
    reason = "the body is not {\"value\": …}";
  }
  if (!reason.empty()) co_return json_error(400, reason);
  if (!is_running()) co_return json_error(409, "the service does not run");
  co_return co_await turn(*knob, value);
}

// Waits until the service has answered, and until what was asked for is in force, for those that take effect later.
asio::awaitable<HttpAnswer> LiveService::turn(const LiveKnob& knob, double value) {
  const std::uint64_t start = starts_;
  SharedKnob& shared = arm_->block().knobs[static_cast<std::size_t>(knob.shared)];
  json::value before = read_back(knob, arm_->block());
  const std::uint32_t request = ask(shared, value);
  bool answered = false;
  for (const auto until = Clock::now() + longest_turn; Clock::now() < until;) {
    co_await sleep_for(between_looks_at_a_knob);
    if (starts_ != start || !is_running()) co_return json_error(409, "the service ended meanwhile");
    if (shared.asked.load(std::memory_order_relaxed) != request) {
      co_return json_error(409, "somebody else turned the knob meanwhile");
    }
    answered = is_answered(shared, request);
    if (!answered) continue;
    if (const std::string reason = load_text(shared.reason); !reason.empty()) co_return json_error(409, reason);
    if (knob.kind == LiveKnob::Kind::action || shared.in_force.load(std::memory_order_relaxed) == value) break;
  }
  if (!answered) co_return json_error(503, fmt::format("the service did not answer in {} s", longest_turn.count()));
  co_return mark(knob, std::move(before), as_json(knob, value));
}

HttpAnswer LiveService::mark(const LiveKnob& knob, json::value before, json::value wanted) {
  const json::value now = read_back(knob, arm_->block());
  feed_.add(LiveMark{now_s(), knob.id, knob.name, std::string(knob.unit), std::move(before), std::move(wanted), now});
  feed_.add("knobs", json::serialize(knobs_json()));
  return json_answer(200, {{"value", now}});
}

// What has been asked of the old one and is not answered is lost with it.
HttpAnswer LiveService::start_again() {
  try {
    arm_ = std::make_unique<RunningArm>(lab_, spec_);
  } catch (const std::exception& error) {
    return json_error(503, fmt::format("the service could not be started again: {}", error.what()));
  }
  ++starts_;
  sampler_.emplace(lab_.description(), spec_);
  series_.clear();
  end_.reset();
  feed_.add(LiveMark{now_s(), std::string(start_again_id), "Started again", {}, nullptr, nullptr, nullptr});
  feed_.greet_again();
  return json_answer(200, {{"value", nullptr}});
}

double LiveService::cost() const {
  const ArmBlock& block = arm_->block();
  const double passed = static_cast<double>(block.sampled_ns.load() - block.ready_ns.load());
  return passed > 0 ? static_cast<double>(block.sampler_cpu_ns.load()) / passed : 0;
}

}  // namespace plateau::harness
