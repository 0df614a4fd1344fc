// Protects the controller, by numbers alone: what it does in each of the situations that a service gets into, and that
// it neither spins nor fights for ever.
#include "allocators/retention_decision.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <set>
#include <vector>

namespace plateau {
namespace {

using namespace std::chrono_literals;
using std::chrono::nanoseconds;
using Action = RetentionStep::Action;

constexpr std::uint64_t mib = 1 << 20;

// A process in figures: time passes and CPU is used only as it says.
struct Process {
  std::uint64_t live = 0;
  std::uint64_t unused = 0;
  std::vector<std::uint64_t> caches = {};  // part of live, in the order in which they are asked
  std::uint64_t slice = 8 * mib;           // returned by a purge at most
  nanoseconds cost = 100us;                // of a MiB that is purged
  nanoseconds look_cost = 50us;
  bool returns = true;  // whether purging returns anything
  bool tells = true;    // whether the allocator tells live and unused

  nanoseconds now = 1h;
  nanoseconds cpu = 0ns;
  std::size_t next_cache = 0;
  std::uint64_t delivered = 0;

  std::uint64_t used() const { return live + unused; }

  RetentionObservation look() {
    cpu += look_cost;
    now += look_cost;
    RetentionObservation seen;
    seen.now = now;
    seen.cpu = cpu;
    if (tells) {
      seen.live = live;
      seen.unused = unused;
    }
    seen.used = used();
    seen.delivered = delivered;
    seen.caches_left = caches.size() - next_cache;
    return seen;
  }

  void act(const RetentionStep& step) {
    if (step.action == Action::shed) {
      if (step.begins_round) next_cache = 0;
      if (next_cache < caches.size()) {
        std::uint64_t& cache = caches[next_cache++];
        const std::uint64_t given = std::min(cache, step.bytes);
        cache -= given;
        live -= given;
        unused += given;
        delivered += given;
      }
    }
    if (step.action == Action::purge && returns) {
      const std::uint64_t given = std::min({unused, step.bytes, slice});
      unused -= given;
      const nanoseconds took = cost * given / mib;
      cpu += took;
      now += took;
    }
    now += step.wait;
  }
};

struct Course {
  std::vector<RetentionStep> steps;
  std::vector<RetentionState> states;  // each once for as long as it lasts
  nanoseconds cpu{0};

  std::uint64_t count(Action action) const {
    return static_cast<std::uint64_t>(
        std::count_if(steps.begin(), steps.end(), [action](const auto& s) { return s.action == action; }));
  }
  bool was(RetentionState state) const { return std::find(states.begin(), states.end(), state) != states.end(); }
};

// Until so much time has passed; `meanwhile` changes the process before each look.
template <class Meanwhile>
Course run(RetentionDecision& decision, Process& process, nanoseconds time, Meanwhile meanwhile) {
  Course course;
  const nanoseconds end = process.now + time;
  const nanoseconds cpu_before = process.cpu;
  while (process.now < end) {
    meanwhile();
    const RetentionStep step = decision.next(process.look());
    EXPECT_EQ(step.wait.count() > 0, step.action == Action::wait) << "it either acts or waits";
    process.act(step);
    course.steps.push_back(step);
    if (course.states.empty() || course.states.back() != decision.state()) course.states.push_back(decision.state());
  }
  course.cpu = process.cpu - cpu_before;
  return course;
}
Course run(RetentionDecision& decision, Process& process, nanoseconds time) {
  return run(decision, process, time, [] {});
}

using States = std::vector<RetentionState>;
using enum RetentionState;

TEST(RetentionDecision, SteadyStateOnlyLooks) {
  RetentionDecision decision({.retain_percent = 100, .soft_limit = 1000 * mib});
  Process process{.live = 100 * mib, .unused = 100 * mib};
  const Course seen = run(decision, process, 60s);
  EXPECT_EQ(seen.count(Action::wait), seen.steps.size());
  EXPECT_EQ(seen.states, States{steady});
  EXPECT_NEAR(static_cast<double>(seen.steps.size()), 600, 5) << "ten looks in retain_for";
}

TEST(RetentionDecision, AfterABurstKeepsThePercentageAndNotBeforeRetainFor) {
  RetentionDecision decision({.retain_percent = 50});
  Process process{.live = 400 * mib, .unused = 0};
  run(decision, process, 10s);
  process.live = 100 * mib;
  process.unused = 300 * mib;
  EXPECT_EQ(run(decision, process, 900ms).count(Action::purge), 0u);
  const Course after = run(decision, process, 10s);
  EXPECT_EQ(process.unused, 50 * mib);
  EXPECT_EQ(after.states, (States{steady, purging, steady}));
  EXPECT_EQ(decision.counts().purged_bytes, 250 * mib);
  EXPECT_EQ(run(decision, process, 60s).count(Action::purge), 0u);
}

TEST(RetentionDecision, PagesThatAreUsedAgainInTimeAreLeftAlone) {
  RetentionDecision decision({.retain_percent = 0});
  Process process{.live = 200 * mib, .unused = 0};
  int look = 0;
  // A batch takes and drops 100 MiB every 0.6 s: what is unused now is wanted again soon.
  const Course seen = run(decision, process, 60s, [&] {
    const bool full = ++look % 6 < 3;
    process.live = full ? 200 * mib : 100 * mib;
    process.unused = full ? 0 : 100 * mib;
  });
  EXPECT_EQ(seen.count(Action::purge), 0u);
}

TEST(RetentionDecision, KeepsItsShareOfCpu) {
  RetentionDecision decision({.retain_percent = 0, .retain_for = 100ms, .purge_cpu_share = 0.05});
  Process process{.live = 0, .unused = 100'000 * mib, .cost = 3ms};  // a slice of 8 MiB is 24 ms
  const Course seen = run(decision, process, 60s);
  EXPECT_LT(seen.cpu, 60s / 20 + 50ms + 25ms) << "the share, the credit of a second, one slice overdrawn";
  EXPECT_GT(seen.cpu, 60s / 20 * 8 / 10) << "and it uses it";
}

TEST(RetentionDecision, ALookThatCostsMuchMakesLooksRarer) {
  RetentionDecision decision({.retain_percent = 100, .retain_for = 10ms});
  Process process{.live = 100 * mib, .unused = 0, .look_cost = 2ms};  // thousands of arenas
  EXPECT_LT(run(decision, process, 60s).cpu, nanoseconds(60s) / 20 + 100ms);
}

TEST(RetentionDecision, UnderTheLimitPurgesBeforeItAsksAnyCache) {
  RetentionDecision decision({.retain_percent = 400, .soft_limit = 500 * mib});
  Process process{.live = 200 * mib, .unused = 310 * mib, .caches = {50 * mib}};
  const Course seen = run(decision, process, 5s);
  EXPECT_EQ(seen.count(Action::shed), 0u) << "what is unused suffices";
  EXPECT_EQ(seen.count(Action::flush), 1u);
  EXPECT_LE(process.used(), 500 * mib - 500 * mib / 32);
  EXPECT_GT(process.used(), 450 * mib) << "no more than was needed";
  EXPECT_EQ(decision.state(), steady);
}

TEST(RetentionDecision, CachesGiveWhatPurgingCannotInOrderAndNoMore) {
  RetentionDecision decision({.retain_percent = 100, .soft_limit = 512 * mib});
  // 28 MiB above, and 16 MiB below it is the relief: 44 MiB are to go, 4 of which are unused.
  Process process{.live = 536 * mib, .unused = 4 * mib, .caches = {10 * mib, 100 * mib, 100 * mib}};
  const Course seen = run(decision, process, 5s);
  std::vector<std::uint64_t> wanted;
  for (const RetentionStep& step : seen.steps) {
    if (step.action == Action::shed) wanted.push_back(step.bytes);
  }
  EXPECT_EQ(wanted, (std::vector<std::uint64_t>{40 * mib, 30 * mib}));
  EXPECT_EQ(process.caches, (std::vector<std::uint64_t>{0, 70 * mib, 100 * mib}));
  EXPECT_EQ(process.used(), 496 * mib);
  EXPECT_EQ(seen.states, (States{shedding, reclaiming, steady}));
}

TEST(RetentionDecision, ALeakIsToldOnceAndNotFoughtForEver) {
  RetentionDecision decision({.soft_limit = 500 * mib, .give_up_after = 5s});
  Process process{.live = 400 * mib, .unused = 0, .caches = {20 * mib}};
  const Course seen = run(decision, process, 10min, [&] { process.live += mib / 8; });
  EXPECT_EQ(decision.state(), backed_off);
  EXPECT_EQ(decision.counts().backed_off, 1u);
  EXPECT_EQ(std::count(seen.states.begin(), seen.states.end(), backed_off), 1);
  EXPECT_EQ(process.caches[0], 0u);
  const std::uint64_t rounds = decision.counts().rounds;
  const Course later = run(decision, process, 10min, [&] { process.live += mib / 8; });
  EXPECT_LE(decision.counts().rounds - rounds, 10u) << "16 x 5 s apart";
  EXPECT_LT(later.cpu, nanoseconds(10min) / 100);
}

TEST(RetentionDecision, BacksOffNoSoonerThanAsked) {
  RetentionDecision decision({.soft_limit = 500 * mib, .give_up_after = 5s});
  Process process{.live = 600 * mib, .unused = 0};
  EXPECT_FALSE(run(decision, process, 4900ms).was(backed_off));
  EXPECT_TRUE(run(decision, process, 1s).was(backed_off));
}

TEST(RetentionDecision, ALimitBelowLiveIsGivenUpAndTakenUpWhenRaised) {
  RetentionDecision decision({.soft_limit = 100 * mib});
  Process process{.live = 300 * mib, .unused = 200 * mib};
  run(decision, process, 30s);
  EXPECT_EQ(decision.state(), backed_off);
  EXPECT_LT(process.unused, mib) << "what could be had was had";
  RetentionKnobs raised = decision.knobs();
  raised.soft_limit = 1000 * mib;
  decision.set_knobs(raised);
  EXPECT_EQ(run(decision, process, 1s).states, States{steady});
}

TEST(RetentionDecision, BackedOffItStillKeepsThePercentage) {
  RetentionDecision decision({.retain_percent = 100, .soft_limit = 100 * mib});
  Process process{.live = 300 * mib, .unused = 0};
  run(decision, process, 30s);
  ASSERT_EQ(decision.state(), backed_off);
  process.unused = 700 * mib;
  run(decision, process, 4s);
  EXPECT_EQ(decision.state(), backed_off);
  EXPECT_LE(process.unused, 300 * mib);
}

TEST(RetentionDecision, RecoversAndFightsTheNextTimeAsLong) {
  RetentionDecision decision({.soft_limit = 500 * mib, .give_up_after = 5s});
  Process process{.live = 600 * mib, .unused = 0};
  run(decision, process, 10min);
  ASSERT_EQ(decision.state(), backed_off);
  process.live = 200 * mib;
  EXPECT_EQ(run(decision, process, 1s).states, States{steady});
  process.live = 600 * mib;
  EXPECT_FALSE(run(decision, process, 4900ms).was(backed_off)) << "the last defeat is forgotten";
  EXPECT_TRUE(run(decision, process, 1s).was(backed_off));
  EXPECT_EQ(decision.counts().backed_off, 2u);
}

TEST(RetentionDecision, ARoundThatWorksAfterBackingOffEndsIt) {
  RetentionDecision decision({.retain_percent = 1000, .soft_limit = 500 * mib, .give_up_after = 1s});
  Process process{.live = 600 * mib, .unused = 0};
  run(decision, process, 5s);
  ASSERT_EQ(decision.state(), backed_off);
  process.live = 300 * mib;
  process.unused = 300 * mib;
  const Course seen = run(decision, process, 20s);
  EXPECT_EQ(decision.state(), steady);
  EXPECT_LE(process.used(), 500 * mib);
}

TEST(RetentionDecision, ChurnThatIsHeldIsNoDefeat) {
  RetentionDecision decision({.retain_percent = 1000, .soft_limit = 500 * mib, .give_up_after = 1s});
  Process process{.live = 300 * mib, .unused = 150 * mib};
  // 30 MiB more unused at every wait, for ever: each round gives it back.
  const Course seen = run(decision, process, 60s, [&, last = 0ns]() mutable {
    if (process.now - last > 50ms) {
      process.unused += 30 * mib;
      last = process.now;
    }
  });
  EXPECT_FALSE(seen.was(backed_off));
  EXPECT_LT(seen.cpu, 60s / 2 + 1s) << "limit_cpu_share";
}

TEST(RetentionDecision, PurgesThatReturnNothingAreTriedEverMoreSeldom) {
  RetentionDecision decision({.retain_percent = 0});
  Process process{.live = 100 * mib, .unused = 100 * mib, .returns = false};
  const Course seen = run(decision, process, 10min);
  EXPECT_GE(seen.count(Action::purge), 5u);
  EXPECT_LE(seen.count(Action::purge), 20u);
  process.returns = true;
  run(decision, process, 130s);
  EXPECT_LT(process.unused, mib) << "it has not given up";
}

TEST(RetentionDecision, AClockThatJumpsCountsAsNoTime) {
  for (const nanoseconds jump : {nanoseconds(24h), -nanoseconds(30min)}) {
    RetentionDecision decision({.retain_percent = 0, .soft_limit = 500 * mib, .give_up_after = 5s});
    Process process{.live = 600 * mib, .unused = 0};
    run(decision, process, 1s);
    process.now += jump;
    EXPECT_FALSE(run(decision, process, 2s).was(backed_off)) << "fought for three seconds, not for a day";
    EXPECT_TRUE(run(decision, process, 4s).was(backed_off)) << "and not for ever";
  }
}

TEST(RetentionDecision, AClockThatJumpsGivesNoCredit) {
  RetentionDecision decision({.retain_percent = 0, .retain_for = 0ms, .purge_cpu_share = 0.05});
  Process process{.live = 0, .unused = 100'000 * mib, .cost = 3ms};
  run(decision, process, 10s);
  process.now += 24h;
  EXPECT_LT(run(decision, process, 10s).cpu, nanoseconds(10s) / 20 + 75ms);
}

TEST(RetentionDecision, WhereTheAllocatorTellsNothingOnlyTheLimitIsHeld) {
  RetentionDecision decision({.retain_percent = 0, .soft_limit = 512 * mib});
  Process process{.live = 200 * mib, .unused = 300 * mib, .caches = {10 * mib, 100 * mib}, .tells = false};
  EXPECT_EQ(run(decision, process, 60s).count(Action::purge), 0u);
  process.unused += 20 * mib;  // 520: 24 are to go
  const Course seen = run(decision, process, 5s);
  EXPECT_EQ(process.caches, (std::vector<std::uint64_t>{0, 86 * mib})) << "what is unused is not known, so caches give";
  EXPECT_LE(process.used(), 496 * mib);
  EXPECT_EQ(decision.state(), steady);
}

TEST(RetentionDecision, WithoutAPercentageOnlyTheLimitIsHeld) {
  RetentionDecision decision({.retain_percent = std::nullopt, .soft_limit = 512 * mib});
  Process process{.live = 100 * mib, .unused = 400 * mib};
  EXPECT_EQ(run(decision, process, 60s).count(Action::purge), 0u);
  process.unused += 20 * mib;
  EXPECT_GT(run(decision, process, 5s).count(Action::purge), 0u);
  EXPECT_LE(process.used(), 512 * mib);
  EXPECT_EQ(decision.state(), steady);
}

TEST(RetentionDecision, CloseToTheLimitItLooksOftenEvenInDebt) {
  RetentionDecision decision({.retain_percent = 1000, .soft_limit = 500 * mib});
  Process process{.live = 250 * mib, .unused = 200 * mib, .look_cost = 5ms};
  const Course seen = run(decision, process, 10s);
  for (const RetentionStep& step : seen.steps) EXPECT_EQ(step.wait, 10ms);
}

TEST(RetentionDecision, NeitherLimitNorHeapMeansNothingToDo) {
  RetentionDecision decision({});
  Process process{.tells = false};
  EXPECT_EQ(run(decision, process, 60s).count(Action::wait), 600u);
}

TEST(RetentionDecision, TheGoalIsWhatItKeeps) {
  RetentionDecision decision({.retain_percent = 50});
  Process process{.live = 100 * mib, .unused = 80 * mib};
  run(decision, process, 10s);
  EXPECT_EQ(decision.goal(process.look()), 50 * mib);
  EXPECT_LE(process.unused, 50 * mib);

  decision.set_knobs({.retain_percent = 50, .soft_limit = 90 * mib});
  decision.next(process.look());
  ASSERT_EQ(decision.state(), RetentionState::shedding);
  EXPECT_EQ(decision.goal(process.look()), 0U) << "under the limit nothing is kept on purpose";

  decision.set_knobs({.retain_percent = std::nullopt});
  EXPECT_FALSE(decision.goal(process.look())) << "decay is the allocator's";
  EXPECT_FALSE(RetentionDecision({}).goal({})) << "nobody tells what is live";
}

}  // namespace
}  // namespace plateau
