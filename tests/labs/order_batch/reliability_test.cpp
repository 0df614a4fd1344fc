// What is acknowledged is in the store, once, whatever partner and disk do; the rest is in the report, by number.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "labs/order_batch/batch.hpp"
#include "labs/order_batch/partner.hpp"
#include "tests/support/random_seed.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::order_batch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RunningPartner {
 public:
  explicit RunningPartner(const PartnerOptions& options) : partner_(options), thread_([this] { partner_.run(); }) {}
  ~RunningPartner() { end(); }
  RunningPartner(const RunningPartner&) = delete;
  RunningPartner& operator=(const RunningPartner&) = delete;
  std::uint16_t port() const { return partner_.port(); }
  PartnerCounts end() {
    if (thread_.joinable()) {
      partner_.stop();
      thread_.join();
    }
    return partner_.counts();
  }

 private:
  Partner partner_;
  std::thread thread_;
};

// A batch with its store, as a test asks for it.
struct BatchRun {
  Fixes fixes{.workers = true, .group_commit = true, .limiter = true, .backpressure = true, .ownership = true};
  std::uint64_t orders = 60;
  PartnerOptions partner{.mean_ms = 1};
  std::chrono::milliseconds patience{2000};
  unsigned attempts = 8;
  WorkerPool::Ending on_stop = WorkerPool::Ending::drain;
  std::uint64_t stop_after = 0;  // acknowledgements; 0: never
  std::uint64_t most_pages = 0;
  std::string store_file;
  std::vector<OrderNumber> recorded_before = {};

  BatchReport report = {};
  std::vector<OrderNumber> acknowledged = {};
  std::vector<OrderNumber> stored = {};
  PartnerCounts counts = {};

  void operator()() {
    RunningPartner running(partner);
    const auto source = generated_orders(5, orders);
    Store store(store_file, most_pages);
    std::stop_source stop;
    BatchObserver observer;
    observer.acknowledged = [&](const Record& record, BatchObserver::Clock::time_point /*submitted*/) {
      acknowledged.push_back(record.number);
      if (acknowledged.size() == stop_after) stop.request_stop();
    };
    observer.is_recorded = [&](OrderNumber number) {
      return std::binary_search(recorded_before.begin(), recorded_before.end(), number);
    };
    Batch batch({.fixes = fixes,
                 .partner_port = running.port(),
                 .patience = patience,
                 .workers = 16,
                 .in_flight_bytes = 200'000,
                 .limiter = {},
                 .on_stop = on_stop,
                 .attempts = attempts},
                *source, store, observer);
    report = batch.run(stop.get_token());
    stored = store.numbers();
    std::sort(acknowledged.begin(), acknowledged.end());
    counts = running.end();
  }
};

std::vector<OrderNumber> all(std::uint64_t orders) {
  std::vector<OrderNumber> numbers(orders);
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// Every order is acknowledged, failed, unread or passed over, and only one of these.
void expect_all_accounted_for(const BatchRun& run) {
  EXPECT_EQ(run.acknowledged, run.stored) << "acknowledged, and in the store once";
  std::multiset<OrderNumber> told(run.acknowledged.begin(), run.acknowledged.end());
  for (const Failure& failure : run.report.failures) told.insert(failure.number);
  for (OrderNumber n = run.report.first_unread.value_or(run.orders); n < run.orders; ++n) told.insert(n);
  EXPECT_EQ(std::vector<OrderNumber>(told.begin(), told.end()), all(run.orders));
}

struct NamedFixes {
  const char* name;
  Fixes fixes;
};
class EachSetOfFixes : public ::testing::TestWithParam<NamedFixes> {};

TEST_P(EachSetOfFixes, RecordsEveryOrderOnce) {
  const testing::ScratchFolder folder;
  BatchRun run{.fixes = GetParam().fixes, .store_file = folder / "store"};
  run();
  EXPECT_EQ(run.acknowledged, all(run.orders));
  expect_all_accounted_for(run);
  EXPECT_EQ(run.report.most_not_durable > 0, run.fixes.acknowledge_first) << "acknowledged before it was on the disk";
}

INSTANTIATE_TEST_SUITE_P(All, EachSetOfFixes,
                         ::testing::Values(NamedFixes{"none", {}}, NamedFixes{"workers", {.workers = true}},
                                           NamedFixes{"group_commit", {.group_commit = true}},
                                           NamedFixes{"ownership", {.ownership = true}},
                                           NamedFixes{"backpressure", {.workers = true, .backpressure = true}},
                                           NamedFixes{"unbounded_queue", {.unbounded_queue = true}},
                                           NamedFixes{"acknowledge_first", {.acknowledge_first = true}}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Reliability, ARandomScheduleOfFaultsLosesNothing) {
  const char* const more = std::getenv("PLATEAU_TEST_SCHEDULES");  // NOLINT(concurrency-mt-unsafe)
  const int schedules = more != nullptr ? std::stoi(more) : 4;
  const std::uint64_t first_seed = testing::random_seed();
  for (int i = 0; i < schedules; ++i) {
    const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
    SCOPED_TRACE(::testing::Message() << "PLATEAU_TEST_SEED=" << seed);
    const testing::ScratchFolder folder;
    BatchRun run{.partner = {.mean_ms = 1, .seed = seed, .fault_share = 0.3, .late_ms = 300},
                 .patience = std::chrono::milliseconds(150),
                 .store_file = folder / "store"};
    if (i % 2 == 1) run.fixes = {.workers = true};
    run();
    EXPECT_EQ(run.acknowledged, all(run.orders));
    expect_all_accounted_for(run);
    EXPECT_EQ(run.counts.accepted, run.orders);
    EXPECT_GT(run.counts.faults, 0U);
  }
}

TEST(Reliability, AnOrderThatThePartnerNeverTakesFailsByNumber) {
  const testing::ScratchFolder folder;
  BatchRun run{.orders = 5,
               .partner = {.mean_ms = 1, .fault_share = 1, .most_faults = 1000, .late_ms = 1},
               .patience = std::chrono::milliseconds(20),
               .attempts = 1,
               .store_file = folder / "store"};
  run();
  EXPECT_FALSE(run.report.failures.empty());
  expect_all_accounted_for(run);
}

TEST(Reliability, RefusalsOfTheContractAreAskedForAgain) {
  const testing::ScratchFolder folder;
  BatchRun run{.partner = {.mean_ms = 1, .orders_per_second = 2000, .burst = 3}, .store_file = folder / "store"};
  run();
  EXPECT_EQ(run.acknowledged, all(run.orders));
  EXPECT_EQ(run.report.refusals, run.counts.refused);
}

TEST(Reliability, AFullDiskFailsWhatHasNoRoomAndKeepsTheRest) {
  for (const bool group_commit : {false, true}) {
    const testing::ScratchFolder folder;
    BatchRun run{.most_pages = 30, .store_file = folder / "store"};
    run.fixes.group_commit = group_commit;
    run();
    expect_all_accounted_for(run);
    ASSERT_FALSE(run.report.failures.empty());
    EXPECT_THAT(run.report.failures.front().reason, HasSubstr("full"));
    EXPECT_THAT(run.acknowledged, ::testing::Not(IsEmpty()));
  }
}

TEST(Reliability, AStopDrainsOrDropsAndTheNextRunDoesTheRest) {
  for (const WorkerPool::Ending ending : {WorkerPool::Ending::drain, WorkerPool::Ending::drop}) {
    const testing::ScratchFolder folder;
    BatchRun stopped{.orders = 300, .on_stop = ending, .stop_after = 50, .store_file = folder / "store"};
    stopped();
    EXPECT_TRUE(stopped.report.first_unread);
    expect_all_accounted_for(stopped);
    if (ending == WorkerPool::Ending::drain) {
      EXPECT_THAT(stopped.report.failures, IsEmpty());
    }

    BatchRun rest{.orders = 300, .store_file = folder / "store", .recorded_before = stopped.stored};
    rest();
    EXPECT_EQ(rest.stored, all(300));
    EXPECT_EQ(rest.report.passed_over, stopped.stored.size());
    EXPECT_EQ(rest.acknowledged.size() + stopped.acknowledged.size(), 300U);
  }
}

TEST(Reliability, AnOrderIsRecordedOnceEvenIfItIsAskedForTwice) {
  const testing::ScratchFolder folder;
  BatchRun first{.orders = 10, .store_file = folder / "store"};
  first();
  BatchRun again{.orders = 12, .store_file = folder / "store"};  // which has forgotten what is recorded
  again();
  EXPECT_EQ(again.stored, all(12));
  EXPECT_THAT(again.acknowledged, ElementsAre(10, 11));
  EXPECT_EQ(again.report.failures.size(), 10U);
}

TEST(Numbers, AreToldAsRanges) {
  EXPECT_EQ(format_numbers({}), "");
  EXPECT_EQ(format_numbers({4}), "4");
  EXPECT_EQ(format_numbers({0, 1, 2, 7, 9, 10}), "0-2, 7, 9-10");
}

}  // namespace
}  // namespace plateau::order_batch
