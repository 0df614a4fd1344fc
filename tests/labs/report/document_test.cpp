// Protects that a page holds exactly what the results and their heap profiles say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "labs/report/heap_trees.hpp"
#include "labs/report/page.hpp"
#include "profiling/heap_profile.hpp"
#include "profiling/pprof.hpp"
#include "tests/labs/page_data.hpp"
#include "tests/support/scratch_folder.hpp"

namespace plateau::testing {
namespace {

namespace json = boost::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

json::object result_with(const std::string& profile) {
  return {{"arms", json::array{json::object{{"name", "before"}, {"profiles", {{"peak", profile}}}}}}};
}

void write_profile(const std::string& file) {
  Profile profile = heap_profile(1);
  const std::uint64_t root = profile.named_frame("root()");
  const std::uint64_t busy = profile.named_frame("busy");
  const std::uint64_t idle = profile.named_frame("idle");
  // Leaf first; the values are alloc_objects, alloc_space, inuse_objects, inuse_space.
  profile.add(std::vector{busy, root}, HeapValues{5, 500, 1, 100});
  profile.add(std::vector{idle, root}, HeapValues{2, 200, 2, 200});
  profile.add(std::vector{root}, HeapValues{1, 50, 1, 50});
  std::ofstream(file, std::ios::binary) << encode_pprof(profile, nullptr);
}

TEST(HeapTrees, HoldTheBytesOfEveryStack) {
  const ScratchFolder folder;
  write_profile(folder / "before-peak.pb.gz");
  std::vector<std::string> missing;
  const json::array trees =
      report::heap_trees(result_with(folder / "before-peak.pb.gz"), folder / "result.json", missing);
  EXPECT_THAT(missing, IsEmpty());
  ASSERT_EQ(trees.size(), 1U);
  const json::object& profile = trees[0].as_object();
  EXPECT_EQ(profile.at("arm"), "before");
  EXPECT_EQ(profile.at("moment"), "peak");
  EXPECT_EQ(profile.at("names"), (json::array{"all", "root()", "busy", "idle"}));
  EXPECT_EQ(profile.at("types").at("inuse_space").at("tree"),
            json::parse("[0, 350, [[1, 350, [[2, 100, []], [3, 200, []]]]]]"));
  EXPECT_EQ(profile.at("types").at("alloc_space").at("tree"),
            json::parse("[0, 750, [[1, 750, [[2, 500, []], [3, 200, []]]]]]"));
}

TEST(HeapTrees, AreFoundBesideAResultThatWasMoved) {
  const ScratchFolder folder;
  write_profile(folder / "before-peak.pb.gz");
  std::vector<std::string> missing;
  EXPECT_EQ(report::heap_trees(result_with("elsewhere/before-peak.pb.gz"), folder / "result.json", missing).size(), 1U);
  EXPECT_THAT(missing, IsEmpty());
}

TEST(HeapTrees, AreDoneWithoutWhenTheFileIsGone) {
  const ScratchFolder folder;
  std::vector<std::string> missing;
  EXPECT_THAT(report::heap_trees(result_with("no/before-peak.pb.gz"), folder / "result.json", missing), IsEmpty());
  EXPECT_THAT(missing, ElementsAre("no/before-peak.pb.gz"));
}

TEST(HeapTrees, NameTheFileThatIsNoProfile) {
  const ScratchFolder folder;
  const std::string file = folder / "before-peak.pb.gz";
  std::ofstream(file) << "not a profile";
  std::vector<std::string> missing;
  try {
    report::heap_trees(result_with(file), folder / "result.json", missing);
    FAIL() << "it was taken";
  } catch (const std::exception& error) {
    EXPECT_THAT(error.what(), HasSubstr(file));
  }
}

TEST(Page, HoldsItsDataUnchanged) {
  // Every length modulo three, and what would end a script.
  for (const std::string text : {"", "a", "ab", "abc", "</script><!--", "\u00fc\u2028"}) {
    const std::string data = json::serialize(json::value{{"text", text}});
    const std::string page = report::with_data("<p>@DATA@</p>", data);
    ASSERT_THAT(page, ::testing::StartsWith("<p>"));
    EXPECT_EQ(unpacked(page.substr(3, page.size() - 7)), data);
  }
}

}  // namespace
}  // namespace plateau::testing
