// Protects the forecast: what it finds arrives, what it allocates does not, and its failure is not the arm's.
#include "labs/harness/lanes/forecast.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <new>
#include <stdexcept>
#include <vector>

#include "allocators/allocation_counter.hpp"

namespace plateau::harness {
namespace {

class ForecastInChild : public testing::Test {
 protected:
  ForecastInChild()
      : memory_(::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)),
        found(*::new (memory_) std::atomic<int>(0)) {}
  ~ForecastInChild() override { ::munmap(memory_, sizeof(std::atomic<int>)); }

 private:
  void* const memory_;

 protected:
  std::atomic<int>& found;  // shared with the child
};

TEST_F(ForecastInChild, TellsWhatItFoundAndLeavesNothingOnTheHeap) {
  const AllocationCounts before = allocation_counts();
  forecast_in_child([this] {
    const std::vector<char> much(100'000, 'x');
    found = static_cast<int>(much.size());
  });
  EXPECT_EQ(found, 100'000);
  EXPECT_LT(allocation_counts().bytes - before.bytes, 100'000U);
}

TEST_F(ForecastInChild, OneThatThrowsIsNoForecastAndSaysWhy) {
  testing::internal::CaptureStderr();
  forecast_in_child([this] {
    found = 1;
    throw std::runtime_error("the law is unknown");
  });
  EXPECT_EQ(found, 1) << "what was told before stays";
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("no forecast: the law is unknown"));
}

TEST_F(ForecastInChild, OneThatIsKilledIsNoForecastAndSaysSo) {
  testing::internal::CaptureStderr();
  forecast_in_child([] { ::kill(::getpid(), SIGKILL); });
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              testing::HasSubstr("no forecast: its process was ended by signal 9"));
}

}  // namespace
}  // namespace plateau::harness
