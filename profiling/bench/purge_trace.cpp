// `make bench-purge-trace`: what the purge trace costs, off, on, and on with the profile of pauses, interleaved in one
// process on jemalloc.
#include "allocators/purge_trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "allocators/jemalloc_arena.hpp"
#include "profiling/purge_pauses.hpp"

namespace plateau {
namespace {

using Clock = std::chrono::steady_clock;
using Blocks = std::vector<void*>;

constexpr int rounds = 15;

struct Case {
  std::string name;
  std::size_t operations = 0;
  std::function<Clock::duration()> run;  // the time that counts
};

enum class Arm { off, trace, pauses };
constexpr std::array arms{Arm::off, Arm::trace, Arm::pauses};

void enter(Arm arm) {
  PurgeTrace::stop();
  PurgeTrace::set_observer(nullptr);
  if (arm == Arm::off) return;
  const HeapReply reply = arm == Arm::pauses ? record_purge_pauses() : PurgeTrace::start();
  if (!reply.done) throw std::runtime_error(std::string(reply.reason));
}

template <class Function>
Clock::duration time_of(Function function) {
  const auto start = Clock::now();
  function();
  return Clock::now() - start;
}

Blocks touched(JemallocArena& arena, std::size_t count, std::size_t bytes) {
  Blocks blocks;
  blocks.reserve(count);
  for (std::size_t i = 0; i < count; ++i) blocks.push_back(std::memset(arena.allocate(bytes), 1, bytes));
  return blocks;
}

void free_all(JemallocArena& arena, const Blocks& blocks, std::size_t bytes) {
  for (void* const block : blocks) arena.deallocate(block, bytes);
}

std::vector<Case> cases(JemallocArena& at_once, JemallocArena& never) {
  std::vector<Case> result;
  for (const std::size_t kib : {std::size_t{4}, std::size_t{16}, std::size_t{64}, std::size_t{1024}}) {
    const std::size_t bytes = kib << 10;
    const std::size_t count = std::min<std::size_t>(1000, (std::size_t{32} << 20) / bytes);
    result.push_back(
        {fmt::format("free of touched {} KiB blocks, decay 0 (each is a purge)", kib), count, [&at_once, bytes, count] {
           const Blocks blocks = touched(at_once, count, bytes);
           return time_of([&] { free_all(at_once, blocks, bytes); });
         }});
  }
  result.push_back({"take, touch and free 64 KiB, decay 0 (purge and page faults)", 2000, [&at_once] {
                      return time_of([&] {
                        for (int i = 0; i < 2000; ++i) free_all(at_once, touched(at_once, 1, 65536), 65536);
                      });
                    }});
  result.push_back({"take and free 64 KiB to 1 MiB, no decay (splits and merges)", 2000, [&never] {
                      return time_of([&] {
                        for (std::size_t i = 0; i < 2000; ++i) {
                          const std::size_t bytes = (1 + i * 7 % 16) << 16;
                          never.deallocate(never.allocate(bytes), bytes);
                        }
                      });
                    }});
  result.push_back({"malloc and free of 64 B (thread cache)", 200'000, [] {
                      return time_of([] {
                        for (int i = 0; i < 200'000; ++i) {
                          void* volatile block = std::malloc(64);
                          std::free(block);
                        }
                      });
                    }});
  result.push_back({"calloc and free of 2 MiB that was in use before", 100, [] {
                      return time_of([] {
                        for (int i = 0; i < 100; ++i) {
                          auto* const block = static_cast<char*>(std::calloc(2 << 20, 1));
                          for (std::size_t at = 0; at < (2 << 20); at += 4096)
                            static_cast<volatile char*>(block)[at] = 1;
                          std::free(block);
                        }
                      });
                    }});
  return result;
}

void measure(const Case& one) {
  std::array<std::vector<double>, arms.size()> nanoseconds;
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < arms.size(); ++i) {
      const std::size_t arm = (i + static_cast<std::size_t>(round)) % arms.size();  // each is first as often
      enter(arms[arm]);
      nanoseconds[arm].push_back(std::chrono::duration<double, std::nano>(one.run()).count() /
                                 static_cast<double>(one.operations));
    }
  }
  const auto least = [&](Arm arm) { return *std::ranges::min_element(nanoseconds[static_cast<std::size_t>(arm)]); };
  const auto median = [&](Arm arm) {
    auto& sorted = nanoseconds[static_cast<std::size_t>(arm)];
    std::ranges::sort(sorted);
    return sorted[sorted.size() / 2];
  };
  fmt::print("{:<66} {:>10.1f} {:>8.2f} {:>8.2f} {:>10.2f} {:>8.2f}\n", one.name, least(Arm::off),
             least(Arm::trace) / least(Arm::off), least(Arm::pauses) / least(Arm::off),
             median(Arm::trace) / median(Arm::off), median(Arm::pauses) / median(Arm::off));
  std::fflush(stdout);
}

void run() {
  JemallocArena at_once({.dirty_decay = std::chrono::milliseconds(0)});
  JemallocArena never({.dirty_decay = std::chrono::milliseconds(-1)});
  free_all(never, touched(never, 64, 1 << 20), 1 << 20);
  fmt::print(
      "Caveat: loops that do nothing but purge; the share in a service is that of its purges. Least of {} rounds,\n"
      "then the ratio of the medians.\n{:<66} {:>10} {:>8} {:>8} {:>10} {:>8}\n",
      rounds, "", "off, ns", "x trace", "x pauses", "median", "pauses");
  for (const Case& one : cases(at_once, never)) measure(one);
  enter(Arm::off);
}

}  // namespace
}  // namespace plateau

int main() {
  try {
    plateau::run();
  } catch (const std::exception& error) {
    fmt::print(stderr, "purge_trace_bench: {}\n", error.what());
    return 2;
  }
}
