#include "labs/live/live_feed.hpp"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace plateau::harness {
namespace asio = boost::asio;
namespace json = boost::json;
namespace {

constexpr std::chrono::seconds to_take_events{30};
constexpr std::chrono::seconds longest_silence{15};  // before a comment shows that the connection lives

void append_event(std::string& text, std::string_view name, std::string_view data) {
  fmt::format_to(std::back_inserter(text), "event: {}\ndata: {}\n\n", name, data);
}

void append_number(std::string& text, double value) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(text), "{:.12g}", value);
  } else {
    text += "null";
  }
}

// A JSON array of what `append` writes of each.
template <class Range, class Append>
void append_array(std::string& text, const Range& range, Append append) {
  text += '[';
  bool first = true;
  for (const auto& one : range) {
    if (!std::exchange(first, false)) text += ',';
    append(one);
  }
  text += ']';
}

void append_counts(std::string& text, const std::vector<std::uint32_t>& counts) {
  append_array(text, counts, [&](std::uint32_t n) { fmt::format_to(std::back_inserter(text), "{}", n); });
}

std::string sample_text(const LiveSample& sample) {
  std::string text = R"({"t":)";
  append_number(text, sample.t);
  text += R"(,"values":)";
  append_array(text, sample.values, [&](double value) { append_number(text, value); });
  text += R"(,"latency":)";
  append_counts(text, sample.latency);
  return text + '}';
}

// {"t": […], "COLUMN": […], …, "latency": [[…]…]}
std::string history_text(const std::deque<LiveSample>& samples) {
  std::string text = R"({"t":)";
  append_array(text, samples, [&](const LiveSample& sample) { append_number(text, sample.t); });
  const auto columns = live_columns();
  for (std::size_t i = 0; i < columns.size(); ++i) {
    fmt::format_to(std::back_inserter(text), R"(,"{}":)", columns[i].id);
    append_array(text, samples, [&](const LiveSample& sample) { append_number(text, sample.values[i]); });
  }
  text += R"(,"latency":)";
  append_array(text, samples, [&](const LiveSample& sample) { append_counts(text, sample.latency); });
  return text + '}';
}

// One object of the fields of both, of which neither is empty; `more` is a JSON text.
std::string joined(const json::object& fields, const std::string& more) {
  std::string text = json::serialize(fields);
  text.back() = ',';
  return text.append(more, 1);
}

template <class Item>
void drop_before(std::deque<Item>& items, double t) {
  while (!items.empty() && items.front().t < t) items.pop_front();
}

}  // namespace

json::object to_json(const LiveMark& mark) {
  return {{"t", mark.t},        {"knob", mark.knob},  {"name", mark.name},          {"unit", mark.unit},
          {"old", mark.before}, {"new", mark.wanted}, {"read_back", mark.read_back}};
}

void LiveFeed::add(LiveSample sample) {
  samples_.push_back(std::move(sample));
  if (samples_.size() > most_samples) samples_.pop_front();
  drop_before(marks_, samples_.front().t);
  add("sample", sample_text(samples_.back()));
}

void LiveFeed::add(LiveMark mark) {
  marks_.push_back(std::move(mark));
  add("mark", json::serialize(to_json(marks_.back())));
}

void LiveFeed::add(std::string_view event, const std::string& data) {
  append_event(events_.emplace_back(), event, data);
  if (events_.size() > kept_events) events_.pop_front();
  ++next_;
  wake();
}

void LiveFeed::close() {
  closed_ = true;
  wake();
}

void LiveFeed::wake() {
  for (asio::steady_timer* const one : waiting_) one->cancel();
}

std::string LiveFeed::seen() const {
  json::array columns;
  for (const LiveColumn& column : live_columns()) {
    columns.push_back(
        json::object{{"id", column.id}, {"group", column.group}, {"title", column.title}, {"unit", column.unit}});
  }
  json::array marks;
  for (const LiveMark& mark : marks_) marks.push_back(to_json(mark));
  return joined({{"columns", std::move(columns)},
                 {"latency_edges_us", json::value_from(LiveSampler::latency_edges_us())},
                 {"marks", std::move(marks)}},
                R"({"history":)" + history_text(samples_) + '}');
}

std::string LiveFeed::hello() const {
  return joined(greeting_(), seen());
}

asio::awaitable<void> LiveFeed::stream(boost::beast::tcp_stream& client) {
  asio::steady_timer changed(co_await asio::this_coro::executor);
  const auto place = waiting_.insert(waiting_.end(), &changed);
  const auto leave = [this](auto* at) { waiting_.erase(*at); };
  const std::unique_ptr<const decltype(place), decltype(leave)> leaving(&place, leave);

  const auto begin_anew = [this](std::string& text) {
    append_event(text, "hello", hello());
    return next_;
  };
  std::string text;
  std::uint64_t next = begin_anew(text);
  for (;;) {
    if (!text.empty()) {
      client.expires_after(to_take_events);
      co_await asio::async_write(client, asio::buffer(text), asio::use_awaitable);
      text.clear();
    }
    if (next == next_) {
      if (closed_) co_return;
      changed.expires_after(longest_silence);
      const auto [woken] = co_await changed.async_wait(asio::as_tuple(asio::use_awaitable));
      if (!woken) text = ": nothing new\n\n";
      continue;
    }
    if (next + events_.size() < next_) {
      next = begin_anew(text);
      continue;
    }
    for (; next < next_; ++next) text += events_[events_.size() - static_cast<std::size_t>(next_ - next)];
  }
}

}  // namespace plateau::harness
