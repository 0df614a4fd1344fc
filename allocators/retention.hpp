// RetentionPolicy: how much unused memory a process keeps, and what it does before the kernel's limit. The stand-in for
// Go's GOGC (retain_percent) and GOMEMLIMIT (soft_limit), for any service on any malloc.
//
//   plateau::RetentionPolicy policy({.retain_percent = 100});      // the limit: nine tenths of the cgroup's
//   auto cache = policy.on_shed(10, [&] { return lru.bytes(); },   // asked before it gets tight
//                               [&](const plateau::ShedRequest& r) { return lru.evict(r.bytes, r.deadline); });
//   // on every worker, between requests:
//   plateau::flush_if_asked();
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>

#include "allocators/heap.hpp"
#include "allocators/retention_decision.hpp"
#include "allocators/shed_order.hpp"
#include "allocators/thread_cache_flush.hpp"

namespace plateau {

struct RetentionOptions {
  // Unused pages (dirty and muzzy) that are kept for the next allocation, as a percentage of live bytes. Empty: that is
  // left to the allocator's own decay, and the policy holds the soft limit only, as Go does with GOMEMLIMIT and
  // GOGC=off.
  std::optional<std::uint32_t> retain_percent = 100;
  // What is above that goes back after so long; the heap is looked at ten times in it, and a hundred times close to the
  // limit (every 100 ms at the least, every millisecond at the most).
  std::chrono::milliseconds retain_for{1000};
  // In resident bytes of the process. Empty: nine tenths of the kernel's limit, in what counts against that (see
  // MemoryHeadroom), if there is one. no_soft_limit: none.
  std::optional<std::uint64_t> soft_limit = std::nullopt;
  // CPU time that the policy may use, of one CPU: in quiet times, and while the soft limit is passed. All that its
  // thread does is charged, callbacks too.
  double purge_cpu_share = 0.05;
  double limit_cpu_share = 0.5;
  // How long it fights for a limit that it cannot hold before it backs off.
  std::chrono::milliseconds give_up_after{5000};
  // What a cache is given to answer.
  std::chrono::milliseconds shed_deadline{100};
  // Called on the policy's thread with each new state, with no lock held. `backed_off` says that the limit cannot be
  // held: refuse work, or be killed. Must not throw, fork, or destroy the policy.
  std::function<void(RetentionState)> on_change = nullptr;
};

inline constexpr std::uint64_t no_soft_limit = std::numeric_limits<std::uint64_t>::max();

// In bytes, of the policy's last look at the heap, but for its two settings, which are as they were set last; counts
// since its start.
struct RetentionStatistics {
  std::optional<std::uint64_t> live;            // empty where the allocator does not tell, as in HeapStatistics
  std::optional<std::uint64_t> unused;          // dirty and muzzy
  std::uint64_t used = 0;                       // what is held against the soft limit
  std::optional<std::uint64_t> soft_limit;      // empty: none
  std::optional<std::uint32_t> retain_percent;  // empty: none
  RetentionCounts counts;
  ShedCounts shed;
  std::uint64_t looks = 0;          // at the heap
  std::uint64_t flushes = 0;        // times that threads were asked to flush
  std::chrono::nanoseconds cpu{0};  // of the policy's thread
};

// What this process cannot have; every reply that is not done says why.
struct RetentionSupport {
  HeapReply retain_percent;
  HeapReply slices;
  HeapReply flush;
  HeapReply sole_purger;  // nobody but the policy gives pages back: no request pays for it
  HeapReply heap_limit;   // the allocator itself gives everything back before it passes the kernel's limit
};

// One thread of its own (named "retention"), which observes, asks RetentionDecision, and does what that says. It
// allocates nothing. On jemalloc, where it has a retain_percent, the dirty decay is set to -1 for its lifetime, so that
// no other thread purges, and put back at its end. Thread-safe. One at a time in a process, since malloc is one.
//
// After fork() the child has no such thread: its state is `off`, and on jemalloc nobody purges, until restart().
class RetentionPolicy {
 public:
  // Throws std::invalid_argument for options out of range, std::logic_error when there is one already, and
  // std::runtime_error when jemalloc does not take the decay.
  explicit RetentionPolicy(RetentionOptions options = {});
  // Waits for the step under way: a slice, or a cache that was asked.
  ~RetentionPolicy();
  RetentionPolicy(const RetentionPolicy&) = delete;
  RetentionPolicy& operator=(const RetentionPolicy&) = delete;

  // Registers a cache to be asked while the soft limit is passed, those of lower priority first, as long as purging
  // alone does not suffice. Both functions are called on the policy's thread with no lock held, must not fork, and may
  // use the policy. For a Recycler: promise statistics().idle_bytes, shed trim().
  ShedOrder::Registration on_shed(int priority, ShedPromise promise, Shed shed);

  RetentionState state() const noexcept;
  RetentionStatistics statistics() const noexcept;
  const RetentionSupport& support() const noexcept;
  // Whose limit holds: a file of the kernel's, "given", or "none".
  std::string limit_source() const;

  // Knobs that take effect at the next look, which comes at once. False, and nothing changes, in a policy that was made
  // without a percentage: decay is the allocator's there.
  bool set_retain_percent(std::uint32_t percent) noexcept;
  // As in the options.
  void set_soft_limit(std::optional<std::uint64_t> bytes) noexcept;

  // In a forked child: starts the thread. Nothing where it runs. Throws std::system_error when it cannot be had.
  void restart();

 private:
  class Driver;
  std::unique_ptr<Driver> driver_;
};

}  // namespace plateau
