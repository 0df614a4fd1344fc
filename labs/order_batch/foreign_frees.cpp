// foreign_frees: threads that allocate and others that only free, by themselves and as small as can be. A bounded live
// set is replaced over and over, and the replaced blocks are freed by the others; then all threads wait, and the
// footprint says where the memory is. On any allocator:
//   LD_PRELOAD=libmimalloc.so.2 foreign_frees                                        sixteen allocate, one frees
//   LD_PRELOAD=libjemalloc.so.2 foreign_frees --producers 10 --freers 64 --bytes 2KiB --most-bytes 32KiB
// These are the patterns of github.com/microsoft/mimalloc/issues/1364 and github.com/jemalloc/jemalloc/issues/2757.
#include <fmt/format.h>
#include <pthread.h>

#include <array>
#include <atomic>
#include <cmath>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <latch>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "labs/harness/load/random.hpp"
#include "profiling/footprint.hpp"
#include "profiling/number_option.hpp"

namespace plateau::order_batch {
namespace {

struct Pattern {
  std::size_t producers = 16;
  std::size_t freers = 1;
  std::uint64_t least_bytes = 592;
  std::uint64_t most_bytes = 0;  // 0: as the least
  std::uint64_t live_bytes = std::uint64_t{64} << 20;
  std::size_t turns = 20;  // how often the live set is replaced
};

// What producers hand to a freer; allocates nothing once it is made, so that a freer is a thread that only frees.
class Mailbox {
 public:
  struct Blocks {
    std::array<void*, 8> memory{};
    std::size_t count = 0;
    std::size_t bytes = 0;
  };

  void put(const Blocks& blocks) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ < boxes_.size(); });
    boxes_[(first_ + count_++) % boxes_.size()] = blocks;
    changed_.notify_all();
  }
  void close() {
    const std::scoped_lock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  // False when it is closed and empty.
  bool take(Blocks& blocks) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ > 0 || closed_; });
    if (count_ == 0) return false;
    blocks = boxes_[first_];
    first_ = (first_ + 1) % boxes_.size();
    --count_;
    changed_.notify_all();
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::array<Blocks, 2> boxes_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
  bool closed_ = false;
};

// Sizes spread evenly over their logarithms.
std::size_t next_size(const Pattern& pattern, harness::SplitMix64& random) {
  if (pattern.most_bytes <= pattern.least_bytes) return pattern.least_bytes;
  const double span = std::log(static_cast<double>(pattern.most_bytes) / static_cast<double>(pattern.least_bytes));
  return static_cast<std::size_t>(static_cast<double>(pattern.least_bytes) * std::exp(span * random.uniform()));
}

struct Block {
  void* memory = nullptr;
  std::size_t bytes = 0;
};

void renew(Block& block, const Pattern& pattern, harness::SplitMix64& random) {
  block.bytes = next_size(pattern, random);
  block.memory = std::malloc(block.bytes);
  if (block.memory == nullptr) std::abort();
  std::memset(block.memory, 1, block.bytes);
}

// Bytes that were handed over and are not freed: they live too, and are not of the live set.
class HandedOver {
 public:
  void add(std::size_t bytes) {
    const std::uint64_t now = bytes_.fetch_add(bytes) + bytes;
    for (std::uint64_t most = most_.load(); now > most && !most_.compare_exchange_weak(most, now);) {
    }
  }
  void remove(std::size_t bytes) { bytes_ -= bytes; }
  std::uint64_t most_ever() const { return most_.load(); }

 private:
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint64_t> most_{0};
};

// Gives the bytes that are live at the end.
std::uint64_t produce(const Pattern& pattern, std::size_t nth, std::vector<Mailbox>& mailboxes, HandedOver& handed) {
  harness::SplitMix64 random(nth + 1);
  std::vector<Block> live;
  std::uint64_t bytes = 0;
  while (bytes < pattern.live_bytes / pattern.producers) {
    renew(live.emplace_back(), pattern, random);
    bytes += live.back().bytes;
  }
  Mailbox::Blocks replaced{};
  std::size_t freer = nth;
  const auto hand_over = [&] {
    handed.add(replaced.bytes);
    mailboxes[freer++ % mailboxes.size()].put(replaced);
    replaced = {};
  };
  for (std::size_t i = 0; i < live.size() * pattern.turns; ++i) {
    Block& block = live[random.below(live.size())];
    replaced.memory[replaced.count++] = block.memory;
    replaced.bytes += block.bytes;
    renew(block, pattern, random);
    if (replaced.count == replaced.memory.size()) hand_over();
  }
  hand_over();
  bytes = 0;
  for (const Block& block : live) bytes += block.bytes;
  return bytes;
}

void free_all(Mailbox& mailbox, HandedOver& handed) {
  for (Mailbox::Blocks blocks{}; mailbox.take(blocks);) {
    for (std::size_t i = 0; i < blocks.count; ++i) std::free(blocks.memory[i]);
    handed.remove(blocks.bytes);
  }
}

int run(const Pattern& pattern) {
  std::vector<Mailbox> mailboxes(pattern.freers);
  HandedOver handed;
  std::atomic<std::uint64_t> live{0};
  std::latch produced(static_cast<std::ptrdiff_t>(pattern.producers));
  std::latch freed(static_cast<std::ptrdiff_t>(pattern.freers));
  std::latch seen(1);  // until then no thread ends, and each keeps what it has
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < pattern.producers; ++i) {
    threads.emplace_back([&, i] {
      ::pthread_setname_np(::pthread_self(), "producer");
      live += produce(pattern, i, mailboxes, handed);
      produced.count_down();
      seen.wait();
    });
  }
  for (Mailbox& mailbox : mailboxes) {
    threads.emplace_back([&] {
      ::pthread_setname_np(::pthread_self(), "freer");
      free_all(mailbox, handed);
      freed.count_down();
      seen.wait();
    });
  }
  produced.wait();
  for (Mailbox& mailbox : mailboxes) mailbox.close();
  freed.wait();
  const Footprint footprint = take_footprint();
  const auto live_bytes = static_cast<double>(live.load());
  fmt::print(
      "{}: {} threads allocate, {} only free; {:.1f} MB live, and at most {:.1f} MB on the way to be freed; RSS {:.1f} "
      "MB "
      "({:.2f} x what lives)\n\n{}",
      footprint.allocator, pattern.producers, pattern.freers, live_bytes / 1e6,
      static_cast<double>(handed.most_ever()) / 1e6, static_cast<double>(footprint.rss_bytes) / 1e6,
      static_cast<double>(footprint.rss_bytes) / live_bytes, to_text(footprint));
  seen.count_down();
  for (std::thread& thread : threads) thread.join();
  return 0;
}

}  // namespace
}  // namespace plateau::order_batch

int main(int argc, char** argv) {
  using namespace plateau;
  order_batch::Pattern pattern;
  CLI::App app{"threads that allocate, and others that only free: where the memory is at the end", "foreign_frees"};
  add_whole_number(app, "--producers", pattern.producers, "threads that allocate", 1, 1000)->capture_default_str();
  add_whole_number(app, "--freers", pattern.freers, "threads that only free", 1, 1000)->capture_default_str();
  add_size(app, "--bytes", pattern.least_bytes, "of a block", 16, 1 << 30)->capture_default_str();
  add_size(app, "--most-bytes", pattern.most_bytes, "of the largest block, where sizes are mixed", 0, 1 << 30);
  add_size(app, "--live", pattern.live_bytes, "that live at any time, all producers together", 1 << 20,
           std::uint64_t{1} << 40)
      ->capture_default_str();
  add_whole_number(app, "--turns", pattern.turns, "how often all that lives is replaced", 1, 100'000)
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    return order_batch::run(pattern);
  } catch (const std::exception& error) {
    fmt::print(stderr, "foreign_frees: {}\n", error.what());
    return 2;
  }
}
