// Protects the profile of pauses: what is recorded is found under its cause and its code, and nothing is lost.
#include "profiling/pause_profile.hpp"

#include <dlfcn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "profiling/process_profiles.hpp"

// Found in the profile by these names (the program exports them).
extern "C" {
[[gnu::noinline]] void stall_in_purge(plateau::PauseProfile& profile, std::chrono::nanoseconds length) {
  profile.record(plateau::PauseCause::purge, length, 4096);
  asm volatile("" ::: "memory");  // no tail call: this function is to be on the stack
}
[[gnu::noinline]] void stall_in_teardown(plateau::PauseProfile& profile, std::chrono::nanoseconds length) {
  profile.record(plateau::PauseCause::teardown, length);
  asm volatile("" ::: "memory");
}
}

namespace plateau {
namespace {

using std::chrono::nanoseconds;
using ::testing::ElementsAre;

// Of the stacks whose leaf is the function.
std::vector<std::int64_t> values_at(const Profile& profile, std::string_view function, std::string_view cause) {
  std::vector<std::int64_t> sum(3);
  for (const Profile::Sample& sample : profile.samples()) {
    Dl_info info{};
    const auto labels = profile.labels(sample);
    if (dladdr(reinterpret_cast<void*>(profile.stack(sample).front() - 1), &info) == 0 || info.dli_sname == nullptr ||
        info.dli_sname != function || labels.size() != 1 || labels[0].key != "cause" || labels[0].text != cause)
      continue;
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += profile.values(sample)[i];
  }
  return sum;
}

TEST(PauseProfile, IsOfThreeTypesAndEmptyAtFirst) {
  const Profile profile = PauseProfile().snapshot();
  ASSERT_EQ(profile.types().size(), 3u);
  EXPECT_EQ(profile.types()[0].type, "pauses");
  EXPECT_EQ(profile.types()[1].type, "pause");
  EXPECT_EQ(profile.types()[1].unit, "nanoseconds");
  EXPECT_EQ(profile.types()[2].type, "freed_space");
  EXPECT_TRUE(profile.samples().empty());
}

TEST(PauseProfile, SumsByCauseAndCode) {
  PauseProfile pauses;
  stall_in_purge(pauses, nanoseconds(100));
  stall_in_purge(pauses, nanoseconds(200));
  stall_in_teardown(pauses, nanoseconds(7000));
  const Profile profile = pauses.snapshot();
  EXPECT_THAT(values_at(profile, "stall_in_purge", "purge"), ElementsAre(2, 300, 8192));
  EXPECT_THAT(values_at(profile, "stall_in_teardown", "teardown"), ElementsAre(1, 7000, 0));
  EXPECT_THAT(values_at(profile, "stall_in_teardown", "purge"), ElementsAre(0, 0, 0));
}

TEST(PauseProfile, ItsDescriptionOffersTheCausesThatAreRecorded) {
  std::string offered;
  for (const std::string_view cause : pause_causes) offered += (offered.empty() ? "" : ", ") + std::string(cause);
  const auto profiles = process_profiles();
  const auto pauses =
      std::find_if(profiles.begin(), profiles.end(), [](const ProfileSource& one) { return one.name == "pauses"; });
  ASSERT_NE(pauses, profiles.end());
  EXPECT_THAT(pauses->description, ::testing::HasSubstr("by cause: " + offered + ";"));
}

TEST(PauseProfile, LosesNothingBetweenThreads) {
  PauseProfile pauses;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&pauses] {
      for (int n = 0; n < 10'000; ++n) stall_in_purge(pauses, nanoseconds(1));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_THAT(values_at(pauses.snapshot(), "stall_in_purge", "purge"), ElementsAre(40'000, 40'000, 40'000 * 4096));
}

TEST(PauseTimer, LeavesOutWhatIsShorterThanItsThreshold) {
  PauseProfile pauses;
  { const PauseTimer timer(PauseCause::collector, std::chrono::hours(1), pauses); }
  EXPECT_TRUE(pauses.snapshot().samples().empty());
  {
    PauseTimer timer(PauseCause::collector, nanoseconds(0), pauses);
    timer.add_freed(10);
    timer.add_freed(20);
  }
  const Profile profile = pauses.snapshot();
  ASSERT_EQ(profile.samples().size(), 1u);
  EXPECT_EQ(profile.values(profile.samples()[0])[0], 1);
  EXPECT_EQ(profile.values(profile.samples()[0])[2], 30);
  EXPECT_EQ(profile.labels(profile.samples()[0])[0].text, "collector");
}

}  // namespace
}  // namespace plateau
