// A service that does not fit under its limit unless what is unused goes back and its cache gives way:
// bursting_program bursts|cache policy|alone LIMIT_BYTES
#include <cstdlib>
#include <cstring>
#include <deque>
#include <iostream>
#include <latch>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

#include "allocators/retention.hpp"

namespace {

using namespace std::chrono_literals;

constexpr std::size_t block_bytes = 64 * 1024;
constexpr std::size_t mib = 1 << 20;

// Load comes at a rate that leaves the policy time: a MiB every few milliseconds. What a stopped process has missed is
// not made up for.
void wait_for_next_mib() {
  std::this_thread::sleep_for(6ms);
}

void* written_block() {
  void* const block = std::malloc(block_bytes);
  if (block == nullptr) std::exit(3);
  std::memset(block, 1, block_bytes);
  return block;
}

// Worker after worker has its peak, keeps one block of it, and goes idle. Together the peaks are three times the limit,
// but there is never more than one at a time.
void run_bursts(std::size_t limit) {
  constexpr int workers = 8;
  const std::size_t peak = 3 * limit / workers;
  std::latch end(1);
  std::deque<std::latch> ends;  // of each burst
  std::vector<std::thread> threads;
  for (int i = 0; i < workers; ++i) {
    std::latch& done = ends.emplace_back(1);
    threads.emplace_back([&] {
      std::vector<void*> blocks;
      for (std::size_t taken = 0; taken < peak; taken += block_bytes) {
        if (taken % mib == 0) wait_for_next_mib();
        blocks.push_back(written_block());
      }
      void* const kept = std::malloc(100);
      for (void* const block : blocks) std::free(block);
      done.count_down();
      end.wait();
      std::free(kept);
    });
    done.wait();
  }
  end.count_down();
  for (std::thread& thread : threads) thread.join();
}

// Everything that was ever computed is cached: twice the limit by the end.
class Cache {
 public:
  ~Cache() { evict(SIZE_MAX); }
  void add() {
    const std::scoped_lock lock(mutex_);
    blocks_.push_back(written_block());
  }
  std::size_t bytes() const {
    const std::scoped_lock lock(mutex_);
    return blocks_.size() * block_bytes;
  }
  std::size_t evict(std::size_t wanted) {
    std::size_t given = 0;
    const std::scoped_lock lock(mutex_);
    for (; given < wanted && !blocks_.empty(); given += block_bytes) {
      std::free(blocks_.front());
      blocks_.pop_front();
    }
    return given;
  }

 private:
  mutable std::mutex mutex_;
  std::deque<void*> blocks_;
};

void run_cache(std::size_t limit, plateau::RetentionPolicy* policy) {
  Cache cache;
  std::optional<plateau::ShedOrder::Registration> registration;
  if (policy != nullptr) {
    registration = policy->on_shed(
        0, [&] { return cache.bytes(); },
        [&](const plateau::ShedRequest& request) { return cache.evict(request.bytes); });
  }
  for (std::size_t taken = 0; taken < 2 * limit; taken += block_bytes) {
    if (taken % mib == 0) wait_for_next_mib();
    cache.add();
    plateau::flush_if_asked();
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const std::size_t limit = std::strtoull(argv[3], nullptr, 10);
  std::optional<plateau::RetentionPolicy> policy;
  if (std::string_view(argv[2]) == "policy") {
    policy.emplace(plateau::RetentionOptions{.retain_for = std::chrono::milliseconds(200)});
    if (policy->limit_source() == "none") return 4;
  }
  if (std::string_view(argv[1]) == "bursts") {
    run_bursts(limit);
  } else {
    run_cache(limit, policy ? &*policy : nullptr);
  }
  if (policy) {
    const plateau::RetentionStatistics s = policy->statistics();
    std::cout << plateau::to_string(policy->state()) << ": " << s.counts.purges << " slices, " << s.counts.rounds
              << " rounds, delivered " << s.shed.delivered_bytes << ", backed off " << s.counts.backed_off << '\n';
  }
  return 0;
}
