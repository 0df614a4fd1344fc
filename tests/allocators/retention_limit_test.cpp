// The point of it all, for real: what the kernel kills at its limit lives with the policy.
#include <gtest/gtest.h>
#include <signal.h>

#include <ostream>
#include <string>

#include "labs/harness/arm/memory_limit.hpp"
#include "tests/support/child_program.hpp"

namespace plateau::testing {
namespace {

constexpr std::uint64_t limit_bytes = std::uint64_t{192} << 20;

struct Outcome {
  int status = -1;
  bool killed_by_the_kernel = false;
  std::string evidence;
};

Outcome run_bursting(const std::string& library, const std::string& mode, const std::string& arm) {
  const harness::MemoryLimit limit(limit_bytes, "bursting");
  const Finished program = run(BURSTING_PROGRAM, {mode, arm, std::to_string(limit_bytes)},
                               {.environment = {"LD_PRELOAD=" + library}, .enter = [&] { return limit.enter(); }});
  return {.status = program.status,
          .killed_by_the_kernel = program.status == 128 + SIGKILL && limit.killed(),
          .evidence = limit.evidence()};
}

struct Case {
  const char* allocator;
  const char* library;
  const char* mode;
};
void PrintTo(const Case& one, std::ostream* out) {
  *out << one.allocator << ", " << one.mode;
}

class RetentionLimit : public ::testing::TestWithParam<Case> {};

TEST_P(RetentionLimit, WhatIsKilledAloneLivesWithThePolicy) {
  const harness::MemoryLimit probe(limit_bytes, "probe");
  if (probe.kind() != harness::LimitKind::cgroup_v1 && probe.kind() != harness::LimitKind::cgroup_v2) {
    GTEST_SKIP()
        << "no cgroup with a memory limit can be made here, and the kernel kills for no other: run as root, or "
           "in a cgroup of your own";
  }
  const Outcome alone = run_bursting(GetParam().library, GetParam().mode, "alone");
  EXPECT_TRUE(alone.killed_by_the_kernel) << "status " << alone.status << "; " << alone.evidence;
  const Outcome with_policy = run_bursting(GetParam().library, GetParam().mode, "policy");
  EXPECT_EQ(with_policy.status, 0) << with_policy.evidence;
  EXPECT_FALSE(with_policy.killed_by_the_kernel);
}

// tcmalloc and mimalloc hand pages of idle threads on, so that the bursts alone do not kill there.
INSTANTIATE_TEST_SUITE_P(All, RetentionLimit,
                         ::testing::Values(Case{"jemalloc", "libjemalloc.so.2", "bursts"}, Case{"glibc", "", "bursts"},
                                           Case{"jemalloc", "libjemalloc.so.2", "cache"},
                                           Case{"tcmalloc", "libtcmalloc.so.4", "cache"},
                                           Case{"mimalloc", "libmimalloc.so.2", "cache"}, Case{"glibc", "", "cache"}),
                         [](const auto& test) { return std::string(test.param.allocator) + "_" + test.param.mode; });

}  // namespace
}  // namespace plateau::testing
