// The lab as a user runs it, small: what it writes, that it is killed where it must be, and that a stop loses nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "labs/order_batch/store.hpp"
#include "profiling/formats/pprof_reader.hpp"
#include "tests/labs/lab_process.hpp"
#include "tests/labs/written_result.hpp"

namespace plateau::testing {
namespace {

using boost::json::object;
using ::testing::HasSubstr;

double number(const boost::json::value& value) {
  return value.to_number<double>();
}

double gauge(const object& arm, const char* name) {
  return number(arm.at("gauges").at(name));
}

std::vector<std::uint64_t> acknowledged_in(const std::string& file) {
  std::istringstream text(read_text(file));
  std::vector<std::uint64_t> numbers;
  for (std::uint64_t one = 0; text >> one;) numbers.push_back(one);
  return numbers;
}

// Until the lab has acknowledged some orders. Throws when it does not within the time that ctest gives a test: whoever
// ends ctest leaves this program behind.
void wait_for_acknowledged(const std::string& file, std::size_t orders) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(100);
  while (acknowledged_in(file).size() < orders) {
    if (std::chrono::steady_clock::now() > deadline)
      throw std::runtime_error("the lab has not acknowledged " + std::to_string(orders) + " orders in 100 s");
    std::this_thread::yield();
  }
}

TEST(OrderBatch, BeforeAndAfterRecordTheSame) {
  const ScratchFolder folder;
  const Finished finished =
      run(ORDER_BATCH, {"--orders-total", "400", "--partner-ms", "4", "--json", folder / "out.json"});
  ASSERT_LE(finished.status, 1) << finished.error;
  const object result = read_result(folder / "out.json");
  const object& before = result.at("arms").at(0).as_object();
  const object& after = result.at("arms").at(1).as_object();
  EXPECT_EQ(before.at("outcome"), "completed");
  EXPECT_EQ(after.at("outcome"), "completed");
  EXPECT_FALSE(before.at("checksum").is_null());
  EXPECT_EQ(before.at("checksum"), after.at("checksum"));
  EXPECT_EQ(row(result, "same output, in batches compared").at("holds"), true);
  EXPECT_EQ(row(result, "orders acknowledged and in the store, once").at("holds"), true);
  EXPECT_EQ(number(before.at("input").at("operations")), 400);
  EXPECT_EQ(gauge(before, "commits"), 400);
  EXPECT_LT(gauge(after, "commits"), 400);
  EXPECT_EQ(gauge(before, "workers"), 1);
  EXPECT_GT(gauge(after, "workers"), 2) << "an order waits more than it computes";
  EXPECT_GT(number(before.at("latency_us").at("count")), 0);
  EXPECT_FALSE(result.at("predictions").as_array().empty());
  EXPECT_LT(gauge(after, "batch seconds"), gauge(before, "batch seconds"));
}

TEST(OrderBatch, AQueueWithoutAnEndIsKilledWhereABoundedOneLives) {
  const ScratchFolder folder;
  const auto run_with = [&](const char* fixes) {
    const Finished finished = run(ORDER_BATCH, {"run", "--fix", fixes, "--memory-limit", "56MiB", "--in-flight", "4MiB",
                                                "--partner-rate", "4000", "--json", folder / "out.json"});
    EXPECT_EQ(finished.status, 0) << finished.error;
    EXPECT_TRUE(cgroups_of(finished.pid).empty());
    return read_result(folder / "out.json").at("arms").at(0).as_object();
  };
  const object killed = run_with("unbounded-queue");
  if (!std::string(killed.at("limit").at("by").as_string()).starts_with("cgroup")) {
    GTEST_SKIP() << "no cgroup can be made here: RLIMIT_DATA counts address space, not pages";
  }
  EXPECT_EQ(killed.at("outcome"), "oom_killed");
  const object bounded = run_with("all");
  EXPECT_EQ(bounded.at("outcome"), "completed");
  EXPECT_EQ(gauge(bounded, "orders in the store"), 10'000);
  EXPECT_LE(gauge(bounded, "most bytes in flight"), 4 << 20);
}

TEST(OrderBatch, AnEndlessBurstOverrunsThePartner) {
  const ScratchFolder folder;
  const auto refusals_with = [&](const char* fixes) {
    const Finished finished = run(ORDER_BATCH, {"run", "--fix", fixes, "--orders-total", "1500", "--partner-rate",
                                                "500", "--json", folder / "out.json"});
    EXPECT_EQ(finished.status, 0) << finished.error;
    return gauge(read_result(folder / "out.json").at("arms").at(0).as_object(), "refusals of the partner");
  };
  EXPECT_GT(refusals_with("burst-infinite"), 200);
  EXPECT_LT(refusals_with("all"), 50);
}

TEST(OrderBatch, FaultsOfThePartnerLoseNothing) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_BATCH, {"run", "--fix", "all", "--orders-total", "300", "--partner-ms", "1",
                                              "--partner-faults", "20", "--json", folder / "out.json"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  const object arm = read_result(folder / "out.json").at("arms").at(0).as_object();
  EXPECT_EQ(gauge(arm, "orders in the store"), 300);
  EXPECT_EQ(gauge(arm, "orders failed"), 0);
  EXPECT_GT(gauge(arm, "requests to the partner"), 300);
}

class OrderBatchStopped : public ::testing::TestWithParam<int> {};

// A signal to the lab, which ends its arm by SIGKILL: nobody is asked whether it is convenient.
TEST_P(OrderBatchStopped, WhatWasAcknowledgedIsInTheStoreOnceAndTheNextRunDoesTheRest) {
  const ScratchFolder folder;
  const std::vector<std::string> arguments{ORDER_BATCH,      "run",
                                           "--fix",          "all",
                                           "--orders-total", "3000",
                                           "--partner-rate", "1000",
                                           "--store",        folder / "store",
                                           "--acknowledged", folder / "acknowledged"};
  {
    ChildProgram lab(arguments);
    wait_for_acknowledged(folder / "acknowledged", 100);
    lab.signal(GetParam());
    EXPECT_EQ(lab.wait(), 128 + GetParam());
  }
  const auto acknowledged = acknowledged_in(folder / "acknowledged");
  const auto stored = order_batch::Store(folder / "store").numbers();
  ASSERT_LT(stored.size(), 3000U);
  EXPECT_TRUE(std::is_sorted(stored.begin(), stored.end(), std::less_equal<>())) << "each once";
  for (const std::uint64_t one : acknowledged)
    EXPECT_TRUE(std::binary_search(stored.begin(), stored.end(), one)) << one << " was acknowledged";

  const Finished rest = run_to_end(arguments);
  EXPECT_EQ(rest.status, 0) << rest.error;
  EXPECT_THAT(rest.out, HasSubstr(std::to_string(stored.size()) + " of 3000 orders are recorded already"));
  EXPECT_EQ(order_batch::Store(folder / "store").numbers().size(), 3000U);
}

INSTANTIATE_TEST_SUITE_P(All, OrderBatchStopped, ::testing::Values(SIGTERM, SIGINT),
                         [](const auto& test) { return test.param == SIGTERM ? "terminated" : "interrupted"; });

TEST(OrderBatch, AnArmThatIsTerminatedDrainsAndTellsTheRestByNumber) {
  const ScratchFolder folder;
  ChildProgram lab({ORDER_BATCH, "run", "--fix", "all", "--orders-total", "9000", "--partner-rate", "1000",
                    "--in-flight", "1MiB", "--store", folder / "store", "--acknowledged", folder / "acknowledged"});
  wait_for_acknowledged(folder / "acknowledged", 100);
  // Its children are the partner and the arm.
  std::istringstream children(
      read_text("/proc/" + std::to_string(lab.pid()) + "/task/" + std::to_string(lab.pid()) + "/children"));
  for (pid_t child = 0; children >> child;) {
    if (read_text("/proc/" + std::to_string(child) + "/cmdline").find("arm") != std::string::npos)
      ::kill(child, SIGTERM);
  }
  EXPECT_EQ(lab.wait(), 2);
  const std::string error = lab.rest_of_error();
  const auto stored = order_batch::Store(folder / "store").numbers();
  EXPECT_THAT(error, HasSubstr("stopped: " + std::to_string(stored.size()) + " of 9000 orders are recorded"));
  EXPECT_THAT(error, HasSubstr("-8999"));
  EXPECT_EQ(acknowledged_in(folder / "acknowledged").size(), stored.size());
}

TEST(OrderBatch, OrdersOfAFileAreDoneAndABadLineFailsByNumber) {
  const ScratchFolder folder;
  folder.write("orders", R"({"customer":"a","items":[{"sku":"s","name":"n","quantity":2,"cents":5}]}
no order
{"customer":"b","items":[{"sku":"s","name":"n","quantity":1,"cents":7}]}
)");
  const Finished finished =
      run(ORDER_BATCH, {"run", "--fix", "all", "--orders", folder / "orders", "--store", folder / "store"});
  EXPECT_EQ(finished.status, 0) << finished.error;
  EXPECT_THAT(finished.error, HasSubstr("order 1 failed: line 2 is no order"));
  EXPECT_THAT(order_batch::Store(folder / "store").numbers(), ::testing::ElementsAre(0, 2));
}

// An arm with profiles, whose gauges have what the sampler saw.
object profiled_arm(const ScratchFolder& folder, const char* fixes, std::string* out = nullptr) {
  const Finished finished = run(ORDER_BATCH, {"run", "--fix", fixes, "--orders-total", "1500", "--partner-ms", "2",
                                              "--profile", folder / "profiles", "--json", folder / "out.json"});
  EXPECT_EQ(finished.status, 0) << finished.error;
  if (out != nullptr) *out = finished.out;
  return read_result(folder / "out.json").at("arms").at(0).as_object();
}

double foreign_frees_an_order(const object& arm) {
  return gauge(arm, "foreign frees") / number(arm.at("input").at("operations"));
}

TEST(OrderBatch, ProfilesTellWhoFreesWhoseMemoryAndTheFixThatItAsksFor) {
  const ScratchFolder folder;
  std::string out;
  const object arm = profiled_arm(folder, "all,-ownership", &out);
  const object& profiles = arm.at("profiles").as_object();
  for (const char* const name : {"lifetimes", "crossfree", "temporaries"}) {
    ASSERT_TRUE(profiles.contains(name)) << name;
    EXPECT_FALSE(read_pprof(read_text(profiles.at(name).as_string().c_str())).samples.empty()) << name;
  }
  const ReadProfile crossfree = read_pprof(read_text(profiles.at("crossfree").as_string().c_str()));
  EXPECT_TRUE(std::any_of(crossfree.functions.begin(), crossfree.functions.end(), [](const auto& function) {
    return function.name.find("order_batch") != std::string::npos;
  })) << "its stacks have names";
  std::set<std::string> threads;
  for (const auto& sample : crossfree.samples) {
    for (const auto& label : sample.labels) threads.insert(label.text.substr(0, label.text.rfind(' ')));
  }
  EXPECT_THAT(threads, ::testing::IsSupersetOf({"reader", "recorder"})) << "also those that have ended";
  EXPECT_EQ(threads.count("ended"), 0U);
  EXPECT_THAT(out, HasSubstr("were freed by another thread than allocated them"));
  EXPECT_THAT(out, HasSubstr("goes back whole to the thread that owns it (fix ownership)"));
}

TEST(OrderBatch, OneArenaHasAsManyForeignFreesAsManyAndOwnershipHasFew) {
  const ScratchFolder folder;
  const double many = foreign_frees_an_order(profiled_arm(folder, "all,-ownership"));
  EXPECT_GT(many, 10);
  EXPECT_NEAR(foreign_frees_an_order(profiled_arm(folder, "narenas-1")), many, many * 0.3);
  EXPECT_LT(foreign_frees_an_order(profiled_arm(folder, "all")), many * 0.3);
}

TEST(OrderBatch, TheMatrixHasEachNumberOfWorkersOnEachAllocator) {
  const ScratchFolder folder;
  const Finished finished = run(ORDER_BATCH, {"ablate", "--matrix", "--orders-total", "100", "--partner-ms", "0.5",
                                              "--json", folder / "out.json"});
  ASSERT_EQ(finished.status, 0) << finished.error;
  const object result = read_result(folder / "out.json");
  const auto& arms = result.at("arms").as_array();
  ASSERT_EQ(arms.size(), 24U);
  std::set<std::string> seen;
  for (const auto& one : arms) {
    const object& arm = one.as_object();
    const std::string allocator(arm.at("allocator").at("name").as_string());
    seen.insert(allocator);
    EXPECT_EQ(arm.at("outcome"), "completed");
    EXPECT_THAT(std::string(arm.at("name").as_string()),
                HasSubstr(std::to_string(static_cast<int>(gauge(arm, "workers")))));
    EXPECT_GT(gauge(arm, "freed bytes"), 0) << "the sampler is in front of " << allocator;
  }
  EXPECT_EQ(seen, (std::set<std::string>{"glibc", "jemalloc", "mimalloc", "tcmalloc"}));
  EXPECT_THAT(finished.out, HasSubstr("Threads by allocators"));
}

struct BadArguments {
  const char* name;
  std::vector<std::string> arguments;
  const char* says;
};
void PrintTo(const BadArguments& bad, std::ostream* out) {
  *out << bad.name;
}

class OrderBatchRefuses : public ::testing::TestWithParam<BadArguments> {};

TEST_P(OrderBatchRefuses, BadArgumentsInOneLine) {
  const Finished finished = run(ORDER_BATCH, GetParam().arguments);
  EXPECT_EQ(finished.status, 2);
  EXPECT_THAT(finished.error, HasSubstr(GetParam().says));
  EXPECT_EQ(std::count(finished.error.begin(), finished.error.end(), '\n'), 1) << finished.error;
}

INSTANTIATE_TEST_SUITE_P(
    All, OrderBatchRefuses,
    ::testing::Values(BadArguments{"no_orders", {"--orders-total", "0"}, "--orders-total"},
                      BadArguments{"orders_that_are_not_there", {"--orders", "/nonexistent"}, "cannot be read"},
                      BadArguments{"negative_time", {"--partner-ms", "-1"}, "--partner-ms"},
                      BadArguments{"simulated_time", {"--hours", "2"}, "a batch ends when its operations are done"},
                      BadArguments{"a_store_for_two_arms", {"--store", "/tmp/one"}, "use them with run"},
                      BadArguments{"a_store_that_cannot_be",
                                   {"run", "--orders-total", "1", "--store", "/nonexistent/store"},
                                   "unable to open"},
                      BadArguments{"unknown_fix", {"run", "--fix", "threads"}, "there is no fix 'threads'"}),
    [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace plateau::testing
