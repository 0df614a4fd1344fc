// Protects the evidence of an arm that was killed: what its allocator wrote stays until its profile is whole on disk.
#include "labs/harness/arm/arm_profiles.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "profiling/pprof.hpp"
#include "profiling/profile.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::harness {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr const char* dump =
    "heap_v2/524288\n  t*: 1: 1000 [0: 0]\n@ 0x401000\n  t*: 1: 1000 [0: 0]\n\nMAPPED_LIBRARIES:\n"
    "00400000-00500000 r-xp 00000000 08:01 1 /bin/true\n";

// While it lives, files cannot grow beyond so many bytes, as on a disk that is full.
class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) : handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &small);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    ::signal(SIGXFSZ, handler_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit before_{};
  decltype(SIG_DFL) handler_;
};

class ArmProfiles : public ::testing::Test {
 protected:
  ArmProfiles() {
    spec_.name = "before";
    spec_.profile_dir = folder_.path();
  }
  void write(const std::string& name, const std::string& text) const { std::ofstream(folder_ / name) << text; }
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path()))
      names.push_back(entry.path().filename());
    return names;
  }

  plateau::testing::ScratchFolder folder_;
  ArmSpec spec_;
};

TEST_F(ArmProfiles, ADumpMakesRoomForItsProfile) {
  write("before-near-limit-1.heap", dump);
  write("before-near-limit-2.heap.4711.part", "heap_v2/52");
  const CollectedProfiles collected = collect_profiles(spec_);
  EXPECT_THAT(collected.problems, IsEmpty());
  using File = std::pair<const std::string, std::string>;
  EXPECT_THAT(collected.files, ElementsAre(File("near-limit-1", folder_ / "before-near-limit-1.pb.gz")));
  EXPECT_THAT(files(), ElementsAre("before-near-limit-1.pb.gz"));
}

TEST_F(ArmProfiles, AddressesGetTheirNamesAndMakeRoom) {
  Profile profile({{"objects", "count"}, {"space", "bytes"}});
  profile.add(std::array{profile.named_frame("Reader::read")}, std::array<std::int64_t, 2>{1, 100});
  write("before-crossfree.addresses.pb.gz", encode_pprof(profile, nullptr));
  write("before-crossfree.pb.gz.4711.part", "half");
  const CollectedProfiles collected = collect_profiles(spec_);
  EXPECT_THAT(collected.problems, IsEmpty());
  using File = std::pair<const std::string, std::string>;
  EXPECT_THAT(collected.files, ElementsAre(File("crossfree", folder_ / "before-crossfree.pb.gz")));
  EXPECT_THAT(files(), ElementsAre("before-crossfree.pb.gz"));
}

TEST_F(ArmProfiles, OnAFullDiskTheDumpsAreKept) {
  write("before-near-limit-1.heap", dump);
  write("before-peak.heap", dump);
  write("before-peak.pb.gz", "of an earlier run");
  CollectedProfiles collected;
  {
    const FullDisk disk(10);
    collected = collect_profiles(spec_);
  }
  EXPECT_THAT(collected.files, IsEmpty());
  EXPECT_THAT(collected.problems, SizeIs(2));
  EXPECT_THAT(collected.problems,
              Contains(AllOf(HasSubstr("cannot write " + folder_ / "before-near-limit-1.pb.gz" + ": "),
                             HasSubstr("dump " + folder_ / "before-near-limit-1.heap" + " is kept"))));
  EXPECT_THAT(files(), UnorderedElementsAre("before-near-limit-1.heap", "before-peak.heap", "before-peak.pb.gz"));
  EXPECT_EQ(plateau::testing::read_text(folder_ / "before-near-limit-1.heap"), dump);
  EXPECT_THAT(collect_profiles(spec_).files, SizeIs(2)) << "and can be converted later";
}

TEST_F(ArmProfiles, ADumpThatCannotBeReadIsKept) {
  write("before-peak.heap", "heap_v2/524288\n  t*: 1: 2 [3: 4]\n@ 0x1 0x");
  write("before-end.heap", dump);
  const CollectedProfiles collected = collect_profiles(spec_);
  EXPECT_THAT(collected.files, SizeIs(1));
  EXPECT_THAT(collected.problems, ElementsAre(HasSubstr("before-peak.heap")));
  EXPECT_THAT(files(), UnorderedElementsAre("before-peak.heap", "before-end.pb.gz"));
}

TEST_F(ArmProfiles, ThoseOfAnEarlierRunAreRemovedAndNothingElse) {
  for (const char* const name : {"before-peak.heap", "before-peak.pb.gz", "before-start.heap.1.part",
                                 "before-pauses.pb.gz.12-1.part", "before-near-limit-3.pb.gz"}) {
    write(name, "old");
  }
  const std::vector<std::string> others{"before-all-peak.heap", "after-peak.heap", "before-peak.heap.txt",
                                        "before-x.heap"};
  for (const std::string& name : others) write(name, "somebody's");
  remove_profiles(spec_);
  EXPECT_THAT(files(), ::testing::UnorderedElementsAreArray(others));
}

}  // namespace
}  // namespace plateau::harness
