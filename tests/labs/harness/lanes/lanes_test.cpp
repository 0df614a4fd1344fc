// Protects the engine: every operation of a lane once and in order, turns that follow one another, what is recorded of
// each, fixes that are switched in between, and the end of the process.
#include "labs/harness/lanes/lanes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "labs/harness/arm/arm_block.hpp"
#include "tests/labs/harness/lab_of_tests.hpp"

namespace plateau::harness {
namespace {

// ThreadSanitizer lets a forked child begin no threads, and every arm here is one.
#ifdef __SANITIZE_THREAD__
#define SKIP_WHERE_A_FORKED_CHILD_HAS_NO_THREADS GTEST_SKIP() << "a forked child may begin no threads here"
#else
#define SKIP_WHERE_A_FORKED_CHILD_HAS_NO_THREADS static_assert(true)
#endif

constexpr std::size_t lanes = 2;
constexpr std::size_t workers_per_lane = 3;
constexpr std::uint64_t turn_operations = 10;  // of a lane

struct Fixes {
  bool a = false;
  bool b = false;
};
constexpr auto right = std::to_array<FixRow<Fixes>>({{"a", "", &Fixes::a}, {"b", "", &Fixes::b, FixScope::process}});
constexpr FixTable<Fixes> table(right, {});

// What a service of the child tells its parent, beside its block. Lanes have a place each.
struct Told {
  std::array<std::atomic<std::uint64_t>, lanes> next_index{};  // that may be handled
  std::array<std::atomic<std::uint64_t>, lanes> switches{};
  std::atomic<int> out_of_order{0};
  std::atomic<int> not_prepared{0};  // handled as measured before prepared() was called
  std::atomic<int> wrong_workers{0};
  std::atomic<int> begun{0};
  std::atomic<int> ended{0};
  std::atomic<std::uint64_t> processes_switched{0};
};

class CountingService : public LaneService<Fixes> {
 public:
  CountingService(ArmContext& context, Told& told, std::uint64_t preparing_turns)
      : LaneService({.lanes = lanes, .workers_per_lane = workers_per_lane, .preparing_turns = preparing_turns}, table,
                    Fixes{}),
        context_(context),
        told_(told) {
    for (std::size_t lane = 0; lane < lanes; ++lane) told_.next_index[lane] = lane;
  }

  std::uint64_t turn_end(std::size_t /*lane*/, std::uint64_t turn) const override {
    return (turn + 1) * turn_operations;
  }
  void handle(std::size_t lane, std::uint64_t index) override {
    if (told_.next_index[lane].exchange(index + lanes) != index) ++told_.out_of_order;
    digest_[lane] = digest_[lane] * 31 + index;
  }
  void handled(LaneWorker& worker, const LaneOperation& operation) override {
    const std::uint64_t turn = operation.position / turn_operations;
    if (worker.number() != worker.lane() * workers_per_lane + turn % workers_per_lane) ++told_.wrong_workers;
    if (operation.first_of_turn != turn * turn_operations) ++told_.wrong_workers;
    if (!prepared_) ++told_.not_prepared;
  }
  void end_turn(std::size_t lane, const LaneTurn& turn) override {
    if (turn.whole && turn.measured) context_.finish_batch(lane, digest_[lane]);
  }
  void switch_lane(std::size_t lane, const Fixes& /*fixes*/) override { ++told_.switches[lane]; }
  void switch_process(const Fixes& before, const Fixes& now) override {
    if (before.b != now.b) ++told_.processes_switched;
  }
  void prepared() override { prepared_ = true; }
  void begun() override { ++told_.begun; }
  void ended() override { ++told_.ended; }

 private:
  ArmContext& context_;
  Told& told_;
  std::atomic<bool> prepared_{false};
  std::array<std::uint64_t, lanes> digest_{};
};

template <class T>
class Shared {
 public:
  Shared() : memory_(::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) throw std::bad_alloc();
    object_ = ::new (memory_) T();
  }
  ~Shared() { ::munmap(memory_, sizeof(T)); }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }

 private:
  void* const memory_;
  T* object_ = nullptr;
};

ArmSpec experiment(std::uint64_t operations) {
  ArmSpec spec;
  spec.name = "test";
  spec.time = {.operations_per_second = 1000, .speedup = 10};
  spec.hours = static_cast<double>(operations) / 1000 / 3600;
  return spec;
}

// The arm's process, without the rest of an arm: killed by the destructor if it still runs.
class ChildArm {
 public:
  template <class Service>
  ChildArm(const ArmSpec& spec, Service make_service) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    static const LabDescription description = lab();
    ArmContext context(spec, *block, {}, description);
    const auto service = make_service(context, *told);
    run_lanes(context, *service);
  }
  ~ChildArm() {
    if (ended_) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ChildArm(const ChildArm&) = delete;
  ChildArm& operator=(const ChildArm&) = delete;

  // Lets an experiment run once it is ready.
  void let_run() const {
    while (block->phase == Phase::starting) std::this_thread::yield();
    Phase ready = Phase::ready;
    block->phase.compare_exchange_strong(ready, Phase::running);
  }
  // Gives the status that the process ended with.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  Shared<ArmBlock> block;
  Shared<Told> told;

 private:
  pid_t pid_ = -1;
  bool ended_ = false;
};

auto counting(std::uint64_t preparing_turns) {
  return [preparing_turns](ArmContext& context, Told& told) {
    return std::make_unique<CountingService>(context, told, preparing_turns);
  };
}

TEST(Lanes, HandleEveryOperationOnceInOrderAndEndTheProcess) {
  SKIP_WHERE_A_FORKED_CHILD_HAS_NO_THREADS;
  ChildArm arm(experiment(75), counting(0));  // 38 and 37 of a lane: three whole turns each, and a part of one
  arm.let_run();
  EXPECT_EQ(arm.wait(), EXIT_SUCCESS) << load_text(arm.block->message);
  EXPECT_EQ(arm.block->phase, Phase::finished);
  EXPECT_EQ(arm.told->out_of_order, 0);
  EXPECT_EQ(arm.told->wrong_workers, 0);
  EXPECT_EQ(arm.told->not_prepared, 0);
  EXPECT_EQ(arm.told->begun, 1);
  EXPECT_EQ(arm.told->ended, 1);
  EXPECT_EQ(arm.told->next_index[0], 76U);
  EXPECT_EQ(arm.told->next_index[1], 75U);
  EXPECT_EQ(arm.block->operations[0], 38U);
  EXPECT_EQ(arm.block->operations[1], 37U);
  EXPECT_EQ(arm.block->digests[0].count, 3U) << "a turn that is cut short cannot be compared";
  EXPECT_EQ(arm.block->digests[1].count, 3U);
  std::uint64_t latencies = 0;
  for (const LatencyHistogram& one : arm.block->latency) latencies += one.count();
  EXPECT_EQ(latencies, 75U);
}

TEST(Lanes, WhatPreparesTheHeapComesBeforeAndIsNotMeasured) {
  SKIP_WHERE_A_FORKED_CHILD_HAS_NO_THREADS;
  ChildArm arm(experiment(40), counting(2));  // twenty operations of a lane prepare it
  arm.let_run();
  EXPECT_EQ(arm.wait(), EXIT_SUCCESS) << load_text(arm.block->message);
  EXPECT_EQ(arm.told->out_of_order, 0);
  EXPECT_EQ(arm.told->wrong_workers, 0);
  EXPECT_EQ(arm.told->not_prepared, 0);
  EXPECT_EQ(arm.told->next_index[0], 80U);
  EXPECT_EQ(arm.block->operations[0], 20U);
  EXPECT_EQ(arm.block->digests[0].count, 2U);
}

TEST(Lanes, FewerOperationsThanLanesEndTheProcessToo) {
  SKIP_WHERE_A_FORKED_CHILD_HAS_NO_THREADS;
  ChildArm arm(experiment(1), counting(0));
  arm.let_run();
  EXPECT_EQ(arm.wait(), EXIT_SUCCESS);
  EXPECT_EQ(arm.block->total_operations(), 1U);
}

class FailingService final : public CountingService {
 public:
  FailingService(ArmContext& context, Told& told, bool when_prepared)
      : CountingService(context, told, 1), when_prepared_(when_prepared) {}
  void handle(std::size_t lane, std::uint64_t index) override {
    CountingService::handle(lane, index);
    if (!when_prepared_ && index == 31) throw std::runtime_error("order 31 is bad");
  }
  void prepared() override {
    if (when_prepared_) throw std::runtime_error("it cannot be prepared");
    CountingService::prepared();
  }

 private:
  const bool when_prepared_;
};

TEST(Lanes, WhatAWorkerOrTheServiceThrowsEndsTheArmWithTheReason) {
  SKIP_WHERE_A_FORKED_CHILD_HAS_NO_THREADS;
  for (const bool when_prepared : {false, true}) {
    ChildArm arm(experiment(100), [when_prepared](ArmContext& context, Told& told) {
      return std::make_unique<FailingService>(context, told, when_prepared);
    });
    if (!when_prepared) arm.let_run();
    EXPECT_EQ(arm.wait(), EXIT_FAILURE);
    EXPECT_EQ(arm.block->phase, Phase::failed);
    EXPECT_EQ(load_text(arm.block->message), when_prepared ? "it cannot be prepared" : "order 31 is bad");
  }
}

// As the parent of a service turns a knob.
class Knob {
 public:
  Knob(ArmBlock& block, std::size_t fix) : knob_(block.knobs[static_cast<std::size_t>(KnobId::first_fix) + fix]) {}
  void turn(bool on) {
    knob_.wanted = on ? 1 : 0;
    const std::uint32_t asked = ++knob_.asked;
    while (knob_.answered != asked) std::this_thread::yield();
  }
  bool in_force() const { return knob_.in_force == 1; }

 private:
  SharedKnob& knob_;
};

TEST(Lanes, AServiceSwitchesItsFixesInEachLaneOnce) {
  SKIP_WHERE_A_FORKED_CHILD_HAS_NO_THREADS;
  ArmSpec spec = experiment(1);
  spec.service_rate = 2000;
  ChildArm arm(spec, counting(0));
  while (arm.block->phase != Phase::running) std::this_thread::yield();
  Knob a(*arm.block, 0);
  Knob b(*arm.block, 1);
  EXPECT_FALSE(a.in_force());
  a.turn(true);
  while (!a.in_force()) std::this_thread::yield();  // ends only when both lanes work with it
  EXPECT_EQ(arm.told->switches[0], 1U);
  EXPECT_EQ(arm.told->switches[1], 1U);
  EXPECT_EQ(arm.told->processes_switched, 0U);
  b.turn(true);
  EXPECT_TRUE(b.in_force()) << "what is the process's is in force when it is answered";
  EXPECT_EQ(arm.told->processes_switched, 1U);
  EXPECT_EQ(arm.told->out_of_order, 0);
}

}  // namespace
}  // namespace plateau::harness
