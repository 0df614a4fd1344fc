// What a RetentionPolicy costs: a load with and without it, interleaved in one process, on each allocator.
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "allocators/retention.hpp"
#include "allocators/system/cpu_clock.hpp"

namespace plateau::bench {
namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

constexpr int rounds = 9;
constexpr auto round_time = 300ms;
constexpr auto idle_time = 2s;
constexpr std::size_t slots = 20'000;        // live blocks of a thread
constexpr std::size_t drop_every = 200'000;  // operations: all of a thread's blocks go, as at the end of a batch

double process_cpu_seconds() {
  return in_seconds(process_cpu_time());
}

// Frees a block and allocates another, for so long. Returns operations.
std::uint64_t churn(unsigned seed, Clock::time_point end) {
  std::minstd_rand random(seed);
  std::vector<void*> blocks(slots, nullptr);
  std::uint64_t operations = 0;
  while (Clock::now() < end) {
    for (int i = 0; i < 1000; ++i) {
      void*& block = blocks[random() % slots];
      std::free(block);
      const std::size_t bytes = std::size_t{16} << (random() % 9);  // 16 B to 4 KiB
      block = std::malloc(bytes);
      std::memset(block, 1, bytes);
    }
    operations += 1000;
    flush_if_asked();
    if (operations % drop_every == 0) {
      for (void*& block : blocks) std::free(std::exchange(block, nullptr));
    }
  }
  for (void* const block : blocks) std::free(block);
  return operations;
}

struct Load {
  double operations_per_second = 0;
  double cpu_per_operation = 0;
  double policy_share = 0;  // of one CPU
};

Load load(const RetentionPolicy* policy) {
  const unsigned count = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::uint64_t> operations(count, 0);
  std::vector<std::thread> threads;
  const double cpu = process_cpu_seconds();
  const auto policy_cpu = policy != nullptr ? policy->statistics().cpu : 0ns;
  const auto start = Clock::now();
  for (unsigned i = 0; i < count; ++i) {
    threads.emplace_back([&operations, i, start] { operations[i] = churn(i + 1, start + round_time); });
  }
  for (std::thread& thread : threads) thread.join();
  const double time = Seconds(Clock::now() - start).count();
  double all = 0;
  for (const std::uint64_t one : operations) all += static_cast<double>(one);
  Load result{all / time, (process_cpu_seconds() - cpu) / all, 0};
  if (policy != nullptr) result.policy_share = Seconds(policy->statistics().cpu - policy_cpu).count() / time;
  return result;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// In the process that runs on the allocator.
int measure() {
  const RetentionOptions options{.retain_percent = 50, .retain_for = 100ms, .soft_limit = no_soft_limit};
  std::vector<double> speed;
  std::vector<double> cpu;
  std::vector<double> own;
  load(nullptr);  // the first one meets a cold heap
  for (int i = 0; i < rounds; ++i) {
    const Load without = load(nullptr);
    const RetentionPolicy policy(options);
    const Load with = load(&policy);
    speed.push_back(with.operations_per_second / without.operations_per_second);
    cpu.push_back(with.cpu_per_operation / without.cpu_per_operation);
    own.push_back(with.policy_share);
  }
  const RetentionPolicy policy({.soft_limit = no_soft_limit});
  const auto start = Clock::now();
  std::this_thread::sleep_for(idle_time);  // idleness is what is measured
  const double idle = Seconds(policy.statistics().cpu) / Seconds(Clock::now() - start);
  fmt::print("{:<10} {:>14.3f} {:>18.3f} {:>17.2f}% {:>17.3f}%\n", to_string(Heap::process().kind()), median(speed),
             median(cpu), 100 * median(own), 100 * idle);
  return 0;
}

int run(const char* program) {
  fmt::print(
      "RetentionPolicy under load ({} threads free and allocate 16 B to 4 KiB and drop all of it now and then; every\n"
      "100 ms is a retain_for, ten looks) and idle (retain_for 1 s). Medians of {} interleaved pairs, with / "
      "without.\n\n"
      "{:<10} {:>14} {:>18} {:>18} {:>18}\n",
      std::thread::hardware_concurrency(), rounds, "", "operations/s", "CPU an operation", "its share of a CPU",
      "share when idle");
  std::fflush(stdout);
  constexpr std::array<const char*, 4> libraries{"libjemalloc.so.2", "libtcmalloc.so.4", "libmimalloc.so.2", ""};
  for (const char* const library : libraries) {
    const pid_t child = ::fork();
    if (child == 0) {
      ::setenv("LD_PRELOAD", library, 1);
      ::execl(program, program, "--measure", nullptr);
      ::_exit(126);
    }
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || status != 0) {
      fmt::print(stderr, "retention_bench: the measurement on {} failed\n", *library == '\0' ? "glibc" : library);
      return 2;
    }
  }
  return 0;
}

}  // namespace
}  // namespace plateau::bench

int main(int argc, char** argv) {
  const bool measures = argc == 2 && std::string_view(argv[1]) == "--measure";
  return measures ? plateau::bench::measure() : plateau::bench::run("/proc/self/exe");
}
