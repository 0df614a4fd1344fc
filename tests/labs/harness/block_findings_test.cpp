// Protects: the fix that profiles of how blocks ended ask for is the one that their figures are for, and small shares
// ask for none.
#include "labs/harness/judge/block_findings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>

#include "allocators/system/whole_file.hpp"
#include "profiling/pprof.hpp"
#include "profiling/profile.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::harness {
namespace {

using ::testing::HasSubstr;

class BlockFindings : public ::testing::Test {
 protected:
  BlockFindings() {
    arm_.spec.name = "none";
    lab_.fix_of_crossfrees = "ownership";
  }

  // A sample of so many bytes under std::vector, which `function` called.
  static void add(Profile& profile, const char* function, std::int64_t bytes, const ProfileLabel& label) {
    const std::array stack{profile.named_frame("std::vector<int>::reserve"), profile.named_frame(function)};
    profile.add(stack, std::array<std::int64_t, 2>{1, bytes}, std::array{label});
  }
  static Profile profile() { return Profile({{"objects", "count"}, {"space", "bytes"}}); }
  void write(const std::string& name, const Profile& profile) {
    const std::string file = folder_ / (name + ".pb.gz");
    write_whole_file(file, encode_pprof(profile, nullptr));
    arm_.profiles[name] = file;
  }
  void write_lifetimes(std::int64_t freed, std::int64_t alive) {
    Profile lifetimes = profile();
    add(lifetimes, "a", freed, {.key = "state", .text = "freed", .number = 0, .unit = {}});
    add(lifetimes, "b", alive, {.key = "state", .text = "alive", .number = 0, .unit = {}});
    write("lifetimes", lifetimes);
  }

  plateau::testing::ScratchFolder folder_;
  ArmResult arm_;
  LabDescription lab_;
};

TEST_F(BlockFindings, TheShareIsOfWhatWasFreedAndTheFunctionIsTheProgramsOwn) {
  write_lifetimes(1000, 9000);
  Profile crossfree = profile();
  add(crossfree, "Reader::read", 400, {.key = "from", .text = "reader 1", .number = 0, .unit = {}});
  add(crossfree, "Other::make", 100, {.key = "from", .text = "reader 1", .number = 0, .unit = {}});
  write("crossfree", crossfree);
  const auto findings = block_findings(arm_.profiles);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].profile, "crossfree");
  EXPECT_DOUBLE_EQ(findings[0].share, 0.5);
  EXPECT_EQ(findings[0].function, "Reader::read");
  const std::string text = format_block_findings(lab_, arm_);
  EXPECT_THAT(text, HasSubstr("50 % of the freed bytes"));
  EXPECT_THAT(text, HasSubstr("(fix ownership)"));
}

TEST_F(BlockFindings, TheLargestIsFirstAndAFixThatIsOnIsNotAskedForAgain) {
  arm_.spec.fixes = {"ownership"};
  write_lifetimes(1000, 0);
  Profile crossfree = profile();
  add(crossfree, "a", 300, {.key = "from", .text = "reader 1", .number = 0, .unit = {}});
  write("crossfree", crossfree);
  Profile temporaries = profile();
  add(temporaries, "b", 600, {.key = "within", .text = "10 allocations", .number = 0, .unit = {}});
  write("temporaries", temporaries);
  const auto findings = block_findings(arm_.profiles);
  ASSERT_EQ(findings.size(), 2U);
  EXPECT_EQ(findings[0].profile, "temporaries");
  const std::string text = format_block_findings(lab_, arm_);
  EXPECT_THAT(text, HasSubstr("most under b: an arena\n")) << "a lab without a fix for it";
  EXPECT_THAT(text, HasSubstr("(fix ownership is on: this is what it leaves)"));
}

TEST_F(BlockFindings, SmallSharesAskForNothing) {
  write_lifetimes(1000, 0);
  Profile crossfree = profile();
  add(crossfree, "a", 150, {.key = "from", .text = "reader 1", .number = 0, .unit = {}});
  write("crossfree", crossfree);
  EXPECT_TRUE(block_findings(arm_.profiles).empty());
  EXPECT_THAT(format_block_findings(lab_, arm_), HasSubstr("nothing"));
}

TEST_F(BlockFindings, AnArmWithoutSuchProfilesHasNone) {
  arm_.profiles["end"] = "nowhere";
  EXPECT_EQ(format_block_findings(lab_, arm_), "");
}

}  // namespace
}  // namespace plateau::harness
