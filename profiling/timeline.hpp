// Timeline: what a program did when, as a file in Chrome's trace-event format, which Perfetto (ui.perfetto.dev) and
// chrome://tracing open: the stand-in for `go tool trace`.
//
//   plateau::Timeline timeline;
//   timeline.complete("request", "requests", start, duration, {{"user", id}});
//   timeline.instant("generation swap", "generations");
//   timeline.counter("memory", {{"resident", bytes}, {"dirty", dirty_bytes}});
//   timeline.write("trace.json");
//
// Purges of jemalloc are added by themselves once PurgeTrace runs: an event for each burst, in the thread that purged.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>

namespace plateau {

// Thread-safe. Names, categories and names of arguments are kept as pointers: literals, or what outlives the timeline.
class Timeline {
 public:
  using Clock = std::chrono::steady_clock;
  struct Argument {
    const char* name;
    double value;
  };
  static constexpr std::size_t most_arguments = 4;  // of an event; more are left out

  // Starts the clock of the trace. Of more than `capacity` events the last ones are kept, and the file says how many
  // are missing. Takes 120 bytes an event, resident when first used. Throws std::bad_alloc.
  explicit Timeline(std::size_t capacity = std::size_t{1} << 16);
  ~Timeline();
  Timeline(const Timeline&) = delete;
  Timeline& operator=(const Timeline&) = delete;

  // These neither lock nor allocate. Something that took a while in the calling thread: events of one
  // thread are shown within each other, so those that overlap must be nested. What began before the trace is cut.
  void complete(const char* name, const char* category, Clock::time_point start, Clock::duration duration,
                std::initializer_list<Argument> arguments = {}) noexcept;
  // Something that happened now, to the whole process.
  void instant(const char* name, const char* category, std::initializer_list<Argument> arguments = {}) noexcept;
  // What has these values from now on; a stacked chart for each `name`.
  void counter(const char* name, std::initializer_list<Argument> values) noexcept;

  // Takes over the purges since the last call. The purge trace keeps the last 65,536 calls of the kernel, so a program
  // that purges much should call this every 50 ms, and otherwise write() is enough. Allocates nothing.
  void add_purges();

  // Takes over purges and writes everything so far; the timeline goes on. Whole or not at all (see WholeFile);
  // memory does not grow with the number of events. Throws std::runtime_error.
  void write(const std::string& path);

 private:
  class Recording;
  std::unique_ptr<Recording> recording_;
};

}  // namespace plateau
