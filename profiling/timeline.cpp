#include "profiling/timeline.hpp"

#include <errno.h>  // program_invocation_short_name
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <mutex>
#include <ostream>
#include <set>

#include <boost/json.hpp>

#include "allocators/event_ring.hpp"
#include "allocators/purge_bursts.hpp"
#include "allocators/purge_trace.hpp"
#include "allocators/system/whole_file.hpp"

namespace plateau {
namespace json = boost::json;
namespace {

// As the format calls them.
enum class Phase : char { complete = 'X', instant = 'i', counter = 'C' };

struct TimelineEvent {
  const char* name = nullptr;
  const char* category = nullptr;
  std::uint64_t start_ns = 0;  // of the steady clock, as a PurgeEvent's
  std::uint64_t duration_ns = 0;
  std::uint32_t thread = 0;
  Phase phase = Phase::complete;
  std::uint8_t argument_count = 0;
  std::array<Timeline::Argument, Timeline::most_arguments> arguments{};
};

std::uint64_t since_epoch_ns(Timeline::Clock::time_point time) {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time.time_since_epoch()).count());
}

std::uint64_t now_ns() {
  return since_epoch_ns(Timeline::Clock::now());
}

TimelineEvent event_of(Phase phase, const char* name, const char* category,
                       std::initializer_list<Timeline::Argument> arguments) {
  TimelineEvent event{
      .name = name,
      .category = category,
      .thread = static_cast<std::uint32_t>(::gettid()),
      .phase = phase,
      .argument_count = static_cast<std::uint8_t>(std::min(arguments.size(), Timeline::most_arguments))};
  std::copy_n(arguments.begin(), event.argument_count, event.arguments.begin());
  return event;
}

TimelineEvent event_of(const PurgeBurst& burst) {
  TimelineEvent event = event_of(Phase::complete, burst.background ? "background purge" : "purge", "purge",
                                 {{"calls", static_cast<double>(burst.calls)},
                                  {"bytes", static_cast<double>(burst.bytes)},
                                  {"wall_us", static_cast<double>(burst.wall_ns) / 1e3},
                                  {"cpu_us", static_cast<double>(burst.cpu_ns) / 1e3}});
  event.start_ns = burst.start_ns;
  event.duration_ns = burst.end_ns - burst.start_ns;
  event.thread = burst.thread;
  return event;
}

// The name of a thread that still runs; of others there is none to be had.
std::string name_of_thread(std::uint32_t thread) {
  std::ifstream file("/proc/self/task/" + std::to_string(thread) + "/comm");
  std::string name;
  std::getline(file, name);
  return name;
}

json::object metadata(const char* kind, std::uint32_t thread, const std::string& name) {
  return {{"ph", "M"}, {"pid", ::getpid()}, {"tid", thread}, {"name", kind}, {"args", {{"name", name}}}};
}

}  // namespace

class Timeline::Recording {
 public:
  explicit Recording(std::size_t capacity) : events_(capacity) {}

  void publish(TimelineEvent event) noexcept {
    if (event.start_ns < start_ns_) {
      const std::uint64_t before = start_ns_ - event.start_ns;
      event.start_ns = start_ns_;
      event.duration_ns -= std::min(before, event.duration_ns);
    }
    events_.publish(event);
  }

  void add_purges(bool also_open_ones) {
    const std::scoped_lock lock(purges_mutex_);
    purges_.read([this](const PurgeEvent& purge) {
      if (const auto burst = bursts_.add(purge)) publish(event_of(*burst));
    });
    while (const auto burst = bursts_.take_ended(also_open_ones ? UINT64_MAX : now_ns())) publish(event_of(*burst));
  }

  std::uint64_t purge_calls_lost() {
    const std::scoped_lock lock(purges_mutex_);
    return purges_.lost();
  }

  // One event a line.
  void write(std::ostream& out) {
    std::set<std::uint32_t> threads;
    EventRing<TimelineEvent>::Reader reader(events_);
    out << "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n"
        << metadata("process_name", static_cast<std::uint32_t>(::getpid()), program_invocation_short_name);
    reader.read([&](const TimelineEvent& event) {
      threads.insert(event.thread);
      out << ",\n" << to_json(event);
    });
    for (const std::uint32_t thread : threads) {
      const std::string name = name_of_thread(thread);
      if (!name.empty()) out << ",\n" << metadata("thread_name", thread, name);
    }
    out << "\n],\"otherData\":"
        << json::object{{"dropped_events", reader.lost()}, {"dropped_purge_calls", purge_calls_lost()}} << "}\n";
  }

 private:
  // In microseconds from the start of the trace.
  json::object to_json(const TimelineEvent& event) const {
    json::object object{{"ph", std::string(1, static_cast<char>(event.phase))},
                        {"name", event.name},
                        {"cat", event.category},
                        {"pid", ::getpid()},
                        {"tid", event.thread},
                        {"ts", static_cast<double>(event.start_ns - start_ns_) / 1e3}};
    if (event.phase == Phase::complete) object["dur"] = static_cast<double>(event.duration_ns) / 1e3;
    if (event.phase == Phase::instant) object["s"] = "p";
    if (event.argument_count > 0) {
      json::object arguments;
      for (std::size_t i = 0; i < event.argument_count; ++i)
        arguments[event.arguments[i].name] = event.arguments[i].value;
      object["args"] = std::move(arguments);
    }
    return object;
  }

  const std::uint64_t start_ns_ = now_ns();
  EventRing<TimelineEvent> events_;
  std::mutex purges_mutex_;
  PurgeTrace::Reader purges_;
  PurgeBursts bursts_;
};

Timeline::Timeline(std::size_t capacity) : recording_(std::make_unique<Recording>(capacity)) {}
Timeline::~Timeline() = default;

void Timeline::complete(const char* name, const char* category, Clock::time_point start, Clock::duration duration,
                        std::initializer_list<Argument> arguments) noexcept {
  TimelineEvent event = event_of(Phase::complete, name, category, arguments);
  event.start_ns = since_epoch_ns(start);
  event.duration_ns = static_cast<std::uint64_t>(std::chrono::nanoseconds(duration).count());
  recording_->publish(event);
}

void Timeline::instant(const char* name, const char* category, std::initializer_list<Argument> arguments) noexcept {
  TimelineEvent event = event_of(Phase::instant, name, category, arguments);
  event.start_ns = now_ns();
  recording_->publish(event);
}

void Timeline::counter(const char* name, std::initializer_list<Argument> values) noexcept {
  TimelineEvent event = event_of(Phase::counter, name, "counter", values);
  event.start_ns = now_ns();
  recording_->publish(event);
}

void Timeline::add_purges() {
  recording_->add_purges(false);
}

void Timeline::write(const std::string& path) {
  WholeFile file(path);
  recording_->add_purges(true);
  recording_->write(file.stream());
  file.commit();
}

}  // namespace plateau
