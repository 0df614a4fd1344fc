// Protects heap profiles of programs that have jemalloc linked into them: they are of that jemalloc, or refused with a
// line that helps, and never empty.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "profiling/formats/pprof_reader.hpp"
#include "tests/profiling/served_program.hpp"

namespace plateau::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class AllocatorInside : public ::testing::TestWithParam<const char*> {};

INSTANTIATE_TEST_SUITE_P(Agent, AllocatorInside,
                         ::testing::Values(FIXTURES "/jemalloc_inside", FIXTURES "/jemalloc_inside_prefixed"),
                         [](const auto& one) {
                           return std::string(one.param).substr(std::string(one.param).rfind('/') + 1);
                         });

TEST_P(AllocatorInside, IsFoundAndProfiled) {
  Served program({GetParam()}, {}, {"MALLOC_CONF=prof:true,lg_prof_sample:16"});
  EXPECT_EQ(program.read_line(), "ready");
  const ReadProfile heap = read_pprof(get(program.port(), "/debug/pprof/heap").body());
  EXPECT_NEAR(static_cast<double>(heap.total("inuse_space")), 67e6, 4e6);
  EXPECT_THAT(get(program.port(), "/debug/pprof/heap?debug=1").body(), HasSubstr("keep_rows"));
  EXPECT_THAT(get(program.port(), "/debug/footprint").body(), HasSubstr("\"allocator\":\"jemalloc"));
  EXPECT_EQ(program.status("/debug/pprof/rss"), 200U);
  EXPECT_EQ(program.status("/debug/pprof/heap?gc=1"), 200U);
  EXPECT_EQ(program.wait(), 0);
  EXPECT_EQ(program.rest_of_error(), "");
}

TEST_P(AllocatorInside, SaysWhatItNeedsToProfile) {
  Served program({GetParam()});
  EXPECT_EQ(program.read_line(), "ready");
  const HttpReply heap = get(program.port(), "/debug/pprof/heap");
  EXPECT_EQ(heap.result_int(), 501U);
  EXPECT_THAT(heap.body(), HasSubstr("prof:true"));
  EXPECT_EQ(program.wait(), 0);
}

TEST_P(AllocatorInside, WithoutSymbolsIsSaid) {
  Served program({std::string(GetParam()) + "_stripped"}, {}, {"MALLOC_CONF=prof:true,lg_prof_sample:16"});
  EXPECT_EQ(program.read_line(), "ready");
  const HttpReply heap = get(program.port(), "/debug/pprof/heap");
  EXPECT_EQ(heap.result_int(), 501U);
  EXPECT_THAT(heap.body(), AllOf(HasSubstr("jemalloc of its own"), HasSubstr("mallctl")));
  EXPECT_EQ(program.status("/debug/footprint"), 200U);
  EXPECT_EQ(program.wait(), 0);
}

}  // namespace
}  // namespace plateau::testing
