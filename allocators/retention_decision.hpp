// The decision of RetentionPolicy: what to do next, from figures alone. No clock, no thread, no lock, no allocation.
//
// The controller follows two rules, as Go's collector does with GOGC and GOMEMLIMIT (runtime/mgcpacer.go, mgclimit.go):
// unused pages are kept up to a percentage of live bytes, and under a soft limit nothing is kept that can be had back.
//
// clang-format off
//   state       entered when                           does                                 left when
//   steady      -                                      watches                              see the next two
//   purging     unused pages passed retain_percent of  purges in slices, within             they are within it -> steady
//               live bytes for all of retain_for       purge_cpu_share
//   shedding    used passed the soft limit             asks caches, one a step, for what    none is left, or unused pages
//                                                      purging alone cannot give; then      suffice -> reclaiming
//                                                      asks threads to flush
//   reclaiming  caches were asked                      purges whatever is unused, within    under the limit -> steady;
//                                                      limit_cpu_share; then a new round    see below -> backed_off
//   backed_off  rounds returned too little (see        as steady; a single round after      under the limit -> steady
//               give_up_after)                         give_up_after, doubling to 16 x
// clang-format on
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace plateau {

// `off`: no driver runs (in a forked child, until restart()).
enum class RetentionState { steady, purging, shedding, reclaiming, backed_off, off };

std::string_view to_string(RetentionState state);

// What may be changed while it runs.
struct RetentionKnobs {
  std::optional<std::uint32_t> retain_percent = 100;       // of live bytes; empty: all, until the limit is near
  std::optional<std::uint64_t> soft_limit = std::nullopt;  // in bytes; empty: none
  std::chrono::nanoseconds retain_for = std::chrono::seconds(1);
  std::chrono::nanoseconds give_up_after = std::chrono::seconds(5);
  double purge_cpu_share = 0.05;  // of one CPU
  double limit_cpu_share = 0.5;   // of one CPU, while the soft limit is passed
};

struct RetentionObservation {
  std::chrono::nanoseconds now{0};      // of a monotonic clock, from any origin
  std::chrono::nanoseconds cpu{0};      // that the driver has used so far, for all that it does
  std::optional<std::uint64_t> live;    // bytes in live blocks; empty where the allocator does not tell
  std::optional<std::uint64_t> unused;  // bytes that a purge could return; empty where the allocator does not tell
  std::uint64_t used = 0;               // bytes that count against the soft limit
  std::uint64_t delivered = 0;          // bytes that caches said they gave back, since the start
  std::size_t caches_left = 0;          // registered caches that were not asked in this round
};

// One thing to do. `wait` is 0 but for Action::wait: after an action the driver observes again at once.
struct RetentionStep {
  enum class Action { wait, shed, flush, purge };
  Action action = Action::wait;
  std::uint64_t bytes = 0;    // wanted of shed and purge
  bool begins_round = false;  // of shed: all caches are to be asked again, in order
  std::chrono::nanoseconds wait{0};
};

// Counts since the start.
struct RetentionCounts {
  std::uint64_t purges = 0;        // slices
  std::uint64_t purged_bytes = 0;  // less in use (or unused) after slices than before them
  std::uint64_t rounds = 0;        // of shedding and reclaiming under the soft limit
  std::uint64_t backed_off = 0;    // times that it stopped fighting
};

// Not thread-safe. Invariants:
//  * Time only goes forward: a clock that jumps counts as no time, or as no more than was waited for and a second.
//  * Nothing but waiting is decided while the CPU credit is spent. Credit comes at the share in force and never
//    exceeds what a second brings; what was overdrawn (a slice cannot be stopped half-way) is paid back first.
//  * Whatever the figures do, a sequence of actions without a wait is finite: a round asks each cache once, flushes
//    once, and ends with the first slice that returns next to nothing.
//  * backed_off is entered only when every round for give_up_after has left the limit passed and returned less than
//    half of what was to be returned; then one round in give_up_after to 16 x that is all the fighting there is.
class RetentionDecision {
 public:
  explicit RetentionDecision(const RetentionKnobs& knobs) : knobs_(knobs) {}

  // Takes effect with the next observation; the state is kept.
  void set_knobs(const RetentionKnobs& knobs) { knobs_ = knobs; }
  const RetentionKnobs& knobs() const { return knobs_; }

  RetentionStep next(const RetentionObservation& seen);

  RetentionState state() const;
  // Returns the bytes of unused pages that are kept on purpose: none while the soft limit is fought for; empty without
  // a percentage, and where the allocator does not tell what is live.
  std::optional<std::uint64_t> goal(const RetentionObservation& seen) const;
  const RetentionCounts& counts() const { return counts_; }

 private:
  using Nanoseconds = std::chrono::nanoseconds;
  enum class Phase { idle, shedding, flushing, reclaiming, between_rounds };

  bool pressed() const { return phase_ != Phase::idle; }
  double share() const { return pressed() ? knobs_.limit_cpu_share : knobs_.purge_cpu_share; }
  std::uint64_t relief() const;  // used bytes at which the limit counts as held again

  void account(const RetentionObservation& seen);
  void judge_last_purge(const RetentionObservation& seen);
  void begin_round(const RetentionObservation& seen);
  void end_round(const RetentionObservation& seen);
  RetentionStep press(const RetentionObservation& seen);
  RetentionStep retain(const RetentionObservation& seen);
  std::uint64_t overdue(const RetentionObservation& seen);
  RetentionStep purge(std::uint64_t bytes, const RetentionObservation& seen);
  RetentionStep wait(const RetentionObservation& seen) const;

  RetentionKnobs knobs_;
  RetentionCounts counts_;

  // Time and CPU.
  bool started_ = false;
  Nanoseconds last_now_{0};
  Nanoseconds last_cpu_{0};
  Nanoseconds last_wait_{0};
  Nanoseconds clock_{0};  // the time that counts
  double credit_ = 0;     // seconds of CPU

  // What the last slice was measured against.
  struct Before {
    std::uint64_t used;
    std::optional<std::uint64_t> unused;
  };
  std::optional<Before> purge_before_;

  // retain_percent: the least excess over this window and over the one before it.
  std::uint64_t least_excess_ = 0;
  std::uint64_t least_excess_before_ = 0;
  Nanoseconds window_end_{0};
  bool purging_ = false;
  Nanoseconds purge_pause_{0};  // after slices without effect
  Nanoseconds purge_not_before_{0};

  // The soft limit.
  Phase phase_ = Phase::idle;
  bool backed_off_ = false;
  bool asked_ = false;  // in this round
  bool rest_ = false;   // a wait is due before the next one
  std::uint64_t round_excess_ = 0;
  std::uint64_t round_returned_ = 0;
  std::uint64_t round_delivered_ = 0;  // as observed when it began
  std::optional<Nanoseconds> ineffective_since_;
  Nanoseconds retry_interval_{0};
  Nanoseconds retry_at_{0};
};

}  // namespace plateau
