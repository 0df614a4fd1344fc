// leak: does the operations of one leak, and knows nothing of whoever watches it.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <iostream>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "allocators/process_memory.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "leakdemo/leaks/leak.hpp"
#include "profiling/number_option.hpp"

namespace plateau::leakdemo {

// Lives as long as the process, as the state of a service does that is ended by a signal: what it holds is reachable to
// the end. Not static, so that the compiler cannot take it away.
Service* running_service = nullptr;

namespace {

struct Options {
  std::string name;
  bool fixed = false;
  std::uint64_t operations = 0;  // 0: as the leak has it
  std::uint64_t warmup = 0;
  double per_second = 0;  // 0: as fast as it goes
  double seconds = 0;     // 0: as long as the operations take
  bool attended = false;
};

// What any request costs a service beside its leak: blocks of all sizes that are allocated, used and freed.
class RequestWork {
 public:
  [[gnu::noinline]] void serve(std::uint64_t i) {
    for (std::size_t n = 0; n < blocks_.size(); ++n) {
      const std::size_t bytes = 16 + (i * 31 + n * 197) % 496;
      blocks_[n] = std::make_unique<char[]>(bytes);
      blocks_[n][bytes - 1] = static_cast<char>(i);
    }
    for (auto& block : blocks_) {
      checksum_ += static_cast<unsigned char>(block[0]);
      block.reset();
    }
  }
  std::uint64_t checksum() const { return checksum_; }

 private:
  std::array<std::unique_ptr<char[]>, 4> blocks_;
  std::uint64_t checksum_ = 0;
};

// When each operation is due, from when it is made.
class Pace {
 public:
  Pace(double per_second, double seconds) : per_second_(per_second), seconds_(seconds) {}

  // False when the time is up before that operation is due.
  bool wait_for(std::uint64_t operation) const {
    if (per_second_ == 0 && seconds_ == 0) return true;  // what a clock costs would be in what is measured
    const Seconds due = per_second_ > 0 ? Seconds(static_cast<double>(operation) / per_second_) : Clock::now() - begin_;
    const Seconds end = seconds_ > 0 ? std::min(due, Seconds(seconds_)) : due;
    std::this_thread::sleep_until(begin_ + std::chrono::duration_cast<Clock::duration>(end));
    return seconds_ == 0 || due < Seconds(seconds_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;
  const double per_second_;
  const double seconds_;
  const Clock::time_point begin_ = Clock::now();
};

// Tells the attendant, and goes on when it writes a line.
void report_to_attendant(const Options& options, const char* word) {
  if (!options.attended) return;
  fmt::print("{}\n", word);
  std::fflush(stdout);
  std::string line;
  if (!std::getline(std::cin, line)) throw std::runtime_error("--attended, and standard input is closed");
}

int run(const Options& options) {
  const Leak* const leak = find_leak(options.name);
  if (leak == nullptr) throw std::runtime_error("no leak is called " + options.name + "; leakdemo list names them");
  const std::uint64_t operations = options.operations > 0 ? options.operations : leak->operations;
  running_service = leak->make(options.fixed).release();

  RequestWork work;
  const Pace pace(options.per_second, options.seconds);
  const auto operate = [&](std::uint64_t i) {
    work.serve(i);
    running_service->operate(i);
  };
  for (std::uint64_t i = 0; i < options.warmup; ++i) operate(i);
  report_to_attendant(options, "warm");
  const double cpu_before = in_seconds(thread_cpu_time());
  std::uint64_t done = 0;
  while (done < operations && pace.wait_for(done)) operate(options.warmup + done++);
  const double cpu = in_seconds(thread_cpu_time()) - cpu_before;
  report_to_attendant(options, "done");

  const auto memory = process_memory(::getpid());
  fmt::print("{} operations in {:.6f} s of CPU time; peak RSS {} bytes (checksum {})\n", done, cpu,
             memory ? memory->peak_rss_bytes : 0, work.checksum());
  std::fflush(stdout);
  return 0;
}

}  // namespace
}  // namespace plateau::leakdemo

int main(int argc, char** argv) {
  plateau::leakdemo::Options options;
  CLI::App app{"does the operations of one leak", "leak"};
  app.add_option("NAME", options.name, "which: `leakdemo list` names them")->required();
  app.add_flag("--fixed", options.fixed, "the repair instead of the fault");
  using plateau::add_real_number;
  using plateau::add_whole_number;
  constexpr std::uint64_t most_operations = std::numeric_limits<std::int64_t>::max();
  constexpr double year_s = 366 * 24 * 3600;
  add_whole_number(app, "--operations", options.operations, "how many (default: the leak's own number)", 0,
                   most_operations);
  add_whole_number(app, "--warmup", options.warmup, "operations before those", 0, most_operations)
      ->capture_default_str();
  add_real_number(app, "--per-second", options.per_second, "operations a second (default: as fast as it goes)", 0,
                  1e12);
  add_real_number(app, "--seconds", options.seconds, "end after so long, with operations left or not", 0, year_s);
  app.add_flag("--attended", options.attended, "says `warm` and `done`, and goes on when a line comes in");
  try {
    app.parse(argc, argv);
    return plateau::leakdemo::run(options);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "leak: {}\n", error.what());
    return 2;
  }
}
