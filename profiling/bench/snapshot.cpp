// How long request threads are held up by a heap profile of a process with 2 GB of live blocks, by jemalloc's own dump
// and by ours:
//
//   MALLOC_CONF=prof:true LD_PRELOAD=libjemalloc.so.2 snapshot_bench
//
// Request threads, one a CPU but for the one that profiles, allocate and free without end and keep the longest time
// that one request was held up. Rounds of nothing, jemalloc's prof.dump, HeapProfiler::snapshot() and a recording as of
// /debug/pprof/delta_heap take turns. Exit status 0: the target holds; 1: it does not; 2: something could not be run.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "allocators/jemalloc/control.hpp"
#include "allocators/system/cpu_clock.hpp"
#include "profiling/bench/random_stacks.hpp"
#include "profiling/heap_profiler.hpp"
#include "profiling/number_option.hpp"
#include "profiling/process_profiles.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr double target_ratio = 1.1;  // to jemalloc's own dump, of medians; more than 1 for what the machine adds
constexpr std::size_t distinct_stacks = 20'000;

// How long the calling thread has waited for a CPU so far, by the kernel's count.
class RunQueueWait {
 public:
  RunQueueWait() : fd_(::open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw std::runtime_error("this kernel does not count what threads wait for a CPU (schedstat)");
  }
  ~RunQueueWait() { ::close(fd_); }
  RunQueueWait(const RunQueueWait&) = delete;
  RunQueueWait& operator=(const RunQueueWait&) = delete;
  std::int64_t nanoseconds() const {
    std::array<char, 96> text{};
    static_cast<void>(!::pread(fd_, text.data(), text.size() - 1, 0));
    std::int64_t ran = 0;
    std::int64_t waited = 0;
    static_cast<void>(std::sscanf(text.data(), "%" SCNd64 " %" SCNd64, &ran, &waited));
    return waited;
  }

 private:
  const int fd_;
};

// Threads that do nothing but allocate and free, and the longest that one of them was held up in one request: neither
// running nor waiting for a CPU, so that what else this machine does is not counted.
class Requests {
 public:
  explicit Requests(unsigned threads) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this, i] { serve(i); });
  }
  ~Requests() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // Milliseconds, of the requests that ended while `action` ran.
  template <class Action>
  double longest_while(Action action) {
    longest_ns_ = 0;
    action();
    // A request that was held up to the end counts, too.
    for (const std::uint64_t served = served_; served_ < served + 2 * threads_.size();) std::this_thread::yield();
    return static_cast<double>(longest_ns_.load()) * 1e-6;
  }

 private:
  static constexpr std::int64_t looked_into_ns = 20'000;

  void serve(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    std::array<std::unique_ptr<char[]>, 32> blocks;
    const RunQueueWait wait;
    std::int64_t waited = wait.nanoseconds();
    while (!stopping_) {
      const auto begin = plateau::monotonic_time();
      const auto cpu_begin = plateau::thread_cpu_time();
      for (auto& block : blocks) block = std::make_unique_for_overwrite<char[]>(64 + random() % 8192);
      const auto cpu = plateau::thread_cpu_time() - cpu_begin;
      const std::int64_t off_cpu = (plateau::monotonic_time() - begin - cpu).count();
      if (off_cpu > looked_into_ns) {
        const std::int64_t waited_now = wait.nanoseconds();
        count(off_cpu - (waited_now - waited));
        waited = waited_now;
      }
      ++served_;
    }
  }

  void count(std::int64_t held_up_ns) {
    std::int64_t longest = longest_ns_;
    while (held_up_ns > longest && !longest_ns_.compare_exchange_weak(longest, held_up_ns)) {
    }
  }

  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> longest_ns_{0};
  std::atomic<std::uint64_t> served_{0};
  std::vector<std::thread> threads_;
};

void dump_as_jemalloc(const std::string& file) {
  const auto error = plateau::jemalloc::write("prof.dump", file.c_str());
  if (error != plateau::jemalloc::ControlError::none) throw std::runtime_error(std::string(to_string(error)));
}

struct Row {
  const char* name;
  std::vector<double> longest_ms = {};

  double quantile(double q) const {
    std::vector<double> sorted = longest_ms;
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1) + 0.5)];
  }
};

std::vector<std::unique_ptr<char[]>> live_blocks(std::uint64_t bytes) {
  std::vector<std::unique_ptr<char[]>> blocks;
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; sum < bytes; ++i) {
    plateau::bench::Walk walk(i % distinct_stacks, 18, 64, 8);
    plateau::bench::allocate_on_a_stack(walk, i % distinct_stacks);
    for (auto& block : walk.kept) {
      sum += 64 + 8 * 255;  // on average
      blocks.push_back(std::move(block));
    }
  }
  return blocks;
}

int compare(double gigabytes, std::size_t rounds, const std::string& folder) {
  if (const auto reply = plateau::HeapProfiler::available(); !reply.done) throw std::runtime_error(reply.reason);
  const auto blocks = live_blocks(static_cast<std::uint64_t>(gigabytes * 1e9));
  const std::string file = fmt::format("{}/snapshot-{}.heap", folder, ::getpid());
  std::vector<plateau::ProfileSource> sources = plateau::process_profiles();
  const auto delta =
      std::find_if(sources.begin(), sources.end(), [](const auto& one) { return one.name == "delta_heap"; });

  Row nothing{"nothing"};
  Row theirs{"jemalloc's prof.dump"};
  Row ours{"HeapProfiler::snapshot()"};
  Row waiting{"delta_heap, while it waits"};
  Row ends{"delta_heap, its two ends"};
  std::size_t stacks = 0;
  Requests requests(std::max(1U, std::thread::hardware_concurrency() - 1));
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto begin = Clock::now();
    theirs.longest_ms.push_back(requests.longest_while([&] { dump_as_jemalloc(file); }));
    const auto span = Clock::now() - begin;
    ours.longest_ms.push_back(requests.longest_while([&] {
      const plateau::HeapSnapshot taken = plateau::HeapProfiler::snapshot();
      if (!taken.profile) throw std::runtime_error(taken.reason);
      stacks = taken.profile->samples().size();
    }));
    const auto wait = [&] { std::this_thread::sleep_for(span); };
    nothing.longest_ms.push_back(requests.longest_while(wait));
    std::unique_ptr<plateau::Recording> recording;
    const double first = requests.longest_while([&] { recording = delta->record({}); });
    waiting.longest_ms.push_back(requests.longest_while(wait));
    ends.longest_ms.push_back(std::max(first, requests.longest_while([&] { recording->finish(); })));
  }
  ::unlink(file.c_str());

  fmt::print("{:.1f} GB in {} live blocks, {} stacks in the profile; {} rounds that take turns\n", gigabytes,
             blocks.size(), stacks, rounds);
  fmt::print("the longest that a request (32 blocks) was held up meanwhile, ms, without waits for a CPU\n");
  fmt::print("{:30} {:>8} {:>17} {:>8} {:>14}\n", "", "median", "quartiles", "longest", "of jemalloc's");
  for (const Row* const row : {&nothing, &theirs, &ours, &waiting, &ends}) {
    fmt::print("{:30} {:8.2f} {:8.2f}{:9.2f} {:8.2f} {:13.2f}x\n", row->name, row->quantile(0.5), row->quantile(0.25),
               row->quantile(0.75), row->quantile(1), row->quantile(0.5) / theirs.quantile(0.5));
  }
  const double ratio = ours.quantile(0.5) / theirs.quantile(0.5);
  const bool holds = ratio <= target_ratio && waiting.quantile(0.5) < theirs.quantile(0.5);
  fmt::print("target: a snapshot at most {} x jemalloc's own; a delta that waits less: {}\n", target_ratio,
             holds ? "holds" : "does not hold");
  return holds ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  double gigabytes = 2;
  std::uint64_t rounds = 15;
  std::string folder = "/tmp";
  CLI::App app{"how long a heap profile holds up request threads", "snapshot_bench"};
  plateau::add_real_number(app, "--gigabytes", gigabytes, "live blocks", 0.001, 1000)->capture_default_str();
  plateau::add_whole_number(app, "--rounds", rounds, "how many", 1, 1000)->capture_default_str();
  app.add_option("--folder", folder, "for jemalloc's dump")->capture_default_str()->check(CLI::ExistingDirectory);
  try {
    app.parse(argc, argv);
    return compare(gigabytes, rounds, folder);
  } catch (const CLI::CallForHelp& help) {
    return app.exit(help);
  } catch (const std::exception& error) {
    fmt::print(stderr, "snapshot_bench: {}\n", error.what());
    return 2;
  }
}
