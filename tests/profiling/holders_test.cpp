// Protects the table of holders: whose the blocks are, who probably holds what grows, and that too few samples say so
// instead of a figure.
#include "profiling/holders.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "profiling/heap_profile.hpp"
#include "profiling/waterfall/address_claims.hpp"

namespace plateau {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

using Names = std::vector<std::string>;  // leaf first

class MadeProfile {
 public:
  explicit MadeProfile(std::int64_t period = 1) : profile(heap_profile(period)) {}
  void add(const Names& names, const HeapValues& values) {
    std::vector<std::uint64_t> stack;
    for (const std::string& name : names) stack.push_back(profile.named_frame(name));
    profile.add(stack, values);
  }
  Profile profile;
};

const Names payload{"operator new", "std::allocator::allocate", "std::string::_M_create", "parse", "read", "main"};
const Names element{"malloc", "std::_Rb_tree::_M_create_node", "std::map::emplace", "Wheel::arm", "deliver", "main"};
const Names churn{"malloc", "scratch", "main"};

class HoldersOfALeak : public ::testing::Test {
 protected:
  static Holders found(std::int64_t period, double scale) {
    MadeProfile earlier(period);
    MadeProfile later(period);
    const auto values = [scale](double made, double alive, double size) {
      return HeapValues{static_cast<std::int64_t>(made * scale), static_cast<std::int64_t>(made * scale * size),
                        static_cast<std::int64_t>(alive * scale), static_cast<std::int64_t>(alive * scale * size)};
    };
    earlier.add(payload, values(1000, 500, 400));
    earlier.add(element, values(500, 500, 64));
    earlier.add(churn, values(10000, 10, 1000));
    later.add(payload, values(2000, 1000, 400));
    later.add(element, values(1000, 1000, 64));
    later.add(churn, values(20000, 10, 1000));
    Symbolizer symbolizer;
    return find_holders(later.profile, &earlier.profile, 10, symbolizer);
  }
};

TEST_F(HoldersOfALeak, AreTheProgramsFunctionsWithLibrariesFolded) {
  const Holders holders = found(1, 1);
  ASSERT_EQ(holders.rows.size(), 3U);
  EXPECT_EQ(holders.rows[0].function, "parse");
  EXPECT_EQ(holders.rows[0].callers, "read < main");
  EXPECT_EQ(holders.rows[0].insertion, "") << "a string's bytes hold nothing";
  EXPECT_DOUBLE_EQ(holders.rows[0].grown_bytes, 500 * 400);
  EXPECT_DOUBLE_EQ(holders.rows[0].survival(), 0.5);
  EXPECT_EQ(holders.rows[1].function, "Wheel::arm");
  EXPECT_EQ(holders.rows[1].insertion, "std::map::emplace");
  EXPECT_DOUBLE_EQ(holders.rows[1].made_objects, 1000);
  EXPECT_DOUBLE_EQ(holders.rows[1].alive_objects, 1000);
  EXPECT_TRUE(holders.tells_made);
}

TEST_F(HoldersOfALeak, TheOneThatFillsAContainerAndNeverFreesIsProbable) {
  const Holders holders = found(1, 1);
  ASSERT_TRUE(holders.probable);
  EXPECT_EQ(holders.rows[*holders.probable].function, "Wheel::arm");
  EXPECT_EQ(holders.bounded(holders.rows[*holders.probable]), Bounded::no);
  EXPECT_EQ(holders.bounded(holders.rows[2]), Bounded::yes) << "what comes and goes";
  const std::string text = to_text(holders, "broker (process 1)");
  EXPECT_THAT(text, HasSubstr("probably holds it: Wheel::arm by std::map::emplace; 1,000 made, 1,000 alive"));
  EXPECT_THAT(text, HasSubstr("most of the bytes are allocated here: parse; +0.020 MB/s"));
  EXPECT_THAT(to_json(holders), HasSubstr(R"("probable":1)"));
}

// A map of small elements that share large bodies with nobody else: its own bytes are next to nothing.
TEST(Holders, ASmallContainerOfWhatGrowsIsACandidate) {
  Holders holders;
  holders.seconds = 10;
  holders.period = 1;
  holders.tells_made = true;
  HolderRow body;
  body.function = "text";
  body.made_objects = 1'000'000;
  body.alive_objects = 60'000;
  body.alive_bytes = 80e6;
  body.samples = 60'000;
  body.growth_samples = 30'000;
  body.grown_objects = 30'000;
  body.grown_bytes = 40e6;
  HolderRow entry;
  entry.function = "Sessions::remember";
  entry.insertion = "std::unordered_map::operator[]";
  entry.made_objects = 10'000;
  entry.alive_objects = 10'000;
  entry.alive_bytes = 0.4e6;
  entry.samples = 10'000;
  entry.growth_samples = 5'000;
  entry.grown_objects = 5'000;
  entry.grown_bytes = 0.2e6;
  holders.rows = {body, entry};
  const std::string text = to_text(holders, "it");
  EXPECT_THAT(text, HasSubstr("allocated here: text; +4.000 MB/s"));
  EXPECT_THAT(text, HasSubstr("perhaps it is held by what was taken in here and never let go: Sessions::remember by "
                              "std::unordered_map::operator[]; 10,000 made, 10,000 alive"));

  holders.rows[1].grown_objects = 500;  // too few for so many
  EXPECT_THAT(to_text(holders, "it"), Not(HasSubstr("perhaps")));
}

TEST_F(HoldersOfALeak, TooFewSamplesAreSaid) {
  const Holders holders = found(524288, 5);
  EXPECT_FALSE(holders.probable);
  EXPECT_THAT(too_few_samples(holders),
              ::testing::MatchesRegex(
                  "only [0-9]+ samples: wait [0-9]+ s, or a period of ([0-9]+k) .PLATEAU_SAMPLE_PERIOD=([0-9]+k)."));
  EXPECT_THAT(to_text(holders, "it"), HasSubstr("only "));
  EXPECT_THAT(to_text(holders, "it"), Not(HasSubstr("probably holds")));
}

TEST(Holders, OfOneLookTellNoGrowth) {
  MadeProfile profile;
  profile.add(payload, {10, 1000, 5, 500});
  Symbolizer symbolizer;
  const Holders holders = find_holders(profile.profile, nullptr, 0, symbolizer);
  EXPECT_EQ(holders.bounded(holders.rows[0]), Bounded::unknown);
  EXPECT_THAT(to_text(holders, "it"), HasSubstr("one look tells nothing of growth"));
  EXPECT_THAT(to_json(holders), HasSubstr(R"("growth_bytes_per_second":null)"));
}

TEST(Holders, OfAProfilerThatForgetsFreedBlocksTellNoSurvival) {
  MadeProfile profile;
  profile.add(payload, {0, 0, 5, 500});
  Symbolizer symbolizer;
  const Holders holders = find_holders(profile.profile, nullptr, 0, symbolizer);
  EXPECT_FALSE(holders.tells_made);
  EXPECT_THAT(to_json(holders), HasSubstr(R"("survival":null)"));
}

TEST(Holders, OfAPureLeakSurviveWhollyByAProfilerThatCountsFrees) {
  MadeProfile profile;
  profile.profile.comments.emplace_back(counts_frees_comment);
  profile.add(payload, {5, 500, 5, 500});
  Symbolizer symbolizer;
  const Holders holders = find_holders(profile.profile, nullptr, 0, symbolizer);
  EXPECT_TRUE(holders.tells_made);
  EXPECT_DOUBLE_EQ(holders.rows[0].survival(), 1);
}

const Names made_for_names{"malloc", "text", "Names::add", "main"};
const Names made_for_paths{"malloc", "text", "Paths::open", "main"};

Holders of_two_callers(double names_alive, double paths_alive, const Names& names = made_for_names) {
  MadeProfile earlier;
  MadeProfile later;
  const auto values = [](double alive) {
    return HeapValues{static_cast<std::int64_t>(alive), static_cast<std::int64_t>(alive * 100),
                      static_cast<std::int64_t>(alive), static_cast<std::int64_t>(alive * 100)};
  };
  earlier.add(names, values(names_alive / 2));
  earlier.add(made_for_paths, values(paths_alive));
  later.add(names, values(names_alive));
  later.add(made_for_paths, values(paths_alive));
  Symbolizer symbolizer;
  return find_holders(later.profile, &earlier.profile, 10, symbolizer);
}

TEST(Holders, CallersOfAHelperAreToldApart) {
  const Holders holders = of_two_callers(1000, 400);
  ASSERT_EQ(holders.rows.size(), 2U);
  EXPECT_EQ(holders.rows[0].function, "Names::add");
  EXPECT_EQ(holders.rows[0].through, "text");
  EXPECT_EQ(holders.rows[0].callers, "main");
  EXPECT_DOUBLE_EQ(holders.rows[0].grown_bytes, 500 * 100);
  EXPECT_EQ(holders.rows[1].function, "Paths::open");
  EXPECT_DOUBLE_EQ(holders.rows[1].grown_bytes, 0) << "what does not grow is not blamed";
  EXPECT_THAT(to_text(holders, "it"), HasSubstr("Names::add through text"));
  EXPECT_THAT(to_json(holders), HasSubstr(R"("through":"text")"));
}

TEST(Holders, AFunctionOfOneCallerIsNoHelper) {
  const Holders dominated = of_two_callers(1000, 100);
  ASSERT_EQ(dominated.rows.size(), 1U) << "nine tenths are of one";
  EXPECT_EQ(dominated.rows[0].function, "text");
  EXPECT_EQ(dominated.rows[0].through, "");
  const Holders thin = of_two_callers(6, 2);
  ASSERT_EQ(thin.rows.size(), 1U) << "two blocks are no evidence";
  EXPECT_EQ(thin.rows[0].function, "text");
}

TEST(Holders, AFunctionThatFillsAContainerIsTheHolderWhoeverCallsIt) {
  MadeProfile profile;
  profile.add({"malloc", "std::map::emplace", "Cache::put", "Names::add", "main"}, {50, 5000, 50, 5000});
  profile.add({"malloc", "std::map::emplace", "Cache::put", "Paths::open", "main"}, {50, 5000, 50, 5000});
  Symbolizer symbolizer;
  const Holders holders = find_holders(profile.profile, nullptr, 0, symbolizer);
  ASSERT_EQ(holders.rows.size(), 1U);
  EXPECT_EQ(holders.rows[0].function, "Cache::put");
}

TEST(Holders, HelpersOfHelpersAreSteppedOver) {
  MadeProfile profile;
  for (const char* const outer : {"Names::add", "Paths::open"}) {
    profile.add({"malloc", "text", "join", outer, "main"}, {50, 5000, 50, 5000});
  }
  profile.add({"malloc", "text", "Other::keep", "main"}, {50, 5000, 50, 5000});
  Symbolizer symbolizer;
  const Holders holders = find_holders(profile.profile, nullptr, 0, symbolizer);
  std::vector<std::string> found;
  for (const HolderRow& row : holders.rows) found.push_back(row.function + " through " + row.through);
  EXPECT_THAT(found, ::testing::UnorderedElementsAre("Names::add through join > text",
                                                     "Paths::open through join > text", "Other::keep through text"));
}

TEST(Holders, TheirJsonHasASentenceAlsoWhereNobodyIsKnown) {
  MadeProfile profile;
  profile.add(payload, {10, 1000, 5, 500});
  Symbolizer symbolizer;
  const Holders holders = find_holders(profile.profile, &profile.profile, 10, symbolizer);
  EXPECT_FALSE(holders.probable);
  EXPECT_THAT(to_json(holders), HasSubstr(R"("headline":"nothing grew in 10.0 s)"));
}

TEST(Holders, AStackOfLibrariesAloneHasTheOutermostsName) {
  MadeProfile profile;
  profile.add({"malloc", "std::locale::locale"}, {1, 10, 1, 10});
  Symbolizer symbolizer;
  EXPECT_EQ(find_holders(profile.profile, nullptr, 0, symbolizer).rows[0].function, "std::locale::locale");
}

// Two owners of one page would count it twice.
TEST(AddressClaims, TheFirstHasAnAddress) {
  AddressClaims claims;
  claims.claim(100, 200, Owner::plateau);
  claims.claim(50, 300, Owner::program);
  claims.claim(0, 400, Owner::arena, 3);
  claims.claim(120, 130, Owner::data);
  std::vector<std::string> parts;
  claims.divide(20, 500, [&](std::uint64_t start, std::uint64_t limit, const AddressClaim* claim) {
    parts.push_back(std::to_string(start) + "-" + std::to_string(limit) +
                    (claim == nullptr ? " nobody" : " " + std::to_string(static_cast<int>(claim->owner))));
  });
  EXPECT_THAT(parts, ElementsAre("20-50 4", "50-100 1", "100-200 0", "200-300 1", "300-400 4", "400-500 nobody"));
}

TEST(AddressClaims, OfNobodyAreOnePiece) {
  const AddressClaims claims;
  std::size_t pieces = 0;
  claims.divide(0, 10, [&](std::uint64_t, std::uint64_t, const AddressClaim* claim) {
    EXPECT_EQ(claim, nullptr);
    ++pieces;
  });
  EXPECT_EQ(pieces, 1U);
}

}  // namespace
}  // namespace plateau
